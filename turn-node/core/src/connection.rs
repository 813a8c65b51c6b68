//! TCP connections between relayed addresses and peers (RFC 6062), from the attempt until either end is gone.
//!
//! Each takes a share of the quotas of its user and client address, and a place among those of its allocation, its
//! client address and its thread.

use crate::allocation::{Allocation, AllocationId, Transport};
use crate::auth::IntegrityKey;
use crate::limits;
use crate::message::{AttributeType, Class, MessageWriter, Method, TransactionId};
use crate::output::Output;
use crate::pool::Share;
use crate::request::Refusal;
use crate::server::{Now, TurnServer, canonical};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Instant;

/// CONNECTION-ID (RFC 6062 §6.2.1); unique among a thread's connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u32);

#[derive(Debug, Default)]
pub(crate) struct Connections {
    all: BTreeMap<ConnectionId, Connection>,
    /// Deadlines of the connections that are not bound yet.
    deadlines: BTreeSet<(Instant, ConnectionId)>,
    last: u32,
}

#[derive(Debug)]
struct Connection {
    allocation: AllocationId,
    peer: SocketAddr,
    /// Given back with the connection.
    share: Share,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The peer has not accepted yet, so the Connect request is unanswered.
    Connecting {
        until: Instant,
        asked: Box<Asked>,
    },
    /// The client has not bound a connection of its own yet.
    Waiting {
        until: Instant,
    },
    Bound,
}

/// The parts of a Connect request that its answer needs.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) transaction: TransactionId,
    pub(crate) key: IntegrityKey,
    pub(crate) fingerprint: bool,
}

impl Connections {
    /// RFC 6062 §5.2: one connection for each peer's address of an allocation.
    pub(crate) fn has(&self, allocation: AllocationId, peer: SocketAddr) -> bool {
        self.all.values().any(|connection| connection.allocation == allocation && connection.peer == peer)
    }

    /// The share of a further connection of this allocation.
    pub(crate) fn admit(&self, now: Instant, id: AllocationId, allocation: &Allocation) -> Result<Share, Refusal> {
        let own = self.all.values().filter(|connection| connection.allocation == id).count();
        if own >= limits::CONNECTIONS_PER_ALLOCATION_MAX || self.all.len() >= limits::CONNECTIONS_PER_SHARD_MAX {
            return Err(Refusal::INSUFFICIENT_CAPACITY);
        }
        let neighbours = self.all.values().filter(|connection| connection.share.is_of_same_customer(&allocation.share));
        if neighbours.count() >= limits::CONNECTIONS_PER_ADDRESS_MAX {
            return Err(Refusal::ALLOCATION_QUOTA_REACHED);
        }
        allocation.share.another(now).ok_or(Refusal::ALLOCATION_QUOTA_REACHED)
    }

    pub(crate) fn connecting(
        &mut self,
        now: Instant,
        allocation: AllocationId,
        peer: SocketAddr,
        share: Share,
        asked: Asked,
    ) -> ConnectionId {
        let until = now + limits::CONNECT_TIMEOUT;
        self.add(
            until,
            Connection { allocation, peer, share, state: State::Connecting { until, asked: Box::new(asked) } },
        )
    }

    fn waiting(&mut self, now: Instant, allocation: AllocationId, peer: SocketAddr, share: Share) -> ConnectionId {
        let until = now + limits::CONNECTION_BIND_TIMEOUT;
        self.add(until, Connection { allocation, peer, share, state: State::Waiting { until } })
    }

    fn add(&mut self, until: Instant, connection: Connection) -> ConnectionId {
        let mut id = ConnectionId(self.last.wrapping_add(1));
        // Far fewer exist at once than there are numbers.
        while self.all.contains_key(&id) {
            id.0 = id.0.wrapping_add(1);
        }
        self.last = id.0;
        self.deadlines.insert((until, id));
        self.all.insert(id, connection);
        id
    }

    /// The allocation of a connection that waits for its client.
    pub(crate) fn waits_for(&self, id: ConnectionId) -> Option<AllocationId> {
        let connection = self.all.get(&id)?;
        matches!(connection.state, State::Waiting { .. }).then_some(connection.allocation)
    }

    pub(crate) fn bind(&mut self, id: ConnectionId) {
        if let Some(connection) = self.all.get_mut(&id) {
            if let Some(until) = connection.state.until() {
                self.deadlines.remove(&(until, id));
            }
            connection.state = State::Bound;
        }
    }

