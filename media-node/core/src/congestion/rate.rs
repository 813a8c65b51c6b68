//! The rate allowed by the delay: additive or multiplicative increase, multiplicative decrease.

use super::bandwidth::{TARGET_MAX_BPS, TARGET_MIN_BPS};
use super::capacity::Capacity;
use super::delay::Usage;
use std::time::{Duration, Instant};

/// The remaining share of the arrival rate on a full link.
const BACK_OFF: f64 = 0.85;
/// Growth per second while the capacity is unknown.
const GROWTH: f64 = 1.08;
/// Growth per second near the known capacity is a packet in each response time, and at least this.
const GROWTH_MIN_BPS: f64 = 4_000.0;
const PACKET_BITS: f64 = 9_600.0;
/// Time for a client to see and report a change, besides the round trip.
const RESPONSE: Duration = Duration::from_millis(100);
/// The rate may exceed the arrival rate by this factor and a little more; beyond it nothing is known.
const ABOVE_ARRIVED: f64 = 1.5;
const ABOVE_ARRIVED_BPS: f64 = 10_000.0;

#[derive(Clone, Copy, Debug)]
pub(super) struct Path {
    pub(super) usage: Usage,
    /// The arrival rate: over the last moments on a full link, over half a second on one that is used normally.
    pub(super) arrives_bps: Option<f64>,
    pub(super) round_trip: Duration,
}

#[derive(Debug)]
pub(super) struct Rate {
    bps: f64,
    capacity: Capacity,
    state: State,
    changed_at: Instant,
    decreased_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Hold,
    Increase,
}

impl Rate {
    pub(super) fn new(now: Instant, bps: f64) -> Self {
        Self { bps, capacity: Capacity::default(), state: State::Hold, changed_at: now, decreased_at: None }
    }

    pub(super) fn bps(&self) -> f64 {
        self.bps
    }

    /// Takes the path's state after a report; returns true if the rate fell.
    pub(super) fn update(&mut self, now: Instant, path: Path) -> bool {
        let fell = match path.usage {
            Usage::Over => self.decrease(now, path),
            Usage::Under => {
                self.state = State::Hold;
                false
            }
            Usage::Normal => {
                // The first report after a queue has drained only ends the hold.
                if self.state == State::Increase {
                    self.increase(now, path);
                }
                self.state = State::Increase;
                false
            }
        };
        self.changed_at = now;
        fell
    }

    /// Takes a measured rate, from a probe or otherwise.
    pub(super) fn set(&mut self, now: Instant, bps: f64) {
        if self.capacity.bps().is_some_and(|capacity| bps > capacity) {
            self.capacity.reset();
        }
        self.bps = bps.clamp(TARGET_MIN_BPS, TARGET_MAX_BPS);
        self.changed_at = now;
    }

    fn decrease(&mut self, now: Instant, path: Path) -> bool {
        self.state = State::Hold;
        let Some(arrived) = path.arrives_bps else { return false };
        let wait = path.round_trip.clamp(Duration::from_millis(10), Duration::from_millis(200));
        let is_early = self.decreased_at.is_some_and(|at| now.saturating_duration_since(at) < wait);
        if is_early && arrived > 0.5 * self.bps {
            return false;
        }
        if self.capacity.contradicts(arrived) {
            self.capacity.reset();
        }
        self.capacity.add(arrived);
        self.decreased_at = Some(now);
        let full = self.capacity.bps().unwrap_or(arrived).min(arrived.max(self.bps));
        let lower = (BACK_OFF * arrived.min(full)).max(TARGET_MIN_BPS);
        let fell = lower < self.bps;
        self.bps = self.bps.min(lower);
        fell
    }

    fn increase(&mut self, now: Instant, path: Path) {
        let elapsed = now.saturating_duration_since(self.changed_at).min(Duration::from_secs(1)).as_secs_f64();
        if path.arrives_bps.is_some_and(|bps| {
            self.capacity.bps().is_some_and(|capacity| bps > capacity) && self.capacity.contradicts(bps)
        }) {
            self.capacity.reset();
        }
        let grown = if self.capacity.bps().is_some() {
            let response = (path.round_trip + RESPONSE).as_secs_f64();
            self.bps + elapsed * (PACKET_BITS / response).max(GROWTH_MIN_BPS)
        } else {
            self.bps * GROWTH.powf(elapsed)
        };
        let Some(arrived) = path.arrives_bps else { return };
        let ceiling = ABOVE_ARRIVED * arrived + ABOVE_ARRIVED_BPS;
        self.bps = grown.min(ceiling).max(self.bps).min(TARGET_MAX_BPS);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtual_time::start;

    fn path(usage: Usage, bps: f64) -> Path {
        Path { usage, arrives_bps: Some(bps), round_trip: Duration::from_millis(100) }
    }

    /// The result, in kbit/s, of 1 Mbit/s after reports every 100 ms.
    fn after(reports: &[(Usage, f64)]) -> u64 {
        let mut rate = Rate::new(start(), 1_000_000.0);
        for (number, (usage, bps)) in reports.iter().enumerate() {
            rate.update(start() + Duration::from_millis(100) * (number as u32 + 1), path(*usage, *bps));
        }
        (rate.bps() / 1_000.0).round() as u64
    }

    #[test]
    fn follows_the_usage() {
        use Usage::{Normal, Over, Under};
        assert_eq!(after(&[(Normal, 1e6)]), 1_000, "the first report only ends the hold");
        assert_eq!(after(&[(Normal, 1e6); 11]), 1_080, "eight percent in a second");
        assert_eq!(after(&[(Normal, 0.2e6); 50]), 1_000, "nothing is known far above what arrives");
        assert_eq!(after(&[(Over, 0.5e6)]), 425);
        assert_eq!(after(&[(Over, 0.5e6), (Over, 0.3e6)]), 255);
        assert_eq!(after(&[(Over, 1e6), (Under, 1e6), (Normal, 0.85e6)]), 850);
        assert_eq!(after(&[(Over, 1e6), (Normal, 0.85e6), (Normal, 0.85e6)]), 855, "a packet in each response time");
        assert_eq!(after(&[(Over, 2e6)]), 1_000, "never upwards");
    }

    #[test]
    fn a_measured_rate_replaces_the_estimate() {
        let mut rate = Rate::new(start(), 300_000.0);
        rate.update(start(), path(Usage::Over, 300_000.0));
        assert_eq!(rate.capacity.bps(), Some(300_000.0));
        rate.set(start(), 2_500_000.0);
        assert_eq!((rate.bps(), rate.capacity.bps()), (2_500_000.0, None));
    }
}
