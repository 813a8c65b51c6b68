//! The ways to leave the room.

use crate::room::context::{Caller, Context};
use crate::room::handle::{ban, standing};
use shared::signal::{EdgeToClient, LeaveReason, close_code};
use shared::{ErrorCode, ParticipantId};

pub(crate) fn leave(cx: &mut Context<'_>, caller: &Caller) {
    cx.refuse_waiting(&caller.participant, ErrorCode::NotJoined);
    cx.done(caller);
    cx.close_client(caller.socket, close_code::NORMAL);
    remove(cx, &caller.participant, LeaveReason::Left);
}

pub(crate) fn expel(cx: &mut Context<'_>, participant: &ParticipantId, code: ErrorCode, reason: Option<String>) {
    cx.refuse_waiting(participant, code);
    cx.send_off(participant, EdgeToClient::Removed { code, reason }, close_code::REMOVED);
    remove(cx, participant, LeaveReason::Kicked);
}

pub(crate) fn remove(cx: &mut Context<'_>, participant: &ParticipantId, reason: LeaveReason) {
    let Some(member) = cx.state.members.remove(participant) else { return };
    standing::keep(cx.state, &member);
    ban::keep_departed(cx.state, &member);
    if let Some(waiting) = &member.waiting {
        cx.state.sessions.remove(&waiting.session);
    }
    cx.state.sessions.remove(&member.session);
    if let Some(socket) = member.socket {
        cx.state.forget_participant_of(socket);
    }
    cx.outbox.left.push((participant.clone(), reason));
}

/// Answers a request that waits for a node with an error. A participant without a first session is removed.
pub(crate) fn fail_waiting(cx: &mut Context<'_>, participant: &ParticipantId, code: ErrorCode) {
    cx.refuse_waiting(participant, code);
    let Some(member) = cx.state.members.get_mut(participant) else { return };
    let Some(waiting) = member.waiting.take() else { return };
    if waiting.first {
        remove(cx, participant, LeaveReason::TimedOut);
    } else {
        cx.state.sessions.remove(&waiting.session);
    }
}
