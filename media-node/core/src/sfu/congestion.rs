//! What a client's reports say about the link to it, and the estimate that follows.

use super::{Sfu, Timer};
use crate::keys::SessionKey;
use crate::rtcp::transport_feedback::Feedback;
use std::time::{Duration, Instant};

/// An estimate is looked at this often, as packets that are sent move its deadlines.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl Sfu {
    /// What arrived of what was sent, and when.
    pub(super) fn note_arrivals(&mut self, now: Instant, key: SessionKey, feedback: &Feedback<'_>) {
        let Some(controller) = self.sessions.get_mut(key).and_then(|session| session.congestion.as_mut()) else {
            return;
        };
        controller.feedback(now, feedback);
        self.follow_congestion(now, key);
    }

    /// The client's own estimate.
    pub(super) fn note_estimate(&mut self, now: Instant, key: SessionKey, bitrate_bps: u64) {
        let Some(controller) = self.sessions.get_mut(key).and_then(|session| session.congestion.as_mut()) else {
            return;
        };
        controller.remb(now, bitrate_bps);
    }

    pub(super) fn handle_congestion_timeout(&mut self, now: Instant, key: SessionKey) {
        let Some(controller) = self.sessions.get_mut(key).and_then(|session| session.congestion.as_mut()) else {
            return;
        };
        controller.handle_timeout(now);
        self.follow_congestion(now, key);
    }

    fn follow_congestion(&mut self, now: Instant, key: SessionKey) {
        let Some(controller) = self.sessions.get(key).and_then(|session| session.congestion.as_ref()) else { return };
        let look_at = now + LOOK_EVERY;
        let due = controller.poll_timeout().map_or(look_at, |at| at.min(look_at));
        self.deadlines.set(Timer::Congestion(key), Some(due));
    }
}
