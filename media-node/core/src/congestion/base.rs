//! Estimates how long packets wait in the queue of a link.

use std::time::Duration;

/// The delay of an empty queue is the minimum over two spans of this length.
const BASE_SPAN: Duration = Duration::from_secs(15);
/// The minimum over each of these windows tells a queue from a longer path: a queue grows or drains.
const WINDOW: Duration = Duration::from_millis(200);
const WINDOWS: usize = 5;
/// A window with fewer packets reveals nothing.
const WINDOW_PACKETS_MIN: u32 = 4;
/// The minima over a path differ by no more than this.
const STEADY_US: i64 = 4_000;
/// A path that became longer by less need not be told from a queue.
const LONGER_US_MIN: i64 = 20_000;

/// The shortest recent transit of a packet; any excess is queueing. The clocks' origins differ, so it has a sign.
#[derive(Debug, Default)]
pub(super) struct Base {
    span_began: Duration,
    shortest_us: Option<i64>,
    shortest_before_us: Option<i64>,
    windows: Windows,
}

/// A packet's delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delayed {
    /// The packet's excess over the shortest transit.
    pub(super) queue: Duration,
    /// True if the path turned out to be longer, so that earlier excesses were no queue.
    pub(super) is_path_longer: bool,
}

impl Base {
    /// Takes a packet, in the order of sending.
    pub(super) fn add(&mut self, sent: Duration, arrived: Duration) -> Delayed {
        let way_us = arrived.as_micros() as i64 - sent.as_micros() as i64;
        if sent.saturating_sub(self.span_began) >= BASE_SPAN {
            self.span_began = sent;
            self.shortest_before_us = self.shortest_us.take();
        }
        let steady_us = self.windows.add(sent, way_us);
        let longer_us = steady_us.filter(|steady| self.base_us().is_some_and(|base| *steady >= base + LONGER_US_MIN));
        if longer_us.is_some() {
            (self.shortest_us, self.shortest_before_us) = (longer_us, None);
        }
        let shortest_us = self.shortest_us.map_or(way_us, |shortest| shortest.min(way_us));
        self.shortest_us = Some(shortest_us);
        let base_us = self.base_us().unwrap_or(shortest_us);
        let queue = Duration::from_micros(way_us.saturating_sub(base_us).max(0) as u64);
        Delayed { queue, is_path_longer: longer_us.is_some() }
    }

    fn base_us(&self) -> Option<i64> {
        self.shortest_us.into_iter().chain(self.shortest_before_us).min()
    }
}

/// The shortest transit in each of the last windows.
#[derive(Debug, Default)]
struct Windows {
    began: Duration,
    packets: u32,
    shortest_us: i64,
    /// A ring; the first `complete` are valid.
    past_us: [i64; WINDOWS],
    complete: usize,
    next: usize,
}

impl Windows {
    /// Returns the shortest transit when all windows are complete and agree.
    fn add(&mut self, sent: Duration, way_us: i64) -> Option<i64> {
        let is_over = sent.saturating_sub(self.began) >= WINDOW;
        let steady_us = if is_over { self.complete() } else { None };
        if is_over || self.packets == 0 {
            (self.began, self.packets, self.shortest_us) = (sent, 0, way_us);
        }
        self.packets += 1;
        self.shortest_us = self.shortest_us.min(way_us);
        steady_us
    }

    fn complete(&mut self) -> Option<i64> {
        if self.packets < WINDOW_PACKETS_MIN {
            self.complete = 0;
            return None;
        }
        if let Some(place) = self.past_us.get_mut(self.next) {
            *place = self.shortest_us;
        }
        self.next = (self.next + 1) % WINDOWS;
        self.complete = (self.complete + 1).min(WINDOWS);
        let (shortest, longest) = (self.past_us.iter().min()?, self.past_us.iter().max()?);
        (self.complete == WINDOWS && longest - shortest <= STEADY_US).then_some(*shortest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a packet per 20 ms for each of these transits; returns the queues in milliseconds, and the number of the
    /// packet that showed a longer path.
    fn queues(base: &mut Base, from: u64, ways_ms: impl Iterator<Item = u64>) -> (Vec<u128>, Option<usize>) {
        let mut longer = None;
        let queue = |(number, way): (usize, u64)| {
            let sent = Duration::from_millis(from + 20 * number as u64);
            let delayed = base.add(sent, sent + Duration::from_millis(way));
            longer = longer.or(delayed.is_path_longer.then_some(number));
            delayed.queue.as_millis()
        };
        let queues = ways_ms.enumerate().map(queue).collect();
        (queues, longer)
    }

    #[test]
    fn a_longer_path_is_told_from_a_queue_within_little_more_than_a_second() {
        let mut base = Base::default();
        assert_eq!(queues(&mut base, 0, std::iter::repeat_n(30, 100)), (vec![0; 100], None));
        let jittery = (0..100).map(|number| 130 + number % 7);
        let (queues, longer) = queues(&mut base, 2_000, jittery);
        assert!(queues[40] >= 100 && queues[99] <= 6, "{queues:?}");
        assert!(longer.is_some_and(|longer| (50..=65).contains(&longer)), "{longer:?}");
    }

    #[test]
    fn a_queue_that_grows_and_drains_is_no_path() {
        let mut base = Base::default();
        queues(&mut base, 0, std::iter::repeat_n(30, 100));
        // By 25 ms per second, as beside TCP on a slow link.
        let sawtooth = (0..1_000).map(|number| 130 + (number / 2) % 100);
        let (queues, longer) = queues(&mut base, 2_000, sawtooth);
        assert_eq!(longer, None);
        assert!(queues.iter().all(|queue| *queue >= 100));
    }

    #[test]
    fn a_shorter_path_is_known_at_once() {
        let mut base = Base::default();
        queues(&mut base, 0, std::iter::repeat_n(130, 100));
        assert_eq!(queues(&mut base, 2_000, [30, 31, 50].into_iter()).0, [0, 1, 20]);
    }
}
