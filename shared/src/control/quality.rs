//! A node's measurements of its clients' media, sent to the Worker once a minute and never to a room.

use crate::ids::{Mid, ParticipantId, RoomId, SessionId};
use crate::rtp_parameters::{Flow, MediaKind};
use serde::{Deserialize, Serialize};

/// The body of `POST /v1/nodes/quality`; at most [`crate::limits::QUALITY_SESSIONS_PER_REPORT`] sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QualityReport {
    pub sessions: Vec<SessionQuality>,
}

/// One session since its last sample. Names follow webrtc-stats; counts cover the interval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionQuality {
    pub room: RoomId,
    pub session: SessionId,
    pub participant: ParticipantId,
    pub interval_ms: u32,
    /// Between node and client; null until the client's first reports.
    pub round_trip_ms: Option<u32>,
    /// The estimated rate of the client's downlink; null while nothing limits it.
    pub estimate_bps: Option<u32>,
    pub grade: Grade,
    /// Tracks with at least one packet sent or received.
    pub tracks: Vec<TrackQuality>,
}

/// One layer of a published track, measured by the node, or one slot, based on the client's reports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackQuality {
    pub mid: Mid,
    pub flow: Flow,
    pub kind: MediaKind,
    /// RTP stream id (RFC 8852) of the layer, if the track has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    pub bitrate_bps: u32,
    pub packets: u32,
    /// RFC 3550 §6.4.1: includes losses that retransmissions repaired.
    pub packets_lost: u32,
    /// RFC 3550 §6.4.1, at the end of the interval.
    pub jitter_ms: u32,
    /// Video only.
    #[serde(default, skip_serializing_if = "is_none")]
    pub frames: u32,
    /// Video only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_height: Option<u16>,
    /// Late frames, counted like `freezeCount` in webrtc-stats.
    #[serde(default, skip_serializing_if = "is_none")]
    pub freezes: u32,
    /// NACK messages (RFC 4585 §6.2.1).
    #[serde(default, skip_serializing_if = "is_none")]
    pub nacks: u32,
    /// Key frame requests (RFC 4585 §6.3.1, RFC 5104 §4.3.1).
    #[serde(default, skip_serializing_if = "is_none")]
    pub plis: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<QualityLimit>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_none(count: &u32) -> bool {
    *count == 0
}

/// The reason why a slot's video is not larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QualityLimit {
    /// The viewer's tile is no larger.
    Size,
    /// The client's downlink is too slow for a larger layer.
    Estimate,
    /// The client's downlink is too slow for any layer.
    Paused,
    /// The publisher sends no layer.
    NoLayer,
}

/// The quality of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    Excellent,
    Good,
    Fair,
    Poor,
}

/// Upper bounds of round trip (milliseconds) and loss (percent) for each grade.
const GRADES: [(Grade, u32, u64); 3] = [(Grade::Excellent, 100, 1), (Grade::Good, 200, 3), (Grade::Fair, 400, 5)];

impl Grade {
    /// From the best to the worst.
    pub const ALL: [Self; 4] = [Self::Excellent, Self::Good, Self::Fair, Self::Poor];

    /// The grade of a path by its loss and round trip; an unknown round trip is ignored.
    #[must_use]
    pub fn of(round_trip_ms: Option<u32>, packets_lost: u64, packets: u64) -> Self {
        let is_below = |rtt_ms: u32, percent: u64| {
            round_trip_ms.is_none_or(|ms| ms < rtt_ms) && packets_lost * 100 < (percent * packets).max(1)
        };
        GRADES
            .iter()
            .find(|(_, rtt_ms, percent)| is_below(*rtt_ms, *percent))
            .map_or(Self::Poor, |(grade, _, _)| *grade)
    }

    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Excellent => "excellent",
            Self::Good => "good",
            Self::Fair => "fair",
            Self::Poor => "poor",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_graded_by_round_trip_and_loss() {
        for (round_trip_ms, lost, packets, expected) in [
            (Some(99), 9, 1_000, Grade::Excellent),
            (Some(100), 0, 1_000, Grade::Good),
            (Some(0), 10, 1_000, Grade::Good),
            (Some(199), 29, 1_000, Grade::Good),
            (Some(200), 0, 1_000, Grade::Fair),
            (None, 30, 1_000, Grade::Fair),
            (Some(399), 49, 1_000, Grade::Fair),
            (Some(400), 0, 1_000, Grade::Poor),
            (None, 50, 1_000, Grade::Poor),
            (None, 0, 0, Grade::Excellent),
        ] {
            assert_eq!(Grade::of(round_trip_ms, lost, packets), expected, "{round_trip_ms:?} {lost}/{packets}");
        }
    }
}
