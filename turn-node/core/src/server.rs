//! The TURN server of one thread: control messages are answered through a queue of outputs, data returns a route at once.

use crate::allocation::{Allocation, AllocationId, Transport};
use crate::answer_limit::AnswerLimit;
use crate::auth::{Authenticator, Rejection};
use crate::connection::{ConnectionId, Connections};
use crate::counters::Counters;
use crate::flow::Flows;
use crate::limits;
use crate::message::{
    AttributeType, ChannelData, Class, Message, MessageWriter, Method, TransactionId, data_indication_header,
    data_indication_header_bytes,
};
use crate::output::{Framing, Output, ToClient, ToPeer};
use crate::peer_policy::PeerPolicy;
use crate::pool::Pool;
use crate::relay_opened::RelayOpened;
use crate::request;
use shared::UnixMillis;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

/// Readings of the two clocks at one time.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For lifetimes.
    pub instant: Instant,
    /// For the times in credentials and nonces.
    pub unix: UnixMillis,
}

/// A client's side of a transport (RFC 8656 §2, 5-tuple): the server's socket, and the client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FiveTuple {
    /// One of the server's sockets, numbered by the shell: [`Self::UDP`], or one of the connections.
    pub link: u32,
    /// The client's address as seen by the server.
    pub client: SocketAddr,
}

impl FiveTuple {
    /// The number of the socket for datagrams; all others belong to TCP or TLS connections.
    pub const UDP: u32 = 0;

    /// True for TCP and TLS: the client's address is proven, and data either arrives or the connection ends.
    #[must_use]
    pub const fn is_stream(self) -> bool {
        self.link != Self::UDP
    }
}

#[derive(Debug)]
pub struct Config {
    pub authenticator: Authenticator,
    pub policy: PeerPolicy,
    /// Relayed IPv4 address of allocations (RFC 8656 §7.2); `None` if IPv4 is not served.
    pub relay_v4: Option<IpAddr>,
    /// Like `relay_v4`, for IPv6.
    pub relay_v6: Option<IpAddr>,
    /// Bandwidth of a user with policy `sfu`, over all allocations and both directions together.
    pub sfu_bytes_per_s: u64,
    /// Like `sfu_bytes_per_s`, with policy `p2p`.
    pub p2p_bytes_per_s: u64,
    /// Ports, reservations and quotas; shared by all threads.
    pub pool: Pool,
}

#[derive(Debug)]
pub struct TurnServer {
    pub(crate) config: Config,
    pub(crate) allocations: Vec<Slot>,
    free: Vec<u32>,
    pub(crate) by_client: HashMap<FiveTuple, AllocationId>,
    deadlines: BTreeSet<(Instant, AllocationId)>,
    pub(crate) connections: Connections,
    pub(crate) flows: Flows,
    pub(crate) outputs: VecDeque<Output>,
    next_indication: u64,
    answer_limit: AnswerLimit,
    draining: bool,
    pub counters: Counters,
}

#[derive(Debug, Default)]
pub(crate) struct Slot {
    generation: u32,
    pub(crate) allocation: Option<Allocation>,
}

