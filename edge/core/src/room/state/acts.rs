//! The acts of moderators and of the application, which outlive the room.

use serde::{Deserialize, Serialize};
use shared::signal::ActInfo;
use shared::{UnixMillis, limits};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Act(pub(crate) ActInfo);

impl Act {
    /// The time at which it is forgotten.
    pub(crate) const fn until(&self) -> UnixMillis {
        self.0.at.plus_ms(limits::ACT_KEPT_MS)
    }
}
