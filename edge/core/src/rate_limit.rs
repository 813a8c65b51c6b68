//! A token bucket, which allows bursts but limits the average rate.

use serde::{Deserialize, Serialize};
use shared::UnixMillis;

/// The rate and capacity of a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    burst: u32,
    /// A token comes each time this has passed.
    interval_ms: u64,
}

impl Rate {
    /// A token each `interval_ms`, at most `burst` of them.
    #[must_use]
    pub const fn new(burst: u32, interval_ms: u64) -> Self {
        Self { burst, interval_ms }
    }

    /// `tokens` a second, which must divide 1,000.
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
        let full_at = self.full_at.max(now).plus_ms(rate.interval_ms);
        let has_one = full_at.since_ms(now) <= rate.ms_of(rate.burst);
        if has_one {
            self.full_at = full_at;
        }
        has_one
    }

    /// When it is full again.
    #[must_use]
    pub const fn full_at(self) -> UnixMillis {
        self.full_at
    }

    /// Whether it is less than half full.
    #[must_use]
    pub fn is_below_half(self, now: UnixMillis, rate: Rate) -> bool {
        self.full_at.since_ms(now).saturating_mul(2) > rate.ms_of(rate.burst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes at each of these milliseconds, and tells how often there was a token.
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
}
