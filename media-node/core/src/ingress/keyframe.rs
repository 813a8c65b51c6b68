//! Asks a publisher for key frames: at once if it would listen, again until one comes, never more often than it helps.

use std::time::{Duration, Instant};

/// Chromium ignores a request that comes within 300 ms of the last one it accepted; the rest is for a network that brings
/// the second one sooner than the first.
const INTERVAL_MIN: Duration = Duration::from_millis(330);
/// Where requests stay unanswered (a camera that is switched off sends nothing), they get rarer up to this.
const INTERVAL_MAX: Duration = Duration::from_secs(2);
/// Requests sent at the shortest interval before they get rarer.
const EAGER_REQUESTS: u32 = 8;

#[derive(Clone, Copy, Debug, Default)]
pub struct Requester {
    /// A viewer waits.
    wanted: bool,
    asked_at: Option<Instant>,
    /// Requests since the last key frame.
    unanswered: u32,
}

impl Requester {
    /// A slot that switches to the track, or a decoder that lost a frame, needs a key frame.
    pub fn want(&mut self) {
        self.wanted = true;
    }

    /// A key frame has begun to arrive, for everybody who waited.
    pub fn arrived(&mut self) {
        self.wanted = false;
        self.unanswered = 0;
    }

    /// Nobody waits any more: the subscribers that did have gone.
    pub fn forget(&mut self) {
        self.wanted = false;
    }

    /// When the next request is due, if one is.
    pub fn due_at(&self, now: Instant) -> Option<Instant> {
        self.wanted.then(|| self.asked_at.map_or(now, |asked| asked + self.interval()))
    }

    /// Whether to send a request right away; it counts as sent.
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

    /// Plays `script` (milliseconds: "want", "key", "gone") and says when requests were sent in the first 3 s.
    fn check(script: &[(u64, &str)], expected_ms: &[u64]) {
        let start = crate::virtual_time::start();
        let mut requester = Requester::default();
        let mut sent = Vec::new();
        for ms in 0..3_000 {
            for (_, what) in script.iter().filter(|(at, _)| *at == ms) {
                match *what {
                    "want" => requester.want(),
                    "key" => requester.arrived(),
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
        let requester = Requester { wanted: true, asked_at: Some(crate::virtual_time::start()), unanswered: u32::MAX };
        assert_eq!(requester.interval(), INTERVAL_MAX);
    }
}
