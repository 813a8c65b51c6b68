//! Pauses the call: nodes forward and record nothing until it is resumed. Participants, tracks and slots stay.

use crate::room::handle::progress;
use crate::room::state::State;
use shared::UnixMillis;
use shared::signal::CallState;

pub(crate) fn may_pause(state: CallState) -> bool {
    // A repeated request changes nothing but the reason.
    matches!(state, CallState::Active | CallState::Paused)
}

pub(crate) fn may_resume(state: CallState) -> bool {
    matches!(state, CallState::Active | CallState::Paused | CallState::Reconnecting)
}

pub(crate) fn pause(state: &mut State, now: UnixMillis, reason: Option<String>) {
    progress::enter(state, now, CallState::Paused);
    if state.meta().is_some_and(|meta| meta.call.reason != reason)
        && let Some(meta) = state.meta_mut()
    {
        meta.call.reason = reason;
    }
}

pub(crate) fn resume(state: &mut State, now: UnixMillis) {
    if state.is_paused() {
        progress::enter(state, now, CallState::Active);
    }
}
