//! The state of a recording, and its files.

use crate::error_code::ErrorCode;
use crate::ids::{ParticipantId, RecordingId};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// One recording, as everybody in the room sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct RecordingInfo {
    pub id: RecordingId,
    pub state: RecordingState,
    /// `None` if the application's server started it.
    pub started_by: Option<ParticipantId>,
    /// The start of the recording, which is zero on its clock.
    pub started_at: UnixMillis,
    pub ended_at: Option<UnixMillis>,
    /// The reason for a failure, or why storage is away.
    pub code: Option<ErrorCode>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// Requested, but no node has confirmed it yet.
    Starting,
    /// All published tracks are being recorded.
    Recording,
    /// The node keeps the recorded parts, because storage is unreachable or the node's disk is full: see the code.
    StorageAway,
    /// Stopped; the files are being built.
    Finishing,
    /// The files can be played.
    Ready,
    /// Ended without any published media; nothing is stored.
    Empty,
    /// Ended without files; the code is the reason.
    Failed,
}

impl RecordingState {
    /// True if media is being recorded, or about to be.
    #[must_use]
    pub const fn is_running(self) -> bool {
        match self {
            Self::Starting | Self::Recording | Self::StorageAway => true,
            Self::Finishing | Self::Ready | Self::Empty | Self::Failed => false,
        }
    }

    #[must_use]
    pub const fn is_over(self) -> bool {
        match self {
            Self::Ready | Self::Empty | Self::Failed => true,
            Self::Starting | Self::Recording | Self::StorageAway | Self::Finishing => false,
        }
    }
}

/// One playable file of a recording: one participant's camera and microphone, or screen and its sound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingFile {
    pub key: String,
    pub participant: ParticipantId,
    pub name: String,
    pub is_screen: bool,
    /// Milliseconds from the start of the recording to the start of this file.
    pub starts_ms: u64,
    pub duration_ms: u64,
    pub bytes: u64,
}
