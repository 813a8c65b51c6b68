//! The manifest of a recording: what happened in the room while it ran, on the room's clock. It is stored beside the files.
//!
//! Each segment has one while it is recorded, and the finished recording has one made of all of them. Nodes write them; nodes and
//! applications read them.

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
    pub recording: RecordingId,
    pub room: RoomId,
    /// Under which assignment.
    pub epoch: u64,
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
    pub recording: RecordingId,
    pub room: RoomId,
    /// The zero of the clock.
    pub started_at: UnixMillis,
    /// The segments that it was made of, in the order of their epochs.
    pub segments: Vec<SegmentSpan>,
    /// What can be played.
    pub files: Vec<RecordingFile>,
    /// What happened, in the order of time.
    pub rows: Vec<Row>,
}

/// What one assignment's node recorded of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentSpan {
    pub epoch: u64,
    /// Who recorded.
    pub node: NodeId,
    /// When it began, in milliseconds after the start of the recording.
    pub starts_ms: u64,
    /// Until when there is something of it.
    pub ends_ms: u64,
    /// Whether it is complete: the end may be missing when its node died.
    pub is_sealed: bool,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// When: milliseconds after the start of the recording.
    pub at_ms: u64,
    #[serde(flatten)]
    pub event: Event,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// A participant came into the room, or was there when the recording began.
    Joined { participant: ParticipantId, name: String },
    /// They left the room.
    Left { participant: ParticipantId },
    /// A track began.
    Track {
        track: TrackId,
        participant: ParticipantId,
        kind: MediaKind,
        source: TrackSource,
        /// Whether it is muted from now on.
        muted: bool,
    },
    /// It ended, or the recording did.
    TrackEnded { track: TrackId },
    /// It was muted or unmuted.
    Muted {
        track: TrackId,
        /// Whether it is muted from now on.
        muted: bool,
    },
    /// Something is missing: packets were lost, the track moved to another node, or a node died with its data.
    Gap {
        track: TrackId,
        /// How many packets; `None` where they could not be counted.
        packets: Option<u64>,
        /// From what was recorded before it to what was recorded after it.
        lasted_ms: u64,
    },
    /// A part was made.
    Part {
        track: TrackId,
        key: String,
        duration_ms: u64,
        bytes: u64,
        /// CRC-32 of its bytes (the polynomial of IEEE 802.3).
        crc32: u32,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn manifests_say_what_the_golden_one_says() {
        let path = format!("{}/../tests/vectors/recording/manifest.json", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect("golden manifests exist");
        let golden: Vec<Value> = serde_json::from_str(&text).expect("a JSON list");
        let mut seen = BTreeSet::new();
        for golden in golden {
            let manifest: Manifest = serde_json::from_value(golden.clone()).expect("a manifest");
            assert_eq!(serde_json::to_value(&manifest).expect("JSON"), golden);
            let rows = golden["rows"].as_array().expect("rows").clone();
            seen.extend(rows.iter().map(|row| row["type"].as_str().unwrap_or_default().to_owned()));
        }
        let kinds = ["gap", "joined", "left", "muted", "part", "track", "track_ended"];
        assert_eq!(seen, kinds.map(str::to_owned).into());
    }
}
