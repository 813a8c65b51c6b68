//! The virtual time: it stands still until the world moves it.

use shared::UnixMillis;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The start of every world on the edge's wall clock.
const BEGIN: UnixMillis = UnixMillis(1_800_000_000_000);

/// One time in a world, on both of its clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Clock {
    now: Instant,
    /// The sum of all steps of the wall clock.
    stepped_ms: i64,
}

impl Default for Clock {
    fn default() -> Self {
        Self { now: begin(), stepped_ms: 0 }
    }
}

impl Clock {
    /// The monotonic clock of nodes and browsers.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// The wall clock of the edge.
    #[must_use]
    pub fn unix(&self) -> UnixMillis {
        let unix = BEGIN.plus_ms(u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX));
        UnixMillis(unix.0.saturating_add_signed(self.stepped_ms))
    }

    /// Sets the wall clock forward or back.
    pub fn step(&mut self, by_ms: i64) {
        self.stepped_ms += by_ms;
    }

    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now.duration_since(begin())
    }

    /// Time from the start of the world to `at`.
    #[must_use]
    pub fn elapsed_at(at: Instant) -> Duration {
        at.saturating_duration_since(begin())
    }

    /// Time never runs backwards.
    pub fn advance_to(&mut self, at: Instant) {
        self.now = self.now.max(at);
    }

    /// The monotonic time at which the edge's wall clock shows `unix`.
    #[must_use]
    pub fn instant_of(&self, unix: UnixMillis) -> Instant {
        let unix = UnixMillis(unix.0.saturating_add_signed(-self.stepped_ms));
        begin() + Duration::from_millis(unix.since_ms(BEGIN))
    }
}

/// The standard library creates an `Instant` only by reading the clock; everything else is relative to this one.
fn begin() -> Instant {
    static INSTANT: OnceLock<Instant> = OnceLock::new();
    *INSTANT.get_or_init(Instant::now)
}
