//! Requests a key frame for a slowed stream that has no other frame at which it could speed up again.

use std::time::{Duration, Instant};

/// Encoders that mark such frames (RFC 7741 §4.2, Y) send one within a second, or within so many frames of the base layer:
/// a screen that stands still has one frame per second.
const WAIT: Duration = Duration::from_secs(3);
const WAIT_FRAMES: u8 = 6;
/// Minimum interval of requests, because a key frame is large and a link may gain and lose capacity in turn.
const INTERVAL_MIN: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slowed {
    since: Option<Instant>,
    /// Frames sent since then.
    frames: u8,
    asked_at: Option<Instant>,
}

impl Slowed {
    pub(super) fn frame(&mut self) {
        self.frames = self.frames.saturating_add(1);
    }

    /// `is_slowed`: true if there is capacity for more than plays. Returns true if a key frame must be requested.
    pub(super) fn poll(&mut self, now: Instant, is_slowed: bool) -> bool {
        if !is_slowed {
            self.since = None;
            return false;
        }
        if self.since.is_none() {
            self.frames = 0;
        }
        let since = *self.since.get_or_insert(now);
        let is_late = self.frames >= WAIT_FRAMES && now.saturating_duration_since(since) >= WAIT;
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
            slowed.frame();
            if slowed.poll(crate::virtual_time::start() + Duration::from_millis(ms), is_slowed) {
                asked.push(ms);
            }
        }
        assert_eq!(asked, [5_100, 15_100, 25_100, 35_100]);
    }

    #[test]
    fn a_picture_that_stands_still_has_no_frame_to_speed_up_at() {
        let mut slowed = Slowed::default();
        let at = |ms| crate::virtual_time::start() + Duration::from_millis(ms);
        let mut asks = |ms, frames| {
            (0..frames).for_each(|_| slowed.frame());
            slowed.poll(at(ms), true)
        };
        assert_eq!(
            [(0, 9), (3_000, 5), (9_000, 0), (9_100, 1)].map(|(ms, frames)| asks(ms, frames)),
            [false, false, false, true]
        );
    }
}
