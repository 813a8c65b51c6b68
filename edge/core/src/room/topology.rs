//! The nodes that serve the room: assignments, requests for new ones, and the sessions assigned to them.
//!
//! An assignment is one epoch of one node. Each session names its assignment, so a room can span several; new sessions
//! go to the current one. It is replaced when its node is silent, lost or about to stop, or when its clients report it
//! dead; clients then move by making a new offer.

use super::Room;
use super::news::Reply;
use super::relay::Relay;
use crate::SocketId;
use crate::fleet::{PlaceAnswer, PlaceRequest, Placement};
use serde::{Deserialize, Serialize};
use shared::control::RoomToNode;
use shared::rtp_parameters::Fingerprint;
use shared::signal::close_code;
use shared::{ErrorCode, NodeId, ParticipantId, SessionId, UnixMillis, limits};
use std::net::SocketAddr;

/// The Fleet object must answer within this time; it only reads its own memory, so a longer wait means a lost call.
const FLEET_TIMEOUT_MS: u64 = 5_000;
/// Without an available node, the request to the Fleet object is repeated at this interval.
const PLACE_RETRY_MS: u64 = 5_000;
/// After this many nodes in a row that never connected, the room waits [`PLACE_RETRY_MS`] before its next request.
const SILENT_NODES_MAX: u32 = 3;
/// Nodes that a request names as failed; the oldest is forgotten first.
const AVOID_MAX: usize = 8;
/// Clients of a node that is about to stop have this long to move.
const RETIRED_TIMEOUT_MS: u64 = 30_000;

/// The state of the room as a whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    pub(super) participants_max: usize,
    /// The epoch of the newest requested assignment.
    pub(super) epoch: u64,
    pub(super) next_csrc: u32,
    /// Counts joins, which orders participants independently of clocks.
    pub(super) next_order: u64,
    /// The assignment that new sessions go to.
    pub(super) current: Option<u64>,
    pub(super) placing: Option<Placing>,
    /// How many assigned nodes in a row never connected.
    pub(super) silent_nodes: u32,
    pub(super) empty_since: Option<UnixMillis>,
    /// Until when a recording waits for the last participant, who closed or reloaded the page.
    #[serde(default)]
    pub(super) reload_until: Option<UnixMillis>,
    #[serde(default = "empty_timeout_ms_default")]
    pub(super) empty_timeout_ms: u64,
    #[serde(default)]
    pub(super) locked: bool,
    #[serde(default)]
    pub(super) metadata: String,
    #[serde(default)]
    pub(super) created_at: UnixMillis,
}

const fn empty_timeout_ms_default() -> u64 {
    limits::EMPTY_ROOM_LIFETIME_MS
}

/// The progress of a new assignment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(super) enum Placing {
    /// The request to the Fleet object is pending.
    Asked { epoch: u64, since: UnixMillis, avoid: Vec<NodeId>, early: Option<EarlyHello> },
    /// No node was available; the request is repeated at this time.
    Retry { at: UnixMillis, avoid: Vec<NodeId> },
}

/// A node connected before the Fleet object's answer arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EarlyHello {
    pub(super) socket: SocketId,
    pub(super) node: NodeId,
    pub(super) connected: Vec<SessionId>,
}

/// One epoch of one node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Assignment {
    pub(super) node: NodeId,
    pub(super) shard: u16,
    pub(super) candidates: Vec<SocketAddr>,
    pub(super) fingerprint: Fingerprint,
    pub(super) link: Link,
    /// The TURN servers for clients that cannot reach the node directly.
    #[serde(default)]
    pub(super) relay: Relay,
    /// When its clients were told to move; `None` if they need not.
    pub(super) retired_at: Option<UnixMillis>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(super) enum Link {
    /// The assignment was sent to the node.
    Dialing { since: UnixMillis },
    /// The node has sent `hello`.
    Connected { socket: SocketId },
    /// Its socket is closed; media may still flow.
    Lost { since: UnixMillis },
    /// It did not connect in time, so another node is being requested; if it connects first, it is accepted.
    Silent,
}

