//! What a client knows about a room.

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
    /// Most participants.
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
    /// Free text of the application; absent where empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<String>"))]
    pub metadata: String,
    /// What they may do; absent where it is the default.
    #[serde(default, skip_serializing_if = "Grants::are_default")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<Grants>"))]
    pub grants: Grants,
    pub joined_at: UnixMillis,
    /// Whether the edge and the media node reach them.
    pub connection: ConnectionState,
    /// When they raised their hand; absent while it is down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub hand_raised_at: Option<UnixMillis>,
    /// What they publish.
    pub tracks: Vec<TrackInfo>,
}

/// Whether a participant can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// In the room, media not yet up.
    Connecting,
    /// Media is up.
    Connected,
    /// The signaling socket or the media transport was lost; the place is kept for 30 s.
    Reconnecting,
}

/// One published track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct TrackInfo {
    pub id: TrackId,
    /// The publisher's own section.
    pub mid: Mid,
    /// Audio or video.
    pub kind: MediaKind,
    /// What it shows or sounds.
    pub source: TrackSource,
    /// Whether the publisher muted it.
    pub muted: bool,
    /// The number that names it as contributing source (CSRC, RFC 3550 §5.1) in whatever slot it plays.
    pub csrc: u32,
}

/// What a track shows or sounds.
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

/// What plays in one receive slot of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct SlotInfo {
    /// The client's receiving section.
    pub mid: Mid,
    /// The track that plays there; nothing where the slot is free.
    pub track: Option<TrackId>,
    /// Whose track it is.
    pub participant: Option<ParticipantId>,
}
