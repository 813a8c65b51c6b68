//! The rate at which packets arrive at the client.

use std::time::Duration;

/// Remembered arrivals; with more in a window, the window is shorter.
const SAMPLES: usize = 256;
/// Shorter spans contain too little for a rate.
const SPAN_MIN: Duration = Duration::from_millis(20);
pub(super) const STEADY: Duration = Duration::from_millis(500);
/// Long enough for six frames of video, short enough to see a drop of the capacity.
const RECENT: Duration = Duration::from_millis(200);

#[derive(Debug)]
pub(super) struct Acknowledged {
    /// A ring; `next` is the place of the next arrival.
    samples: Box<[Sample]>,
    next: usize,
    count: usize,
    total_bytes: u64,
    /// Samples in order of arrival, up to the newest.
    ordered: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    /// From any origin.
    arrived_ns: u64,
    /// All bytes so far, including these.
    total_bytes: u64,
}

impl Default for Acknowledged {
    fn default() -> Self {
        let samples = vec![Sample::default(); SAMPLES].into_boxed_slice();
        Self { samples, next: 0, count: 0, total_bytes: 0, ordered: 0 }
    }
}

impl Acknowledged {
    pub(super) fn add(&mut self, arrived_ns: u64, bytes: u16) {
        let is_ordered = self.count == 0 || self.sample(0).is_some_and(|newest| newest.arrived_ns <= arrived_ns);
        self.ordered = if is_ordered { (self.ordered + 1).min(SAMPLES) } else { 1 };
        self.total_bytes += u64::from(bytes);
        if let Some(place) = self.samples.get_mut(self.next) {
            *place = Sample { arrived_ns, total_bytes: self.total_bytes };
        }
        self.next = (self.next + 1) % SAMPLES;
        self.count = (self.count + 1).min(SAMPLES);
    }

    /// Bits per second over the last half second.
    pub(super) fn steady_bps(&self) -> Option<f64> {
        self.bps(STEADY)
    }

    /// Bits per second over [`RECENT`].
    pub(super) fn recent_bps(&self) -> Option<f64> {
        self.bps(RECENT)
    }

    /// Bits per second over the last `window`.
    pub(super) fn bps(&self, window: Duration) -> Option<f64> {
        let newest = self.sample(0)?;
        let age_ns = |age: usize| Some(newest.arrived_ns.saturating_sub(self.sample(age)?.arrived_ns));
        let window_ns = nanos(window);
        let is_outside = |age: usize| age_ns(age).is_none_or(|age_ns| age_ns > window_ns);
        // Almost always all are in order, and there are hundreds.
        let within = if self.ordered >= self.count {
            partition_point(self.count, is_outside)
        } else {
            (0..self.count).find(|age| is_outside(*age)).unwrap_or(self.count)
        };
        let oldest = self.sample(within.checked_sub(1)?)?;
        let span_ns = if self.ordered >= within {
            newest.arrived_ns - oldest.arrived_ns
        } else {
            (0..within).filter_map(age_ns).max().unwrap_or(0)
        };
        // The span begins after the arrival of the oldest packet, so that packet is not part of it.
        let bytes = newest.total_bytes - oldest.total_bytes;
        (span_ns >= nanos(SPAN_MIN)).then(|| 8e9 * bytes as f64 / span_ns as f64)
    }

    /// The sample `age` places before the newest; `None` if there is none.
    fn sample(&self, age: usize) -> Option<Sample> {
        if age >= self.count {
            return None;
        }
        self.samples.get((self.next + SAMPLES - 1 - age) % SAMPLES).copied()
    }
}

/// The first of `0..count` for which `is_past` is true, if it is true for all after it; `count` if there is none.
fn partition_point(count: usize, is_past: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low.midpoint(high);
        (low, high) = if is_past(middle) { (low, middle) } else { (middle + 1, high) };
    }
    low
}

pub(super) fn nanos(time: Duration) -> u64 {
    time.as_nanos() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Rates of packets of 1,000 bytes, sent in phases of (count, interval in milliseconds).
    fn rates(phases: &[(u32, u64)]) -> (u64, u64) {
        let mut acknowledged = Acknowledged::default();
        let mut now = Duration::from_secs(1);
        for (count, every_ms) in phases {
            for _ in 0..*count {
                now += Duration::from_millis(*every_ms);
                acknowledged.add(nanos(now), 1_000);
            }
        }
        let kbps = |bps: Option<f64>| (bps.unwrap_or(0.0) / 1_000.0).round() as u64;
        (kbps(acknowledged.steady_bps()), kbps(acknowledged.recent_bps()))
    }

    #[test]
    fn tells_the_rate_of_the_last_moments_and_a_steady_one() {
        assert_eq!(rates(&[(1, 8)]), (0, 0));
        assert_eq!(rates(&[(100, 8)]), (1_000, 1_000));
        assert_eq!(rates(&[(1_000, 1)]), (8_000, 8_000));
        assert_eq!(rates(&[(500, 2), (6, 40)]), (2_176, 200));
    }

    #[test]
    fn arrivals_out_of_order_count_up_to_the_first_outside_the_window() {
        let mut random = Random::seeded(3);
        let (mut acknowledged, mut all) = (Acknowledged::default(), Vec::new());
        let mut at_ms = 1_000;
        for number in 0..3_000_u32 {
            at_ms += random.next_u64() % 4;
            // In the second thousand, every twentieth is out of order by up to a second.
            let is_early = (1_000..2_000).contains(&number) && random.next_u64().is_multiple_of(20);
            let early_ms = if is_early { random.next_u64() % 1_000 } else { 0 };
            let (arrived_ms, bytes) = (at_ms - early_ms, random.next_u16() % 1_400);
            acknowledged.add(arrived_ms * 1_000_000, bytes);
            all.push((arrived_ms, bytes));
            for window_ms in [0, 30, 200, 500, 5_000] {
                let expected = naive_bps(&all, window_ms);
                assert_eq!(acknowledged.bps(Duration::from_millis(window_ms)), expected, "{number}, {window_ms}");
            }
        }
    }

    fn naive_bps(all: &[(u64, u16)], window_ms: u64) -> Option<f64> {
        let (newest_ms, _) = *all.last()?;
        let latest = all.iter().rev().take(SAMPLES).map(|(at_ms, bytes)| (newest_ms.saturating_sub(*at_ms), *bytes));
        let within: Vec<_> = latest.take_while(|(age_ms, _)| *age_ms <= window_ms).collect();
        let span_ms = within.iter().map(|(age_ms, _)| *age_ms).max()?;
        let bytes: u64 = within.iter().rev().skip(1).map(|(_, bytes)| u64::from(*bytes)).sum();
        (span_ms >= 20).then(|| 8e9 * bytes as f64 / (span_ms as f64 * 1e6))
    }
}
