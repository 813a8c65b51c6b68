//! The room's sockets: who is behind them, and what becomes of those that misbehave.

use super::conversation::{Speaker, Talk};
use super::deadline::Deadline;
use super::member::Absence;
use super::moderation::Verb;
use super::renegotiate::Renegotiation;
use super::resume::Claim;
use super::{Attachment, Output, Room};
use crate::{SocketId, door};
use shared::control::RoomToNode;
use shared::signal::{ClientFrame, ClientToEdge, EdgeToClient, FrameError, close_code};
use shared::token::{JoinClaims, TicketClaims};
use shared::{ErrorCode, ParticipantId, UnixMillis, limits};

/// Most sockets of a room: the door lets in no more.
const SOCKETS_MAX: usize = door::CLIENT_SOCKETS_MAX + door::NODE_SOCKETS_MAX;

#[derive(Clone, Debug)]
pub(super) struct Socket {
    pub(super) kind: Kind,
    opened_at: UnixMillis,
    /// A node's frames that could not be read; those of clients count for the participant.
    strikes: u32,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A client; before it joins or resumes, it speaks for nobody.
    Client { bearer: Bearer, participant: Option<ParticipantId> },
    /// A node; before it says hello, it serves nothing.
    Node { claims: TicketClaims, epoch: Option<u64> },
}

/// What opened a client's socket.
#[derive(Clone, Debug)]
pub(super) enum Bearer {
    Token(JoinClaims),
    /// The resume secret of this participant, which opens their session and nothing else.
    Secret(ParticipantId),
}

impl Bearer {
    pub(super) const fn participant(&self) -> &ParticipantId {
        match self {
            Self::Token(claims) => &claims.sub,
            Self::Secret(participant) => participant,
        }
    }
}

/// A client that asks to be a participant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker<'a> {
    pub(super) socket: SocketId,
    pub(super) id: Option<u32>,
    pub(super) claims: &'a JoinClaims,
}

impl Room {
    pub(super) fn socket_opened(&mut self, attachment: Attachment) {
        let (socket, opened_at, kind, room) = match attachment {
            Attachment::Client { socket, opened_at, claims } => {
                let room = claims.room.clone();
                (socket, opened_at, Kind::Client { bearer: Bearer::Token(claims), participant: None }, room)
            }
            Attachment::Resuming { socket, opened_at, participant } => {
                let kind = Kind::Client { bearer: Bearer::Secret(participant), participant: None };
                (socket, opened_at, kind, self.id.clone())
            }
            Attachment::Node { socket, opened_at, claims } => {
                let room = claims.room.clone();
                (socket, opened_at, Kind::Node { claims, epoch: None }, room)
            }
        };
        let is_full = self.sockets.len() >= SOCKETS_MAX;
        self.sockets.insert(socket, Socket { kind, opened_at, strikes: 0 });
        self.expect_first_frame(socket);
        if room != self.id {
            self.refuse_socket(socket, ErrorCode::WrongRoom);
        } else if is_full {
            self.refuse_socket(socket, ErrorCode::RoomFull);
        }
    }

    pub(super) fn socket_closed(&mut self, now: UnixMillis, socket: SocketId, going_away: bool) {
        match self.drop_socket(socket) {
            Some(Kind::Client { participant: Some(participant), .. }) => {
                self.client_lost(&participant, socket, Absence { since: now, page_closed: going_away });
            }
            Some(Kind::Node { .. }) => self.node_lost(now, socket),
            Some(Kind::Client { participant: None, .. }) | None => {}
        }
    }

    /// A new socket said nothing that counts in time.
    pub(super) fn first_frame_due(&mut self, socket: SocketId) {
        self.refuse_socket(socket, ErrorCode::Timeout);
    }

    fn refuse_socket(&mut self, socket: SocketId, code: ErrorCode) {
        match self.sockets.get(&socket).map(|socket| &socket.kind) {
            Some(Kind::Client { .. }) => {
                self.news.send_client(socket, EdgeToClient::Refused { code });
                self.close_client(socket, close_code::POLICY);
            }
            Some(Kind::Node { .. }) => {
                self.news.send_node(socket, RoomToNode::Refused { code });
                self.close_node(socket, close_code::POLICY);
            }
            None => {}
        }
    }

    pub(super) fn client_frame(&mut self, now: UnixMillis, socket: SocketId, frame: Result<ClientFrame, FrameError>) {
        let Some(Kind::Client { bearer, participant }) = self.sockets.get(&socket).map(|socket| &socket.kind) else {
            return;
        };
        let (bearer, participant) = (bearer.clone(), participant.clone());
        let id = frame.as_ref().map_or_else(FrameError::id, |frame| frame.id);
        let refused = match frame {
            _ if !self.spend(bearer.participant(), |allowance| allowance.take_frame(now)) => {
                (ErrorCode::RateLimited, "too many frames".to_string())
            }
            Err(error) => (error.code(), error.to_string()),
            Ok(frame) => {
                self.request(now, socket, &bearer, participant, frame);
                return;
            }
        };
        let (code, message) = refused;
        self.news.refuse(socket, id, code, message);
        // A newer client may say what this edge does not know, and fields can be wrong: such frames are refused one by one.
        let counts = !matches!(code, ErrorCode::UnknownMessage | ErrorCode::InvalidMessage);
        if counts && !self.spend(bearer.participant(), |allowance| allowance.take_bad_frame(now)) {
            if let Some(participant) = &participant {
                self.refuse_waiting(participant, code);
                self.client_lost(participant, socket, Absence::lost(now));
            }
            self.refuse_socket(socket, code);
        }
    }

