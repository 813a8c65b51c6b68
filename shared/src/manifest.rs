//! The manifest of a recording: the events in the room during the recording, on the room's clock. It is stored beside
//! the files.
//!
//! Each segment has its own manifest during the recording, and the finished recording has one built from all of them.
//! Nodes write manifests; nodes and applications read them.

use crate::ids::{NodeId, ParticipantId, RecordingId, RoomId, TrackId};
use crate::json::tagged;
use crate::rtp_parameters::MediaKind;
use crate::signal::{RecordingFile, TrackSource};
use crate::time::UnixMillis;
use crate::trace::Trace;
use serde::{Deserialize, Serialize};

/// The version of both kinds of manifest.
pub const VERSION: u32 = 1;

/// The manifest of one segment, written by its node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentManifest {
    /// [`VERSION`].
    pub version: u32,
    pub recording: RecordingId,
    pub room: RoomId,
    pub epoch: u64,
    pub node: NodeId,
    /// Zero on the room's clock.
    pub started_at: UnixMillis,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    /// True if the segment has ended and all of it is in storage.
    pub is_sealed: bool,
    pub rows: Vec<Row>,
}

/// The manifest of a finished recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`VERSION`].
    pub version: u32,
    pub recording: RecordingId,
    pub room: RoomId,
    /// Zero on the room's clock.
    pub started_at: UnixMillis,
    /// The trace of the participant who started the recording, as in the programs' logs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    /// The segments of the recording, by epoch.
    pub segments: Vec<SegmentSpan>,
    pub files: Vec<RecordingFile>,
    /// Events by time.
    pub rows: Vec<Row>,
}

/// One assignment's part of the recording.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentSpan {
    pub epoch: u64,
    pub node: NodeId,
    /// Milliseconds after the start of the recording.
    pub starts_ms: u64,
    /// The end of the recorded data, in milliseconds after the start of the recording.
    pub ends_ms: u64,
    /// If false, the end may be missing because the node died.
    pub is_sealed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Milliseconds after the start of the recording.
    pub at_ms: u64,
    #[serde(flatten)]
    pub event: Event,
}

#[tagged("type")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A participant joined the room, or was present when the segment began.
    Joined { participant: ParticipantId, name: String },
    /// A participant left the room.
    Left { participant: ParticipantId },
    Track {
        track: TrackId,
        participant: ParticipantId,
        kind: MediaKind,
        source: TrackSource,
        /// From this row on.
        muted: bool,
    },
    /// The track or the recording ended.
    TrackEnded { track: TrackId },
    Muted {
        track: TrackId,
        /// From this row on.
        muted: bool,
    },
    /// Data is missing: packets were lost, the track moved to another node, or a node died with its data.
    Gap {
        track: TrackId,
        /// `None` if the lost packets could not be counted.
        packets: Option<u64>,
        /// From the last recorded frame before the gap to the first one after it.
        lasted_ms: u64,
    },
    /// A part was sealed.
    Part {
        track: TrackId,
        key: String,
        duration_ms: u64,
        bytes: u64,
        /// CRC-32 of the part's bytes (the polynomial of IEEE 802.3).
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
