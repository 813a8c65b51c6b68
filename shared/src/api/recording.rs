//! Recordings of a room, as the application's server sees them, and whoever may record.

use crate::error_code::ErrorCode;
use crate::ids::{ParticipantId, RecordingId};
use crate::signal::RecordingState;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// One recording, with signed URLs for what can be played of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Recording {
    /// Which.
    pub id: RecordingId,
    /// How far it is.
    pub state: RecordingState,
    /// Who started it; null where the application's server did.
    pub started_by: Option<ParticipantId>,
    /// When it was started: the zero of its clock.
    pub started_at: UnixMillis,
    /// When it was stopped, or ended by itself.
    pub ended_at: Option<UnixMillis>,
    /// Why it failed.
    pub code: Option<ErrorCode>,
    /// From its start to the end of the last of its files; null while there are none.
    #[cfg_attr(feature = "typescript", ts(type = "number | null"))]
    pub duration_ms: Option<u64>,
    /// How large all files are together.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub bytes: u64,
    /// What can be played: one file for each participant's camera and microphone, one for each screen and its sound.
    pub files: Vec<PlayableFile>,
    /// What happened in the room, as JSON; null while there are no files.
    pub manifest_url: Option<String>,
    /// Until when the URLs open; whoever asks again gets new ones.
    pub urls_expire_at: UnixMillis,
}

/// What one participant's camera and microphone, or screen and its sound, gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct PlayableFile {
    /// Whose.
    pub participant: ParticipantId,
    /// Their display name.
    pub name: String,
    /// Whether it is their screen.
    pub is_screen: bool,
    /// How long after the recording's start it begins.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub starts_ms: u64,
    /// How long it plays.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub duration_ms: u64,
    /// How large it is.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub bytes: u64,
    /// Where it is; signed, so whoever has it can play the file.
    pub url: String,
}

/// One page of a room's recordings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RecordingList {
    /// The newest first.
    pub recordings: Vec<Recording>,
    /// The `cursor` of the next page; absent on the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub next: Option<String>,
}
