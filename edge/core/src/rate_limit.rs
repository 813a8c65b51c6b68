//! A token bucket: bursts are free, the long run is not.

use shared::UnixMillis;

/// Thousandths of a token, so that a short time gives its share.
const MILLI: u64 = 1_000;

/// How many frames somebody may still send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    milli_tokens: u64,
    filled_at: UnixMillis,
    burst: u32,
    per_second: u32,
}

impl TokenBucket {
    /// A full bucket.
    #[must_use]
    pub fn new(burst: u32, per_second: u32, now: UnixMillis) -> Self {
        Self { milli_tokens: u64::from(burst).saturating_mul(MILLI), filled_at: now, burst, per_second }
    }

    /// Takes one token; false where there is none.
    pub fn take(&mut self, now: UnixMillis) -> bool {
        // A token each 1/per_second seconds is per_second thousandths of one each millisecond.
        let gained = now.since_ms(self.filled_at).saturating_mul(u64::from(self.per_second));
        let full = u64::from(self.burst).saturating_mul(MILLI);
        self.milli_tokens = self.milli_tokens.saturating_add(gained).min(full);
        self.filled_at = now;
        match self.milli_tokens.checked_sub(MILLI) {
            Some(left) => {
                self.milli_tokens = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes at each of these milliseconds, and tells how often there was a token.
    fn check(burst: u32, per_second: u32, at_ms: &[u64], expected: usize) {
        let mut bucket = TokenBucket::new(burst, per_second, UnixMillis(0));
        let taken = at_ms.iter().filter(|at| bucket.take(UnixMillis(**at))).count();
        assert_eq!(taken, expected, "{at_ms:?}");
    }

    #[test]
    fn a_burst_is_free() {
        check(3, 1, &[0, 0, 0, 0, 0], 3);
    }

    #[test]
    fn the_long_run_is_not() {
        check(1, 2, &[0, 100, 200, 300, 400, 500, 600, 1000], 3);
    }

    #[test]
    fn never_holds_more_than_a_burst() {
        check(2, 100, &[0, 0, 1_000_000, 1_000_000, 1_000_000], 4);
    }

    #[test]
    fn a_clock_that_goes_backwards_gives_nothing() {
        check(1, 1000, &[50, 40, 30], 1);
    }
}
