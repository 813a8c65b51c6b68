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
    samples: Box<[Sample]>,
    next: usize,
    count: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    /// From any origin.
    arrived_ns: u64,
    bytes: u64,
}

impl Default for Acknowledged {
    fn default() -> Self {
        Self { samples: vec![Sample::default(); SAMPLES].into_boxed_slice(), next: 0, count: 0 }
    }
}

impl Acknowledged {
    pub(super) fn add(&mut self, arrived: Duration, bytes: u16) {
        if let Some(place) = self.samples.get_mut(self.next) {
            *place = Sample { arrived_ns: nanos(arrived), bytes: bytes.into() };
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
        let window_ns = nanos(window);
        let (newer, older) = self.samples.get(..self.count)?.split_at_checked(self.next)?;
        let mut newest_first = newer.iter().rev().chain(older.iter().rev());
        let Sample { arrived_ns: newest_ns, bytes: mut oldest_bytes } = *newest_first.next()?;
        let (mut span_ns, mut bytes) = (0, oldest_bytes);
        for sample in newest_first {
            let age_ns = newest_ns.saturating_sub(sample.arrived_ns);
            if age_ns > window_ns {
                break;
            }
            (span_ns, oldest_bytes) = (age_ns.max(span_ns), sample.bytes);
            bytes += sample.bytes;
        }
        // The span begins after the arrival of the oldest packet, so that packet is not part of it.
        (span_ns >= nanos(SPAN_MIN)).then(|| 8e9 * (bytes - oldest_bytes) as f64 / span_ns as f64)
    }
}

fn nanos(time: Duration) -> u64 {
    time.as_nanos().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rates of packets of 1,000 bytes, sent in phases of (count, interval in milliseconds).
    fn rates(phases: &[(u32, u64)]) -> (u64, u64) {
        let mut acknowledged = Acknowledged::default();
        let mut now = Duration::from_secs(1);
        for (count, every_ms) in phases {
            for _ in 0..*count {
                now += Duration::from_millis(*every_ms);
                acknowledged.add(now, 1_000);
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
}
