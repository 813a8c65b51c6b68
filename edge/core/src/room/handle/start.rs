//! Starts the call, without waiting for others or for its time.

use crate::room::handle::progress;
use crate::room::state::State;
use shared::UnixMillis;
use shared::signal::CallState;

pub(crate) fn may_start(state: CallState) -> bool {
    // A repeated request changes nothing.
    matches!(state, CallState::Scheduled | CallState::Waiting | CallState::Connecting | CallState::Active)
}

pub(crate) fn start(state: &mut State, now: UnixMillis) {
    let Some(meta) = state.meta_mut() else { return };
    if meta.call.state == CallState::Scheduled {
        meta.starts_at = Some(now);
        progress::enter(state, now, CallState::Created);
        return;
    }
    progress::enter(state, now, CallState::Active);
}
