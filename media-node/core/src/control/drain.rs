//! The end of a node: it is over once everybody has moved, or the time is.

use std::time::{Duration, Instant};

/// Time for the Fleet object to hear that the node will stop.
const ANNOUNCE_TIMEOUT: Duration = Duration::from_secs(2);
/// Interval of checks for the end of the last session.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Clients are told nothing: one that received a goodbye would give its transport up instead of moving it.
#[derive(Debug)]
pub(super) struct Drain {
    until: Instant,
    announce_by: Instant,
    has_warned: bool,
    /// `None` once it is over.
    look_at: Option<Instant>,
}

impl Drain {
    pub(super) fn begin(now: Instant, until: Instant) -> Self {
        let announce_by = until.min(now + ANNOUNCE_TIMEOUT);
        Self { until, announce_by, has_warned: false, look_at: Some(now) }
    }

    pub(super) fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// True once, when the node may stop.
    pub(super) fn look(&mut self, now: Instant, has_announced: bool, sessions: u32) -> bool {
        if self.look_at.is_none_or(|at| at > now) {
            return false;
        }
        if !has_announced && now >= self.announce_by && !self.has_warned {
            self.has_warned = true;
            tracing::warn!("could not notify the edge");
        }
        let is_empty = sessions == 0 && (has_announced || now >= self.announce_by);
        let is_over = is_empty || now >= self.until;
        self.look_at = (!is_over).then(|| self.until.min(now + LOOK_INTERVAL));
        if is_over {
            tracing::info!(sessions, "drained");
        }
        is_over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtual_time::start;

    /// Milliseconds from the signal to the end of a node with a minute to drain, whose sessions and whose word to the
    /// edge end and arrive after these milliseconds.
    fn check(sessions_end_ms: u64, announced_ms: u64, expected_ms: u64) {
        let at = |ms| start() + Duration::from_millis(ms);
        let mut drain = Drain::begin(at(0), at(60_000));
        let mut now = at(0);
        while !drain.look(now, now >= at(announced_ms), u32::from(now < at(sessions_end_ms))) {
            now = drain.look_at().expect("goes on");
        }
        assert_eq!((now - at(0)).as_millis() as u64, expected_ms, "{sessions_end_ms} {announced_ms}");
        assert_eq!((drain.look_at(), drain.look(now, true, 0)), (None, false), "it ends once");
    }

    #[test]
    fn ends_with_the_last_session_but_not_before_the_edge_was_told() {
        check(0, 0, 0);
        check(1_000, 0, 1_000);
        check(1_050, 0, 1_100);
        check(0, 300, 300);
        check(0, 1_000_000, 2_000);
        check(5_000, 1_000_000, 5_000);
        check(1_000_000, 0, 60_000);
    }
}
