//! A room as its participants see it.

use super::{CallState, Features, QualityProfile, RoomType};
use crate::ids::{Mid, ParticipantId, RoleName, TrackId};
use crate::rtp_parameters::MediaKind;
use crate::sorted::SortedMap;
use crate::time::UnixMillis;
use crate::token::{Attributes, Bandwidth, Grants};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RoomInfo {
    /// If true, the room refuses new participants.
    pub locked: bool,
    /// Free text of the application.
    pub metadata: String,
    /// Maximum number of participants.
    pub participants_max: u32,
    /// The number of participants who may not publish and are not in the roster; absent if there are none.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<u32>"))]
    pub audience: u32,
    /// Up to this many participants send their media directly to each other; absent if it always goes through a node.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<u32>"))]
    pub peer_to_peer_max: u32,
    /// Absent while media goes through the node alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub direct: Option<DirectInfo>,
    /// Clients that lose their sockets wait a random part of this time before they resume; absent in a small room.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<u32>"))]
    pub resume_spread_ms: u32,
    /// The state of the call; absent while nobody has joined.
    #[serde(default, skip_serializing_if = "CallState::is_created")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<CallState>"))]
    pub state: CallState,
    /// The moderator's text for the pause or the end, while the call is `paused` or `ending`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub reason: Option<String>,
    /// The scheduled start of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub starts_at: Option<UnixMillis>,
    /// The time at which the call became `active`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub started_at: Option<UnixMillis>,
    /// The time at which the call ends by itself; absent before its start and without `duration_ms_max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub ends_at: Option<UnixMillis>,
    /// The purpose of the room; absent if `instant`.
    #[serde(default, skip_serializing_if = "RoomType::is_instant")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<RoomType>"))]
    pub room_type: RoomType,
    /// True if the application may list the room publicly.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<bool>"))]
    pub public: bool,
    /// The room's features; absent if all are on.
    #[serde(default, skip_serializing_if = "Features::are_all_on")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<Features>"))]
    pub features: Features,
    /// The limits of a client's camera, unless its application chooses others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub quality: Option<QualityProfile>,
    /// The participants whom a moderator shows large to everybody; absent if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<Vec<ParticipantId>>"))]
    pub spotlight: Vec<ParticipantId>,
}

/// Participants who connect to each other, so that their media needs no node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct DirectInfo {
    /// The `link` of their messages to each other.
    pub number: u32,
    /// Each connects to each; of two, the one named later is polite (perfect negotiation, W3C WebRTC §10.7).
    pub participants: Vec<ParticipantId>,
    /// All of them receive all media directly, so the node need not get any.
    pub up: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// One participant, as everybody in the room sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ParticipantInfo {
    pub id: ParticipantId,
    /// Display name, from the token.
    pub name: String,
    /// Free text of the application; absent if empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<String>"))]
    pub metadata: String,
    /// The participant's grants; absent if they are the defaults.
    #[serde(default, skip_serializing_if = "Grants::are_default")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<Grants>"))]
    pub grants: Grants,
    /// The role that the grants are from, unless a moderator changed them; absent if it is `participant`.
    #[serde(default, skip_serializing_if = "RoleName::is_default")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<RoleName>"))]
    pub role: RoleName,
    /// The application's own facts about the participant; absent if there are none.
    #[serde(default, skip_serializing_if = "SortedMap::is_empty")]
    #[cfg_attr(feature = "typescript", ts(optional, type = "{ readonly [name: string]: string }"))]
    #[cfg_attr(
        feature = "openapi",
        schemars(with = "std::collections::BTreeMap<crate::ids::Attribute, crate::ids::Attribute>")
    )]
    pub attributes: Attributes,
    /// The limits on the participant's media; absent if there are none.
    #[serde(default, skip_serializing_if = "Bandwidth::is_unlimited")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<Bandwidth>"))]
    pub bandwidth: Bandwidth,
    pub joined_at: UnixMillis,
    /// The participant's reachability, as seen by the edge and the media node.
    pub connection: ConnectionState,
    /// Absent while the hand is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub hand_raised_at: Option<UnixMillis>,
    pub tracks: Vec<TrackInfo>,
}

impl ParticipantInfo {
    /// The largest size in JSON, in which a byte takes up to six characters.
    #[must_use]
    pub const fn json_bytes_max(&self) -> usize {
        let texts = self.name.len().saturating_add(self.metadata.len()).saturating_mul(6);
        let attributes = self.attributes.len().saturating_mul(72);
        texts.saturating_add(self.tracks.len().saturating_mul(256)).saturating_add(attributes).saturating_add(848)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// In the room, media not connected yet.
    Connecting,
    /// Media is connected.
    Connected,
    /// The signaling socket or the media transport was lost; the participant's place is kept for 30 s.
    Reconnecting,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct TrackInfo {
    pub id: TrackId,
    /// The publisher's section.
    pub mid: Mid,
    pub kind: MediaKind,
    pub source: TrackSource,
    /// True if the publisher or a moderator muted it.
    pub muted: bool,
    /// The CSRC (RFC 3550 §5.1) that identifies the track in every slot in which it plays.
    pub csrc: u32,
}

/// The device or capture that a track carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum TrackSource {
    Microphone,
    Camera,
    /// A shared screen or window.
    Screen,
    /// The sound of a shared screen.
    ScreenAudio,
}

impl TrackSource {
    #[must_use]
    pub const fn is_granted(self, grants: Grants) -> bool {
        grants.publish
            && match self {
                Self::Microphone => grants.microphone,
                Self::Camera => grants.camera,
                Self::Screen | Self::ScreenAudio => grants.screen,
            }
    }

    /// True if a track without its grant stays, muted, because its participant may get the grant back at any time.
    #[must_use]
    pub const fn may_be_held(self) -> bool {
        matches!(self, Self::Microphone | Self::Camera)
    }
}

/// The content of one of a client's receive slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct SlotInfo {
    pub mid: Mid,
    /// `None` if the slot is free.
    pub track: Option<TrackId>,
    /// The publisher of the track.
    pub participant: Option<ParticipantId>,
}
