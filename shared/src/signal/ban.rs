//! Bans, which keep participants from joining again.

use crate::ids::ParticipantId;
use crate::limits;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct BanTerm {
    /// Milliseconds, 1 s to a year; absent for a permanent ban.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional, type = "number"))]
    #[cfg_attr(feature = "openapi", schemars(range(min = 1000, max = 31_536_000_000_i64)))]
    pub lasts_ms: Option<u64>,
    /// If true, all guests at the same address are removed too, and no guest from there is admitted: for a day at most.
    /// If false, an earlier ban for the address stays one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<bool>"))]
    pub address: bool,
}

impl BanTerm {
    /// Checks limits that the types cannot express.
    pub fn check_bounds(&self) -> Result<(), &'static str> {
        let lasts = limits::BAN_MS_MIN..=limits::BAN_MS_MAX;
        if self.lasts_ms.is_some_and(|ms| !lasts.contains(&ms)) {
            return Err("lasts_ms is out of bounds");
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct BanInfo {
    pub participant: ParticipantId,
    /// Display name at the time of the ban; empty if the participant was not in the room.
    pub name: String,
    pub banned_at: UnixMillis,
    /// Null for a permanent ban.
    pub until: Option<UnixMillis>,
    /// True while the ban keeps out all guests at the participant's address.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<bool>"))]
    pub address: bool,
}
