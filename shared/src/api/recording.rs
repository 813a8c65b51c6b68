//! Recordings of a room, as the HTTP API shows them.

use crate::error_code::ErrorCode;
use crate::ids::{ParticipantId, RecordingId};
use crate::signal::RecordingState;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// One recording, with signed URLs of its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct Recording {
    pub id: RecordingId,
    pub state: RecordingState,
    /// The participant who started it; null if an application server did.
    pub started_by: Option<ParticipantId>,
    /// The start of the recording, which is zero on its clock.
    pub started_at: UnixMillis,
    /// Set once the recording was stopped or ended automatically.
    pub ended_at: Option<UnixMillis>,
    /// The reason for the failure.
    pub code: Option<ErrorCode>,
    /// From its start to the end of its last file; null while there are no files.
    #[cfg_attr(feature = "typescript", ts(type = "number | null"))]
    pub duration_ms: Option<u64>,
    /// The size of all files together.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub bytes: u64,
    /// One file for each participant's camera and microphone, and one for each screen with its sound.
    pub files: Vec<PlayableFile>,
    /// A signed URL of the manifest (JSON), which lists the events in the room; null while there are no files.
    pub manifest_url: Option<String>,
    /// Expiry of the URLs; every request returns new ones.
    pub urls_expire_at: UnixMillis,
}

/// One participant's camera and microphone, or screen with its sound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct PlayableFile {
    pub participant: ParticipantId,
    /// The participant's display name.
    pub name: String,
    pub is_screen: bool,
    /// Milliseconds from the start of the recording to the start of this file.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub starts_ms: u64,
    /// The playing time of the file.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub duration_ms: u64,
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub bytes: u64,
    /// A signed URL: anybody who has it can play the file.
    pub url: String,
}

/// One page of a room's recordings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RecordingList {
    /// Newest first.
    pub recordings: Vec<Recording>,
    /// The `cursor` of the next page; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub next: Option<String>,
}
