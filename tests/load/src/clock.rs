//! Paces events evenly, and reads the clock that the kernel stamps packets with.

use std::time::{Duration, Instant};

/// Nanoseconds since 1970, of which only differences count.
#[must_use]
pub fn wall_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is valid, and is written only during the call.
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

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
