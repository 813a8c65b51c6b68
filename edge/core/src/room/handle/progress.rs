//! The state of the call, as it follows from the participants and their media, and its end.

use crate::room::context::Context;
use crate::room::outbox::Outbox;
use crate::room::state::State;
use crate::room::state::calls::{Call, PastCall};
use crate::room::state::members::Member;
use shared::signal::{CallEnd, CallState, LeaveReason};
use shared::{UnixMillis, limits};

/// Media must connect this many participants before a call starts by itself.
const STARTS_WITH: usize = 2;

/// Goes on to the state that the room is in after an input.
pub(crate) fn settle(cx: &mut Context<'_>) {
    while let Some(next) = next(cx.state, cx.now, cx.outbox) {
        if !enter(cx.state, cx.now, next) {
            return;
        }
    }
}

fn next(state: &State, now: UnixMillis, outbox: &Outbox) -> Option<CallState> {
    let meta = state.meta()?;
    let count = state.members.values().filter(|member| !member.grants.hidden).count();
    let is_empty = count == 0;
    let is_early = || meta.starts_at.is_some_and(|at| now < at);
    match meta.call.state {
        CallState::Scheduled if !is_early() => Some(CallState::Created),
        CallState::Created if is_early() => Some(CallState::Scheduled),
        CallState::Created if !is_empty => Some(CallState::Waiting),
        CallState::Waiting if count >= STARTS_WITH => Some(CallState::Connecting),
        CallState::Connecting if count < STARTS_WITH => Some(CallState::Waiting),
        CallState::Connecting if flowing(state).take(STARTS_WITH).count() == STARTS_WITH => Some(CallState::Active),
        CallState::Active | CallState::Paused if is_empty => Some(CallState::Waiting),
        CallState::Active if is_cut_off(state) => Some(CallState::Reconnecting),
        CallState::Reconnecting if is_empty && timed_out(outbox) => Some(CallState::Failed),
        CallState::Reconnecting if is_empty => Some(CallState::Waiting),
        CallState::Reconnecting if !is_cut_off(state) => Some(CallState::Active),
        CallState::Scheduled
        | CallState::Created
        | CallState::Waiting
        | CallState::Connecting
        | CallState::Active
        | CallState::Paused
        | CallState::Reconnecting
        | CallState::Ending
        | CallState::Ended
        | CallState::Failed => None,
    }
}

fn flowing(state: &State) -> impl Iterator<Item = &Member> {
    state.members.values().filter(|member| !member.grants.hidden && state.is_flowing(member))
}

/// True if media was connected before, and no participant's is any more.
fn is_cut_off(state: &State) -> bool {
    flowing(state).next().is_none() && state.members.values().any(|member| member.was_connected)
}

fn timed_out(outbox: &Outbox) -> bool {
    outbox.left.iter().any(|(_, reason)| *reason == LeaveReason::TimedOut)
}

/// Goes on to a state; false if the table of transitions forbids it.
pub(crate) fn enter(state: &mut State, now: UnixMillis, next: CallState) -> bool {
    if state.meta().is_none_or(|meta| !meta.call.state.may_become(next)) {
        return false;
    }
    let is_empty = state.members.is_empty();
    let Some(meta) = state.meta_mut() else { return false };
    if meta.call.state == CallState::Scheduled && is_empty {
        // Participants get as much time to come as after the creation of a room.
        meta.empty_since = Some(now);
    }
    meta.call.enter(now, next)
}

/// Ends the call, and keeps it for a while if it was ever active.
pub(crate) fn conclude(state: &mut State, now: UnixMillis, end: CallEnd) {
    let Some(meta) = state.meta().filter(|meta| meta.call.state != CallState::Ended) else { return };
    if !meta.call.state.is_over() {
        let reason = meta.call.reason.clone();
        enter(state, now, CallState::Ending);
        if let Some(meta) = state.meta_mut() {
            meta.call.reason = reason;
        }
    }
    let Some(meta) = state.meta_mut() else { return };
    let reason = meta.call.reason.take();
    meta.call.enter(now, CallState::Ended);
    let end = if meta.call.failed_at.is_some() { CallEnd::ConnectionLost } else { end };
    let ended_at = if end == CallEnd::Empty { meta.empty_since.unwrap_or(now) } else { now };
    let call = Call { reason, ..meta.call.clone() };
    if call.started_at.is_none() {
        return;
    }
    let oldest = state.calls.keys().next().copied().filter(|_| state.calls.len() >= limits::CALLS_PER_ROOM_MAX);
    oldest.map(|oldest| state.calls.remove(&oldest));
    let number = state.calls.keys().next_back().map_or(0, |last| last.saturating_add(1));
    let past = PastCall { info: call.info(Some(ended_at), Some(end)), until: now.plus_ms(limits::CALL_KEPT_MS) };
    state.calls.insert(number, past);
}

/// Begins the next call in a room whose last one is over.
pub(crate) fn begin_again(state: &mut State, now: UnixMillis) {
    if state.meta().is_none_or(|meta| !meta.call.state.is_over()) {
        return;
    }
    conclude(state, now, CallEnd::ConnectionLost);
    if let Some(meta) = state.meta_mut() {
        meta.call = Call::new(now);
    }
}
