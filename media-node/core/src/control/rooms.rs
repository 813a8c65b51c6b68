//! The served rooms: their assignments and epochs, and a line to each.

use super::output::Output;
use super::served::Served;
use crate::deadlines::Deadlines;
use node_core::line::{Line, News, SocketKey};
use node_core::membership::FLEET_LINE;
use shared::control::{Assignment, Message, NodeToRoom, RecordingOrder, RoomToNode};
use shared::signal::RecordingState;
use shared::{ErrorCode, NodeId, RoomId, SessionId, limits};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// Age at which a ticket is renewed: a room may outlive one.
const RENEWAL: Duration = Duration::from_millis(limits::NODE_TICKET_RENEWAL_MS);
/// Pause after a failed renewal.
const RENEWAL_RETRY: Duration = Duration::from_secs(60);

/// Deadlines of a room, by the number of its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    Dial(u64),
    Renew(u64),
    /// A room without sessions is left.
    Empty(u64),
}

#[derive(Debug)]
pub(super) struct Rooms {
    node: NodeId,
    shards: usize,
    edges: usize,
    records: bool,
    seed: u64,
    served: BTreeMap<RoomId, Served>,
    /// The rooms' lines: each assignment has its own.
    lines: BTreeMap<u64, RoomId>,
    last_line: u64,
    is_draining: bool,
    deadlines: Deadlines<Timer>,
    outputs: VecDeque<Output>,
}

impl Rooms {
    pub(super) fn new(node: NodeId, shards: usize, edges: usize, records: bool, seed: u64) -> Self {
        Self {
            node,
            shards,
            edges,
            records,
            seed,
            served: BTreeMap::new(),
            lines: BTreeMap::new(),
            last_line: FLEET_LINE,
            is_draining: false,
            deadlines: Deadlines::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Served rooms with their epochs.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&RoomId, u64)> {
        self.served.iter().map(|(room, served)| (room, served.epoch))
    }

    pub(super) fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.next()
    }

    pub(super) fn handle_deadline(&mut self, now: Instant) {
        let mut due = Vec::new();
        self.deadlines.take_due(now, &mut due);
        for timer in due {
            let (Timer::Dial(line) | Timer::Renew(line) | Timer::Empty(line)) = timer;
            let Some(room) = self.lines.get(&line).cloned() else { continue };
            match timer {
                Timer::Dial(_) => self.dial(now, &room),
                Timer::Renew(_) => self.renew(&room),
                Timer::Empty(_) => self.leave_if_empty(now, &room),
            }
        }
    }

    /// Starts serving a room. A repeated assignment continues the same session; an older one is refused.
    pub(super) fn assign(&mut self, now: Instant, assignment: Assignment) {
        let Assignment { room, epoch, shard, ticket, session } = assignment;
        if usize::from(shard) >= self.shards {
            tracing::warn!(%room, epoch, shard, "the edge assigned a room to a shard that does not exist");
            return;
        }
        let before = self.served.get(&room).map(|served| (served.epoch, served.shard));
        if self.is_draining || (before.is_none() && self.served.len() >= limits::ROOMS_PER_NODE_MAX) {
            tracing::warn!(%room, epoch, rooms = self.served.len(), "assignment refused: the node is draining or full");
            return;
        }
        if before.is_some_and(|(served, _)| served > epoch) {
            tracing::warn!(%room, epoch, "assignment refused: its epoch is outdated");
            return;
        }
        if let Some((_, other)) = before.filter(|(_, other)| *other != shard) {
            self.tell_shard(other, &room, RoomToNode::Release {});
        }
        let first = session.as_ref().map(|session| (&session.session, &session.participant));
        tracing::info!(%room, epoch, shard, ?first, "assigned");
        if let Some(session) = session {
            self.tell_shard(shard, &room, RoomToNode::SetSession { session });
        }
        if before.is_some_and(|(served, _)| served == epoch) {
            return;
        }
        self.forget(&room);
        self.last_line += 1;
        let number = self.last_line;
        let line = Line::new(now, number, self.edges, self.seed ^ number);
        self.served.insert(room.clone(), Served::new(now, epoch, shard, number, line, ticket));
        self.lines.insert(number, room.clone());
        self.deadlines.set(Timer::Renew(number), Some(now + RENEWAL));
        self.dial(now, &room);
    }

    fn dial(&mut self, now: Instant, room: &RoomId) {
        let Some(served) = self.served.get_mut(room) else { return };
        if let Some((socket, edge)) = served.line.dial(now) {
            let (room, ticket) = (room.clone(), served.ticket.clone());
            self.outputs.push_back(Output::DialRoom { socket, edge, room, ticket });
        }
        self.deadlines.set(Timer::Dial(served.number), served.line.dial_at());
    }

