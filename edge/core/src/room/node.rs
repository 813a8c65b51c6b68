//! Handles the nodes' messages on their control sockets.

use super::Room;
use super::media_session::MediaState;
use super::socket::Kind;
use super::topology::{EarlyHello, Link, Placing};
use crate::SocketId;
use shared::control::{ControlError, NodeToRoom, RoomToNode, SessionEnd};
use shared::signal::close_code;
use shared::{ErrorCode, NodeId, ParticipantId, SessionId, UnixMillis};

impl Room {
    pub(super) fn node_frame(&mut self, now: UnixMillis, socket: SocketId, frame: Result<NodeToRoom, ControlError>) {
        let Some(Kind::Node { claims, epoch }) = self.sockets.get(&socket).map(|socket| &socket.kind) else { return };
        let (ticket, epoch) = (claims.clone(), *epoch);
        let message = match frame {
            Ok(message) => message,
            Err(error) => {
                self.news.send_node(socket, RoomToNode::Error { code: error.code(), message: error.to_string() });
                if self.strike(socket) {
                    self.close_node(socket, close_code::POLICY);
                    self.node_lost(now, socket);
                }
                return;
            }
        };
        match (message, epoch) {
            (NodeToRoom::Hello { node, epoch, .. }, _) if node != ticket.sub || epoch != ticket.epoch => {
                self.refuse_node(socket, ErrorCode::BadToken);
            }
            (NodeToRoom::Hello { node, epoch, connected }, _) => self.hello(socket, &node, epoch, &connected),
            (_, None) => {
                let message = "say hello first".into();
                self.news.send_node(socket, RoomToNode::Error { code: ErrorCode::NotJoined, message });
            }
            (NodeToRoom::SessionConnected { session }, Some(epoch)) => self.session_is(&session, epoch, MediaState::Up),
            (NodeToRoom::SessionClosed { session, end }, Some(epoch)) => self.session_closed(now, &session, epoch, end),
            (NodeToRoom::RecordingState { recording, state, code }, Some(epoch)) => {
                self.recording_is(now, &recording, epoch, state, code);
            }
            (NodeToRoom::LayersWanted { session, mid, rids }, Some(epoch)) => {
                self.layers_wanted(&session, epoch, &mid, &rids);
            }
            (NodeToRoom::VideoLimited { session, estimate_bps, slots }, Some(epoch)) => {
                self.video_limited(&session, epoch, estimate_bps, slots);
            }
            (NodeToRoom::VideoUndecodable { session, mids }, Some(epoch)) => {
                self.video_undecodable(&session, epoch, &mids);
            }
            (NodeToRoom::Draining {}, Some(epoch)) => self.retire(now, epoch),
        }
    }

    /// Handles `hello`: a node has connected and lists its connected sessions.
    pub(super) fn hello(&mut self, socket: SocketId, node: &NodeId, epoch: u64, connected: &[SessionId]) {
        let assigned = self.assignments.get(&epoch).is_some_and(|assignment| assignment.node == *node);
        if !assigned {
            self.early_hello(socket, node, epoch, connected);
            return;
        }
        let mut before = None;
        if let Some(assignment) = self.assignments.get_mut(&epoch) {
            before = assignment.socket().filter(|before| *before != socket);
            assignment.link = Link::Connected { socket };
        }
        if let Some(before) = before {
            self.close_node(before, close_code::NORMAL);
        }
        self.socket_is_node_of(socket, epoch);
        self.reconcile(epoch, connected);
        self.news.welcomes.insert(epoch);
        let is_current = self.meta().and_then(|meta| meta.current) == Some(epoch);
        if is_current && self.assignments.get(&epoch).is_some_and(|assignment| assignment.retired_at.is_none()) {
            self.heard_current(epoch);
        }
    }

    /// The current node connected after all, so no other node is needed.
    fn heard_current(&mut self, epoch: u64) {
        if self.meta().is_none_or(|meta| meta.silent_nodes == 0 && meta.placing.is_none()) {
            return;
        }
        let Some(meta) = self.meta_mut() else { return };
        meta.silent_nodes = 0;
        let placing = meta.placing.take();
        if let Some(Placing::Asked { early: Some(early), .. }) = placing {
            self.refuse_node(early.socket, ErrorCode::StaleEpoch);
        }
        self.serve_waiting(epoch);
    }

