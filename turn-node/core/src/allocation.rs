//! The three tables of an allocation: itself, its permissions, its channels; and when each ends.

use crate::auth::IntegrityKey;
use crate::budget::Budget;
use crate::limits;
use crate::message::TransactionId;
use crate::peer_policy::PeerPolicy;
use crate::pool::ReservationToken;
use crate::server::FiveTuple;
use shared::turn_credential::TurnPolicy;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One allocation of one thread; a number is never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AllocationId {
    /// Its place in the table.
    pub index: u32,
    /// How often the place was used before.
    pub generation: u32,
}

/// A relayed transport address and what it may be used for.
#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) five_tuple: FiveTuple,
    pub(crate) username: Box<str>,
    /// Whose quotas it counts for.
    pub(crate) owner: Box<str>,
    pub(crate) policy: TurnPolicy,
    /// Whoever repeats this request gets the same answer (RFC 8656 §7.2).
    pub(crate) transaction: TransactionId,
    /// Where peers send to; the port counts before the socket is open.
    pub(crate) relayed: SocketAddr,
    pub(crate) state: State,
    pub(crate) expires_at: Instant,
    permissions: Vec<Permission>,
    channels: Vec<Channel>,
    budget: Arc<Budget>,
}

/// Who asked for an allocation, and with which request.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) five_tuple: FiveTuple,
    pub(crate) username: Box<str>,
    pub(crate) name: Box<str>,
    pub(crate) policy: TurnPolicy,
    pub(crate) transaction: TransactionId,
    pub(crate) budget: Arc<Budget>,
}

#[derive(Debug)]
pub(crate) enum State {
    /// The relay socket is being opened; the answer waits for it.
    Opening(Box<Opening>),
    Open,
}

/// What the answer to an Allocate needs once the socket is there.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) key: IntegrityKey,
    pub(crate) lifetime: Duration,
    pub(crate) even: bool,
    pub(crate) pair: bool,
    pub(crate) token: Option<ReservationToken>,
    pub(crate) refused_family: Option<u8>,
    pub(crate) fingerprint: bool,
    pub(crate) tries_left: u8,
}

#[derive(Debug)]
struct Permission {
    peer: IpAddr,
    expires_at: Instant,
}

#[derive(Debug)]
struct Channel {
    number: u16,
    peer: SocketAddr,
    expires_at: Instant,
    /// Whether the policy still lets data through; it may change after the channel was bound.
    allowed: bool,
}

/// As many as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Why a channel cannot be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BindError {
    /// The number or the peer belongs to another channel (RFC 8656 §12.2).
    Taken,
    Full,
}

impl Allocation {
    pub(crate) fn new(owner: Owner, relayed: SocketAddr, opening: Opening, now: Instant) -> Self {
        Self {
            five_tuple: owner.five_tuple,
            username: owner.username,
            owner: owner.name,
            policy: owner.policy,
            transaction: owner.transaction,
            relayed,
            expires_at: now + opening.lifetime,
            state: State::Opening(Box::new(opening)),
            permissions: Vec::new(),
            channels: Vec::new(),
            budget: owner.budget,
        }
    }

    /// Only CreatePermission and ChannelBind come here: relayed data must not prolong a permission (RFC 8656 §9).
    pub(crate) fn permit(&mut self, peer: IpAddr, now: Instant) -> Result<(), Full> {
        let expires_at = now + limits::PERMISSION_LIFETIME;
        if let Some(known) = self.permissions.iter_mut().find(|permission| permission.peer == peer) {
            known.expires_at = expires_at;
            return Ok(());
        }
        self.permissions.retain(|permission| permission.expires_at > now);
        if self.permissions.len() >= limits::PERMISSIONS_PER_ALLOCATION_MAX {
            return Err(Full);
        }
        self.permissions.push(Permission { peer, expires_at });
        Ok(())
    }

    /// Whether `more` further permissions fit; a CreatePermission is carried out whole or not at all (RFC 8656 §10.2).
    pub(crate) fn has_room_for(&mut self, more: usize, now: Instant) -> bool {
        self.permissions.retain(|permission| permission.expires_at > now);
        self.permissions.len() + more <= limits::PERMISSIONS_PER_ALLOCATION_MAX
    }

    pub(crate) fn permits(&self, peer: IpAddr, now: Instant) -> bool {
        self.permissions.iter().any(|permission| permission.peer == peer && permission.expires_at > now)
    }

    /// Binds or refreshes a channel.
    pub(crate) fn bind(&mut self, number: u16, peer: SocketAddr, now: Instant) -> Result<(), BindError> {
        self.channels.retain(|channel| channel.expires_at > now);
        let expires_at = now + limits::CHANNEL_LIFETIME;
        let known = self.channels.iter_mut().find(|channel| channel.number == number || channel.peer == peer);
        if let Some(known) = known {
            if known.number != number || known.peer != peer {
                return Err(BindError::Taken);
            }
            (known.expires_at, known.allowed) = (expires_at, true);
            return Ok(());
        }
        if self.channels.len() >= limits::CHANNELS_PER_ALLOCATION_MAX {
            return Err(BindError::Full);
        }
        self.channels.push(Channel { number, peer, expires_at, allowed: true });
        Ok(())
    }

    /// Where data of a channel goes, if it may.
    pub(crate) fn peer_of_channel(&self, number: u16, now: Instant) -> Option<SocketAddr> {
        let channel = self.channels.iter().find(|channel| channel.number == number && channel.expires_at > now);
        channel.filter(|channel| channel.allowed).map(|channel| channel.peer)
    }

    /// The channel of a peer whose data may come in.
    pub(crate) fn channel_of_peer(&self, peer: SocketAddr, now: Instant) -> Option<u16> {
        let channel = self.channels.iter().find(|channel| channel.peer == peer && channel.expires_at > now);
        channel.filter(|channel| channel.allowed).map(|channel| channel.number)
    }

    /// The policy has changed: asks it about every channel, so that no packet has to.
    pub(crate) fn review(&mut self, policy: &PeerPolicy) {
        for channel in &mut self.channels {
            channel.allowed = policy.allows(self.policy, channel.peer);
        }
    }

    /// Whether the user's bandwidth lets these bytes through.
    pub(crate) fn spend(&self, bytes: usize, now: Instant) -> bool {
        self.budget.spend(bytes, now)
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }
}
