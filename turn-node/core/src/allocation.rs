//! An allocation with its permissions and channels, and their expiry times.

use crate::auth::IntegrityKey;
use crate::flow::{Flow, Until};
use crate::limits;
use crate::message::TransactionId;
use crate::peer_policy::PeerPolicy;
use crate::pool::{RelayPort, ReservationToken, Reserved, Share};
use crate::server::{FiveTuple, canonical};
use shared::turn_credential::TurnPolicy;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

/// Identifies an allocation of one thread; never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AllocationId {
    pub index: u32,
    /// The number of earlier allocations in this slot of the table.
    pub generation: u32,
}

/// The protocol between an allocation and its peers (RFC 8656 §18.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Udp,
    /// RFC 6062: peers are reached by TCP connections, without channels or indications.
    Tcp,
}

/// A relayed transport address with its permissions and channels.
#[derive(Debug)]
pub(crate) struct Allocation {
    pub(crate) five_tuple: FiveTuple,
    pub(crate) username: Box<str>,
    pub(crate) policy: TurnPolicy,
    pub(crate) transport: Transport,
    /// The Allocate request's transaction id: a repeated request gets the same answer (RFC 8656 §7.2).
    pub(crate) transaction: TransactionId,
    pub(crate) state: State,
    /// Attributes of the Allocate response besides the addresses and the lifetime.
    pub(crate) extras: Extras,
    pub(crate) expires_at: Instant,
    pub(crate) relayed: SocketAddr,
    pub(crate) port: RelayPort,
    permissions: Vec<Permission>,
    channels: Vec<Channel>,
    pub(crate) share: Share,
}

/// The sender of an Allocate request.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) five_tuple: FiveTuple,
    pub(crate) username: Box<str>,
    pub(crate) policy: TurnPolicy,
    pub(crate) transaction: TransactionId,
}

#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) transport: Transport,
    pub(crate) ip: IpAddr,
    pub(crate) port: RelayPort,
    pub(crate) share: Share,
}

#[derive(Debug)]
pub(crate) enum State {
    /// The relay socket is being opened; the answer waits for it.
    Opening(Box<Opening>),
    Open,
}

