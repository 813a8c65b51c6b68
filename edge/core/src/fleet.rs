//! The nodes of one region: which are registered, how busy they are, and which node serves a room.
//!
//! [`Fleet::handle_input`], then [`Fleet::poll_output`] until it is empty, then an alarm at [`Fleet::poll_timeout`].

mod abroad;
mod node;
mod placement;
mod reach;
mod snapshot;
mod turn;

pub use abroad::{News, Relays};
pub use placement::{PlaceAnswer, PlaceRequest, Placement};

use crate::SocketId;
use crate::random::Random;
use crate::storage::{Changes, RestoreError, Row, Table};
use abroad::Abroad;
use node::{Node, RegistrationError};
use reach::Probing;
use serde::{Deserialize, Serialize};
use shared::control::{Assignment, ControlError, FleetToNode, NodeLoad, NodeRegistration, NodeToFleet};
use shared::signal::close_code;
use shared::sorted::{SortedMap, SortedSet};
use shared::token::{self, Key, NodeClaims, TicketClaims};
use shared::{ErrorCode, NodeId, Region, UnixMillis, limits};
use snapshot::Nodes;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use turn::TurnNode;

#[derive(Clone, Debug)]
pub enum Input {
    /// A node with a valid token connected; the attachment is already on its socket.
    SocketOpened(Attachment),
    Frame {
        socket: SocketId,
        /// The result of `Message::parse`.
        frame: Result<NodeToFleet, ControlError>,
    },
    /// A socket closed, or a send to it failed.
    SocketClosed {
        socket: SocketId,
    },
    /// A request from a Room object; answered by [`Output::Answer`] within this input.
    Place {
        request: u64,
        ask: PlaceRequest,
    },
    /// Another region's Fleet object tells of its nodes, by itself or in answer to [`Output::Tell`].
    News(News),
    Deadline,
}

/// Side effects for the shell, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Written before any other output of this input is executed.
    Store(Changes),
    /// Replace the attachment of the socket `attachment.socket`.
    Attach(Attachment),
    Send {
        socket: SocketId,
        message: FleetToNode,
    },
    /// Close a socket; no [`Input::SocketClosed`] is needed for it.
    Close {
        socket: SocketId,
        /// The WebSocket close code.
        code: u16,
    },
    Answer {
        request: u64,
        answer: PlaceAnswer,
    },
    /// Tell the Fleet objects of all other regions, which answer with their own news. Only after an [`Input::Deadline`],
    /// so that no room waits for it.
    Tell(News),
}

/// The part of a node's state that survives hibernation on its socket (under 1 KiB of JSON).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub socket: SocketId,
    pub opened_at: UnixMillis,
    pub claims: NodeClaims,
    /// The node's address, as the platform sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The node's last heartbeat; `None` before it has registered.
    pub heartbeat: Option<Heartbeat>,
}

/// The part of a node's state that changes too often for storage and is worthless without the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The time of the node's last heartbeat.
    pub heard_at: UnixMillis,
    /// The time until its next one, as it was last told.
    #[serde(default = "interval_default")]
    pub interval_ms: u64,
    pub load: NodeLoad,
    /// Rooms assigned since it registered; shards are used in turn.
    pub assigned: u32,
    /// Rooms assigned to the node that `load` does not include yet.
    pub assigned_since: u32,
}

const fn interval_default() -> u64 {
    limits::HEARTBEAT_INTERVAL_MS
}

impl Heartbeat {
    /// A node that has just registered.
    const fn first(now: UnixMillis) -> Self {
        let load = NodeLoad { rooms: 0, sessions: 0, packets_out_per_s: 0, busiest_shard_permille: 0, host: None };
        Self { heard_at: now, interval_ms: interval_default(), load, assigned: 0, assigned_since: 0 }
    }

    /// The time at which the node counts as silent.
    const fn silent_at(&self) -> UnixMillis {
        self.heard_at.plus_ms(limits::HEARTBEATS_MISSED_MAX.saturating_mul(self.interval_ms))
    }
}

pub struct Fleet {
    region: Region,
    key: Key,
    random: Random,
    nodes: Table<NodeId, Node>,
    turn_nodes: Table<NodeId, TurnNode>,
    abroad: Table<Region, Abroad>,
    /// The time at which the other regions are told of this one.
    tell_at: Option<UnixMillis>,
    /// The media node addresses last sent to TURN nodes.
    told_addresses: SortedSet<SocketAddr>,
    sockets: SortedMap<SocketId, Attachment>,
    outputs: VecDeque<Output>,
    /// Messages of this input, sent after its changes have been handed to storage.
    told: Vec<Output>,
}

