//! Loss of a client's socket and its return with another one, while media flows on.
//!
//! A participant can vanish without a close frame: their media does not reach the node, and they send no pings. The
//! platform answers pings without waking the room, and records the time of the last one. The room queries it only for
//! participants without media, so that a healthy room is never woken.

use crate::SocketId;
use crate::room::context::Context;
use crate::room::handle::leave;
use crate::room::outbox::Output;
use crate::room::state::members::{Absence, Member};
use shared::signal::close_code;
use shared::{ErrorCode, ParticipantId, UnixMillis, limits};

/// Replaces a participant's socket and closes the previous one.
pub(crate) fn change_socket(cx: &mut Context<'_>, participant: &ParticipantId, socket: SocketId) {
    let before = cx.state.members.get(participant).and_then(|member| member.socket);
    if let Some(before) = before.filter(|before| *before != socket) {
        cx.refuse_waiting(participant, ErrorCode::Replaced);
        drop_waiting_negotiation(cx, participant);
        cx.close_client(before, close_code::NORMAL);
    }
    let near = cx.state.sockets.get(&socket).map(|socket| socket.near.clone()).unwrap_or_default();
    let trace = cx.state.sockets.get(&socket).and_then(|socket| socket.trace);
    if let Some(member) = cx.state.members.get_mut(participant) {
        member.socket = Some(socket);
        member.trace = trace.or(member.trace);
        member.absence = None;
        // The participant may have travelled.
        if !near.is_empty() {
            member.near = near;
        }
        // The platform knows no ping of the new socket yet.
        member.silent_since = member.silent_since.map(|_| cx.now);
        // The client may have missed the last request for more sections.
        member.sections_asked = (0, 0);
        cx.state.socket_is_client_of(socket, participant);
    }
}

/// Handles a lost socket; the participant's place and media are kept for a while.
pub(crate) fn lost(cx: &mut Context<'_>, participant: &ParticipantId, socket: SocketId, absence: Absence) {
    if cx.state.members.get(participant).is_none_or(|member| member.socket != Some(socket)) {
        return;
    }
    if let Some(member) = cx.state.members.get_mut(participant) {
        member.socket = None;
        member.absence = Some(absence);
    }
    drop_waiting_negotiation(cx, participant);
}

/// Notes that the page behind a lost socket is gone: the loss of a connection may arrive before the goodbye.
pub(crate) fn page_closed(cx: &mut Context<'_>, socket: SocketId) {
    let lost = |member: &&Member| member.absence.is_some_and(|absence| absence.socket == Some(socket));
    let Some(id) = cx.state.members.values().find(lost).map(|member| member.id.clone()) else {
        return;
    };
    if let Some(absence) = cx.state.members.get_mut(&id).and_then(|member| member.absence.as_mut()) {
        absence.page_closed = true;
    }
}

/// Drops a pending further offer whose answer would reach no client; the client offers again.
fn drop_waiting_negotiation(cx: &mut Context<'_>, participant: &ParticipantId) {
    let Some(member) = cx.state.members.get_mut(participant) else { return };
    member.restart = None;
    if let Some(waiting) = member.waiting.take_if(|waiting| !waiting.first) {
        cx.state.sessions.remove(&waiting.session);
    }
}

/// Removes a participant who did not return in time.
pub(crate) fn resume_due(cx: &mut Context<'_>, participant: &ParticipantId) {
    let Some(absence) = cx.state.members.get(participant).and_then(|member| member.absence) else { return };
    leave::remove(cx, participant, absence.reason());
    if cx.state.members.is_empty()
        && absence.page_closed
        && cx.state.is_recorded()
        && let Some(meta) = cx.state.meta_mut()
    {
        meta.reload_until = Some(absence.since.plus_ms(limits::RECORDING_RELOAD_MS));
    }
}

pub(crate) fn silence_due(cx: &mut Context<'_>, participant: &ParticipantId) {
    let Some(member) = cx.state.members.get_mut(participant) else { return };
    if let Some(socket) = member.socket {
        // If the answer is lost, the question is repeated.
        member.silent_since = Some(cx.now);
        cx.outbox.heard_asks.push(Output::AskHeard { socket });
    }
}

/// Handles the time of a silent client's last `ping`; `None` if there was none.
pub(crate) fn heard(cx: &mut Context<'_>, socket: SocketId, at: Option<UnixMillis>) {
    let of_socket = |member: &&Member| member.socket == Some(socket) && member.silent_since.is_some();
    let Some(participant) = cx.state.members.values().find(of_socket).map(|member| member.id.clone()) else { return };
    let alive_at = at.filter(|at| cx.now.since_ms(*at) < limits::CLIENT_SILENCE_MS);
    let Some(alive_at) = alive_at else {
        cx.refuse_waiting(&participant, ErrorCode::Timeout);
        cx.close_client(socket, close_code::NORMAL);
        lost(cx, &participant, socket, Absence::lost(cx.now, socket));
        return;
    };
    if let Some(member) = cx.state.members.get_mut(&participant) {
        member.silent_since = Some(alive_at);
    }
}