/// The parameters of the Allocate response, kept until the socket is open.
#[derive(Debug)]
pub(crate) struct Opening {
    pub(crate) key: IntegrityKey,
    pub(crate) lifetime: Duration,
    pub(crate) even: bool,
    /// The upper port of a pair, until it is reserved.
    pub(crate) upper: Option<Reserved>,
    pub(crate) fingerprint: bool,
    pub(crate) tries_left: u8,
    /// Ports used by other programs, remembered so that none is tried twice.
    pub(crate) failed: Vec<RelayPort>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Extras {
    pub(crate) token: Option<ReservationToken>,
    /// The family of ADDRESS-ERROR-CODE (RFC 8656 §18.12).
    pub(crate) refused_family: Option<u8>,
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
    /// False once the policy forbids data: the set of media nodes changes.
    allowed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BindError {
    /// The number or the peer belongs to another channel (RFC 8656 §12.2).
    Taken,
    Full,
}

impl Allocation {
    pub(crate) fn new(owner: Owner, granted: Granted, opening: Opening, extras: Extras, now: Instant) -> Self {
        let Granted { transport, ip, port, share } = granted;
        Self {
            five_tuple: owner.five_tuple,
            username: owner.username,
            policy: owner.policy,
            transport,
            transaction: owner.transaction,
            expires_at: now + opening.lifetime,
            state: State::Opening(Box::new(opening)),
            extras,
            relayed: SocketAddr::new(ip, port.number()),
            port,
            permissions: Vec::new(),
            channels: Vec::new(),
            share,
        }
    }

    /// Installs or refreshes permissions for all of these peers or for none; every peer is named once.
    ///
    /// Called only for CreatePermission and ChannelBind: relayed data must not extend a permission (RFC 8656 §9).
    pub(crate) fn permit(&mut self, peers: &[IpAddr], now: Instant) -> Result<(), Full> {
        self.permissions.retain(|permission| permission.expires_at > now);
        let new = peers.iter().filter(|peer| !self.permits(**peer, now)).count();
        if self.permissions.len() + new > limits::PERMISSIONS_PER_ALLOCATION_MAX {
            return Err(Full);
        }
        let expires_at = now + limits::PERMISSION_LIFETIME;
        for peer in peers.iter().copied() {
            match self.permissions.iter_mut().find(|permission| permission.peer == peer) {
                Some(known) => known.expires_at = expires_at,
                None => self.permissions.push(Permission { peer, expires_at }),
            }
        }
        Ok(())
    }

    pub(crate) fn permits(&self, peer: IpAddr, now: Instant) -> bool {
        self.permissions.iter().any(|permission| permission.peer == peer && permission.expires_at > now)
    }

    /// Binds or refreshes a channel and its peer's permission (RFC 8656 §12.2), or changes nothing.
    pub(crate) fn bind(&mut self, number: u16, peer: SocketAddr, now: Instant) -> Result<(), BindError> {
        self.channels.retain(|channel| channel.expires_at > now);
        if self.channels.iter().any(|channel| (channel.number == number) != (channel.peer == peer)) {
            return Err(BindError::Taken);
        }
        let known = self.channels.iter().position(|channel| channel.number == number);
        if known.is_none() && self.channels.len() >= limits::CHANNELS_PER_ALLOCATION_MAX {
            return Err(BindError::Full);
        }
        self.permit(&[peer.ip()], now).map_err(|Full| BindError::Full)?;
        let channel = Channel { number, peer, expires_at: now + limits::CHANNEL_LIFETIME, allowed: true };
        match known.and_then(|place| self.channels.get_mut(place)) {
            Some(known) => *known = channel,
            None => self.channels.push(channel),
        }
        Ok(())
    }

    /// The destination of a channel's data, if the policy allows it.
    pub(crate) fn peer_of_channel(&self, number: u16, now: Instant) -> Option<SocketAddr> {
        let channel = self.channels.iter().find(|channel| channel.number == number && channel.expires_at > now);
        channel.filter(|channel| channel.allowed).map(|channel| channel.peer)
    }

    /// The channel of a peer, if the policy permits its data.
    pub(crate) fn channel_of_peer(&self, peer: SocketAddr, now: Instant) -> Option<u16> {
        let channel = self.channels.iter().find(|channel| channel.peer == peer && channel.expires_at > now);
        channel.filter(|channel| channel.allowed).map(|channel| channel.number)
    }

    pub(crate) fn channel_numbers(&self) -> Vec<u16> {
        self.channels.iter().map(|channel| channel.number).collect()
    }

    /// A channel's data as the kernel may relay it: between two UDP ends of one family, from a budget that it shares.
    pub(crate) fn flow(&self, number: u16, now: Instant) -> Option<(Flow, Until)> {
        let budget = self.share.shared_budget()?;
        let peer = self.peer_of_channel(number, now).filter(|_| self.expires_at > now)?;
        let client = canonical(self.five_tuple.client);
        if self.five_tuple.is_stream() || self.transport != Transport::Udp || client.is_ipv4() != peer.is_ipv4() {
            return None;
        }
        let channel = self.channels.iter().find(|channel| channel.number == number)?;
        let to_peer = channel.expires_at.min(self.expires_at);
        let permission = self.permissions.iter().find(|permission| permission.peer == peer.ip());
        // RFC 8656 §12: the permission is shorter than the channel, and what comes from peers needs both.
        let to_client =
            permission.filter(|permission| permission.expires_at > now).map(|it| it.expires_at.min(to_peer));
        let relay_port = self.relayed.port();
        let flow = Flow { client, channel: number, relay_port, peer, budget };
        Some((flow, Until { to_peer: Some(to_peer), to_client }))
    }

    /// Re-evaluates every channel after a policy change, so that packets need no check.
    pub(crate) fn review(&mut self, policy: &PeerPolicy) {
        for channel in &mut self.channels {
            channel.allowed = policy.allows(self.policy, channel.peer);
        }
    }

    /// Takes these bytes from the user's bandwidth budget; false if it has too few.
    pub(crate) fn spend(&self, bytes: usize, now: Instant) -> bool {
        self.share.spend(bytes, now)
    }

    pub(crate) fn wants_pair(&self) -> bool {
        matches!(&self.state, State::Opening(opening) if opening.upper.is_some())
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }
}
