//! Bitrate of a stream over the last second.

use std::time::{Duration, Instant};

/// Silence after which a stream may count as stopped.
pub const STOPPED_AFTER: Duration = Duration::from_millis(500);
const BUCKETS: u64 = 10;
const BUCKET_MS: u64 = 100;
/// A younger stream is measured as if it were this old, or its first key frame would inflate its rate.
const AGE_MS_MIN: u64 = 500;

#[derive(Clone, Copy, Debug)]
pub struct Rate {
    bytes: [u32; BUCKETS as usize],
    started_at: Instant,
    /// Number of the current bucket since the start.
    current: u64,
    /// The last result: all viewers of a stream ask at the same time.
    told: Option<(Instant, u64)>,
}

impl Rate {
    pub const fn new(now: Instant) -> Self {
        Self { bytes: [0; BUCKETS as usize], started_at: now, current: 0, told: None }
    }

    pub fn add(&mut self, now: Instant, bytes: usize) {
        self.told = None;
        self.advance(now);
        if let Some(bucket) = self.bytes.get_mut((self.current % BUCKETS) as usize) {
            *bucket = bucket.saturating_add(bytes as u32);
        }
    }

    pub fn bps(&mut self, now: Instant) -> u64 {
        if let Some((_, bps)) = self.told.filter(|(at, _)| *at == now) {
            return bps;
        }
        let bps = self.measure(now);
        self.told = Some((now, bps));
        bps
    }

    fn measure(&mut self, now: Instant) -> u64 {
        self.advance(now);
        let bits = self.bytes.iter().map(|bytes| u64::from(*bytes) * 8).sum::<u64>();
        // The current bucket covers only a part of its time.
        let covered_ms = (BUCKETS - 1) * BUCKET_MS + self.age_ms(now) % BUCKET_MS;
        bits * 1_000 / self.age_ms(now).clamp(AGE_MS_MIN, covered_ms.max(AGE_MS_MIN))
    }

    fn advance(&mut self, now: Instant) {
        let current = self.age_ms(now) / BUCKET_MS;
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
        assert_eq!(rate.bps(at(4_000)), bps, "asked again");
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
        rate.add(start, 12_500);
        assert_eq!(rate.bps(start), 400_000, "with what has come since");
    }
}
