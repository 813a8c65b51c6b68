//! A client's view of a room.

use crate::ids::{Mid, ParticipantId, TrackId};
use crate::rtp_parameters::MediaKind;
use crate::time::UnixMillis;
use crate::token::Grants;
use serde::{Deserialize, Serialize};

/// A room as its participants see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RoomInfo {
    /// Whether the room refuses new participants.
    pub locked: bool,
    /// Free text of the application.
    pub metadata: String,
    /// Maximum number of participants.
    pub participants_max: u32,
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
    pub joined_at: UnixMillis,
    /// Whether the edge and the media node reach the participant.
    pub connection: ConnectionState,
    /// When the participant raised the hand; absent while the hand is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub hand_raised_at: Option<UnixMillis>,
    /// The published tracks.
    pub tracks: Vec<TrackInfo>,
}

/// Whether a participant can be reached.
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

/// One published track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct TrackInfo {
    pub id: TrackId,
    /// The publisher's section.
    pub mid: Mid,
    /// Audio or video.
    pub kind: MediaKind,
    /// Which device or capture the track carries.
    pub source: TrackSource,
    /// Whether the publisher or a moderator muted it.
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

/// The content of one of a client's receive slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct SlotInfo {
    /// The client's receiving section.
    pub mid: Mid,
    /// `None` if the slot is free.
    pub track: Option<TrackId>,
    /// The publisher of the track.
    pub participant: Option<ParticipantId>,
}
