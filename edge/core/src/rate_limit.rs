//! A token bucket, which allows bursts but limits the average rate.

use serde::{Deserialize, Serialize};
use shared::UnixMillis;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    burst: u32,
    interval_ms: u64,
}

impl Rate {
    /// One token per `interval_ms`, up to `burst` tokens.
    #[must_use]
    pub const fn new(burst: u32, interval_ms: u64) -> Self {
        Self { burst, interval_ms }
    }

    /// `tokens` per second; must divide 1,000.
    #[must_use]
    #[expect(clippy::arithmetic_side_effects, reason = "evaluated by the compiler, which refuses a division by zero")]
    pub const fn per_second(burst: u32, tokens: u32) -> Self {
        assert!(1_000 % tokens == 0, "whole milliseconds");
        Self::new(burst, 1_000 / tokens as u64)
    }

    fn ms_of(self, tokens: u32) -> u64 {
        self.interval_ms.saturating_mul(u64::from(tokens))
    }
}

/// The fill level, stored as the time at which the bucket will be full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenBucket {
    full_at: UnixMillis,
}

impl TokenBucket {
    /// Takes a token; returns false if there is none.
    pub fn take(&mut self, now: UnixMillis, rate: Rate) -> bool {
        // If the clock was set back, the bucket is empty now; it must not stay empty until the clock has caught up.
        self.full_at = self.full_at.min(now.plus_ms(rate.ms_of(rate.burst)));
        let full_at = self.full_at.max(now).plus_ms(rate.interval_ms);
        let has_one = full_at.since_ms(now) <= rate.ms_of(rate.burst);
        if has_one {
            self.full_at = full_at;
        }
        has_one
    }

    /// Whole tokens; the one that is coming does not count.
    #[must_use]
    pub fn left(self, now: UnixMillis, rate: Rate) -> u64 {
        let ms = rate.ms_of(rate.burst).saturating_sub(self.full_at.since_ms(now));
        ms.checked_div(rate.interval_ms).unwrap_or_default()
    }

    #[must_use]
    pub const fn full_at(self) -> UnixMillis {
        self.full_at
    }

    #[must_use]
    pub fn is_below_half(self, now: UnixMillis, rate: Rate) -> bool {
        self.full_at.since_ms(now).saturating_mul(2) > rate.ms_of(rate.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a token at each of these milliseconds, and checks how often one was available.
    fn check(rate: Rate, at_ms: &[u64], expected: usize) {
        let mut bucket = TokenBucket::default();
        let taken = at_ms.iter().filter(|at| bucket.take(UnixMillis(**at), rate)).count();
        assert_eq!(taken, expected, "{at_ms:?}");
    }

    #[test]
    fn a_burst_is_free() {
        check(Rate::per_second(3, 1), &[0, 0, 0, 0, 0], 3);
    }

    #[test]
    fn the_long_run_is_not() {
        check(Rate::per_second(1, 2), &[0, 100, 200, 300, 400, 500, 600, 1000], 3);
    }

    #[test]
    fn a_clock_that_was_set_back_leaves_an_empty_bucket_that_fills() {
        check(Rate::per_second(2, 1), &[3_600_000, 3_600_000, 0, 1_000, 1_500, 2_000], 4);
    }

    #[test]
    fn never_holds_more_than_a_burst() {
        check(Rate::per_second(2, 100), &[0, 0, 1_000_000, 1_000_000, 1_000_000], 4);
    }

    #[test]
    fn a_clock_that_goes_backwards_gives_nothing() {
        check(Rate::per_second(1, 1000), &[50, 40, 30], 1);
    }

    #[test]
    fn more_than_half_may_be_gone() {
        let (rate, mut bucket) = (Rate::new(4, 10), TokenBucket::default());
        let taken =
            [1, 2, 3].map(|_| bucket.take(UnixMillis(100), rate) && bucket.is_below_half(UnixMillis(100), rate));
        assert_eq!((taken, bucket.full_at()), ([false, false, true], UnixMillis(130)));
    }

    #[test]
    fn says_how_many_are_left() {
        let (rate, mut bucket) = (Rate::new(4, 10), TokenBucket::default());
        let left = [100, 100, 100, 109, 110, 200].map(|at| {
            let left = bucket.left(UnixMillis(at), rate);
            let took = at == 100 && bucket.take(UnixMillis(at), rate);
            (left, took)
        });
        assert_eq!(left, [(4, true), (3, true), (2, true), (1, false), (2, false), (4, false)]);
    }
}
