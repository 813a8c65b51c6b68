//! Guests who wait for a moderator to let them in.

use crate::ids::ParticipantId;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// One waiting guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct GuestInfo {
    pub participant: ParticipantId,
    /// As the guest wrote it; nobody vouches for it.
    pub name: String,
    pub since: UnixMillis,
}
