//! The lobby: waiting guests and the moderators' decisions.

use serde::{Deserialize, Serialize};
use shared::{UnixMillis, limits};

/// A guest who first asked within [`limits::GUEST_WAIT_MS`], or was answered within [`limits::GUEST_ANSWER_KEPT_MS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Guest {
    pub(crate) name: String,
    pub(crate) since: UnixMillis,
    pub(crate) standing: GuestStanding,
    /// `None` while the guest waits, and in old rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) answered_at: Option<UnixMillis>,
    /// The keyed hash of the guest's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuestStanding {
    Waiting,
    Admitted,
    Refused,
}

impl Guest {
    pub(crate) const fn name(&self) -> &String {
        &self.name
    }

    pub(crate) const fn from(&self) -> Option<&String> {
        self.from.as_ref()
    }

    pub(crate) fn answered_at(&self) -> UnixMillis {
        self.answered_at.unwrap_or(self.since)
    }

    /// The end of the wait, or of the time for hearing the answer.
    pub(crate) fn deadline(&self) -> UnixMillis {
        let told_by = self.answered_at.map(|at| at.plus_ms(limits::GUEST_ANSWER_KEPT_MS));
        told_by.into_iter().fold(self.since.plus_ms(limits::GUEST_WAIT_MS), UnixMillis::max)
    }
}
