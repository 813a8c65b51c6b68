//! What everybody in a room is told about its recording, and the files that nodes make of it.

use crate::error_code::ErrorCode;
use crate::ids::{ParticipantId, RecordingId};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// One recording, as everybody in the room sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct RecordingInfo {
    /// Which.
    pub id: RecordingId,
    /// How far it is.
    pub state: RecordingState,
    /// Who started it; nobody where the application's server did.
    pub started_by: Option<ParticipantId>,
    /// When it was started: the zero of its clock.
    pub started_at: UnixMillis,
    /// When it was stopped.
    pub ended_at: Option<UnixMillis>,
    /// Why it failed.
    pub code: Option<ErrorCode>,
}

/// How far a recording is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// Ordered; no node has said yet that it records.
    Starting,
    /// Everything that is published is recorded.
    Recording,
    /// It is recorded, but the storage does not answer: the node keeps it meanwhile.
    StorageAway,
    /// Stopped; the files are being made.
    Finishing,
    /// The files can be played.
    Ready,
    /// Over; nothing was published, so nothing is stored.
    Empty,
    /// There are no files; the code says why.
    Failed,
}

impl RecordingState {
    /// Whether media is being recorded, or about to be.
    #[must_use]
    pub const fn is_running(self) -> bool {
        match self {
            Self::Starting | Self::Recording | Self::StorageAway => true,
            Self::Finishing | Self::Ready | Self::Empty | Self::Failed => false,
        }
    }

    /// Whether nothing will become of it any more than there is.
    #[must_use]
    pub const fn is_over(self) -> bool {
        match self {
            Self::Ready | Self::Empty | Self::Failed => true,
            Self::Starting | Self::Recording | Self::StorageAway | Self::Finishing => false,
        }
    }
}

/// One playable file of a recording: what one participant's camera and microphone, or screen and its sound, gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingFile {
    /// Its key in the bucket.
    pub key: String,
    /// Whose.
    pub participant: ParticipantId,
    /// Their display name.
    pub name: String,
    /// Whether it is their screen.
    pub is_screen: bool,
    /// How long after the recording's start it begins.
    pub starts_ms: u64,
    /// How long it plays.
    pub duration_ms: u64,
    /// How large it is.
    pub bytes: u64,
}
