//! The link of a publishing client.

use super::arrivals::Arrivals;
use super::overload::{Change, Overload, Relief, Time};
use super::remb::Remb;
use std::time::{Duration, Instant};

/// The rate of a link with a queue is what arrived in this time.
const LATELY: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub struct Uplink {
    /// Arrivals of its packets, until they are reported; `None` if they have no transport-wide numbers.
    pub arrivals: Option<Arrivals>,
    /// Detects packets that suddenly exceed the link's capacity.
    pub overload: Overload,
    limit: Limit,
}

/// The limit on its rate.
#[derive(Debug)]
enum Limit {
    /// For a sender that estimates the link itself, from arrivals.
    Relief(Option<Relief>),
    /// For one that is told the estimate.
    Remb(Remb),
}

impl Uplink {
    /// With the header extension of transport-wide numbers, if it is negotiated.
    #[must_use]
    pub fn new(now: Instant, extension: Option<u8>) -> Self {
        let limit = if extension.is_some() { Limit::Relief(None) } else { Limit::Remb(Remb::default()) };
        let arrivals = extension.map(|extension| Arrivals::new(now, extension));
        Self { arrivals, overload: Overload::new(now), limit }
    }

    pub fn limit_bps(&self) -> Option<u64> {
        match &self.limit {
            Limit::Relief(relief) => relief.map(Relief::bps),
            Limit::Remb(remb) => remb.limit_bps(),
        }
    }

    /// Updates the limit after a packet.
    pub fn note(&mut self, change: Change) {
        match &mut self.limit {
            Limit::Remb(remb) => match change {
                Change::Overloaded { arrives_bps } | Change::Narrower { arrives_bps } => remb.overloaded(arrives_bps),
                Change::Ended => remb.drained(),
            },
            Limit::Relief(relief) => {
                *relief = match (change, *relief) {
                    (Change::Overloaded { arrives_bps }, _) | (Change::Narrower { arrives_bps }, None) => {
                        Some(Relief::begin(arrives_bps))
                    }
                    (Change::Narrower { arrives_bps }, Some(relief)) => Some(relief.narrow(arrives_bps)),
                    (Change::Ended, relief) => relief.map(Relief::drained),
                };
            }
        }
    }

    /// Takes a packet's timestamp; true if the limit has fallen.
    pub fn record_time(&mut self, now: Instant, time: Time) -> bool {
        self.overload.record_time(now, time);
        let Limit::Remb(remb) = &mut self.limit else { return false };
        let wait = self.overload.wait(now).filter(|_| !self.overload.is_overloaded());
        wait.is_some_and(|wait| remb.wait(now, wait, || self.overload.arrived_bps(LATELY)))
    }

    /// Raises the limit after a second; returns true if that lifts it.
    pub fn ease(&mut self) -> bool {
        let Limit::Relief(relief) = &mut self.limit else { return false };
        let Some(before) = relief.filter(|_| !self.overload.is_overloaded()) else { return false };
        *relief = before.grow();
        relief.is_none()
    }

    /// Takes the rate of a sender that is told the estimate, and its losses, of the last second.
    pub fn report(&mut self, now: Instant, arrived_bps: f64, lost: f64) {
        let Limit::Remb(remb) = &mut self.limit else { return };
        if self.overload.is_overloaded() {
            return;
        }
        if self.overload.wait(now).is_none() {
            remb.drained();
        }
        remb.report(arrived_bps, lost);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtual_time::start;

    #[test]
    fn a_limit_stays_while_the_link_is_overloaded_and_then_grows_until_it_is_gone() {
        let mut uplink = Uplink::new(start(), Some(3));
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