    fn remove(&mut self, id: ConnectionId) -> Option<Connection> {
        let connection = self.all.remove(&id)?;
        if let Some(until) = connection.state.until() {
            self.deadlines.remove(&(until, id));
        }
        Some(connection)
    }

    fn of(&self, allocation: AllocationId) -> Vec<ConnectionId> {
        let own = self.all.iter().filter(|(_, connection)| connection.allocation == allocation);
        own.map(|(id, _)| *id).collect()
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(at, _)| *at)
    }
}

impl State {
    fn until(&self) -> Option<Instant> {
        match self {
            Self::Connecting { until, .. } | Self::Waiting { until } => Some(*until),
            Self::Bound => None,
        }
    }
}

impl TurnServer {
    /// Takes the result of [`Output::Connect`].
    pub fn peer_connected(&mut self, now: Now, id: ConnectionId, connected: bool) {
        let Some(Connection { allocation, peer, share, state }) = self.connections.remove(id) else { return };
        let (State::Connecting { asked, .. }, Some(owner)) = (state, self.allocation(allocation)) else { return };
        let to = owner.five_tuple;
        let writer = if connected {
            let until = now.instant + limits::CONNECTION_BIND_TIMEOUT;
            self.connections.deadlines.insert((until, id));
            self.connections.all.insert(id, Connection { allocation, peer, share, state: State::Waiting { until } });
            MessageWriter::new(Method::Connect, Class::Success, asked.transaction)
                .with(AttributeType::CONNECTION_ID, &id.0.to_be_bytes())
        } else {
            let refusal = Refusal::CONNECTION_FAILED;
            self.counters.refused.count(refusal.code);
            MessageWriter::new(Method::Connect, Class::Error, asked.transaction)
                .with_error(refusal.code, refusal.reason)
        };
        self.send_finished(to, writer.signed(&asked.key), asked.fingerprint);
    }

    /// Takes a peer's connection to a relayed address and tells the client; `None` means that the shell must close it
    /// (RFC 6062 §5.3).
    pub fn peer_arrived(&mut self, now: Now, id: AllocationId, peer: SocketAddr) -> Option<ConnectionId> {
        let peer = canonical(peer);
        let allocation = self.allocation(id).filter(|allocation| allocation.transport == Transport::Tcp)?;
        let client = allocation.five_tuple;
        let permitted = allocation.permits(peer.ip(), now.instant)
            && self.config.policy.allows_address(allocation.policy, peer.ip());
        let is_wanted = permitted && !self.connections.has(id, peer);
        let share = is_wanted.then(|| self.connections.admit(now.instant, id, allocation).ok()).flatten();
        let Some(share) = share else {
            self.counters.peer_not_permitted += 1;
            return None;
        };
        let connection = self.connections.waiting(now.instant, id, peer, share);
        let transaction = self.next_transaction();
        let writer = MessageWriter::new(Method::ConnectionAttempt, Class::Indication, transaction)
            .with_address(AttributeType::XOR_PEER_ADDRESS, peer)
            .with(AttributeType::CONNECTION_ID, &connection.0.to_be_bytes());
        self.send_finished(client, writer, false);
        Some(connection)
    }

    /// Removes a connection whose peer or client has closed it; the number becomes invalid.
    pub fn peer_gone(&mut self, id: ConnectionId) {
        self.connections.remove(id);
    }

    /// Takes bytes of a bound connection from the user's bandwidth budget; if false, the shell must wait before it
    /// reads on.
    pub fn spend_on(&mut self, now: Now, id: ConnectionId, bytes: usize) -> bool {
        let allocation = self.connections.all.get(&id).map(|connection| connection.allocation);
        allocation.and_then(|id| self.allocation(id)).is_some_and(|owner| owner.spend(bytes, now.instant))
    }

    /// Ends attempts and connections whose time is over.
    pub(crate) fn expire_connections(&mut self, now: Now) {
        while let Some((at, id)) = self.connections.deadlines.first().copied() {
            if at > now.instant {
                break;
            }
            self.outputs.push_back(Output::Disconnect { connection: id });
            // An unanswered Connect request is refused; a connection that waits for its client is forgotten.
            self.peer_connected(now, id, false);
        }
    }

    /// Ends all connections of an allocation (RFC 6062 §4.6).
    pub(crate) fn disconnect_all(&mut self, allocation: AllocationId) {
        for id in self.connections.of(allocation) {
            self.connections.remove(id);
            self.outputs.push_back(Output::Disconnect { connection: id });
        }
    }
}
