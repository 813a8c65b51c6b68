//! The changes that moderators and the application make to a room.

use super::{Duplicates, Features, QualityProfile, RoomType};
use crate::ids::{ParticipantId, Region};
use crate::limits;
use crate::text::Text;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// Changes to a room; absent fields stay unchanged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(default)]
pub struct RoomChange {
    /// If true, the room refuses new participants; moderators and current participants may enter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub locked: Option<bool>,
    /// Free text of the application, visible to everybody in the room.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub metadata: Option<String>,
    /// Maximum number of participants; lowering it removes nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub participants_max: Option<u32>,
    /// Up to this many participants, 2 or 3, send their media directly to each other; 0 means none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub peer_to_peer_max: Option<u32>,
    /// Lifetime of an empty room.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional, type = "number"))]
    pub empty_timeout_ms: Option<u64>,
    /// The longest duration of the call, from its start; 0 lifts the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional, type = "number"))]
    pub duration_ms_max: Option<u64>,
    /// The start of the call, before which only moderators can join; a time in the past opens the room. Has no effect
    /// once a participant has joined.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub starts_at: Option<UnixMillis>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub room_type: Option<RoomType>,
    /// If true, the application may list the room publicly; has no effect while the room is `private`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub public: Option<bool>,
    /// Replaces all features; those that are absent are on. One that is turned off ends where it is in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub features: Option<Features>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub quality: Option<QualityProfile>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub duplicates: Option<Duplicates>,
    /// The region whose nodes serve the room if any has capacity, or a continent; `nearest` is the one nearest to the
    /// first participant. Counts when the room next needs a node.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub region: Option<Region>,
    /// If true, guests wait until a moderator admits them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub lobby: Option<bool>,
    /// The participants who may join besides moderators; replaces all. An empty list lifts the limit, unless the room is
    /// `private`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub invited: Option<Vec<ParticipantId>>,
    /// The participants to be shown large to everybody, at most 4; replaces all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub spotlight: Option<Vec<ParticipantId>>,
}

impl RoomChange {
    /// Checks what the types cannot express.
    pub fn check_bounds(&self) -> Result<(), &'static str> {
        let most = u32::try_from(limits::PARTICIPANTS_PER_ROOM_MAX).unwrap_or(u32::MAX);
        self.metadata.as_ref().map_or(Ok(()), |metadata| Text::RoomMetadata.check(metadata))?;
        if self.participants_max.is_some_and(|max| !(1..=most).contains(&max)) {
            return Err("participants_max is out of bounds");
        }
        if self.peer_to_peer_max.is_some_and(|max| max == 1 || max > limits::PEER_TO_PEER_MAX) {
            return Err("peer_to_peer_max is none of 0, 2 and 3");
        }
        let kept = limits::EMPTY_TIMEOUT_MS_MIN..=limits::EMPTY_TIMEOUT_MS_MAX;
        if self.empty_timeout_ms.is_some_and(|ms| !kept.contains(&ms)) {
            return Err("empty_timeout_ms is out of bounds");
        }
        if self.invited.as_ref().is_some_and(|invited| invited.len() > limits::INVITED_PER_ROOM_MAX) {
            return Err("invited has too many participants");
        }
        if self.spotlight.as_ref().is_some_and(|spotlight| spotlight.len() > limits::SPOTLIGHT_MAX) {
            return Err("spotlight has too many participants");
        }
        if self.duration_ms_max.is_some_and(|ms| ms > limits::CALL_MS_MAX) {
            return Err("duration_ms_max is out of bounds");
        }
        if self.starts_at.is_some_and(|at| at.0 > limits::STARTS_AT_MAX) {
            return Err("starts_at is out of bounds");
        }
        Ok(())
    }
}
