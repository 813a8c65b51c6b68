//! The only time there is: it stands still until the world moves it.

use shared::UnixMillis;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// When every world begins, on the wall clock of the edge.
const BEGIN: UnixMillis = UnixMillis(1_800_000_000_000);

/// One moment of a world, on both of its clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Clock {
    now: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Self { now: begin() }
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
        BEGIN.plus_ms(u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Time since the world began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now.duration_since(begin())
    }

    /// Time from the beginning of the world to a moment.
    #[must_use]
    pub fn elapsed_at(at: Instant) -> Duration {
        at.saturating_duration_since(begin())
    }

    /// Moves on to `at`; time never runs backwards.
    pub fn advance_to(&mut self, at: Instant) {
        self.now = self.now.max(at);
    }

    /// The moment of the monotonic clock at which the edge's wall clock says `unix`.
    #[must_use]
    pub fn instant_of(unix: UnixMillis) -> Instant {
        begin() + Duration::from_millis(unix.since_ms(BEGIN))
    }
}

/// There is no way to make an `Instant` but to ask for one; all that follows counts from it.
fn begin() -> Instant {
    static INSTANT: OnceLock<Instant> = OnceLock::new();
    *INSTANT.get_or_init(Instant::now)
}
