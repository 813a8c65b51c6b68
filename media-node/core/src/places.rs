//! The capacity of a node in sessions, shared by all of its shards.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Free places for sessions; taken and returned when sessions open and close, never per packet.
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

    /// False if none is free.
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