impl Fleet {
    /// Creates a region without nodes; `key` signs the tickets with which nodes connect to rooms.
    #[must_use]
    pub fn new(region: Region, key: Key, random: Random) -> Self {
        Self {
            region,
            key,
            random,
            nodes: Table::new(SortedMap::new()),
            turn_nodes: Table::new(SortedMap::new()),
            abroad: Table::new(SortedMap::new()),
            tell_at: None,
            told_addresses: SortedSet::new(),
            sockets: SortedMap::new(),
            outputs: VecDeque::new(),
            told: Vec::new(),
        }
    }

    /// Restores the fleet from its rows and the attachments of its open sockets; nodes without a socket count as lost.
    pub fn restore(
        region: Region,
        key: Key,
        random: Random,
        now: UnixMillis,
        rows: &[Row],
        sockets: Vec<Attachment>,
    ) -> Result<Self, RestoreError> {
        let (fleet, unreadable) = Self::salvage(region, key, random, now, rows, sockets);
        unreadable.into_iter().next().map_or(Ok(fleet), Err)
    }

    /// Restores the fleet from its readable rows, and returns the errors of the others. A node whose row is missing is
    /// disconnected, so that it registers again.
    #[must_use]
    pub fn salvage(
        region: Region,
        key: Key,
        random: Random,
        now: UnixMillis,
        rows: &[Row],
        sockets: Vec<Attachment>,
    ) -> (Self, Vec<RestoreError>) {
        let mut fleet = Self::new(region, key, random);
        let (Nodes { media, turn, abroad }, unreadable) = snapshot::read(rows);
        (fleet.nodes, fleet.turn_nodes, fleet.abroad) = (Table::new(media), Table::new(turn), Table::new(abroad));
        // The other regions may not have been told yet.
        let has_nodes = !fleet.nodes.is_empty() || !fleet.turn_nodes.is_empty();
        fleet.tell_at = has_nodes.then(|| now.plus_ms(limits::NEWS_GATHERED_MS));
        // Everything stored was sent before the fleet slept.
        fleet.told_addresses = fleet.addresses();
        fleet.sockets = sockets.into_iter().map(|attachment| (attachment.socket, attachment)).collect();
        let registered = |socket: &SocketId| fleet.sockets.get(socket).is_some_and(|known| known.heartbeat.is_some());
        let media = fleet.nodes.values().map(|node| node.socket);
        let turn = fleet.turn_nodes.values().map(|node| node.socket);
        let of_rows: SortedSet<SocketId> = media.chain(turn).collect();
        let gone: Vec<SocketId> = of_rows.iter().filter(|socket| !registered(socket)).copied().collect();
        let missed = fleet.sockets.keys().filter(|socket| registered(socket) && !of_rows.contains(socket));
        let missed: Vec<SocketId> = missed.copied().collect();
        for socket in gone {
            fleet.forget_node_of(now, socket);
        }
        if !unreadable.is_empty() {
            missed.into_iter().for_each(|socket| fleet.close(now, socket, close_code::INTERNAL));
        }
        fleet.finish(now);
        (fleet, unreadable)
    }

