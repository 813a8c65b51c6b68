//! How long packets that were overtaken by others take to come after all, so that only losses are asked for.

use std::time::{Duration, Instant};

/// Where nothing was seen of it; packets that merely overtook each other are rarely further apart.
const WAIT_MIN: Duration = Duration::from_millis(5);
/// What comes later is asked for: a repair in vain costs less than a picture that stands still.
const WAIT_MAX: Duration = Duration::from_millis(60);
/// What was seen holds for so long.
const HOLDS: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reordering {
    /// The longest of late, and when it was seen.
    longest: Option<(Duration, Instant)>,
}

impl Reordering {
    /// A packet came so long after one that had overtaken it.
    pub(super) fn note(&mut self, now: Instant, late: Duration) {
        let is_news = |(longest, at)| late >= longest || now.saturating_duration_since(at) >= HOLDS;
        if self.longest.is_none_or(is_news) {
            self.longest = Some((late, now));
        }
    }

    /// How long to wait for a packet before it is asked for.
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
