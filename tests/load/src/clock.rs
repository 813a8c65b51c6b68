//! Paces events evenly.

use std::time::{Duration, Instant};

/// Ticks at a fixed interval; ticks missed by much are skipped, not made up for in a burst.
#[derive(Debug)]
pub struct Pacer {
    next: Instant,
    interval: Duration,
}

/// A pacer later than this starts over.
const LATE_MAX: Duration = Duration::from_millis(100);

impl Pacer {
    /// The first tick is due at once.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self { next: Instant::now(), interval }
    }

    pub fn wait(&mut self) {
        let now = Instant::now();
        if let Some(early) = self.next.checked_duration_since(now) {
            std::thread::sleep(early);
        } else if now.duration_since(self.next) > LATE_MAX {
            self.next = now;
        }
        self.next += self.interval;
    }
}
