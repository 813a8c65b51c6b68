//! The current call of a room, and past ones.

use serde::{Deserialize, Serialize};
use shared::UnixMillis;
use shared::signal::{CallEnd, CallInfo, CallState};

/// The call that takes place in the room, from its creation on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Call {
    pub(crate) state: CallState,
    /// The zero of a room stored by a version without calls.
    pub(crate) created_at: UnixMillis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) started_at: Option<UnixMillis>,
    /// Only of a call that has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) failed_at: Option<UnixMillis>,
    /// The moderator's text for the pause or the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// A call that was active once and has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PastCall {
    pub(crate) info: CallInfo,
    /// The time at which it is forgotten.
    pub(crate) until: UnixMillis,
}

impl Call {
    pub(crate) fn new(now: UnixMillis) -> Self {
        Self { created_at: now, ..Self::default() }
    }

    /// Goes on to a state; false if the table of transitions forbids it.
    pub(crate) fn enter(&mut self, now: UnixMillis, next: CallState) -> bool {
        if !self.state.may_become(next) {
            return false;
        }
        (self.state, self.reason) = (next, None);
        match next {
            CallState::Active => self.started_at = self.started_at.or(Some(now)),
            CallState::Failed => self.failed_at = Some(now),
            CallState::Scheduled
            | CallState::Created
            | CallState::Waiting
            | CallState::Connecting
            | CallState::Paused
            | CallState::Reconnecting
            | CallState::Ending
            | CallState::Ended => {}
        }
        true
    }

    /// Both are `None` while the call lasts.
    pub(crate) fn info(&self, ended_at: Option<UnixMillis>, end: Option<CallEnd>) -> CallInfo {
        let Self { state, created_at, started_at, failed_at, reason } = self.clone();
        let end = end.or_else(|| failed_at.map(|_| CallEnd::ConnectionLost));
        CallInfo { state, created_at, started_at, ended_at: failed_at.or(ended_at), end, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_starts_once_and_takes_only_allowed_steps() {
        for from in CallState::ALL {
            for to in CallState::ALL {
                let mut call = Call { state: *from, ..Call::new(UnixMillis(1)) };
                let before = call.clone();
                assert_eq!(call.enter(UnixMillis(5), *to), from.may_become(*to), "{from:?} {to:?}");
                match from.may_become(*to) {
                    true => assert_eq!(call.state, *to),
                    false => assert_eq!(call, before),
                }
            }
        }
        let mut call = Call::new(UnixMillis(1));
        for (at, state) in [(2, CallState::Waiting), (3, CallState::Active), (4, CallState::Paused)] {
            assert!(call.enter(UnixMillis(at), state));
        }
        assert!(call.enter(UnixMillis(5), CallState::Active));
        assert_eq!(call.started_at, Some(UnixMillis(3)), "a pause is no second start");
    }
}
