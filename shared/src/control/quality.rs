//! What a node measured of its clients' media, told to the Worker once a minute and never to a room.

use crate::ids::{Mid, ParticipantId, RoomId, SessionId};
use crate::rtp_parameters::{Flow, MediaKind};
use serde::{Deserialize, Serialize};

/// The body of `POST /v1/nodes/quality`: [`crate::limits::QUALITY_SESSIONS_PER_REPORT`] sessions at most.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QualityReport {
    pub sessions: Vec<SessionQuality>,
}

/// One session since its last sample. Names as in webrtc-stats; counts are those of the interval.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionQuality {
    pub room: RoomId,
    pub session: SessionId,
    pub participant: ParticipantId,
    pub interval_ms: u32,
    /// Between node and client; null until the client's reports tell it.
    pub round_trip_ms: Option<u32>,
    /// What the node believes the client's downlink to carry; null while nothing limits it.
    pub estimate_bps: Option<u32>,
    pub grade: Grade,
    /// Tracks of which a packet was sent or received.
    pub tracks: Vec<TrackQuality>,
}

/// One published track's layer as it arrived at the node, or one slot as the client reported it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackQuality {
    pub mid: Mid,
    pub flow: Flow,
    pub kind: MediaKind,
    /// RTP stream id (RFC 8852) of the layer, where the track has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    pub bitrate_bps: u32,
    pub packets: u32,
    /// RFC 3550 §6.4.1: retransmissions mend a stream, but its losses are counted all the same.
    pub packets_lost: u32,
    /// RFC 3550 §6.4.1, at the end of the interval.
    pub jitter_ms: u32,
    /// Of video.
    #[serde(default, skip_serializing_if = "is_none")]
    pub frames: u32,
    /// Lines of the picture; of video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_height: Option<u16>,
    /// Frames that came late, by the rule of webrtc-stats' `freezeCount`.
    #[serde(default, skip_serializing_if = "is_none")]
    pub freezes: u32,
    /// Messages that asked for lost packets (RFC 4585 §6.2.1).
    #[serde(default, skip_serializing_if = "is_none")]
    pub nacks: u32,
    /// Messages that asked for a key frame (RFC 4585 §6.3.1, RFC 5104 §4.3.1).
    #[serde(default, skip_serializing_if = "is_none")]
    pub plis: u32,
    /// Why a slot's picture is not larger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<QualityLimit>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_none(count: &u32) -> bool {
    *count == 0
}

/// What keeps a slot's picture from being larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QualityLimit {
    /// Its tile shows no more.
    Size,
    /// The client's downlink is too slow for a larger layer.
    Estimate,
    /// The client's downlink is too slow for any layer.
    Paused,
    /// The publisher sends nothing.
    NoLayer,
}

/// How good a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grade {
    Excellent,
    Good,
    Fair,
    Poor,
}

/// A grade needs a round trip and a loss below these (milliseconds, percent).
const GRADES: [(Grade, u32, u64); 3] = [(Grade::Excellent, 100, 1), (Grade::Good, 200, 3), (Grade::Fair, 400, 5)];

impl Grade {
    /// From the best to the worst.
    pub const ALL: [Self; 4] = [Self::Excellent, Self::Good, Self::Fair, Self::Poor];

    /// The grade of a path that lost so many of so many packets; a round trip that is not known does not count.
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
