//! The context of a handler, and the small acts that concern both the state and the outbox.

use crate::SocketId;
use crate::random::Random;
use crate::roles::Roles;
use crate::room::outbox::{Outbox, Output, Refusal, Reply};
use crate::room::state::State;
use crate::room::state::resume_secrets::ResumeKeys;
use crate::templates::Templates;
use shared::control::RoomToNode;
use shared::signal::{EdgeToClient, IceServer, close_code};
use shared::sorted::SortedSet;
use shared::turn_credential::TurnKeys;
use shared::{ErrorCode, ParticipantId, Region, UnixMillis};

/// Settings from the deployment; not stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// STUN servers and third-party TURN servers for clients.
    pub ice_servers: Vec<IceServer>,
    /// Keys for credentials of our TURN nodes; without them, clients are offered none of these nodes.
    pub turn_keys: Option<TurnKeys>,
    /// Keys for resume secrets.
    pub resume_keys: ResumeKeys,
    pub roles: Roles,
    pub templates: Templates,
    /// The regions and continents that a room may wish for.
    pub regions: SortedSet<Region>,
    /// True if storage for recordings is configured.
    pub can_record: bool,
}

pub(crate) struct Context<'a> {
    pub(crate) now: UnixMillis,
    pub(crate) config: &'a Config,
    pub(crate) random: &'a mut Random,
    pub(crate) state: &'a mut State,
    pub(crate) outbox: &'a mut Outbox,
}

/// The participant who sent a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) socket: SocketId,
    pub(crate) participant: ParticipantId,
    /// The id of the request.
    pub(crate) id: Option<u32>,
}

impl Context<'_> {
    pub(crate) fn done(&mut self, caller: &Caller) {
        self.outbox.done(caller.socket, caller.id);
    }

    /// Queues an answer that shows the room after this input.
    pub(crate) fn reply(&mut self, participant: &ParticipantId, reply: Reply) {
        let Some(member) = self.state.members.get_mut(participant) else { return };
        // A client that has lost its socket asks again.
        if member.socket.is_some() {
            member.answered = true;
            self.outbox.replies.push((participant.clone(), reply));
        }
    }

    /// Sends the participant a last message and closes the socket.
    pub(crate) fn send_off(&mut self, participant: &ParticipantId, message: EdgeToClient, code: u16) {
        let Some(socket) = self.state.members.get(participant).and_then(|member| member.socket) else { return };
        self.outbox.send_client(socket, message);
        self.close_client(socket, code);
    }

    /// Answers a request that waits for a node with an error, because its socket is about to close.
    pub(crate) fn refuse_waiting(&mut self, participant: &ParticipantId, code: ErrorCode) {
        let Some(member) = self.state.members.get(participant) else { return };
        let waiting = member.waiting.as_ref().map(|waiting| waiting.in_reply_to);
        let restart = member.restart.as_ref().map(|restart| restart.request.in_reply_to);
        if let (Some(in_reply_to), Some(socket)) = (waiting.or(restart), member.socket) {
            self.outbox.refuse(socket, in_reply_to, Refusal::new(code, waiting_error(code)));
        }
    }

    pub(crate) fn close_client(&mut self, socket: SocketId, code: u16) {
        if self.state.sockets.remove(&socket).is_some() {
            self.outbox.closes.push(Output::CloseClient { socket, code });
        }
    }

    pub(crate) fn close_node(&mut self, socket: SocketId, code: u16) {
        if self.state.sockets.remove(&socket).is_some() {
            self.outbox.closes.push(Output::CloseNode { socket, code });
        }
    }

    pub(crate) fn refuse_node(&mut self, socket: SocketId, code: ErrorCode) {
        self.outbox.send_node(socket, RoomToNode::Refused { code });
        self.close_node(socket, close_code::POLICY);
    }
}

/// The developer's text for a request that waited without success.
const fn waiting_error(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::SessionExpired => "the node has forgotten this connection: offer with a new one",
        ErrorCode::Replaced => "the same participant joined again",
        ErrorCode::Kicked => "a moderator removed the participant",
        ErrorCode::RoomClosed => "the room was ended",
        ErrorCode::NotJoined => "the participant left",
        ErrorCode::RateLimited | ErrorCode::MalformedFrame => "too many bad frames",
        ErrorCode::Timeout => "the client sends no pings",
        _ => "no media node could be found",
    }
}
