//! A Room object's recording orders, and the nodes' reports about recordings.
//!
//! A recording consists of segments, one for each assignment during which it ran. A node seals its segment when
//! everything is in storage, and reports that over HTTP with its own token, because by then the socket to the room, or
//! the whole process that recorded, may be gone.

use super::TrackRef;
use crate::error_code::ErrorCode;
use crate::ids::{ParticipantId, RecordingId, RoomId, TrackId};
use crate::json::tagged;
use crate::signal::{RecordingFile, TrackSource};
use crate::time::UnixMillis;
use crate::trace::Trace;
use serde::{Deserialize, Serialize};

/// The complete recording order; it replaces the previous one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingOrder {
    pub recording: RecordingId,
    /// The prefix of all object keys of the recording; ends with `/`.
    pub key_prefix: String,
    /// The start of the recording, which is zero on the room's clock.
    pub started_at: UnixMillis,
    /// The room's clock when this message is sent; nodes derive the offset of their own clock from it.
    #[serde(default)]
    pub sent_at: UnixMillis,
    /// The trace of the participant who started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    pub participants: Vec<RecordedParticipant>,
}

/// One participant; the manifest lists participants even if they publish nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedParticipant {
    pub id: ParticipantId,
    pub name: String,
    pub tracks: Vec<RecordedTrack>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedTrack {
    /// The room's id for the track.
    pub id: TrackId,
    /// The node's name for the track.
    pub track: TrackRef,
    pub source: TrackSource,
    pub muted: bool,
}

/// A node's report about a recording, sent with its node token to `POST /v1/nodes/recordings`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingReport {
    pub room: RoomId,
    pub recording: RecordingId,
    pub outcome: SegmentOutcome,
}

#[tagged("type")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SegmentOutcome {
    /// Everything recorded under this epoch is in storage. Repeated while the node builds the files.
    Sealed { epoch: u64 },
    /// The files are complete.
    Finished {
        /// The epoch of the node that built them.
        epoch: u64,
        /// The epochs of the segments in the files.
        segments: Vec<u64>,
        files: Vec<RecordingFile>,
        manifest: String,
    },
    /// Nothing was published in these segments; the node deletes their objects once the edge has confirmed.
    Empty {
        /// The epoch of the reporting node.
        epoch: u64,
        /// The epochs of all sealed segments.
        segments: Vec<u64>,
    },
    /// No files can be built.
    Failed { code: ErrorCode },
}

/// The answer to a [`RecordingReport`]: the node's next step.
#[tagged("type")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordingVerdict {
    /// Another node records on, or the recording is unknown: the node has nothing more to do.
    Leave {},
    /// The recording is over: build the files from all segments in storage.
    Finish {},
    /// Another node is building the files, or the recording runs but no node records: ask again later.
    Wait {},
    /// The edge has recorded the outcome.
    Done {
        /// No segment is missing, so the parts can be deleted.
        is_complete: bool,
    },
}