impl TurnServer {
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            allocations: Vec::new(),
            free: Vec::new(),
            by_client: HashMap::new(),
            deadlines: BTreeSet::new(),
            connections: Connections::default(),
            flows: Flows::default(),
            outputs: VecDeque::new(),
            next_indication: 0,
            answer_limit: AnswerLimit::new(),
            draining: false,
            counters: Counters::default(),
        }
    }

    /// Takes a client's datagram. Data returns its route; everything else is answered through [`Self::poll_output`].
    pub fn handle_client(&mut self, now: Now, from: FiveTuple, datagram: &[u8]) -> Option<ToPeer> {
        // RFC 8656 §12: the two top bits tell ChannelData (01) from STUN (00).
        if datagram.first().is_some_and(|byte| byte & 0xc0 == 0x40) {
            return self.handle_channel_data(now, from, datagram);
        }
        let Some(message) = Message::parse(datagram) else {
            self.counters.malformed += 1;
            return None;
        };
        match (message.class, message.method) {
            (Class::Indication, Method::Send) => request::send::handle(self, now, from, &message, datagram),
            (Class::Request, _) => {
                self.handle_request(now, from, &message);
                None
            }
            // A keepalive (RFC 8445 §11): it has served its purpose by passing the NAT.
            (Class::Indication, Method::Binding) => None,
            // The server sends no requests, so no response is expected.
            (Class::Indication | Class::Success | Class::Error, _) => {
                self.counters.malformed += 1;
                None
            }
        }
    }

    /// Takes a peer's datagram from an allocation's socket.
    pub fn handle_peer(&mut self, now: Now, to: AllocationId, peer: SocketAddr, bytes: usize) -> Option<ToClient> {
        let allocation = self.allocation(to).filter(|allocation| allocation.transport == Transport::Udp)?;
        let (client, peer) = (allocation.five_tuple, canonical(peer));
        // RFC 8656 §11.3: without a permission for the peer's address the datagram is dropped.
        let policy = allocation.policy;
        let channel = allocation.channel_of_peer(peer, now.instant);
        let permitted = allocation.permits(peer.ip(), now.instant)
            && (channel.is_some() || self.config.policy.allows(policy, peer));
        if !permitted {
            self.counters.peer_not_permitted += 1;
            return None;
        }
        let framing = channel.map_or(Framing::Indication, Framing::Channel);
        if framed_bytes(framing, peer, bytes) > limits::MESSAGE_BYTES_MAX {
            self.counters.too_long += 1;
            return None;
        }
        if !self.spend(to, bytes, now) {
            return None;
        }
        Some(ToClient { client, framing })
    }

    /// Writes the part of a Data indication before the data (RFC 8656 §11.3).
    pub fn indication_header(&mut self, peer: SocketAddr, data_bytes: u16, out: &mut Vec<u8>) {
        data_indication_header(canonical(peer), self.next_transaction(), data_bytes, out);
    }

    /// A transaction id for the next indication.
    pub(crate) fn next_transaction(&mut self) -> TransactionId {
        let mut transaction: TransactionId = *b"rtnd\0\0\0\0\0\0\0\0";
        transaction[4..].copy_from_slice(&self.next_indication.to_be_bytes());
        self.next_indication = self.next_indication.wrapping_add(1);
        transaction
    }

    /// Takes the result of [`Output::OpenRelay`].
    pub fn relay_opened(&mut self, now: Now, id: AllocationId, opened: RelayOpened) {
        request::allocate::relay_opened(self, now, id, opened);
    }

    /// Sets the media nodes that `sfu` credentials reach. Allocations keep their permissions but reach no other node.
    pub fn set_media_nodes(&mut self, now: Now, nodes: BTreeSet<SocketAddr>) {
        if nodes == self.config.policy.media_nodes {
            return;
        }
        self.config.policy.media_nodes = nodes;
        for place in 0..self.allocations.len() {
            let Some(slot) = self.allocations.get_mut(place) else { continue };
            let id = AllocationId { index: place as u32, generation: slot.generation };
            if let Some(allocation) = &mut slot.allocation {
                allocation.review(&self.config.policy);
            }
            self.review_flows(now, id);
        }
    }

    /// Refuses all new allocations, so that clients try their next server.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    pub(crate) fn is_draining(&self) -> bool {
        self.draining
    }

    /// Ends the allocation of a client whose connection is gone.
    pub fn link_closed(&mut self, from: FiveTuple) {
        if let Some(id) = self.by_client.get(&from).copied() {
            self.remove(id);
        }
    }

    /// Ends allocations whose lifetime is over, and connections that waited too long.
    pub fn handle_timeout(&mut self, now: Now) {
        self.expire_connections(now);
        self.expire_flows(now);
        while let Some((at, id)) = self.deadlines.first().copied() {
            if at > now.instant {
                break;
            }
            self.remove(id);
        }
    }

    /// The next time to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let allocations = self.deadlines.first().map(|(at, _)| *at);
        [allocations, self.connections.next_deadline(), self.flows.next_deadline()].into_iter().flatten().min()
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// True if a client has an allocation, open or opening.
    #[must_use]
    pub fn has_allocation(&self, client: FiveTuple) -> bool {
        self.by_client.contains_key(&client)
    }

    #[must_use]
    pub fn allocation_count(&self) -> usize {
        self.by_client.len()
    }

    fn handle_channel_data(&mut self, now: Now, from: FiveTuple, datagram: &[u8]) -> Option<ToPeer> {
        let Some(data) = ChannelData::parse(datagram) else {
            self.counters.malformed += 1;
            return None;
        };
        let id = self.by_client.get(&from).copied();
        let peer = id.and_then(|id| self.allocation(id)?.peer_of_channel(data.number, now.instant));
        let (Some(allocation), Some(peer)) = (id, peer) else {
            // RFC 8656 §12.6: data for a channel that is not bound is silently discarded.
            self.counters.not_permitted += 1;
            return None;
        };
        if !self.spend(allocation, data.length, now) {
            return None;
        }
        let payload = ChannelData::HEADER_BYTES..ChannelData::HEADER_BYTES + data.length;
        Some(ToPeer { allocation, peer, payload, dont_fragment: false })
    }

    /// Takes the bytes from the user's bandwidth budget, or counts the drop.
    pub(crate) fn spend(&mut self, id: AllocationId, bytes: usize, now: Now) -> bool {
        let within = self.allocation(id).is_some_and(|allocation| allocation.spend(bytes, now.instant));
        self.counters.over_quota += u64::from(!within);
        within
    }

    fn handle_request(&mut self, now: Now, from: FiveTuple, message: &Message<'_>) {
        let unknown = request::unknown_attributes(message);
        if message.method == Method::Binding {
            return self.answer_binding(now, from, message, &unknown);
        }
        let asked = match self.config.authenticator.authenticate(message, from.client, now.unix) {
            Ok(asked) => asked,
            Err(rejection) => return self.reject(now, from, message, rejection),
        };
        if !unknown.is_empty() {
            let writer = self.unknown_attributes_writer(message, &unknown);
            self.send(from, message, writer.signed(&asked.key));
            return;
        }
        let result = match message.method {
            Method::Allocate => request::allocate::handle(self, now, from, message, &asked),
            Method::Refresh => request::refresh::handle(self, now, from, message, &asked),
            Method::CreatePermission => request::create_permission::handle(self, now, from, message, &asked),
            Method::ChannelBind => request::channel_bind::handle(self, now, from, message, &asked),
            Method::Connect => request::connect::handle(self, now, from, message, &asked),
            Method::ConnectionBind => request::connection_bind::handle(self, from, message, &asked),
            // These are never requests, and Binding was answered above.
            Method::Send | Method::Data | Method::Binding | Method::ConnectionAttempt => {
                Err(request::Refusal::BAD_REQUEST)
            }
        };
        match result {
            Ok(None) => {}
            Ok(Some(writer)) => self.send(from, message, writer.signed(&asked.key)),
            Err(request::Refusal::UNAUTHENTICATED) => self.reject(now, from, message, Rejection::Unauthenticated),
            Err(refusal) => {
                let writer = self.error_writer(message, refusal.code, refusal.reason);
                self.send(from, message, writer.signed(&asked.key));
            }
        }
    }

    /// RFC 8489 §12.1: anyone may ask for their address as seen by the server. The success response is hardly longer
    /// than the request, so only errors are limited.
    fn answer_binding(&mut self, now: Now, from: FiveTuple, message: &Message<'_>, unknown: &[u8]) {
        if unknown.is_empty() {
            let writer = MessageWriter::new(Method::Binding, Class::Success, message.transaction)
                .with_address(AttributeType::XOR_MAPPED_ADDRESS, from.client);
            self.send(from, message, writer);
        } else if self.may_answer_unproven(from, now) {
            let writer = self.unknown_attributes_writer(message, unknown);
            self.send(from, message, writer);
        }
    }

    /// Refuses a request without valid credentials and gives the client what it needs to retry (RFC 8489 §9.2.4).
    fn reject(&mut self, now: Now, from: FiveTuple, message: &Message<'_>, rejection: Rejection) {
        if !self.may_answer_unproven(from, now) {
            return;
        }
        let (code, reason) = match rejection {
            Rejection::Unauthenticated => (401, "Unauthenticated"),
            Rejection::BadRequest => (400, "Bad Request"),
            Rejection::StaleNonce => (438, "Stale Nonce"),
        };
        let mut writer = self.error_writer(message, code, reason);
        if rejection != Rejection::BadRequest {
            let authenticator = &self.config.authenticator;
            let nonce = authenticator.nonce(from.client, now.unix);
            writer = writer
                .with(AttributeType::REALM, authenticator.realm().as_bytes())
                .with(AttributeType::NONCE, nonce.as_bytes());
        }
        self.send(from, message, writer);
    }

    /// Only datagrams can have forged addresses; over a stream, clients never repeat an unanswered request.
    fn may_answer_unproven(&mut self, from: FiveTuple, now: Now) -> bool {
        let may = from.is_stream() || self.answer_limit.allows(from.client.ip(), now.instant);
        self.counters.unanswered += u64::from(!may);
        may
    }

    fn unknown_attributes_writer(&mut self, message: &Message<'_>, unknown: &[u8]) -> MessageWriter {
        self.error_writer(message, 420, "Unknown Attribute").with(AttributeType::UNKNOWN_ATTRIBUTES, unknown)
    }

    fn error_writer(&mut self, message: &Message<'_>, code: u16, reason: &str) -> MessageWriter {
        self.counters.refused.count(code);
        MessageWriter::new(message.method, Class::Error, message.transaction).with_error(code, reason)
    }

    fn send(&mut self, to: FiveTuple, request: &Message<'_>, writer: MessageWriter) {
        self.send_finished(to, writer, request.has_fingerprint());
    }

    pub(crate) fn send_finished(&mut self, to: FiveTuple, writer: MessageWriter, fingerprint: bool) {
        let writer = if fingerprint { writer.fingerprinted() } else { writer };
        self.outputs.push_back(Output::Send { to, bytes: writer.finish() });
    }

    pub(crate) fn open_relay(&mut self, id: AllocationId, transport: Transport, address: SocketAddr, pair: bool) {
        self.outputs.push_back(Output::OpenRelay { allocation: id, transport, address, pair });
    }

    pub(crate) fn connect(&mut self, connection: ConnectionId, allocation: AllocationId, peer: SocketAddr) {
        self.outputs.push_back(Output::Connect { connection, allocation, peer });
    }

    pub(crate) fn join(&mut self, connection: ConnectionId, client: FiveTuple) {
        self.outputs.push_back(Output::Join { connection, client });
    }

    pub(crate) fn allocation(&self, id: AllocationId) -> Option<&Allocation> {
        let slot = self.allocations.get(id.index as usize)?;
        slot.allocation.as_ref().filter(|_| slot.generation == id.generation)
    }

    pub(crate) fn allocation_mut(&mut self, id: AllocationId) -> Option<&mut Allocation> {
        let slot = self.allocations.get_mut(id.index as usize)?;
        slot.allocation.as_mut().filter(|_| slot.generation == id.generation)
    }

    /// The open allocation of a client, if the request's user is its owner.
    pub(crate) fn owned(&self, from: FiveTuple, username: &str) -> Result<AllocationId, request::Refusal> {
        let id = self.by_client.get(&from).copied().ok_or(request::Refusal::ALLOCATION_MISMATCH)?;
        let allocation = self.allocation(id).filter(|allocation| allocation.is_open());
        match allocation {
            None => Err(request::Refusal::ALLOCATION_MISMATCH),
            // RFC 8656 §5: all requests of an allocation must use its user name.
            Some(allocation) if *allocation.username != *username => Err(request::Refusal::WRONG_CREDENTIALS),
            Some(_) => Ok(id),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.by_client.len() >= limits::ALLOCATIONS_PER_SHARD_MAX
    }

    /// Must not be called if [`Self::is_full`].
    pub(crate) fn insert(&mut self, allocation: Allocation) -> Option<AllocationId> {
        let index = self.free.pop().unwrap_or_else(|| {
            self.allocations.push(Slot::default());
            (self.allocations.len() - 1) as u32
        });
        let slot = self.allocations.get_mut(index as usize)?;
        let id = AllocationId { index, generation: slot.generation };
        self.by_client.insert(allocation.five_tuple, id);
        self.deadlines.insert((allocation.expires_at, id));
        slot.allocation = Some(allocation);
        Some(id)
    }

    pub(crate) fn prolong(&mut self, id: AllocationId, until: Instant) {
        let before = self.allocation_mut(id).map(|allocation| std::mem::replace(&mut allocation.expires_at, until));
        if let Some(before) = before {
            self.deadlines.remove(&(before, id));
            self.deadlines.insert((until, id));
        }
    }

    pub(crate) fn remove(&mut self, id: AllocationId) {
        let slot = self.allocations.get_mut(id.index as usize).filter(|slot| slot.generation == id.generation);
        let Some((slot, allocation)) =
            slot.and_then(|slot| slot.allocation.take().map(|allocation| (slot, allocation)))
        else {
            return;
        };
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index);
        self.by_client.remove(&allocation.five_tuple);
        self.deadlines.remove(&(allocation.expires_at, id));
        self.disconnect_all(id);
        self.end_flows(id);
        // The port goes along: another thread must not bind it while the socket is open.
        self.outputs.push_back(Output::CloseRelay { allocation: id, port: allocation.port });
    }
}

/// Length of the message to the client that contains this many bytes of data.
fn framed_bytes(framing: Framing, peer: SocketAddr, bytes: usize) -> usize {
    match framing {
        Framing::Channel(_) => ChannelData::HEADER_BYTES + bytes,
        Framing::Indication => data_indication_header_bytes(peer) + bytes.next_multiple_of(4),
    }
}

/// Converts the mapped address of an IPv4 client on a dual-stack socket.
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
