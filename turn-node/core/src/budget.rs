//! A user's bandwidth: a bucket that holds a second's worth of bytes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The capacity of the bucket.
pub const BURST_NANOS: u64 = 1_000_000_000;
/// Fixed-point nanoseconds, so that the cost of a byte does not round to zero at high rates.
pub const FRACTION_BITS: u32 = 16;

/// The bucket, stored as the time at which it is full again (virtual scheduling of the generic cell rate algorithm,
/// ITU-T I.371 annex A): one number, so threads need no lock.
#[derive(Debug)]
pub(crate) struct Budget {
    since: Instant,
    /// In nanoseconds since `since`.
    full_at: Place,
    nanos_per_byte: u64,
}

/// Numbers of buckets in memory that the shell shares with the kernel.
#[derive(Clone, Debug)]
pub struct SharedBudgets(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    since: Instant,
    numbers: &'static [AtomicU64],
    free: Mutex<Vec<u32>>,
}

/// A user's bucket among [`SharedBudgets`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SharedBudget {
    pub index: u32,
    /// The fixed-point cost of a byte, with [`FRACTION_BITS`].
    pub nanos_per_byte: u64,
}

#[derive(Debug)]
enum Place {
    Own(AtomicU64),
    Shared { budgets: SharedBudgets, index: u32 },
}

impl SharedBudgets {
    /// The numbers count nanoseconds since `since`.
    #[must_use]
    pub fn new(numbers: &'static [AtomicU64], since: Instant) -> Self {
        let free = (0..u32::try_from(numbers.len()).unwrap_or(u32::MAX)).rev().collect();
        Self(Arc::new(Shared { since, numbers, free: Mutex::new(free) }))
    }

    /// `None` if there are as many users as numbers.
    pub(crate) fn budget(&self, bytes_per_s: u64) -> Option<Budget> {
        let index = self.0.free.lock().unwrap_or_else(PoisonError::into_inner).pop()?;
        self.0.numbers.get(index as usize)?.store(0, Ordering::Relaxed);
        let full_at = Place::Shared { budgets: self.clone(), index };
        Some(Budget { full_at, ..Budget::new(bytes_per_s, self.0.since) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Self::Shared { budgets, index } = self {
            budgets.0.free.lock().unwrap_or_else(PoisonError::into_inner).push(*index);
        }
    }
}

impl Budget {
    pub(crate) fn new(bytes_per_s: u64, now: Instant) -> Self {
        let nanos_per_byte = (1_000_000_000 << FRACTION_BITS) / bytes_per_s.max(1);
        Self { since: now, full_at: Place::Own(AtomicU64::new(0)), nanos_per_byte }
    }

    /// `None` if the kernel cannot spend from it.
    pub(crate) fn shared(&self) -> Option<SharedBudget> {
        match self.full_at {
            Place::Own(_) => None,
            Place::Shared { index, .. } => Some(SharedBudget { index, nanos_per_byte: self.nanos_per_byte }),
        }
    }

    pub(crate) fn spend(&self, bytes: usize, now: Instant) -> bool {
        let now = self.nanos(now);
        let cost = (bytes as u64).saturating_mul(self.nanos_per_byte) >> FRACTION_BITS;
        let spent = |full_at: u64| {
            let after = full_at.max(now).saturating_add(cost);
            (after <= now.saturating_add(BURST_NANOS)).then_some(after)
        };
        // Relaxed: no other memory depends on this number.
        self.full_at().fetch_update(Ordering::Relaxed, Ordering::Relaxed, spent).is_ok()
    }

    /// True if a new bucket would be the same.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.full_at().load(Ordering::Relaxed) <= self.nanos(now)
    }

    fn full_at(&self) -> &AtomicU64 {
        /// Never used, since only existing numbers are handed out.
        static NONE: AtomicU64 = AtomicU64::new(u64::MAX);
        match &self.full_at {
            Place::Own(number) => number,
            Place::Shared { budgets, index } => budgets.0.numbers.get(*index as usize).unwrap_or(&NONE),
        }
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
    fn the_kernel_and_the_server_spend_from_one_bucket() {
        static NUMBERS: [AtomicU64; 1] = [AtomicU64::new(0)];
        let start = Instant::now();
        let budgets = SharedBudgets::new(&NUMBERS, start);
        let budget = budgets.budget(10_000).expect("a number");
        assert_eq!(budget.shared().map(|shared| shared.index), Some(0));
        assert!(budgets.budget(10_000).is_none(), "each number belongs to one user");
        NUMBERS[0].store(700_000_000, Ordering::Relaxed);
        assert_eq!((0..20).filter(|_| budget.spend(1_000, start)).count(), 3, "the kernel has spent 7,000 bytes");
        drop(budget);
        let next = budgets.budget(10_000).expect("the number is free again");
        assert!(next.is_full(start), "and the next user's bucket is full");
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
