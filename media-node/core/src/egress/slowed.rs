//! Requests a key frame for a slowed stream that has no other frame at which it could speed up again.

use std::time::{Duration, Instant};

/// Encoders that mark such frames (RFC 7741 §4.2, Y) send one within a second.
const WAIT: Duration = Duration::from_secs(3);
/// Minimum interval of requests, because a key frame is large and a link may gain and lose capacity in turn.
const INTERVAL_MIN: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slowed {
    since: Option<Instant>,
    asked_at: Option<Instant>,
}

impl Slowed {
    /// `is_slowed`: true if there is capacity for more than plays. Returns true if a key frame must be requested.
    pub(super) fn poll(&mut self, now: Instant, is_slowed: bool) -> bool {
        if !is_slowed {
            self.since = None;
            return false;
        }
        let since = *self.since.get_or_insert(now);
        let is_late = now.saturating_duration_since(since) >= WAIT;
        let is_rare = self.asked_at.is_none_or(|at| now.saturating_duration_since(at) >= INTERVAL_MIN);
        if is_late && is_rare {
            self.asked_at = Some(now);
        }
        is_late && is_rare
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asks_after_a_while_and_not_often() {
        let mut slowed = Slowed::default();
        let mut asked = Vec::new();
        for ms in (0..40_000).step_by(100) {
            // There is capacity from the first second on, except for a moment at 2 s and at 20 s.
            let is_slowed = ms >= 1_000 && ms != 2_000 && ms != 20_000;
            if slowed.poll(crate::virtual_time::start() + Duration::from_millis(ms), is_slowed) {
                asked.push(ms);
            }
        }
        assert_eq!(asked, [5_100, 15_100, 25_100, 35_100]);
    }
}
