//! Deadlines by time and purpose: finding the next one never scans.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::time::Instant;

/// The queue may hold this many entries more than twice the deadlines before those that were replaced are removed.
const REPLACED_MAX: usize = 64;

/// At most one deadline for each timer. Once its tables have their size, nothing is allocated.
#[derive(Debug)]
pub struct Deadlines<T> {
    /// Earliest first; also deadlines that were replaced or removed since, but never as the first.
    queue: BinaryHeap<Reverse<(Instant, T)>>,
    by_timer: HashMap<T, Instant, BuildHasherDefault<Mixer>>,
}

impl<T: Ord> Default for Deadlines<T> {
    fn default() -> Self {
        Self { queue: BinaryHeap::new(), by_timer: HashMap::default() }
    }
}

/// Mixes the few numbers of a timer by multiplication: no client chooses them, so nobody can make them collide.
#[derive(Debug, Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        // The upper half of the product depends on all of its bits, and the table uses bits from both ends.
        let product = u128::from(self.0.rotate_left(29) ^ number) * 0x9e37_79b9_7f4a_7c15_u128;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }

    fn write_isize(&mut self, number: isize) {
        self.write_u64(number as u64);
    }
}

impl<T: Ord + Hash + Copy> Deadlines<T> {
    /// `None` removes the deadline.
    pub fn set(&mut self, timer: T, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.by_timer.insert(timer, at),
            None => self.by_timer.remove(&timer),
        };
        if before == at {
            return;
        }
        if let Some(at) = at {
            self.queue.push(Reverse((at, timer)));
        }
        let Self { queue, by_timer } = self;
        if queue.len() > 2 * by_timer.len() + REPLACED_MAX {
            queue.retain(|Reverse((at, timer))| by_timer.get(timer) == Some(at));
        }
        self.drop_replaced();
    }

    fn drop_replaced(&mut self) {
        while let Some(Reverse((at, timer))) = self.queue.peek()
            && self.by_timer.get(timer) != Some(at)
        {
            self.queue.pop();
        }
    }

    /// Sets the deadline, unless there is an earlier one: cheaper if it keeps moving, as it moves once it has passed.
    pub fn set_at_the_latest(&mut self, timer: T, at: Instant) {
        if self.by_timer.get(&timer).is_none_or(|known| at < *known) {
            self.set(timer, Some(at));
        }
    }

    pub fn is_set(&self, timer: T) -> bool {
        self.by_timer.contains_key(&timer)
    }

    pub fn count(&self) -> usize {
        self.by_timer.len()
    }

    pub fn next(&self) -> Option<Instant> {
        self.queue.peek().map(|Reverse((at, _))| *at)
    }

    /// Removes every timer that is due and appends it to `due`, earliest first. A timer that is set again in the
    /// meantime is returned by the next call, so a timer that is always due cannot keep the caller busy.
    pub fn take_due(&mut self, now: Instant, due: &mut Vec<T>) {
        while let Some(Reverse((_, timer))) = self.queue.peek().copied().filter(|Reverse((at, _))| *at <= now) {
            self.queue.pop();
            self.by_timer.remove(&timer);
            due.push(timer);
            self.drop_replaced();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtual_time::start;
    use std::time::Duration;

    #[test]
    fn gives_what_is_due_in_order_and_each_timer_once() {
        let at = |ms| start() + Duration::from_millis(ms);
        let mut deadlines = Deadlines::default();
        for (timer, ms) in [('a', 30), ('b', 10), ('c', 20), ('a', 5), ('d', 1)] {
            deadlines.set(timer, Some(at(ms)));
        }
        deadlines.set('d', None);
        assert_eq!(deadlines.next(), Some(at(5)));
        assert_eq!(due(&mut deadlines, at(4)), []);
        assert_eq!(due(&mut deadlines, at(10)), ['a', 'b']);
        assert_eq!((due(&mut deadlines, at(10)), deadlines.next()), (vec![], Some(at(20))));
        deadlines.set('a', Some(at(5)));
        assert_eq!(deadlines.next(), Some(at(5)), "the same moment again");
    }

    #[test]
    fn an_earlier_deadline_stands() {
        let at = |ms| start() + Duration::from_millis(ms);
        let mut deadlines = Deadlines::default();
        for (ms, next) in [(20, 20), (30, 20), (10, 10), (20, 10)] {
            deadlines.set_at_the_latest('a', at(ms));
            assert_eq!(deadlines.next(), Some(at(next)));
        }
        assert_eq!(due(&mut deadlines, at(10)), ['a']);
        deadlines.set_at_the_latest('a', at(40));
        assert_eq!(deadlines.next(), Some(at(40)));
    }

    #[test]
    fn a_deadline_that_returns_to_an_earlier_moment_comes_once() {
        let at = |ms| start() + Duration::from_millis(ms);
        let mut deadlines = Deadlines::default();
        for ms in [5, 7, 5, 7, 5] {
            deadlines.set('a', Some(at(ms)));
            assert_eq!((deadlines.next(), deadlines.count()), (Some(at(ms)), 1));
        }
        assert_eq!(due(&mut deadlines, at(9)), ['a']);
        assert_eq!((deadlines.next(), deadlines.is_set('a')), (None, false));
    }

    #[test]
    fn replaced_deadlines_do_not_pile_up() {
        let mut deadlines = Deadlines::default();
        deadlines.set(0, Some(start()));
        for ms in 1..10_000 {
            deadlines.set(1 + ms % 3, Some(start() + Duration::from_millis(ms)));
        }
        assert!(deadlines.queue.len() <= 2 * 4 + REPLACED_MAX + 1, "{} entries", deadlines.queue.len());
        assert_eq!(due(&mut deadlines, start() + Duration::from_secs(60)), [0, 2, 3, 1]);
    }

    fn due<T: Ord + Hash + Copy>(deadlines: &mut Deadlines<T>, now: Instant) -> Vec<T> {
        let mut due = Vec::new();
        deadlines.take_due(now, &mut due);
        due
    }
}