impl Meta {
    pub(super) const fn new(participants_max: usize, now: UnixMillis) -> Self {
        Self {
            participants_max,
            epoch: 0,
            next_csrc: 1,
            next_order: 0,
            current: None,
            placing: None,
            silent_nodes: 0,
            empty_since: None,
            reload_until: None,
            empty_timeout_ms: empty_timeout_ms_default(),
            locked: false,
            metadata: String::new(),
            created_at: now,
        }
    }
}

impl Assignment {
    fn new(placement: Placement, now: UnixMillis) -> Self {
        let relay = Relay::new(&placement, now);
        let Placement { node, shard, candidates, fingerprint, .. } = placement;
        Self { node, shard, candidates, fingerprint, relay, link: Link::Dialing { since: now }, retired_at: None }
    }

    pub(super) const fn socket(&self) -> Option<SocketId> {
        match self.link {
            Link::Connected { socket } => Some(socket),
            Link::Dialing { .. } | Link::Lost { .. } | Link::Silent => None,
        }
    }

    /// When its node must have connected.
    pub(super) const fn node_deadline(&self) -> Option<UnixMillis> {
        match self.link {
            Link::Dialing { since } => Some(since.plus_ms(limits::NODE_DIAL_TIMEOUT_MS)),
            Link::Lost { since } => Some(since.plus_ms(limits::NODE_LOST_TIMEOUT_MS)),
            Link::Connected { .. } | Link::Silent => None,
        }
    }

    /// When its clients must have moved.
    pub(super) fn retired_deadline(&self) -> Option<UnixMillis> {
        self.retired_at.map(|at| at.plus_ms(RETIRED_TIMEOUT_MS))
    }
}

impl Placing {
    pub(super) const fn deadline(&self) -> UnixMillis {
        match self {
            Self::Asked { since, .. } => since.plus_ms(FLEET_TIMEOUT_MS),
            Self::Retry { at, .. } => *at,
        }
    }
}

impl Room {
    /// The assignment for new sessions; `None` while another one is being requested.
    pub(super) fn usable(&self) -> Option<u64> {
        let meta = self.meta()?;
        let current = meta.current?;
        let asked = matches!(meta.placing, Some(Placing::Asked { .. }));
        let assignment = self.assignments.get(&current)?;
        (!asked && assignment.retired_at.is_none() && assignment.link != Link::Silent).then_some(current)
    }

    /// Requests a new assignment, unless a request is pending.
    pub(super) fn place(&mut self, now: UnixMillis, failed: Option<NodeId>) {
        let Some(meta) = self.meta_mut() else { return };
        let mut avoid = match meta.placing.take() {
            asked @ Some(Placing::Asked { .. }) => {
                meta.placing = asked;
                return;
            }
            Some(Placing::Retry { avoid, .. }) => avoid,
            None => Vec::new(),
        };
        if let Some(failed) = failed {
            avoid.retain(|node| *node != failed);
            avoid.push(failed);
        }
        if avoid.len() > AVOID_MAX {
            avoid.remove(0);
        }
        // The time in it keeps epochs rising although an empty room forgets everything.
        meta.epoch = meta.epoch.saturating_add(1).max(now.0);
        let epoch = meta.epoch;
        meta.placing = Some(Placing::Asked { epoch, since: now, avoid: avoid.clone(), early: None });
        let session = self.first_waiting().and_then(|id| Some(self.sessions.get(&id)?.to_node(&id)));
        self.news.asks.push(PlaceRequest { room: self.id.clone(), epoch, avoid, session });
    }

    /// The session that has waited longest for a node.
    fn first_waiting(&self) -> Option<SessionId> {
        let waiting = self.members.values().filter_map(|member| Some((member.order, member.waiting.as_ref()?)));
        waiting.min_by_key(|(order, _)| *order).map(|(_, waiting)| waiting.session.clone())
    }

