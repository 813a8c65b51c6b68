//! The end of the room: by a moderator, or because it stayed empty.

use crate::room::context::Context;
use crate::room::handle::{assignment, ban, guest, leave, progress, standing};
use crate::room::state::State;
use crate::room::state::messages;
use crate::room::state::meta::{Meta, Placing};
use shared::signal::{CallEnd, CallState, EdgeToClient};
use shared::{ErrorCode, ParticipantId, UnixMillis, limits};

/// Lifetime of a room after its end: as short as possible, but long enough for the next epoch, which is derived from
/// the time, to be higher.
const ENDED_ROOM_LIFETIME_MS: u64 = 1;

/// Removes everybody, releases the nodes and deletes the room's settings, but not what outlives it, such as bans.
pub(crate) fn end(cx: &mut Context<'_>, why: CallEnd, reason: Option<&str>) {
    tell_ending(cx, reason);
    let code = if why == CallEnd::TimeLimit { ErrorCode::TimeLimit } else { ErrorCode::RoomClosed };
    let participants: Vec<ParticipantId> = cx.state.members.keys().cloned().collect();
    for participant in participants {
        leave::expel(cx, &participant, code, reason.map(Into::into));
    }
    keep_judgements(cx.state, cx.now);
    guest::forget_all(cx.state);
    let placing = cx.state.meta_mut().and_then(|meta| meta.placing.take());
    if let Some(Placing::Asked { early: Some(early), .. }) = placing {
        cx.refuse_node(early.socket, ErrorCode::StaleEpoch);
    }
    let epochs: Vec<u64> = cx.state.assignments.keys().copied().collect();
    for epoch in epochs {
        assignment::end(cx, epoch);
    }
    progress::conclude(cx.state, cx.now, why);
    if let Some(meta) = cx.state.meta_mut() {
        let fresh = Meta::new(limits::PARTICIPANTS_PER_ROOM_DEFAULT, cx.now);
        let (epoch, next_csrc, next_order) = (meta.epoch, meta.next_csrc, meta.next_order);
        let call = std::mem::take(&mut meta.call);
        *meta = Meta {
            epoch,
            next_csrc,
            next_order,
            empty_since: Some(cx.now),
            empty_timeout_ms: ENDED_ROOM_LIFETIME_MS,
            call,
            ..fresh
        };
    }
}

/// Tells everybody that the call is ending, before they are removed.
fn tell_ending(cx: &mut Context<'_>, reason: Option<&str>) {
    progress::enter(cx.state, cx.now, CallState::Ending);
    if let Some(meta) = cx.state.meta_mut() {
        meta.call.reason = reason.map(Into::into);
    }
    let room = cx.state.room_info();
    let answered = cx.state.members.values().filter(|member| member.answered);
    for socket in answered.filter_map(|member| member.socket).collect::<Vec<_>>() {
        cx.outbox.send_client(socket, EdgeToClient::RoomUpdated { room: room.clone() });
    }
}

/// Ends a room that stayed empty: releases its nodes and deletes its rows, except bans and other lasting decisions.
pub(crate) fn forget(cx: &mut Context<'_>) {
    if !cx.state.members.is_empty() {
        return;
    }
    let epochs: Vec<u64> = cx.state.assignments.keys().copied().collect();
    for epoch in epochs {
        assignment::end(cx, epoch);
    }
    messages::forget(&mut cx.state.chat);
    progress::conclude(cx.state, cx.now, CallEnd::Empty);
    keep_judgements(cx.state, cx.now);
    guest::forget_all(cx.state);
    cx.state.meta.remove(&());
}

/// Keeps moderators' decisions for a while after the room has ended.
fn keep_judgements(state: &mut State, now: UnixMillis) {
    ban::keep_all(state, now);
    standing::keep_all(state, now);
    ban::forget_departed(state, now);
}
