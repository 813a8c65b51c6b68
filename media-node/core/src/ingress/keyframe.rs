//! Requests key frames from a publisher: at once if it will react, repeatedly until one arrives, never more often than
//! useful.

use std::time::{Duration, Instant};

/// Chromium ignores a request within 300 ms of the last accepted one; the rest allows for a network that delivers the
/// second one sooner.
const INTERVAL_MIN: Duration = Duration::from_millis(330);
/// Longest interval of unanswered requests, for instance to a camera that is off.
const INTERVAL_MAX: Duration = Duration::from_secs(2);
/// Requests at the shortest interval before the interval grows.
const EAGER_REQUESTS: u32 = 8;

#[derive(Clone, Copy, Debug, Default)]
pub struct Requester {
    /// True if a viewer waits.
    wanted: bool,
    asked_at: Option<Instant>,
    arrived_at: Option<Instant>,
    /// Requests since the last key frame.
    unanswered: u32,
}

impl Requester {
    /// Notes that a slot that switches to the track, or a decoder that lost a frame, needs a key frame.
    pub fn want(&mut self) {
        self.wanted = true;
    }

    pub fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Notes the start of a key frame, for all waiting viewers.
    pub fn arrived(&mut self, now: Instant) {
        self.arrived_at = Some(now);
        self.wanted = false;
        self.unanswered = 0;
    }

    /// True if a key frame has started at this time or later.
    pub fn has_arrived_since(&self, time: Instant) -> bool {
        self.arrived_at.is_some_and(|at| at >= time)
    }

    /// Notes that no viewer waits any longer, because they have left.
    pub fn forget(&mut self) {
        self.wanted = false;
    }

    /// Time of the next request; `None` if none is needed.
    pub fn due_at(&self, now: Instant) -> Option<Instant> {
        self.wanted.then(|| self.asked_at.map_or(now, |asked| asked + self.interval()))
    }

    /// True if a request must be sent now; counts it as sent.
    pub fn take_due(&mut self, now: Instant) -> bool {
        let due = self.due_at(now).is_some_and(|at| at <= now);
        if due {
            self.asked_at = Some(now);
            self.unanswered = self.unanswered.saturating_add(1);
        }
        due
    }

    fn interval(&self) -> Duration {
        let doublings = self.unanswered.saturating_sub(EAGER_REQUESTS).min(8);
        (INTERVAL_MIN * (1 << doublings)).min(INTERVAL_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays `script` (milliseconds: "want", "key", "gone") and returns the times of requests in the first 3 s.
    fn check(script: &[(u64, &str)], expected_ms: &[u64]) {
        let start = crate::virtual_time::start();
        let mut requester = Requester::default();
        let mut sent = Vec::new();
        for ms in 0..3_000 {
            for (_, what) in script.iter().filter(|(at, _)| *at == ms) {
                match *what {
                    "want" => requester.want(),
                    "key" => requester.arrived(start + Duration::from_millis(ms)),
                    _ => requester.forget(),
                }
            }
            if requester.take_due(start + Duration::from_millis(ms)) {
                sent.push(ms);
            }
        }
        assert_eq!(sent, expected_ms, "{script:?}");
    }

    #[test]
    fn asks_at_once_and_again_until_a_key_frame_comes() {
        check(&[(10, "want"), (700, "key")], &[10, 340, 670]);
    }

    #[test]
    fn many_wishes_are_one_request() {
        check(&[(10, "want"), (10, "want"), (40, "want"), (100, "key")], &[10]);
    }

    #[test]
    fn a_wish_soon_after_a_request_waits_until_the_publisher_listens() {
        check(&[(10, "want"), (50, "key"), (60, "want"), (350, "key")], &[10, 340]);
        check(&[(10, "want"), (50, "key"), (900, "want"), (950, "key")], &[10, 900]);
    }

    #[test]
    fn stops_when_nobody_waits() {
        check(&[(10, "want"), (20, "gone")], &[10]);
        check(&[], &[]);
    }

    #[test]
    fn gets_rarer_when_nothing_comes() {
        check(&[(0, "want")], &[0, 330, 660, 990, 1_320, 1_650, 1_980, 2_310, 2_640]);
        let requester = Requester {
            wanted: true,
            asked_at: Some(crate::virtual_time::start()),
            arrived_at: None,
            unanswered: u32::MAX,
        };
        assert_eq!(requester.interval(), INTERVAL_MAX);
    }
}
