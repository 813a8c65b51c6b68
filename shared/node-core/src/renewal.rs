//! The times at which a node orders its TLS certificate from an authority.

use crate::backoff::Backoff;
use std::time::Duration;

/// The longest pause after a failed order, as a multiple of the shortest.
const LONGEST_PAUSE: u32 = 15;
/// Least time between two orders that succeed: a wrong clock would otherwise use up what the authority issues in a week.
const INTERVAL_MIN: Duration = Duration::from_secs(6 * 3_600);

/// The dates in a certificate, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    pub begins_at_s: u64,
    pub ends_at_s: u64,
}

#[derive(Debug)]
pub struct Renewal {
    backoff: Backoff,
}

impl Renewal {
    /// `pause` is the shortest pause after a failed order.
    #[must_use]
    pub fn new(pause: Duration, seed: u64) -> Self {
        // A wait is at least half of its bound.
        Self { backoff: Backoff::between(2 * pause, 2 * LONGEST_PAUSE * pause, seed) }
    }

    /// The time until a certificate is due for renewal, which is after two thirds of its life.
    #[must_use]
    pub fn due_in(now_s: u64, current: Option<Validity>) -> Duration {
        let due_at_s = current.map_or(0, |Validity { begins_at_s, ends_at_s }| {
            ends_at_s.saturating_sub(ends_at_s.saturating_sub(begins_at_s) / 3)
        });
        Duration::from_secs(due_at_s.saturating_sub(now_s))
    }

    /// The least time until the next order, after one that brought a certificate.
    pub fn succeeded(&mut self) -> Duration {
        self.backoff.reset();
        INTERVAL_MIN
    }

    /// The least time until the next order, after one that failed.
    pub fn failed(&mut self) -> Duration {
        self.backoff.next_wait()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_S: u64 = 24 * 3_600;

    fn days(begins: u64, ends: u64) -> Validity {
        Validity { begins_at_s: begins * DAY_S, ends_at_s: ends * DAY_S }
    }

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_life() {
        let due_in = |now: u64, current| Renewal::due_in(now * DAY_S, current).as_secs() / DAY_S;
        assert_eq!(due_in(100, None), 0);
        assert_eq!([100, 130, 159, 160, 191].map(|now| due_in(now, Some(days(100, 190)))), [60, 30, 1, 0, 0]);
        assert_eq!(due_in(100, Some(days(190, 100))), 0, "dates without sense");
    }

    #[test]
    fn a_name_that_never_resolves_stays_within_the_limit_of_the_authority() {
        // Let's Encrypt admits five failures of one name in an hour, and one more every 12 minutes.
        const ADMITTED: f64 = 5.0;
        const REFILL_S: f64 = 720.0;
        for seed in 0..100 {
            let (mut renewal, mut left, mut waited) = (Renewal::new(Duration::from_secs(60), seed), ADMITTED, 0.0);
            for failure in 0..200 {
                left = (left + waited / REFILL_S).min(ADMITTED) - 1.0;
                assert!(left >= 0.0, "failure {failure} with seed {seed} is one too many");
                waited = renewal.failed().as_secs_f64();
                assert!((60.0..=1_800.0).contains(&waited), "{waited} s");
            }
        }
    }

    #[test]
    fn an_order_that_succeeds_shortens_the_pause_after_the_next_failure() {
        let mut renewal = Renewal::new(Duration::from_secs(60), 1);
        let longest = (0..10).map(|_| renewal.failed()).max();
        assert!(longest > Some(Duration::from_secs(900)));
        assert_eq!(renewal.succeeded(), INTERVAL_MIN);
        assert!(renewal.failed() <= Duration::from_secs(120));
    }
}
