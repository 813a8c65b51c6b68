//! Statistics of one stream, in or out, between two samples. Names and rules follow webrtc-stats.

use std::time::{Duration, Instant};

/// Counts since the last sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub packets: u32,
    /// Payload bytes, as in webrtc-stats.
    pub bytes: u64,
    pub frames: u32,
    pub freezes: u32,
    pub nacks: u32,
    pub plis: u32,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    counts: Counts,
    pace: Pace,
}

impl Tally {
    pub fn packet(&mut self, bytes: usize) {
        self.counts.packets = self.counts.packets.saturating_add(1);
        self.counts.bytes += bytes as u64;
    }

    /// Counts a complete video frame.
    pub fn frame(&mut self, now: Instant) {
        self.counts.frames = self.counts.frames.saturating_add(1);
        self.counts.freezes += u32::from(self.pace.frame(now));
    }

    /// Notes a deliberate stop: the following gap is not a freeze.
    pub fn stopped(&mut self) {
        self.pace = Pace::default();
    }

    pub fn nack(&mut self) {
        self.counts.nacks = self.counts.nacks.saturating_add(1);
    }

    pub fn pli(&mut self) {
        self.counts.plis = self.counts.plis.saturating_add(1);
    }

    /// Returns and resets the counts.
    pub fn take(&mut self) -> Counts {
        std::mem::take(&mut self.counts)
    }
}

/// A client's report about a received stream (RFC 3550 §6.4.1).
#[derive(Clone, Copy, Debug, Default)]
pub struct Reception {
    /// Since the stream began; duplicates make it negative.
    packets_lost: i32,
    sampled: i32,
    jitter_ticks: u32,
}

impl Reception {
    pub fn note(&mut self, packets_lost: i32, jitter_ticks: u32) {
        (self.packets_lost, self.jitter_ticks) = (packets_lost, jitter_ticks);
    }

    /// Packets lost since the last call, and the jitter.
    pub fn take(&mut self) -> (u64, u32) {
        let before = std::mem::replace(&mut self.sampled, self.packets_lost);
        (self.packets_lost.saturating_sub(before).max(0).unsigned_abs().into(), self.jitter_ticks)
    }
}

/// A freeze is a frame that is this much later than the average, and also three times as late.
const LATE: Duration = Duration::from_millis(150);
const LATE_FACTOR: u32 = 3;
/// A camera that sends nothing for longer is off.
const FREEZE_MAX: Duration = Duration::from_secs(5);
/// webrtc-stats averages the last 30 frames; the running average here decays at the same pace.
const FRAMES_AVERAGED: u32 = 30;

#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    last: Option<Instant>,
    /// Time between frames; `None` before the second one.
    average: Option<Duration>,
}

impl Pace {
    /// True if the complete frame ends a freeze.
    fn frame(&mut self, now: Instant) -> bool {
        let Some(last) = self.last.replace(now) else { return false };
        let gap = now.saturating_duration_since(last);
        if gap > FREEZE_MAX {
            return false;
        }
        let Some(average) = self.average else {
            self.average = Some(gap);
            return false;
        };
        self.average = Some((average * (FRAMES_AVERAGED - 1) + gap) / FRAMES_AVERAGED);
        gap >= (average * LATE_FACTOR).max(average + LATE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Freezes among frames at these intervals.
    fn freezes(gaps_ms: &[u64]) -> u32 {
        let mut at = crate::virtual_time::start();
        let mut tally = Tally::default();
        tally.frame(at);
        for gap in gaps_ms {
            at += Duration::from_millis(*gap);
            tally.frame(at);
        }
        let counts = tally.take();
        assert_eq!(counts.frames as usize, gaps_ms.len() + 1);
        assert_eq!(tally.take(), Counts::default());
        counts.freezes
    }

    #[test]
    fn a_frame_that_comes_three_times_and_150_ms_late_ends_a_freeze() {
        assert_eq!(freezes(&[33; 60]), 0);
        assert_eq!(freezes(&[[33; 30].as_slice(), &[180, 33, 33]].concat()), 0);
        assert_eq!(freezes(&[[33; 30].as_slice(), &[190, 33, 33]].concat()), 1);
        assert_eq!(freezes(&[[200; 30].as_slice(), &[500]].concat()), 0, "five frames a second");
        assert_eq!(freezes(&[[200; 30].as_slice(), &[610]].concat()), 1);
    }

    #[test]
    fn losses_are_those_since_the_last_sample() {
        let mut reception = Reception::default();
        reception.note(7, 90);
        assert_eq!(reception.take(), (7, 90));
        reception.note(10, 80);
        assert_eq!((reception.take(), reception.take()), ((3, 80), (0, 80)));
        reception.note(-2, 0);
        assert_eq!(reception.take(), (0, 0), "duplicates make up for losses");
    }

    #[test]
    fn a_camera_that_was_off_did_not_freeze() {
        assert_eq!(freezes(&[33, 33, 6_000, 33]), 0);
        let start = crate::virtual_time::start();
        let mut tally = Tally::default();
        for ms in [0, 33, 66] {
            tally.frame(start + Duration::from_millis(ms));
        }
        tally.stopped();
        tally.frame(start + Duration::from_millis(1_000));
        assert_eq!(tally.take().freezes, 0);
    }
}