    /// Counts a bad frame of a node; true where it was one too many.
    pub(super) fn strike(&mut self, socket: SocketId) -> bool {
        let Some(socket) = self.sockets.get_mut(&socket) else { return false };
        socket.strikes = socket.strikes.saturating_add(1);
        socket.strikes >= limits::MALFORMED_FRAMES_MAX
    }

    fn request(
        &mut self,
        now: UnixMillis,
        socket: SocketId,
        bearer: &Bearer,
        participant: Option<ParticipantId>,
        frame: ClientFrame,
    ) {
        let id = frame.id;
        let refusal = match (frame.message, participant) {
            (ClientToEdge::Join { attempt, offer, tracks }, _) => match bearer {
                Bearer::Token(claims) => {
                    let result = self.join(now, Asker { socket, id, claims }, attempt, &offer, &tracks);
                    result.err().map(|error| (error.code(), error.to_string()))
                }
                Bearer::Secret(_) => {
                    Some((ErrorCode::BadToken, "joining needs a socket that was opened with a join token".into()))
                }
            },
            (ClientToEdge::Resume { session, resume_token: secret, chat_after }, None) => {
                let claim = Claim { session, secret, chat_after };
                let result = self.resume(now, socket, id, bearer.participant(), &claim);
                result.err().map(|error| (error.code(), error.to_string()))
            }
            (message, Some(participant)) => {
                self.note_secret_read(&participant);
                self.request_of(now, socket, &participant, id, message)
            }
            (
                ClientToEdge::Negotiate { .. }
                | ClientToEdge::SetMuted { .. }
                | ClientToEdge::View { .. }
                | ClientToEdge::Chat { .. }
                | ClientToEdge::React { .. }
                | ClientToEdge::RaiseHand { .. }
                | ClientToEdge::LowerHand { .. }
                | ClientToEdge::Kick { .. }
                | ClientToEdge::ListBans {}
                | ClientToEdge::LiftBan { .. }
                | ClientToEdge::AdmitGuest { .. }
                | ClientToEdge::RefuseGuest { .. }
                | ClientToEdge::MuteTrack { .. }
                | ClientToEdge::UpdateParticipant { .. }
                | ClientToEdge::UpdateRoom { .. }
                | ClientToEdge::EndRoom { .. }
                | ClientToEdge::StartRecording {}
                | ClientToEdge::StopRecording {}
                | ClientToEdge::Leave {},
                None,
            ) => Some((ErrorCode::NotJoined, "this needs a join first".into())),
        };
        if let Some((code, message)) = refusal {
            self.news.refuse(socket, id, code, message);
        }
    }

    /// Handles a participant's request, or says why it is refused.
    fn request_of(
        &mut self,
        now: UnixMillis,
        socket: SocketId,
        participant: &ParticipantId,
        id: Option<u32>,
        message: ClientToEdge,
    ) -> Option<(ErrorCode, String)> {
        let admit = matches!(message, ClientToEdge::AdmitGuest { .. });
        match message {
            ClientToEdge::Join { .. } | ClientToEdge::Resume { .. } => {
                Some((ErrorCode::AlreadyJoined, "this socket has joined already".into()))
            }
            ClientToEdge::Negotiate { offer, tracks: intents, reason } => {
                let request = Renegotiation { in_reply_to: id, offer, intents, reason };
                self.negotiate(now, participant, request).err().map(|error| (error.code(), error.to_string()))
            }
            ClientToEdge::SetMuted { mid, muted } => {
                let result = self.set_muted(socket, participant, id, &mid, muted);
                result.err().map(|error| (error.code(), error.to_string()))
            }
            ClientToEdge::View { participants, lines } => {
                self.view(socket, participant, id, participants, lines);
                None
            }
            ClientToEdge::Chat { message, text } => {
                self.refused_talk(now, Speaker { socket, participant, id }, Talk::Chat { message, text })
            }
            ClientToEdge::React { reaction } => {
                self.refused_talk(now, Speaker { socket, participant, id }, Talk::React { reaction })
            }
            ClientToEdge::RaiseHand { raised } => {
                self.refused_talk(now, Speaker { socket, participant, id }, Talk::RaiseHand { raised })
            }
            ClientToEdge::LowerHand { participant: whom } => {
                self.refused_talk(now, Speaker { socket, participant, id }, Talk::LowerHand { whom })
            }
            ClientToEdge::Kick { participant: whom, reason, ban } => {
                self.refused_verb(now, socket, participant, id, Verb::Remove { participant: whom, reason, ban })
            }
            ClientToEdge::LiftBan { participant: whom } => {
                self.refused_verb(now, socket, participant, id, Verb::LiftBan { participant: whom })
            }
            ClientToEdge::AdmitGuest { participant: whom } | ClientToEdge::RefuseGuest { participant: whom } => {
                self.refused_verb(now, socket, participant, id, Verb::AnswerGuest { participant: whom, admit })
            }
            ClientToEdge::ListBans {} => self.refused_list(socket, participant, id),
            ClientToEdge::MuteTrack { participant: whom, track } => {
                self.refused_verb(now, socket, participant, id, Verb::MuteTrack { participant: whom, track })
            }
            ClientToEdge::UpdateParticipant { participant: whom, change } => {
                let verb = Verb::UpdateParticipant { participant: whom, change };
                self.refused_verb(now, socket, participant, id, verb)
            }
            ClientToEdge::UpdateRoom { change } => {
                self.refused_verb(now, socket, participant, id, Verb::UpdateRoom { change })
            }
            ClientToEdge::EndRoom { reason } => self.refused_verb(now, socket, participant, id, Verb::End { reason }),
            ClientToEdge::StartRecording {} => {
                self.start_recording(now, socket, participant, id).err().map(|error| (error.code(), error.to_string()))
            }
            ClientToEdge::StopRecording {} => {
                self.stop_recording(now, socket, participant, id).err().map(|error| (error.code(), error.to_string()))
            }
            ClientToEdge::Leave {} => {
                self.leave(socket, participant, id);
                None
            }
        }
    }

