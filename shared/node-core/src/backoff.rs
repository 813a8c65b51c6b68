//! Exponential back-off with a bound and jitter, so that nodes do not reconnect all at once.

use crate::random::Random;
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(250);
/// The edge waits 10 s for a node to return before it moves the node's rooms, so waits must stay well below.
const LONGEST: Duration = Duration::from_secs(4);

#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
    random: Random,
}

impl Backoff {
    /// For connections to the edge; `seed` spreads the waits of many nodes.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::between(FIRST, LONGEST, seed)
    }

    /// With other bounds of the first and of every later wait.
    #[must_use]
    pub fn between(first: Duration, longest: Duration, seed: u64) -> Self {
        Self { first, longest, failures: 0, random: Random::seeded(seed) }
    }

    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait before the next attempt: between half and all of a bound that doubles with every failure.
    pub fn next_wait(&mut self) -> Duration {
        let bound = self.first.saturating_mul(1 << self.failures.min(16)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        let half = bound / 2;
        half + self.random.below(half)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_differ() {
        let mut backoff = Backoff::new(1);
        let waits: Vec<_> = (0..40).map(|_| backoff.next_wait()).collect();
        for (failure, wait) in waits.iter().enumerate() {
            let bound = FIRST.saturating_mul(1 << failure.min(16)).min(LONGEST);
            assert!(*wait >= bound / 2 && *wait <= bound, "{failure}: {wait:?}");
        }
        assert!(waits.windows(2).all(|pair| pair[0] != pair[1]));
        assert_ne!(Backoff::new(2).next_wait(), Backoff::new(3).next_wait());
        backoff.reset();
        assert!(backoff.next_wait() <= FIRST);
    }
}
