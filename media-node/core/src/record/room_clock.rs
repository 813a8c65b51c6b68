//! The offset between the room's clock and this node's. Recording times come from the node's clock, which never jumps,
//! and are written on the room's, which all nodes of a recording share.

use std::collections::VecDeque;

/// Most kept samples: each order from the room is one.
const SAMPLES_MAX: usize = 16;
/// An older sample is useless for a clock that drifts by 100 ppm.
const SAMPLE_AGE_US_MAX: i64 = 600_000_000;
/// The offset changes by at most a thousandth of the elapsed time, which no player notices.
const SLEW_DIVISOR: i64 = 1_000;

/// The offset between two clocks, measured repeatedly and followed slowly.
#[derive(Clone, Debug, Default)]
pub struct RoomClock {
    /// Room minus node, as currently used; `None` before the first sample.
    offset_us: Option<i64>,
    /// Time of the last change of the offset, on the node's clock.
    moved_us: i64,
    /// Time and value of each sample.
    samples: VecDeque<(i64, i64)>,
}

impl RoomClock {
    /// Takes a message of the room that arrived at `node_us` and was sent at `room_us`.
    pub fn sample(&mut self, node_us: i64, room_us: i64) {
        if self.samples.len() >= SAMPLES_MAX {
            self.samples.pop_front();
        }
        let offset = room_us.saturating_sub(node_us);
        self.samples.push_back((node_us, offset));
        if self.offset_us.is_none() {
            self.offset_us = Some(offset);
            self.moved_us = node_us;
        }
        self.tick(node_us);
    }

    /// Moves the offset closer to the samples as time passes.
    pub fn tick(&mut self, node_us: i64) {
        let elapsed_us = node_us.saturating_sub(self.moved_us).max(0);
        self.samples.retain(|(at, _)| node_us.saturating_sub(*at) <= SAMPLE_AGE_US_MAX);
        // A delayed message makes a sample too small, never too large.
        let truth = self.samples.iter().map(|(_, offset)| *offset).max();
        let (Some(offset), Some(truth)) = (self.offset_us, truth) else { return };
        let most = elapsed_us / SLEW_DIVISOR;
        if most > 0 {
            self.offset_us = Some(offset.saturating_add(truth.saturating_sub(offset).clamp(-most, most)));
            self.moved_us = node_us;
        }
    }

    /// Converts a room time to the node's clock; unchanged without any sample.
    #[must_use]
    pub fn nodes(&self, room_us: i64) -> i64 {
        room_us.saturating_sub(self.offset_us.unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn a_clock_two_seconds_off_is_known_at_once() {
        for offset in [2 * SECOND, -2 * SECOND, 0] {
            let mut clock = RoomClock::default();
            clock.sample(100 * SECOND, 100 * SECOND + offset);
            assert_eq!(clock.nodes(200 * SECOND), 200 * SECOND - offset);
        }
    }

    #[test]
    fn the_quickest_message_counts_and_is_followed_slowly() {
        let mut clock = RoomClock::default();
        // 300 ms of delay, then 20, then 500.
        clock.sample(SECOND + 300_000, SECOND);
        clock.sample(2 * SECOND + 20_000, 2 * SECOND);
        clock.sample(3 * SECOND + 500_000, 3 * SECOND);
        let mut before = clock.nodes(0);
        for second in 4..400 {
            clock.tick(second * SECOND);
            let after = clock.nodes(0);
            assert!((after - before).abs() <= 1_100, "{before} {after}");
            before = after;
        }
        assert_eq!(before, 20_000);
    }

    #[test]
    fn a_step_of_the_rooms_clock_makes_no_jump() {
        let mut clock = RoomClock::default();
        clock.sample(0, 0);
        clock.sample(SECOND, SECOND + 5 * SECOND);
        assert!(clock.nodes(0).abs() <= 1_000);
    }
}