    /// Takes one input and queues its outputs.
    pub fn handle_input(&mut self, now: UnixMillis, input: Input) {
        self.close_silent(now);
        self.forget_lost(now);
        self.forget_abroad(now);
        self.probe_due(now);
        match input {
            Input::SocketOpened(attachment) => {
                self.sockets.insert(attachment.socket, attachment);
            }
            Input::Frame { socket, frame } => self.frame(now, socket, frame),
            Input::SocketClosed { socket } => {
                self.sockets.remove(&socket);
                self.forget_node_of(now, socket);
            }
            Input::Place { request, ask } => {
                let answer = self.place(now, ask);
                self.told.push(Output::Answer { request, answer });
            }
            Input::News(news) => self.hear_abroad(now, news),
            Input::Deadline => {
                if let Some(news) = self.news_due(now) {
                    self.told.push(Output::Tell(news));
                }
            }
        }
        self.finish(now);
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The latest time for [`Input::Deadline`]; an earlier alarm does no harm.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<UnixMillis> {
        // A heartbeat moves this, so an index would be rewritten more often than it is read; a region has at most a thousand nodes.
        let lost = self.nodes.values().filter_map(|node| node.lost_at);
        let forgotten = lost.map(|at| at.plus_ms(limits::MEDIA_NODE_LINGER_MS));
        let abroad = self.abroad.values().map(Abroad::forgotten_at);
        let probing = self.nodes.values().filter(|node| node.lost_at.is_none()).flat_map(Node::probings);
        let probes = probing.filter_map(Probing::deadline);
        self.sockets.values().map(silent_at).chain(forgotten).chain(abroad).chain(probes).chain(self.tell_at).min()
    }

    fn finish(&mut self, now: UnixMillis) {
        self.tell_addresses();
        self.note_changes(now);
        let changes = snapshot::changes(&mut self.nodes, &mut self.turn_nodes, &mut self.abroad);
        if !changes.is_empty() {
            self.outputs.push_back(Output::Store(changes));
        }
        self.outputs.extend(self.told.drain(..));
    }

    fn frame(&mut self, now: UnixMillis, socket: SocketId, frame: Result<NodeToFleet, ControlError>) {
        let Some(attachment) = self.sockets.get(&socket) else { return };
        let registered = attachment.heartbeat;
        match (frame, registered) {
            (Ok(NodeToFleet::Register(registration)), _) => self.register(now, socket, registration),
            (Ok(NodeToFleet::RegisterTurn(registration)), _) => self.register_turn(now, socket, registration),
            (Ok(NodeToFleet::Heartbeat { load }), Some(before)) => {
                let interval_ms = limits::heartbeat_interval_ms(self.sockets.len());
                if interval_ms != before.interval_ms {
                    self.send(socket, FleetToNode::SetHeartbeat { interval_ms });
                }
                self.attach(socket, Heartbeat { heard_at: now, interval_ms, load, assigned_since: 0, ..before });
            }
            (Ok(NodeToFleet::Draining {}), Some(_)) => {
                let id = attachment.claims.sub.clone();
                if let Some(node) = self.nodes.get_mut(&id).filter(|node| node.socket == socket) {
                    node.draining = true;
                } else if let Some(node) = self.turn_nodes.get_mut(&id).filter(|node| node.socket == socket) {
                    node.draining = true;
                }
            }
            (Ok(NodeToFleet::Probed { probe, answered, answered_tcp }), Some(_)) => {
                self.probed(now, socket, probe, &answered, answered_tcp.as_deref());
            }
            (Ok(NodeToFleet::Heartbeat { .. } | NodeToFleet::Draining {} | NodeToFleet::Probed { .. }), None) => {
                let (code, message) = (ErrorCode::NotJoined, "register first".into());
                self.send(socket, FleetToNode::Error { code, message });
            }
            (Err(error), _) => {
                self.send(socket, FleetToNode::Error { code: error.code(), message: error.to_string() });
            }
        }
    }

    fn register(&mut self, now: UnixMillis, socket: SocketId, registration: NodeRegistration) {
        let seen = self.sockets.get(&socket).and_then(|attachment| attachment.address);
        let checked = reach::with_address(registration, seen)
            .and_then(|registered| self.check_registration(socket, &registered.0).map(|()| registered));
        let (registration, address) = match checked {
            Ok(checked) => checked,
            Err(error) => {
                self.refuse(now, socket, error);
                return;
            }
        };
        let id = registration.node.clone();
        self.replace(now, socket, &id);
        let before = self.nodes.get(&id);
        let probing = address.map(|address| Probing::new(address, now, before.and_then(|node| node.probing.as_ref())));
        let families = Probing::of_families(&registration, now, before.map_or(&[], |node| &node.families));
        self.nodes.insert(id, Node { registration, socket, draining: false, lost_at: None, probing, families });
        self.attach(socket, Heartbeat::first(now));
        self.send(socket, FleetToNode::Registered {});
        self.probe_due(now);
    }

    fn check_registration(&self, socket: SocketId, registration: &NodeRegistration) -> Result<(), RegistrationError> {
        self.check_token(socket, &registration.node, &registration.region)?;
        if !self.nodes.contains(&registration.node) && self.nodes.len() >= limits::NODES_PER_REGION_MAX {
            return Err(RegistrationError::TooManyNodes);
        }
        node::check_addresses(registration)?;
        let count = |node: &NodeRegistration| node.shards.iter().map(|shard| shard.candidates.len()).sum::<usize>();
        let others = self.nodes.iter().filter(|(id, _)| **id != registration.node);
        let others: usize = others.map(|(_, node)| count(&node.registration)).sum();
        if others.saturating_add(count(registration)) > limits::MEDIA_ADDRESSES_PER_REGION_MAX {
            return Err(RegistrationError::TooManyNodes);
        }
        Ok(())
    }

    fn check_token(&self, socket: SocketId, node: &NodeId, region: &Region) -> Result<(), RegistrationError> {
        let claims = self.sockets.get(&socket).map(|attachment| &attachment.claims);
        let is_the_tokens = claims
            .is_some_and(|claims| claims.sub == *node && claims.region == *region && claims.region == self.region);
        if is_the_tokens { Ok(()) } else { Err(RegistrationError::NotTheTokens) }
    }

    fn refuse(&mut self, now: UnixMillis, socket: SocketId, error: RegistrationError) {
        let code = match error {
            RegistrationError::NotTheTokens => ErrorCode::BadToken,
            RegistrationError::Shards | RegistrationError::Address | RegistrationError::Urls => {
                ErrorCode::InvalidMessage
            }
            RegistrationError::TooManyNodes => ErrorCode::Forbidden,
        };
        self.send(socket, FleetToNode::Error { code, message: error.to_string() });
        self.send(socket, FleetToNode::Refused { code });
        self.close(now, socket, close_code::POLICY);
    }

    /// Chooses a node, sends it the assignment, and answers the room.
    fn place(&mut self, now: UnixMillis, ask: PlaceRequest) -> PlaceAnswer {
        let failed = PlaceAnswer::Failed { code: ErrorCode::NoMediaNode };
        let has_room = |node: &&Node| Some(&node.registration.node) != ask.full.as_ref();
        let heard = self.nodes.values().filter(has_room).filter_map(|node| {
            let attachment = self.sockets.get(&node.socket)?;
            Some((node, attachment.heartbeat.as_ref()?))
        });
        let Some(node) = placement::choose(heard, &ask.avoid, now, &mut self.random) else { return failed };
        let socket = node.socket;
        let Some(heartbeat) = self.sockets.get(&socket).and_then(|attachment| attachment.heartbeat) else {
            return failed;
        };
        let Some(shard) = node.next_shard(&heartbeat) else { return failed };
        let placement = Placement {
            node: node.registration.node.clone(),
            shard: shard.shard,
            candidates: node.told(&shard.candidates),
            tcp_candidates: node.told(&node.registration.tcp_candidates),
            fingerprint: node.registration.fingerprint,
            region: self.region.clone(),
            relays: Relays::new(),
        };
        let PlaceRequest { room, epoch, session, avoid: _, full: _, region: _ } = ask;
        let claims = TicketClaims { sub: placement.node.clone(), room: room.clone(), epoch };
        let Ok(ticket) = token::sign(claims, &self.key, now, limits::NODE_TICKET_LIFETIME_MS) else {
            return PlaceAnswer::Failed { code: ErrorCode::Internal };
        };
        let (assigned, assigned_since) =
            (heartbeat.assigned.wrapping_add(1), heartbeat.assigned_since.saturating_add(1));
        self.attach(socket, Heartbeat { assigned, assigned_since, ..heartbeat });
        let assignment = Assignment { room, epoch, shard: placement.shard, ticket, session };
        self.send(socket, FleetToNode::Assign(Box::new(assignment)));
        PlaceAnswer::Placed(Placement { relays: self.relays(now), ..placement })
    }

    fn close_silent(&mut self, now: UnixMillis) {
        let silent = self.sockets.values().filter(|attachment| silent_at(attachment) <= now);
        let silent: Vec<SocketId> = silent.map(|attachment| attachment.socket).collect();
        for socket in silent {
            self.send(socket, FleetToNode::Refused { code: ErrorCode::Timeout });
            self.close(now, socket, close_code::POLICY);
        }
    }

    /// Removes media nodes that have been lost for so long that they no longer serve any client.
    fn forget_lost(&mut self, now: UnixMillis) {
        let is_over = |at: UnixMillis| at.plus_ms(limits::MEDIA_NODE_LINGER_MS) <= now;
        let over = self.nodes.iter().filter(|(_, node)| node.lost_at.is_some_and(is_over));
        let over: Vec<NodeId> = over.map(|(id, _)| id.clone()).collect();
        for id in over {
            self.nodes.remove(&id);
        }
    }

    fn attach(&mut self, socket: SocketId, heartbeat: Heartbeat) {
        if let Some(attachment) = self.sockets.get_mut(&socket) {
            attachment.heartbeat = Some(heartbeat);
            self.told.push(Output::Attach(attachment.clone()));
        }
    }

    fn send(&mut self, socket: SocketId, message: FleetToNode) {
        self.told.push(Output::Send { socket, message });
    }

    fn close(&mut self, now: UnixMillis, socket: SocketId, code: u16) {
        if self.sockets.remove(&socket).is_some() {
            self.told.push(Output::Close { socket, code });
            self.forget_node_of(now, socket);
        }
    }

    /// Handles a closed socket: a TURN node registered there is removed, a media node counts as lost.
    fn forget_node_of(&mut self, now: UnixMillis, socket: SocketId) {
        let media = self.nodes.iter().find(|(_, node)| node.socket == socket && node.lost_at.is_none());
        if let Some(id) = media.map(|(id, _)| id.clone())
            && let Some(node) = self.nodes.get_mut(&id)
        {
            node.lost_at = Some(now);
        }
        let turn = self.turn_nodes.iter().find(|(_, node)| node.socket == socket);
        if let Some(id) = turn.map(|(id, _)| id.clone()) {
            self.turn_nodes.remove(&id);
        }
    }
}

fn silent_at(attachment: &Attachment) -> UnixMillis {
    match attachment.heartbeat {
        Some(heartbeat) => heartbeat.silent_at(),
        None => attachment.opened_at.plus_ms(limits::FIRST_FRAME_TIMEOUT_MS),
    }
}

#[cfg(test)]
mod tests;
