//! Deadlines by time and purpose: finding the next one never scans.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// At most one deadline for each timer.
#[derive(Debug)]
pub struct Deadlines<T> {
    by_time: BTreeSet<(Instant, T)>,
    by_timer: BTreeMap<T, Instant>,
}

impl<T: Ord + Copy> Default for Deadlines<T> {
    fn default() -> Self {
        Self { by_time: BTreeSet::new(), by_timer: BTreeMap::new() }
    }
}

impl<T: Ord + Copy> Deadlines<T> {
    /// `None` removes the deadline.
    pub fn set(&mut self, timer: T, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.by_timer.insert(timer, at),
            None => self.by_timer.remove(&timer),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, timer));
        }
        if let Some(at) = at {
            self.by_time.insert((at, timer));
        }
    }

    pub fn is_set(&self, timer: T) -> bool {
        self.by_timer.contains_key(&timer)
    }

    pub fn count(&self) -> usize {
        self.by_timer.len()
    }

    pub fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Removes and returns every timer that is due, earliest first. A timer that is set again in the meantime is
    /// returned by the next call, so a timer that is always due cannot keep the caller busy.
    pub fn take_due(&mut self, now: Instant) -> Vec<T> {
        let mut due = Vec::new();
        while let Some((at, timer)) = self.by_time.first().copied().filter(|(at, _)| *at <= now) {
            self.by_time.remove(&(at, timer));
            self.by_timer.remove(&timer);
            due.push(timer);
        }
        due
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
        assert_eq!(deadlines.take_due(at(4)), []);
        assert_eq!(deadlines.take_due(at(10)), ['a', 'b']);
        assert_eq!((deadlines.take_due(at(10)), deadlines.next()), (vec![], Some(at(20))));
        deadlines.set('a', Some(at(5)));
        assert_eq!(deadlines.next(), Some(at(5)), "the same moment again");
    }
}
