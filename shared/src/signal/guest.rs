//! Guests waiting for a moderator's approval.

use crate::ids::ParticipantId;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct GuestInfo {
    pub participant: ParticipantId,
    /// Chosen by the guest and not verified.
    pub name: String,
    pub since: UnixMillis,
}