    pub(super) fn fleet_answered(&mut self, now: UnixMillis, epoch: u64, answer: PlaceAnswer) {
        // An answer can be too late: the node was heard after all, or another one was asked for.
        let asked = |placing: &Placing| matches!(placing, Placing::Asked { epoch: asked, .. } if *asked == epoch);
        if !self.meta().and_then(|meta| meta.placing.as_ref()).is_some_and(asked) {
            return;
        }
        let placing = self.meta_mut().and_then(|meta| meta.placing.take());
        let Some(Placing::Asked { avoid, early, .. }) = placing else { return };
        match answer {
            PlaceAnswer::Placed(placement) => self.placed(now, epoch, placement, early),
            PlaceAnswer::Failed { code } => self.not_placed(now, code, avoid, early),
        }
    }

    fn placed(&mut self, now: UnixMillis, epoch: u64, placement: Placement, early: Option<EarlyHello>) {
        let before = self.meta_mut().and_then(|meta| meta.current.replace(epoch));
        self.assignments.insert(epoch, Assignment::new(placement, now));
        if let Some(before) = before {
            // A node that said it will stop serves its clients until they moved, which they can from here on; any other is taken for dead.
            match self.assignments.get_mut(&before) {
                Some(retired) if retired.retired_at.is_some() => retired.retired_at = Some(now),
                Some(_) | None => self.end_assignment(before),
            }
        }
        if let Some(EarlyHello { socket, node, connected }) = early {
            self.hello(socket, &node, epoch, &connected);
        }
        self.serve_waiting(epoch);
        let elsewhere = self.members.values().filter(|member| {
            let session = self.sessions.get(&member.session);
            member.waiting.is_none() && session.is_some_and(|session| session.epoch != Some(epoch))
        });
        let elsewhere: Vec<ParticipantId> = elsewhere.map(|member| member.id.clone()).collect();
        self.news.transport_dead.extend(elsewhere);
    }

    /// Gives all waiting participants a session on this assignment.
    pub(super) fn serve_waiting(&mut self, epoch: u64) {
        let mut waiting: Vec<_> = self.members.values().filter(|member| member.waiting.is_some()).collect();
        waiting.sort_by_key(|member| member.order);
        let waiting: Vec<ParticipantId> = waiting.into_iter().map(|member| member.id.clone()).collect();
        for participant in waiting {
            self.serve(&participant, epoch);
        }
    }

    fn not_placed(&mut self, now: UnixMillis, code: ErrorCode, avoid: Vec<NodeId>, early: Option<EarlyHello>) {
        if let Some(early) = early {
            self.refuse_node(early.socket, ErrorCode::StaleEpoch);
        }
        let waiting = self.members.values().filter(|member| member.waiting.is_some());
        let waiting: Vec<ParticipantId> = waiting.map(|member| member.id.clone()).collect();
        for participant in waiting {
            self.fail_waiting(&participant, code);
        }
        if !self.members.is_empty() && self.usable().is_none() {
            self.retry_later(now, avoid);
        }
    }

    fn retry_later(&mut self, now: UnixMillis, avoid: Vec<NodeId>) {
        if let Some(meta) = self.meta_mut() {
            meta.placing = Some(Placing::Retry { at: now.plus_ms(PLACE_RETRY_MS), avoid });
        }
    }

    pub(super) fn placing_due(&mut self, now: UnixMillis) {
        match self.meta().and_then(|meta| meta.placing.clone()) {
            Some(Placing::Asked { epoch, .. }) => {
                self.fleet_answered(now, epoch, PlaceAnswer::Failed { code: ErrorCode::NoMediaNode });
            }
            Some(Placing::Retry { .. }) if self.members.is_empty() => {
                if let Some(meta) = self.meta_mut() {
                    meta.placing = None;
                }
            }
            Some(Placing::Retry { .. }) => self.place(now, None),
            None => {}
        }
    }