    fn refused_verb(
        &mut self,
        now: UnixMillis,
        socket: SocketId,
        participant: &ParticipantId,
        id: Option<u32>,
        verb: Verb,
    ) -> Option<(ErrorCode, String)> {
        let result = self.moderate(now, socket, participant, id, verb);
        result.err().map(|error| (error.code(), error.to_string()))
    }

    fn refused_list(
        &mut self,
        socket: SocketId,
        participant: &ParticipantId,
        id: Option<u32>,
    ) -> Option<(ErrorCode, String)> {
        let result = self.list_bans(socket, participant, id);
        result.err().map(|error| (error.code(), error.to_string()))
    }

    /// The socket speaks for this participant from here on.
    pub(super) fn socket_is_client_of(&mut self, socket: SocketId, whose: &ParticipantId) {
        if let Some(Kind::Client { participant, .. }) = self.sockets.get_mut(&socket).map(|socket| &mut socket.kind) {
            *participant = Some(whose.clone());
            self.deadlines.set(Deadline::FirstFrame(socket), None);
        }
    }

    /// The socket speaks for the node of this assignment from here on.
    pub(super) fn socket_is_node_of(&mut self, socket: SocketId, of: u64) {
        if let Some(Kind::Node { epoch, .. }) = self.sockets.get_mut(&socket).map(|socket| &mut socket.kind) {
            *epoch = Some(of);
            self.deadlines.set(Deadline::FirstFrame(socket), None);
        }
    }

    /// Whether the socket speaks for a participant or a node.
    #[must_use]
    pub fn is_settled(&self, socket: SocketId) -> bool {
        match self.sockets.get(&socket).map(|socket| &socket.kind) {
            Some(Kind::Client { participant, .. }) => participant.is_some(),
            Some(Kind::Node { epoch, .. }) => epoch.is_some(),
            None => false,
        }
    }

    /// The node did what it must; the rest is for the Fleet object.
    pub(super) fn socket_waits(&mut self, socket: SocketId) {
        self.deadlines.set(Deadline::FirstFrame(socket), None);
    }

    /// The socket's participant is gone, though it is open: it may join again until its first frame is due.
    pub(super) fn forget_participant_of(&mut self, socket: SocketId) {
        if let Some(Kind::Client { participant, .. }) = self.sockets.get_mut(&socket).map(|socket| &mut socket.kind) {
            *participant = None;
            self.expect_first_frame(socket);
        }
    }

    fn expect_first_frame(&mut self, socket: SocketId) {
        let Some(opened_at) = self.sockets.get(&socket).map(|socket| socket.opened_at) else { return };
        let at = opened_at.plus_ms(limits::FIRST_FRAME_TIMEOUT_MS);
        self.deadlines.set(Deadline::FirstFrame(socket), Some(at));
    }

    pub(super) fn close_client(&mut self, socket: SocketId, code: u16) {
        if self.drop_socket(socket).is_some() {
            self.news.closes.push(Output::CloseClient { socket, code });
        }
    }

    pub(super) fn close_node(&mut self, socket: SocketId, code: u16) {
        if self.drop_socket(socket).is_some() {
            self.news.closes.push(Output::CloseNode { socket, code });
        }
    }

    fn drop_socket(&mut self, socket: SocketId) -> Option<Kind> {
        let kind = self.sockets.remove(&socket)?.kind;
        self.deadlines.set(Deadline::FirstFrame(socket), None);
        Some(kind)
    }
}
