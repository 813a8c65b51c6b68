//! The link of a publishing client whose packets carry transport-wide numbers.

use super::arrivals::Arrivals;
use super::overload::{Change, Overload, Relief};
use std::time::Instant;

#[derive(Debug)]
pub struct Uplink {
    /// Arrivals of its packets, until they are reported.
    pub arrivals: Arrivals,
    /// Detects packets that suddenly exceed the link's capacity.
    pub overload: Overload,
    /// The resulting limit on its rate.
    relief: Option<Relief>,
}

impl Uplink {
    #[must_use]
    pub fn new(now: Instant, extension: u8) -> Self {
        Self { arrivals: Arrivals::new(now, extension), overload: Overload::new(now), relief: None }
    }

    pub fn limit_bps(&self) -> Option<u64> {
        self.relief.map(Relief::bps)
    }

    /// Updates the limit after a packet.
    pub fn note(&mut self, change: Change) {
        self.relief = match (change, self.relief) {
            (Change::Overloaded { arrives_bps }, _) | (Change::Narrower { arrives_bps }, None) => {
                Some(Relief::begin(arrives_bps))
            }
            (Change::Narrower { arrives_bps }, Some(relief)) => Some(relief.narrow(arrives_bps)),
            (Change::Ended, relief) => relief.map(Relief::drained),
        };
    }

    /// Raises the limit after a second; returns true if that lifts it.
    pub fn ease(&mut self) -> bool {
        let Some(relief) = self.relief.filter(|_| !self.overload.is_overloaded()) else { return false };
        self.relief = relief.grow();
        self.relief.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtual_time::start;
    use std::time::Duration;

    #[test]
    fn a_limit_stays_while_the_link_is_overloaded_and_then_grows_until_it_is_gone() {
        let mut uplink = Uplink::new(start(), 3);
        let mut number = 0;
        let mut send = |uplink: &mut Uplink, count: u64, step: u16| {
            for _ in 0..count {
                number += u64::from(step);
                let at = start() + Duration::from_millis(number * 4);
                if let Some(change) = uplink.overload.record(at, number as u16, 1_000) {
                    uplink.note(change);
                }
            }
        };
        send(&mut uplink, 500, 1);
        assert_eq!((uplink.limit_bps(), uplink.ease()), (None, false));
        send(&mut uplink, 40, 3);
        let limit = uplink.limit_bps().expect("two of three are lost");
        assert!(!uplink.ease());
        assert_eq!(uplink.limit_bps(), Some(limit), "it does not grow yet");
        send(&mut uplink, 40, 1);
        let eased = uplink.limit_bps().expect("the queue is empty");
        assert!(eased > limit);
        assert!(!uplink.ease());
        assert_eq!(uplink.limit_bps(), Some(eased * 110 / 100));
        let seconds = (2..20).find(|_| uplink.ease());
        assert_eq!((seconds, uplink.limit_bps()), (Some(6), None));
    }
}
