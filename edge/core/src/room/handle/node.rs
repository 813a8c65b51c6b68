//! The nodes' messages on their control sockets.

use crate::SocketId;
use crate::room::context::Context;
use crate::room::handle::{adaptation, assignment, hello, loudest, record};
use crate::room::state::meta::EarlyHello;
use crate::room::state::sessions::{Limits, MediaState};
use crate::room::state::sockets::Kind;
use shared::control::{ControlError, NodeToRoom, RoomToNode, SessionEnd};
use shared::signal::close_code;
use shared::{ErrorCode, ParticipantId, SessionId};

pub(crate) fn frame(cx: &mut Context<'_>, socket: SocketId, frame: Result<NodeToRoom, ControlError>) {
    let Some(Kind::Node { claims, epoch }) = cx.state.sockets.get(&socket).map(|socket| &socket.kind) else { return };
    let (ticket, epoch) = (claims.clone(), *epoch);
    let message = match frame {
        Ok(message) => message,
        Err(error) => {
            cx.outbox.send_node(socket, RoomToNode::Error { code: error.code(), message: error.to_string() });
            if cx.state.strike(socket) {
                cx.close_node(socket, close_code::POLICY);
                assignment::node_lost(cx, socket);
            }
            return;
        }
    };
    match (message, epoch) {
        (NodeToRoom::Hello { node, epoch, .. }, _) if node != ticket.sub || epoch != ticket.epoch => {
            cx.refuse_node(socket, ErrorCode::BadToken);
        }
        (NodeToRoom::Hello { node, epoch, connected, reports_loudest }, _) => {
            hello::hello(cx, EarlyHello { socket, node, connected, reports_loudest }, epoch);
        }
        (_, None) => {
            let message = "the first message must be hello".into();
            cx.outbox.send_node(socket, RoomToNode::Error { code: ErrorCode::NotJoined, message });
        }
        (NodeToRoom::SessionConnected { session }, Some(epoch)) => {
            hello::session_is(cx.state, &session, epoch, MediaState::Up);
        }
        (NodeToRoom::SessionClosed { session, end }, Some(epoch)) => session_closed(cx, &session, epoch, end),
        (NodeToRoom::RecordingState { recording, state, code }, Some(epoch)) => {
            record::note_state(cx.state, cx.now, &recording, epoch, state, code);
        }
        (NodeToRoom::LayersWanted { session, mid, rids }, Some(epoch)) => {
            adaptation::layers_wanted(cx, &session, epoch, &mid, &rids);
        }
        (NodeToRoom::VideoLimited { session, estimate_bps, reason, slots }, Some(epoch)) => {
            adaptation::video_limited(cx, &session, epoch, Limits { estimate_bps, reason, slots });
        }
        (NodeToRoom::VideoUndecodable { session, mids }, Some(epoch)) => {
            adaptation::video_undecodable(cx, &session, epoch, &mids);
        }
        (NodeToRoom::Loudest { microphones }, Some(epoch)) => loudest::loudest(cx.state, epoch, &microphones),
        (NodeToRoom::Draining {}, Some(epoch)) => assignment::drains(cx, epoch),
    }
}

fn session_closed(cx: &mut Context<'_>, id: &SessionId, epoch: u64, end: SessionEnd) {
    let known = cx.state.sessions.get(id).filter(|session| session.epoch == Some(epoch));
    let Some(participant) = known.map(|session| session.participant.clone()) else { return };
    hello::session_is(cx.state, id, epoch, MediaState::Ended);
    match end {
        SessionEnd::Refused => assignment::session_refused(cx, epoch, id),
        SessionEnd::ConsentExpired
        | SessionEnd::ClosedByClient
        | SessionEnd::WrongFingerprint
        | SessionEnd::HandshakeFailed => client_must_offer(cx, &participant, id),
    }
}

/// Tells a client that its transport is dead, unless it has already offered a new one.
fn client_must_offer(cx: &mut Context<'_>, participant: &ParticipantId, session: &SessionId) {
    let member = cx.state.members.get(participant);
    if member.is_some_and(|member| member.session == *session && member.waiting.is_none()) {
        cx.outbox.transport_dead.insert(participant.clone());
    }
}
