//! What a Room object orders to be recorded, and what nodes report about what they recorded.
//!
//! A recording is spread over segments, one for each assignment under which it ran. A node seals its segment once everything is in
//! the storage, and says so over HTTP with its own token, because by then its socket to the room, or the whole process that
//! recorded, may be gone.

use super::TrackRef;
use crate::error_code::ErrorCode;
use crate::ids::{ParticipantId, RecordingId, RoomId, TrackId};
use crate::signal::{RecordingFile, TrackSource};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// Everything to record from now on; it replaces the previous order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingOrder {
    pub recording: RecordingId,
    /// Everything is stored under this prefix, which ends with `/`.
    pub key_prefix: String,
    /// When it was started: the zero of the room's clock.
    pub started_at: UnixMillis,
    /// What the room's clock says when this is sent: nodes learn from it how far theirs is from it.
    #[serde(default)]
    pub sent_at: UnixMillis,
    pub participants: Vec<RecordedParticipant>,
}

/// One participant; those who publish nothing appear in the manifest as present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedParticipant {
    pub id: ParticipantId,
    pub name: String,
    pub tracks: Vec<RecordedTrack>,
}

/// One published track.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedTrack {
    /// As the room names it.
    pub id: TrackId,
    /// As the node knows it.
    pub track: TrackRef,
    pub source: TrackSource,
    /// Whether the publisher muted it.
    pub muted: bool,
}

/// What a node says about a recording, with its node token: `POST /v1/nodes/recordings`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingReport {
    pub room: RoomId,
    pub recording: RecordingId,
    pub outcome: SegmentOutcome,
}

/// What happened to a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum SegmentOutcome {
    /// Everything recorded under this epoch is in the storage. Repeated while its node makes the files.
    Sealed { epoch: u64 },
    /// The files are made.
    Finished {
        /// The epoch of the node that made them.
        epoch: u64,
        /// The epochs of the segments the files were made of.
        segments: Vec<u64>,
        files: Vec<RecordingFile>,
        manifest: String,
    },
    /// Nothing was published in these segments; the node deletes what it stored of them once the edge has agreed.
    Empty {
        /// By the node of which assignment.
        epoch: u64,
        /// All segments that were sealed.
        segments: Vec<u64>,
    },
    /// Nothing can be made of it.
    Failed { code: ErrorCode },
}

/// The answer to a [`RecordingReport`]: what the node shall do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum RecordingVerdict {
    /// The recording still runs elsewhere, or nobody knows it: the node has nothing further to do.
    Leave {},
    /// The recording is over: make its files out of all segments that are in the storage.
    Finish {},
    /// Another node is making the files: ask again later.
    Wait {},
    /// The files are known.
    Done {
        /// No segment is missing, so that what the files were made of can be deleted.
        is_complete: bool,
    },
}