    /// News of an earlier socket, or of a room that is no longer served, changes nothing.
    pub(super) fn handle_news(&mut self, now: Instant, socket: SocketKey, news: News) {
        let Some((room, served)) = self.of(socket) else { return };
        let epoch = served.epoch;
        match news {
            News::Opened => self.ask_connected(now, &room, socket),
            News::Failed { is_final: true, reason } => {
                tracing::warn!(%room, epoch, reason, "the room refused this node");
                self.leave(&room);
            }
            News::Failed { is_final: false, reason } => {
                tracing::warn!(%room, reason, "connecting to the room failed");
                self.lose(now, &room);
            }
            News::Closed { reason } => {
                tracing::warn!(%room, reason, "the socket to the room closed");
                self.lose(now, &room);
            }
            News::Frame(text) => match RoomToNode::parse(&text) {
                Ok(message) => self.hear(now, &room, message),
                Err(error) => tracing::warn!(%room, %error, "the room sent an unreadable frame"),
            },
        }
    }

    /// `None` if the socket has been replaced.
    fn of(&mut self, socket: SocketKey) -> Option<(RoomId, &mut Served)> {
        let room = self.lines.get(&socket.line)?.clone();
        let served = self.served.get_mut(&room).filter(|served| served.line.socket() == Some(socket))?;
        Some((room, served))
    }

    /// The hello reports the sessions that are connected, which only the shard knows.
    fn ask_connected(&mut self, now: Instant, room: &RoomId, socket: SocketKey) {
        let Some(served) = self.served.get_mut(room) else { return };
        if served.line.handle_opened(socket) {
            served.handle_opened(now);
            self.deadlines.set(Timer::Empty(served.number), served.sessions.empty_at());
            let (room, shard) = (room.clone(), served.shard);
            self.outputs.push_back(Output::AskConnected { socket, shard, room });
        }
    }

    /// Says hello on a new socket.
    pub(super) fn handle_connected(&mut self, socket: SocketKey, connected: Vec<SessionId>) {
        let (node, is_draining) = (self.node.clone(), self.is_draining);
        let Some((_, served)) = self.of(socket) else { return };
        let Some(held) = served.take_held() else { return };
        let hello = NodeToRoom::Hello { node, epoch: served.epoch, connected, reports_loudest: true };
        let draining = (is_draining || served.is_lost).then_some(NodeToRoom::Draining {});
        for message in [hello].into_iter().chain(draining).chain(held) {
            self.outputs.push_back(Output::Send { socket, frame: message.to_json() });
        }
    }

