//! Gives a waiting participant a session on an assignment, and answers.

use crate::room::context::Context;
use crate::room::handle::{leave, session};
use crate::room::outbox::Reply;
use shared::sorted;
use shared::{ErrorCode, ParticipantId};

/// Gives all waiting participants a session on this assignment.
pub(crate) fn serve_waiting(cx: &mut Context<'_>, epoch: u64) {
    let mut waiting: Vec<_> = cx.state.members.values().filter(|member| member.waiting.is_some()).collect();
    sorted::sort_by_key(&mut waiting, |member| member.order);
    let waiting: Vec<ParticipantId> = waiting.into_iter().map(|member| member.id.clone()).collect();
    for participant in waiting {
        serve(cx, &participant, epoch);
    }
}

/// Gives the session for which a participant waits to an assignment, and answers.
pub(crate) fn serve(cx: &mut Context<'_>, participant: &ParticipantId, epoch: u64) {
    let Some(fingerprint) = cx.state.assignments.get(&epoch).map(|assignment| assignment.fingerprint) else { return };
    let Some(member) = cx.state.members.get(participant) else { return };
    let Some(waiting) = member.waiting.clone() else { return };
    let before = cx.state.sessions.get(&member.session).and_then(|session| session.node_fingerprint);
    // A browser repeats the DTLS handshake only with another certificate (RFC 8842 §5.1). A node that has forgotten
    // the connection can therefore be reached only over a new one.
    if !waiting.new_connection && before == Some(fingerprint) {
        leave::fail_waiting(cx, participant, ErrorCode::SessionExpired);
        return;
    }
    session::bind(cx.state, &waiting.session, epoch, fingerprint);
    let reply = match waiting.first {
        true => Reply::Joined { in_reply_to: waiting.in_reply_to },
        false => Reply::Negotiated { in_reply_to: waiting.in_reply_to },
    };
    session::adopt(cx.state, participant, waiting.session, waiting.tracks);
    if let Some(member) = cx.state.members.get_mut(participant) {
        member.waiting = None;
    }
    cx.reply(participant, reply);
}