    /// A node can connect before the Fleet object's answer about it arrives.
    fn early_hello(&mut self, socket: SocketId, node: &NodeId, epoch: u64, connected: &[SessionId]) {
        let asked = matches!(self.meta().and_then(|meta| meta.placing.as_ref()), Some(Placing::Asked { epoch: asked, .. }) if *asked == epoch);
        if !asked {
            self.refuse_node(socket, ErrorCode::StaleEpoch);
            return;
        }
        let hello = EarlyHello { socket, node: node.clone(), connected: connected.to_vec() };
        let mut before = None;
        if let Some(Placing::Asked { early, .. }) = self.meta_mut().and_then(|meta| meta.placing.as_mut()) {
            before = early.replace(hello).map(|before| before.socket).filter(|before| *before != socket);
        }
        self.socket_waits(socket);
        if let Some(before) = before {
            self.refuse_node(before, ErrorCode::StaleEpoch);
        }
    }

    /// Takes over the node's list of connected sessions.
    fn reconcile(&mut self, epoch: u64, connected: &[SessionId]) {
        let of_node = self.sessions.iter().filter(|(_, session)| session.epoch == Some(epoch));
        let states: Vec<_> = of_node.map(|(id, session)| (id.clone(), session.media)).collect();
        for (id, media) in states {
            match (media, connected.contains(&id)) {
                (MediaState::New | MediaState::Ended, true) => self.session_is(&id, epoch, MediaState::Up),
                (MediaState::Up, false) => self.session_is(&id, epoch, MediaState::New),
                (MediaState::Up, true) | (MediaState::New | MediaState::Ended, false) => {}
            }
        }
    }

    fn session_is(&mut self, id: &SessionId, epoch: u64, media: MediaState) {
        let known = self.sessions.get(id).filter(|session| session.epoch == Some(epoch) && session.media != media);
        let Some(participant) = known.map(|session| session.participant.clone()) else { return };
        if let Some(session) = self.sessions.get_mut(id) {
            session.media = media;
        }
        if media == MediaState::Up
            && self.members.get(&participant).is_some_and(|member| member.session == *id)
            && let Some(member) = self.members.get_mut(&participant)
        {
            member.was_connected = true;
        }
    }

    fn session_closed(&mut self, now: UnixMillis, id: &SessionId, epoch: u64, end: SessionEnd) {
        let known = self.sessions.get(id).filter(|session| session.epoch == Some(epoch));
        let Some(participant) = known.map(|session| session.participant.clone()) else { return };
        self.session_is(id, epoch, MediaState::Ended);
        match end {
            // The room moves as a whole, because nodes do not forward to each other.
            SessionEnd::Refused => self.retire(now, epoch),
            SessionEnd::ConsentExpired
            | SessionEnd::ClosedByClient
            | SessionEnd::WrongFingerprint
            | SessionEnd::HandshakeFailed => self.client_must_offer(&participant, id),
        }
    }

    /// Tells a client that its transport is dead, unless it has already offered a new one.
    fn client_must_offer(&mut self, participant: &ParticipantId, session: &SessionId) {
        let member = self.members.get(participant);
        if member.is_some_and(|member| member.session == *session && member.waiting.is_none()) {
            self.news.transport_dead.insert(participant.clone());
        }
    }

    pub(super) fn node_lost(&mut self, now: UnixMillis, socket: SocketId) {
        let of_socket = self.assignments.iter().find(|(_, assignment)| assignment.socket() == Some(socket));
        if let Some(epoch) = of_socket.map(|(epoch, _)| *epoch) {
            if let Some(assignment) = self.assignments.get_mut(&epoch) {
                assignment.link = Link::Lost { since: now };
            }
            if self.meta().and_then(|meta| meta.current) != Some(epoch) {
                self.end_assignment(epoch);
            }
        }
        let is_early = |early: &Option<EarlyHello>| early.as_ref().is_some_and(|early| early.socket == socket);
        if matches!(self.meta().map(|meta| &meta.placing), Some(Some(Placing::Asked { early, .. })) if is_early(early))
            && let Some(meta) = self.meta_mut()
            && let Some(Placing::Asked { early, .. }) = &mut meta.placing
        {
            *early = None;
        }
    }

    pub(super) fn refuse_node(&mut self, socket: SocketId, code: ErrorCode) {
        self.news.send_node(socket, RoomToNode::Refused { code });
        self.close_node(socket, close_code::POLICY);
    }
}
