//! Estimates how long packets wait in the queue of a link.

/// The delay of an empty queue is the minimum over two spans of this length.
const BASE_SPAN_NS: u64 = 15_000_000_000;
/// The minimum over each of these windows tells a queue from a longer path: a queue grows or drains.
const WINDOW_NS: u64 = 200_000_000;
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
    span_began_ns: u64,
    shortest_us: Option<i64>,
    shortest_before_us: Option<i64>,
    windows: Windows,
}

/// A packet's delay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Delayed {
    /// The packet's excess over the shortest transit.
    pub(super) queue_us: u64,
    /// True if the path turned out to be longer, so that earlier excesses were no queue.
    pub(super) is_path_longer: bool,
}

impl Base {
    /// Takes a packet, in the order of sending; times are from the sender's and the receiver's origin.
    pub(super) fn add(&mut self, sent_ns: u64, arrived_ns: u64) -> Delayed {
        let way_us = (arrived_ns / 1_000) as i64 - (sent_ns / 1_000) as i64;
        if sent_ns.saturating_sub(self.span_began_ns) >= BASE_SPAN_NS {
            self.span_began_ns = sent_ns;
            self.shortest_before_us = self.shortest_us.take();
        }
        let steady_us = self.windows.add(sent_ns, way_us);
        let longer_us = steady_us.filter(|steady| self.base_us().is_some_and(|base| *steady >= base + LONGER_US_MIN));
        if longer_us.is_some() {
            (self.shortest_us, self.shortest_before_us) = (longer_us, None);
        }
        let shortest_us = self.shortest_us.map_or(way_us, |shortest| shortest.min(way_us));
        self.shortest_us = Some(shortest_us);
        let base_us = self.base_us().unwrap_or(shortest_us);
        let queue_us = way_us.saturating_sub(base_us).max(0) as u64;
        Delayed { queue_us, is_path_longer: longer_us.is_some() }
    }

    fn base_us(&self) -> Option<i64> {
        self.shortest_us.into_iter().chain(self.shortest_before_us).min()
    }
}

/// The shortest transit in each of the last windows.
#[derive(Debug, Default)]
struct Windows {
    began_ns: u64,
    packets: u32,
    shortest_us: i64,
    /// A ring; the first `complete` are valid.
    past_us: [i64; WINDOWS],
    complete: usize,
    next: usize,
}

impl Windows {
    /// Returns the shortest transit when all windows are complete and agree.
    fn add(&mut self, sent_ns: u64, way_us: i64) -> Option<i64> {
        let is_over = sent_ns.saturating_sub(self.began_ns) >= WINDOW_NS;
        let steady_us = if is_over { self.complete() } else { None };
        if is_over || self.packets == 0 {
            (self.began_ns, self.packets, self.shortest_us) = (sent_ns, 0, way_us);
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
    fn queues(base: &mut Base, from: u64, ways_ms: impl Iterator<Item = u64>) -> (Vec<u64>, Option<usize>) {
        let mut longer = None;
        let queue = |(number, way): (usize, u64)| {
            let sent_ms = from + 20 * number as u64;
            let delayed = base.add(sent_ms * 1_000_000, (sent_ms + way) * 1_000_000);
            longer = longer.or(delayed.is_path_longer.then_some(number));
            delayed.queue_us / 1_000
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
