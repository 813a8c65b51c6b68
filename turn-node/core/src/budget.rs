//! `nonce_seed` must be random, and the same for all threads that serve one address.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// The capacity of the bucket.
const BURST_NANOS: u64 = 1_000_000_000;
/// Fixed-point nanoseconds, so that the cost of a byte does not round to zero at high rates.
const FRACTION_BITS: u32 = 16;

/// The bucket, stored as the time at which it is full again (virtual scheduling of the generic cell rate algorithm,
/// ITU-T I.371 annex A): one number, so threads need no lock.
#[derive(Debug)]
pub(crate) struct Budget {
    since: Instant,
    /// In nanoseconds since `since`.
    full_at: AtomicU64,
    nanos_per_byte: u64,
}

impl Budget {
    pub(crate) fn new(bytes_per_s: u64, now: Instant) -> Self {
        let nanos_per_byte = (1_000_000_000 << FRACTION_BITS) / bytes_per_s.max(1);
        Self { since: now, full_at: AtomicU64::new(0), nanos_per_byte }
    }

    pub(crate) fn spend(&self, bytes: usize, now: Instant) -> bool {
        let now = self.nanos(now);
        let cost = (bytes as u64).saturating_mul(self.nanos_per_byte) >> FRACTION_BITS;
        let spent = |full_at: u64| {
            let after = full_at.max(now).saturating_add(cost);
            (after <= now.saturating_add(BURST_NANOS)).then_some(after)
        };
        // Relaxed: no other memory depends on this number.
        self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent).is_ok()
    }

    /// True if a new bucket would be the same.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.full_at.load(Ordering::Relaxed) <= self.nanos(now)
    }

    fn nanos(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.since).as_nanos()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test has a clock, and passes time by hand from there")]
    fn holds_one_second_and_fills_at_its_rate() {
        let start = Instant::now();
        let budget = Budget::new(10_000, start);
        assert_eq!((0..20).filter(|_| budget.spend(1_000, start)).count(), 10);
        assert!(!budget.is_full(start));
        let later = start + Duration::from_millis(350);
        assert_eq!((0..20).filter(|_| budget.spend(1_000, later)).count(), 3);
        let much_later = start + Duration::from_secs(60);
        assert!(budget.is_full(much_later));
        assert_eq!((0..20).filter(|_| budget.spend(1_000, much_later)).count(), 10, "no more than a second is saved");
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a test has a clock, and passes time by hand from there")]
    fn small_packets_of_fast_users_are_not_rounded_away() {
        let start = Instant::now();
        let budget = Budget::new(1 << 40, start);
        let sent = (0..200_000).filter(|_| budget.spend(1 << 23, start)).count();
        assert!((131_000..=133_000).contains(&sent), "within a hundredth: {sent}");
    }
}