    fn hear(&mut self, now: Instant, room: &RoomId, message: RoomToNode) {
        let Some(served) = self.served.get_mut(room) else { return };
        match served.parts.take(message) {
            Ok(Some(message)) => self.obey(now, room, message),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%room, %error, "the socket to the room is given up");
                self.lose(now, room);
            }
        }
    }

    fn obey(&mut self, now: Instant, room: &RoomId, message: RoomToNode) {
        let Some(served) = self.served.get_mut(room) else { return };
        let epoch = served.epoch;
        match &message {
            RoomToNode::Welcome { sessions, forwards, .. } => {
                served.line.settle();
                let (sessions, forwards) = (sessions.len(), forwards.len());
                tracing::info!(%room, epoch, sessions, forwards, "welcome");
            }
            RoomToNode::Refused { code } => {
                tracing::warn!(%room, epoch, code = code.as_str(), "refused");
                return if code.may_retry() { self.lose(now, room) } else { self.leave(room) };
            }
            RoomToNode::Release {} => return self.leave(room),
            RoomToNode::Error { code, message } => {
                tracing::warn!(%room, code = code.as_str(), message, "the room rejected a message");
                return;
            }
            RoomToNode::WelcomePart { .. }
            | RoomToNode::SetSession { .. }
            | RoomToNode::CloseSession { .. }
            | RoomToNode::SetForwards { .. }
            | RoomToNode::SetRecording { .. }
            | RoomToNode::SetMicrophones { .. } => {}
        }
        served.sessions.note(&message, now);
        self.deadlines.set(Timer::Empty(served.number), served.sessions.empty_at());
        let shard = served.shard;
        // The recorder learns about a track before the shard copies its first packet.
        if let RoomToNode::Welcome { recording, .. } | RoomToNode::SetRecording { recording } = &message {
            self.record(room, epoch, recording.clone());
        }
        self.tell_shard(shard, room, message);
    }

    fn record(&mut self, room: &RoomId, epoch: u64, order: Option<RecordingOrder>) {
        if self.records {
            self.outputs.push_back(Output::Record { room: room.clone(), epoch, order });
        } else if let Some(order) = order {
            tracing::warn!(%room, "the edge requested a recording, but no storage is configured");
            let code = Some(ErrorCode::RecordingUnavailable);
            let (recording, state) = (order.recording, RecordingState::Failed);
            self.tell_room(room, NodeToRoom::RecordingState { recording, state, code });
        }
    }

    fn tell_shard(&mut self, shard: u16, room: &RoomId, message: RoomToNode) {
        self.outputs.push_back(Output::TellShard { shard, room: room.clone(), message });
    }

    /// Passes on what happened to a room's sessions in this shard.
    pub(super) fn handle_event(&mut self, shard: u16, room: &RoomId, message: NodeToRoom) {
        if self.served.get(room).is_some_and(|served| served.shard == shard) {
            self.tell_room(room, message);
        } else {
            tracing::debug!(%room, shard, ?message, "message for a room that is no longer served");
        }
    }

    /// Passes on what a recording under this epoch says.
    pub(super) fn handle_recording(&mut self, room: &RoomId, epoch: u64, message: NodeToRoom) {
        if self.served.get(room).is_some_and(|served| served.epoch == epoch) {
            self.tell_room(room, message);
        }
    }

    /// Without a socket the message is dropped: the next hello and the answer to the next welcome report the current
    /// state.
    fn tell_room(&mut self, room: &RoomId, message: NodeToRoom) {
        let Some(served) = self.served.get_mut(room) else { return };
        let Some(socket) = served.line.open() else { return };
        if let Some(message) = served.hold(message) {
            self.outputs.push_back(Output::Send { socket, frame: message.to_json() });
        }
    }

    fn renew(&mut self, room: &RoomId) {
        let Some(served) = self.served.get(room) else { return };
        let (room, epoch, ticket) = (room.clone(), served.epoch, served.ticket.clone());
        self.outputs.push_back(Output::RenewTicket { room, epoch, ticket });
    }

    /// `None` if the edge could not be asked.
    pub(super) fn handle_ticket(&mut self, now: Instant, room: &RoomId, epoch: u64, ticket: Option<String>) {
        let Some(served) = self.served.get_mut(room).filter(|served| served.epoch == epoch) else { return };
        let wait = if ticket.is_some() { RENEWAL } else { RENEWAL_RETRY };
        if let Some(ticket) = ticket {
            served.ticket = ticket;
        }
        self.deadlines.set(Timer::Renew(served.number), Some(now + wait));
    }

    /// Tells every room that the node drains; no more rooms are accepted.
    pub(super) fn begin_draining(&mut self) {
        self.is_draining = true;
        let rooms: Vec<RoomId> = self.served.keys().cloned().collect();
        rooms.iter().for_each(|room| self.announce(room));
    }

    /// Tells the rooms of a shard that has lost its sessions that the node drains, so that they move at once.
    pub(super) fn retire(&mut self, shard: u16) {
        let of_shard = self.served.iter_mut().filter(|(_, served)| served.shard == shard);
        let rooms: Vec<RoomId> = of_shard
            .map(|(room, served)| {
                served.is_lost = true;
                room.clone()
            })
            .collect();
        rooms.iter().for_each(|room| self.announce(room));
    }

    /// A socket that waits for its hello hears it afterwards.
    fn announce(&mut self, room: &RoomId) {
        if self.served.get(room).is_some_and(|served| !served.is_held()) {
            self.tell_room(room, NodeToRoom::Draining {});
        }
    }

    fn leave_if_empty(&mut self, now: Instant, room: &RoomId) {
        let Some(served) = self.served.get(room) else { return };
        if served.line.open().is_some() && served.sessions.empty_at().is_some_and(|at| at <= now) {
            self.leave(room);
        }
    }

    /// The room is no longer ours: its sessions are closed.
    fn leave(&mut self, room: &RoomId) {
        if let Some(served) = self.forget(room) {
            self.tell_shard(served.shard, room, RoomToNode::Release {});
            tracing::info!(%room, epoch = served.epoch, "room no longer served");
        }
    }

    /// Ends an assignment; its sessions stay.
    fn forget(&mut self, room: &RoomId) -> Option<Served> {
        let served = self.served.remove(room)?;
        self.lines.remove(&served.number);
        for timer in [Timer::Dial(served.number), Timer::Renew(served.number), Timer::Empty(served.number)] {
            self.deadlines.set(timer, None);
        }
        self.outputs.extend(served.line.socket().map(|socket| Output::Close { socket }));
        self.record(room, served.epoch, None);
        Some(served)
    }

    /// Only the socket is lost: reconnect. Media continues in the meantime.
    fn lose(&mut self, now: Instant, room: &RoomId) {
        let Some(served) = self.served.get_mut(room) else { return };
        self.outputs.extend(served.line.socket().map(|socket| Output::Close { socket }));
        served.back_off(now);
        self.deadlines.set(Timer::Empty(served.number), None);
        self.deadlines.set(Timer::Dial(served.number), served.line.dial_at());
    }
}
