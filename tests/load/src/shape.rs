//! The sizes of a publisher's packets, and their distribution over time.

use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Packets of 1,100 bytes of payload, one by one.
    Spaced,
    /// Frames of 8 packets, with lengths captured from Chromium.
    Frames,
}

impl Shape {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Spaced => "spaced",
            Self::Frames => "frames",
        }
    }

    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Spaced, Self::Frames].into_iter().find(|shape| shape.name() == name)
    }

    /// Time between frames at this packet rate.
    #[must_use]
    pub fn interval(self, packets_per_s: u32) -> Duration {
        let packets = self.frame(0).len() as u32;
        Duration::from_secs(1) * packets / packets_per_s.max(1)
    }

    #[must_use]
    pub fn frame(self, number: u64) -> &'static [usize] {
        match self {
            Self::Spaced => &[1_100],
            Self::Frames => CAPTURED.get(number as usize % CAPTURED.len()).map_or(&[], |frame| frame.as_slice()),
        }
    }
}

/// Longest payload of any shape.
pub const PAYLOAD_BYTES_MAX: usize = 1_200;

/// Frames of 8 packets from a VP8 stream of Chromium 156 (640 × 360, 1.1 Mbit/s, a canvas of random rectangles): RTP
/// payload lengths, each the datagram less its header and a tag of 16 bytes. libwebrtc splits a frame into packets that
/// differ by one byte, the shorter ones first; a last packet with another header extension is shorter by that
/// extension.
const CAPTURED: [[usize; 8]; 16] = [
    [1058, 1058, 1059, 1059, 1059, 1059, 1059, 1059],
    [1099, 1099, 1099, 1099, 1099, 1099, 1099, 1099],
    [1125, 1125, 1126, 1126, 1126, 1126, 1126, 1126],
    [1159, 1159, 1160, 1160, 1160, 1160, 1160, 1144],
    [1120, 1120, 1120, 1120, 1120, 1120, 1120, 1120],
    [1078, 1078, 1078, 1078, 1078, 1078, 1079, 1063],
    [1150, 1150, 1150, 1150, 1150, 1150, 1150, 1151],
    [1052, 1052, 1052, 1052, 1052, 1052, 1053, 1053],
    [1062, 1062, 1062, 1062, 1063, 1063, 1063, 1063],
    [1153, 1153, 1153, 1153, 1153, 1154, 1154, 1154],
    [1149, 1149, 1149, 1150, 1150, 1150, 1150, 1134],
    [1165, 1165, 1165, 1165, 1166, 1166, 1166, 1166],
    [1107, 1107, 1107, 1107, 1108, 1108, 1108, 1092],
    [1159, 1159, 1159, 1160, 1160, 1160, 1160, 1160],
    [1062, 1063, 1063, 1063, 1063, 1063, 1063, 1063],
    [1159, 1159, 1159, 1159, 1159, 1159, 1159, 1143],
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_fit_and_come_at_their_pace() {
        for shape in [Shape::Spaced, Shape::Frames] {
            assert_eq!(Shape::named(shape.name()), Some(shape));
            let packets_per_s = shape.frame(0).len() as u128 * 1_000_000 / shape.interval(500).as_micros();
            assert_eq!(packets_per_s, 500);
            for number in 0..40 {
                assert!(shape.frame(number).iter().all(|bytes| *bytes <= PAYLOAD_BYTES_MAX));
            }
        }
    }
}
