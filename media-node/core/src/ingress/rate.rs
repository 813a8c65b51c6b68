//! Bitrate of a stream over the last second, of which key frames are a part that hardly ever repeats.

use std::time::{Duration, Instant};

/// Silence after which a stream may count as stopped.
pub const STOPPED_AFTER: Duration = Duration::from_millis(500);
const BUCKETS: u64 = 10;
const BUCKET_MS: u64 = 100;
/// A younger stream is measured as if it were this old, or its first key frame would inflate its rate.
const AGE_MS_MIN: u64 = 500;
/// Key frames count over ten seconds: they come when they are requested, and those of a screen are larger than everything
/// else in a second. The pacer spreads them.
const KEYFRAME_BUCKET_MS: u64 = 1_000;

/// The rate of a video whose key frames count over a longer time.
#[derive(Clone, Copy, Debug)]
pub struct VideoRate {
    keyframes: Rate,
    others: Rate,
}

impl VideoRate {
    pub const fn new(now: Instant) -> Self {
        Self { keyframes: Rate::over(now, KEYFRAME_BUCKET_MS), others: Rate::new(now) }
    }

    pub fn add(&mut self, now: Instant, bytes: usize, is_keyframe: bool) {
        let rate = if is_keyframe { &mut self.keyframes } else { &mut self.others };
        rate.add(now, bytes);
    }

    pub fn bps(&mut self, now: Instant) -> u64 {
        self.keyframes.bps(now) + self.others.bps(now)
    }
}

#[derive(Clone, Copy, Debug)]
pub struct Rate {
    bytes: [u32; BUCKETS as usize],
    bucket_ms: u64,
    started_at: Instant,
    /// Number of the current bucket since the start.
    current: u64,
}

impl Rate {
    pub const fn new(now: Instant) -> Self {
        Self::over(now, BUCKET_MS)
    }

    const fn over(now: Instant, bucket_ms: u64) -> Self {
        Self { bytes: [0; BUCKETS as usize], bucket_ms, started_at: now, current: 0 }
    }

    pub fn add(&mut self, now: Instant, bytes: usize) {
        self.advance(now);
        if let Some(bucket) = self.bytes.get_mut((self.current % BUCKETS) as usize) {
            *bucket = bucket.saturating_add(bytes as u32);
        }
    }

    pub fn bps(&mut self, now: Instant) -> u64 {
        self.advance(now);
        let bits = self.bytes.iter().map(|bytes| u64::from(*bytes) * 8).sum::<u64>();
        // The current bucket covers only a part of its time.
        let covered_ms = (BUCKETS - 1) * self.bucket_ms + self.age_ms(now) % self.bucket_ms;
        bits * 1_000 / self.age_ms(now).clamp(AGE_MS_MIN, covered_ms.max(AGE_MS_MIN))
    }

    fn advance(&mut self, now: Instant) {
        let current = self.age_ms(now) / self.bucket_ms;
        let passed = current.saturating_sub(self.current).min(BUCKETS);
        for number in 1..=passed {
            if let Some(bucket) = self.bytes.get_mut(((self.current + number) % BUCKETS) as usize) {
                *bucket = 0;
            }
        }
        if passed == BUCKETS {
            self.bytes = [0; BUCKETS as usize];
        }
        self.current = self.current.max(current);
    }

    fn age_ms(&self, now: Instant) -> u64 {
        now.saturating_duration_since(self.started_at).as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_pace_within_a_second_and_forgets_it_as_fast() {
        let start = crate::virtual_time::start();
        let at = |ms| start + Duration::from_millis(ms);
        let mut rate = Rate::new(start);
        for ms in (0..3_000).step_by(20) {
            rate.add(at(ms), 1_000);
        }
        let bps = rate.bps(at(3_000));
        assert!((390_000..=450_000).contains(&bps), "{bps}");
        for ms in (3_000..4_000).step_by(20) {
            rate.add(at(ms), 250);
        }
        let bps = rate.bps(at(4_000));
        assert!((95_000..=115_000).contains(&bps), "{bps}");
        assert_eq!(rate.bps(at(5_100)), 0);
        assert_eq!(rate.bps(at(500_000)), 0);
    }

    #[test]
    fn a_first_key_frame_is_not_the_pace() {
        let start = crate::virtual_time::start();
        let mut rate = Rate::new(start);
        rate.add(start, 12_500);
        assert_eq!(rate.bps(start), 200_000);
    }

    #[test]
    fn a_key_frame_is_a_tenth_of_itself_unless_it_comes_every_second() {
        let start = crate::virtual_time::start();
        let at = |ms| start + Duration::from_millis(ms);
        let rate_with_a_key_frame_every = |interval_ms: u64| {
            let mut rate = VideoRate::new(start);
            let mut most = 0;
            for ms in (0..40_000).step_by(50) {
                let is_keyframe = ms % interval_ms == 0;
                rate.add(at(ms), if is_keyframe { 30_000 } else { 1_000 }, is_keyframe);
                if ms >= 20_000 {
                    most = most.max(rate.bps(at(ms + 49)));
                }
            }
            most
        };
        let (rare, often) = (rate_with_a_key_frame_every(15_000), rate_with_a_key_frame_every(1_000));
        assert!((175_000..=195_000).contains(&rare), "{rare}");
        assert!((380_000..=430_000).contains(&often), "{often}");
    }
}
