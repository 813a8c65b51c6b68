//! The states of a call, from the creation of its room to its end, and the transitions between them.

use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// Recording is not among them, because a call can be recorded in several of these states.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CallState {
    /// `starts_at` is in the future; only moderators can join.
    Scheduled,
    /// Nobody has joined yet.
    #[default]
    Created,
    /// One participant waits for others, or everybody has left.
    Waiting,
    /// Several participants are in the room, but media does not connect two of them yet.
    Connecting,
    /// The call has started.
    Active,
    /// A moderator paused the call: nothing is forwarded or recorded.
    Paused,
    /// No participant's media is connected any more.
    Reconnecting,
    /// Everybody is being removed.
    Ending,
    Ended,
    /// All participants lost their connections, and none came back in time.
    Failed,
}

/// One allowed transition, and its cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transition {
    pub from: CallState,
    pub to: CallState,
    pub cause: &'static str,
}

/// All transitions; any other is forbidden.
pub const TRANSITIONS: &[Transition] = {
    use CallState::{Active, Connecting, Created, Ended, Ending, Failed, Paused, Reconnecting, Scheduled, Waiting};
    const fn to(from: CallState, to: CallState, cause: &'static str) -> Transition {
        Transition { from, to, cause }
    }
    const END: &str = "the room is ended, or stayed empty";
    const LEFT: &str = "everybody has left";
    &[
        to(Scheduled, Created, "`starts_at` has come or was removed, or `start_room`"),
        to(Scheduled, Ending, END),
        to(Created, Scheduled, "`starts_at` was set"),
        to(Created, Waiting, "a participant joined"),
        to(Created, Ending, END),
        to(Waiting, Connecting, "a second participant joined"),
        to(Waiting, Active, "`start_room`"),
        to(Waiting, Ending, END),
        to(Connecting, Active, "two participants' media is connected, or `start_room`"),
        to(Connecting, Waiting, "only one participant is left, or none"),
        to(Connecting, Ending, END),
        to(Active, Paused, "`pause_room`"),
        to(Active, Reconnecting, "connection lost: no media is connected any more"),
        to(Active, Waiting, LEFT),
        to(Active, Ending, "the room is ended, or `duration_ms_max` is over"),
        to(Paused, Active, "`resume_room`"),
        to(Paused, Waiting, LEFT),
        to(Paused, Ending, "the room is ended, or `duration_ms_max` is over"),
        to(Reconnecting, Active, "reconnected: a participant's media is connected again"),
        to(Reconnecting, Waiting, LEFT),
        to(Reconnecting, Failed, "reconnection failed: nobody came back in time"),
        to(Reconnecting, Ending, "the room is ended, or `duration_ms_max` is over"),
        to(Failed, Ended, "the room stayed empty, or the next call begins"),
        to(Ending, Ended, "everybody is removed"),
    ]
};

impl CallState {
    pub const ALL: &[Self] = &[
        Self::Scheduled,
        Self::Created,
        Self::Waiting,
        Self::Connecting,
        Self::Active,
        Self::Paused,
        Self::Reconnecting,
        Self::Ending,
        Self::Ended,
        Self::Failed,
    ];

    #[must_use]
    pub fn may_become(self, next: Self) -> bool {
        TRANSITIONS.iter().any(|transition| transition.from == self && transition.to == next)
    }

    /// True once nothing can happen in the call any more.
    #[must_use]
    pub const fn is_over(self) -> bool {
        match self {
            Self::Ended | Self::Failed => true,
            Self::Scheduled
            | Self::Created
            | Self::Waiting
            | Self::Connecting
            | Self::Active
            | Self::Paused
            | Self::Reconnecting
            | Self::Ending => false,
        }
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Created => "created",
            Self::Waiting => "waiting",
            Self::Connecting => "connecting",
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Reconnecting => "reconnecting",
            Self::Ending => "ending",
            Self::Ended => "ended",
            Self::Failed => "failed",
        }
    }

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(crate) fn is_created(&self) -> bool {
        *self == Self::Created
    }
}

/// The cause of a call's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum CallEnd {
    /// A moderator or the application ended the room.
    Closed,
    /// `duration_ms_max` was over.
    TimeLimit,
    /// Everybody had left.
    Empty,
    /// All participants lost their connections.
    ConnectionLost,
}

/// One call in a room, kept for a week after its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct CallInfo {
    pub state: CallState,
    /// Milliseconds since 1970.
    pub created_at: UnixMillis,
    /// Null for a call that was never `active`.
    pub started_at: Option<UnixMillis>,
    /// Null while the call lasts.
    pub ended_at: Option<UnixMillis>,
    /// Null while the call lasts.
    pub end: Option<CallEnd>,
    /// The moderator's text for the pause or the end.
    pub reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    /// The table in the documentation.
    fn table() -> String {
        let mut table = String::from("| from | to | when |\n|---|---|---|\n");
        for Transition { from, to, cause } in TRANSITIONS {
            let _ = writeln!(table, "| `{}` | `{}` | {cause} |", from.as_str(), to.as_str());
        }
        table
    }

    #[test]
    fn the_documentation_has_the_table() {
        let path = format!("{}/../docs/protocol.md", env!("CARGO_MANIFEST_DIR"));
        let document = std::fs::read_to_string(path).expect("the documentation");
        assert!(document.contains(&table()), "docs/protocol.md should have this table:\n{}", table());
    }

    #[test]
    fn names_are_those_on_the_wire() {
        for state in CallState::ALL {
            assert_eq!(serde_json::to_string(state).expect("JSON"), format!("{:?}", state.as_str()));
        }
    }

    #[test]
    fn every_state_is_reached_once_and_left_unless_it_is_the_end() {
        for state in CallState::ALL {
            let is_reached = CallState::ALL.iter().any(|from| from.may_become(*state));
            let is_left = CallState::ALL.iter().any(|to| state.may_become(*to));
            assert!(is_reached, "{state:?}");
            assert_eq!(is_left, *state != CallState::Ended, "{state:?}");
            assert!(!state.may_become(*state), "{state:?} becomes itself");
        }
        let twice = |a: &&Transition| TRANSITIONS.iter().filter(|b| (a.from, a.to) == (b.from, b.to)).count() > 1;
        assert_eq!(TRANSITIONS.iter().find(twice), None);
    }
}
