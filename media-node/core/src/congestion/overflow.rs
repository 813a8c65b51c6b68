//! Tells losses in a link's full queue from other losses: sending more makes the former worse.

use std::time::Duration;

/// A queue longer than this may overflow.
const LONG: Duration = Duration::from_millis(60);
/// Weight of the newest loss.
const NEWEST: f64 = 0.1;

#[derive(Debug, Default)]
pub(super) struct Overflow {
    /// The share of recent losses behind a long queue.
    share: f64,
}

impl Overflow {
    /// Notes a loss; the packet before it waited for `queue`.
    pub(super) fn add(&mut self, queue: Duration) {
        let sample = if queue > LONG { 1.0 } else { 0.0 };
        self.share += NEWEST * (sample - self.share);
    }

    /// True if most recent losses came with a long queue.
    pub(super) fn is_usual(&self) -> bool {
        self.share > 0.5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_losses_tell_in_which_way_a_link_loses_packets() {
        let mut overflow = Overflow::default();
        let mut lose = |count, queue_ms| {
            (0..count).for_each(|_| overflow.add(Duration::from_millis(queue_ms)));
            overflow.is_usual()
        };
        assert!(!lose(100, 5), "losses at any rate");
        assert!(!lose(4, 200), "a few among them");
        assert!(lose(10, 200));
        assert!(lose(2, 5));
        assert!(!lose(5, 5));
    }
}
