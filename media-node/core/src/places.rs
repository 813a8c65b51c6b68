//! How many sessions a node takes, counted over all of its shards.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Places for sessions; taken and given back as sessions open and close, which is no packet's business.
#[derive(Debug)]
pub struct Places {
    taken: AtomicUsize,
    count: usize,
}

impl Places {
    #[must_use]
    pub const fn new(count: usize) -> Self {
        Self { taken: AtomicUsize::new(0), count }
    }

    /// Takes one, if one is free.
    #[must_use]
    pub fn take(&self) -> bool {
        let is_taken = self.taken.fetch_add(1, Ordering::Relaxed) < self.count;
        if !is_taken {
            self.give_back();
        }
        is_taken
    }

    pub fn give_back(&self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}
