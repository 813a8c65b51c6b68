//! The node's only clock: the wall clock at the start, plus the monotonic time since then. It never jumps, so that a
//! node's recorded times keep their distances.

use media_core::rtcp::ntp::NtpClock;
use shared::UnixMillis;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Shared by all shards and the recorder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) started_at: Instant,
    /// The wall clock at `origin`.
    pub(crate) wall_clock: UnixMillis,
}

impl Clock {
    /// Reads the wall clock, for the only time.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    pub(crate) fn start() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started_at: Instant::now(), wall_clock: UnixMillis(since_1970.as_millis() as u64) }
    }

    /// Microseconds since 1970.
    pub(crate) fn micros(&self, at: Instant) -> i64 {
        NtpClock::new(self.started_at, self.wall_clock).at(at).unix_micros()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn tells_what_the_packets_of_a_shard_are_stamped_with() {
        let clock = Clock { started_at: Instant::now(), wall_clock: UnixMillis(1_800_000_000_000) };
        let later = clock.started_at + Duration::from_millis(2_500);
        assert!((clock.micros(later) - 1_800_000_002_500_000).abs() <= 1);
    }
}
