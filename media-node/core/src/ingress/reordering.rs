//! Measures how late overtaken packets arrive, so that only losses are requested.

use std::time::{Duration, Instant};

/// Wait without any observed reordering; overtaken packets are rarely later.
const WAIT_MIN: Duration = Duration::from_millis(5);
/// Later packets are requested: a repair in vain costs less than a frozen picture.
const WAIT_MAX: Duration = Duration::from_millis(60);
/// Time for which an observation counts.
const HOLDS: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reordering {
    /// The longest recent delay, and the time of its observation.
    longest: Option<(Duration, Instant)>,
}

impl Reordering {
    /// Records the delay of an overtaken packet.
    pub(super) fn note(&mut self, now: Instant, late: Duration) {
        let is_news = |(longest, at)| late >= longest || now.saturating_duration_since(at) >= HOLDS;
        if self.longest.is_none_or(is_news) {
            self.longest = Some((late, now));
        }
    }

    /// Time to wait for a packet before it is requested.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let longest = self.longest.filter(|(_, at)| now.saturating_duration_since(*at) < HOLDS);
        let wait = longest.map_or(WAIT_MIN, |(longest, _)| longest * 5 / 4);
        wait.clamp(WAIT_MIN, WAIT_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_a_little_longer_than_lately_was_needed() {
        let at = |ms| crate::virtual_time::start() + Duration::from_millis(ms);
        let ms = Duration::from_millis;
        let mut reordering = Reordering::default();
        assert_eq!(reordering.wait(at(0)), WAIT_MIN);
        for (now, late, wait) in
            [(0, 12, 15), (10, 4, 15), (20, 16, 20), (9_000, 12, 20), (10_020, 8, 10), (10_030, 900, 60)]
        {
            reordering.note(at(now), ms(late));
            assert_eq!(reordering.wait(at(now)), ms(wait), "{now}");
        }
        assert_eq!(reordering.wait(at(20_030)), WAIT_MIN);
    }
}
