//! The manifest of a recording: what happened in the room while it ran, on the room's clock. It lies beside the files in the storage.
//!
//! Each segment has one while it is recorded, and the finished recording has one made of all of them. Nodes write them; nodes, and
//! whoever works with recordings, read them.

use crate::ids::{NodeId, ParticipantId, RecordingId, RoomId, TrackId};
use crate::rtp_parameters::MediaKind;
use crate::signal::{RecordingFile, TrackSource};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// The version of both kinds of manifest.
pub const VERSION: u32 = 1;

/// What one assignment's node wrote down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentManifest {
    /// [`VERSION`].
    pub version: u32,
    /// Which recording.
    pub recording: RecordingId,
    /// Of which room.
    pub room: RoomId,
    /// Under which assignment.
    pub epoch: u64,
    /// By whom.
    pub node: NodeId,
    /// The zero of the clock.
    pub started_at: UnixMillis,
    /// Whether it is over and all of it is in the storage.
    pub is_sealed: bool,
    /// What happened, in order.
    pub rows: Vec<Row>,
}

/// What became of a recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`VERSION`].
    pub version: u32,
    /// Which recording.
    pub recording: RecordingId,
    /// Of which room.
    pub room: RoomId,
    /// The zero of the clock.
    pub started_at: UnixMillis,
    /// The segments that it was made of.
    pub segments: Vec<u64>,
    /// What can be played.
    pub files: Vec<RecordingFile>,
    /// What happened, in the order of time.
    pub rows: Vec<Row>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// When: milliseconds after the start of the recording.
    pub at_ms: u64,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A participant began to publish, or did so when the recording began.
    Joined {
        /// Who.
        participant: ParticipantId,
        /// Display name.
        name: String,
    },
    /// They publish nothing any more.
    Left {
        /// Who.
        participant: ParticipantId,
    },
    /// A track began.
    Track {
        /// Which.
        track: TrackId,
        /// Whose.
        participant: ParticipantId,
        /// Sound or pictures.
        kind: MediaKind,
        /// What it shows or sounds.
        source: TrackSource,
    },
    /// It ended.
    TrackEnded {
        /// Which.
        track: TrackId,
    },
    /// It was muted or unmuted.
    Muted {
        /// Which.
        track: TrackId,
        /// Whether it is silent or dark from here on.
        muted: bool,
    },
    /// Packets were lost on their way to the recorder.
    Gap {
        /// Of which track.
        track: TrackId,
        /// How many.
        packets: u64,
        /// Between the first and the last of them.
        lasted_ms: u64,
    },
    /// A part was made.
    Part {
        /// Of which track.
        track: TrackId,
        /// Its key.
        key: String,
        /// How long it plays.
        duration_ms: u64,
        /// How large it is.
        bytes: u64,
        /// CRC-32 of its bytes (the polynomial of IEEE 802.3).
        crc32: u32,
    },
}