    /// A node was silent for too long.
    pub(super) fn node_due(&mut self, now: UnixMillis, epoch: u64) {
        let Some(assignment) = self.assignments.get(&epoch) else { return };
        let (node, dialing) = (assignment.node.clone(), matches!(assignment.link, Link::Dialing { .. }));
        let is_current = self.meta().and_then(|meta| meta.current) == Some(epoch);
        if !is_current || self.members.is_empty() {
            self.end_assignment(epoch);
        } else if dialing && self.count_silent_node() > SILENT_NODES_MAX {
            self.end_assignment(epoch);
            self.retry_later(now, vec![node]);
        } else {
            if let Some(assignment) = self.assignments.get_mut(&epoch) {
                assignment.link = Link::Silent;
            }
            self.place(now, Some(node));
        }
    }

    fn count_silent_node(&mut self) -> u32 {
        self.meta_mut().map_or(0, |meta| {
            meta.silent_nodes = meta.silent_nodes.saturating_add(1);
            meta.silent_nodes
        })
    }

    /// The node is about to stop or cannot take a session: its clients move, and keep their media until then.
    pub(super) fn retire(&mut self, now: UnixMillis, epoch: u64) {
        let is_current = self.meta().and_then(|meta| meta.current) == Some(epoch);
        let Some(assignment) = self.assignments.get_mut(&epoch) else { return };
        if assignment.retired_at.is_some() {
            return;
        }
        assignment.retired_at = Some(now);
        let node = assignment.node.clone();
        if is_current && !self.members.is_empty() {
            self.place(now, Some(node));
        }
    }

    /// Releases retired nodes that no longer serve any client.
    pub(super) fn end_left_assignments(&mut self) {
        let retired = |(epoch, assignment): &(&u64, &Assignment)| {
            assignment.retired_at.is_some() && !self.sessions.values().any(|session| session.epoch == Some(**epoch))
        };
        let left: Vec<u64> = self.assignments.iter().filter(retired).map(|(epoch, _)| *epoch).collect();
        for epoch in left {
            self.end_assignment(epoch);
        }
    }

    /// Releases a retired node whose time is over, unless no other node can serve its clients.
    pub(super) fn retired_due(&mut self, epoch: u64) {
        if self.meta().and_then(|meta| meta.current) != Some(epoch) {
            self.end_assignment(epoch);
        }
    }

    /// Sends `release` to the node if it is connected.
    pub(super) fn end_assignment(&mut self, epoch: u64) {
        let Some(assignment) = self.assignments.remove(&epoch) else { return };
        if let Some(socket) = assignment.socket() {
            self.news.send_node(socket, RoomToNode::Release {});
            self.close_node(socket, close_code::NORMAL);
        }
        if let Some(meta) = self.meta_mut()
            && meta.current == Some(epoch)
        {
            meta.current = None;
        }
    }

    /// Gives the session for which a participant waits to an assignment, and answers.
    pub(super) fn serve(&mut self, participant: &ParticipantId, epoch: u64) {
        let Some(fingerprint) = self.assignments.get(&epoch).map(|assignment| assignment.fingerprint) else { return };
        let Some(member) = self.members.get(participant) else { return };
        let Some(waiting) = member.waiting.clone() else { return };
        let before = self.sessions.get(&member.session).and_then(|session| session.node_fingerprint);
        // A browser repeats the DTLS handshake only with another certificate (RFC 8842 §5.1), so to reach a node that has forgotten it, it
        // needs a new connection.
        if !waiting.new_connection && before == Some(fingerprint) {
            self.fail_waiting(participant, ErrorCode::SessionExpired);
            return;
        }
        self.bind(&waiting.session, epoch, fingerprint);
        let reply = match waiting.first {
            true => Reply::Joined { in_reply_to: waiting.in_reply_to },
            false => Reply::Negotiated { in_reply_to: waiting.in_reply_to },
        };
        self.adopt(participant, waiting.session, waiting.tracks);
        if let Some(member) = self.members.get_mut(participant) {
            member.waiting = None;
        }
        self.reply(participant, reply);
    }

    /// Gives a session to an assignment.
    pub(super) fn bind(&mut self, id: &SessionId, epoch: u64, fingerprint: Fingerprint) {
        if let Some(session) = self.sessions.get_mut(id) {
            session.epoch = Some(epoch);
            session.node_fingerprint = Some(fingerprint);
            self.news.set_sessions.push((epoch, id.clone()));
        }
    }
}
