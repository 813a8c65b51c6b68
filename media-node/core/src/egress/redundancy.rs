//! How many earlier packets each audio packet to a client carries (RFC 2198), by the losses that the client reports.

use crate::codec::red;
use std::time::{Duration, Instant};

/// From this share of lost packets on, in 256ths, two neighbours get lost too often for one earlier packet.
const HEAVY_LOSS: u8 = 5;
/// Losses come in bursts, and browsers report on audio every 5 s.
const REMEMBERED: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, Default)]
pub struct Redundancy {
    light_until: Option<Instant>,
    heavy_until: Option<Instant>,
}

impl Redundancy {
    /// Takes note of the share of packets lost, in 256ths, that a report block gives (RFC 3550 §6.4.1).
    pub fn note(&mut self, now: Instant, fraction_lost: u8) {
        if fraction_lost > 0 {
            self.light_until = Some(now + REMEMBERED);
        }
        if fraction_lost >= HEAVY_LOSS {
            self.heavy_until = Some(now + REMEMBERED);
        }
    }

    /// Earlier packets for each packet, up to [`red::EARLIER_MAX`].
    pub fn depth(&self, now: Instant) -> usize {
        let lasts = |until: Option<Instant>| until.is_some_and(|until| now < until);
        match (lasts(self.light_until), lasts(self.heavy_until)) {
            (_, true) => red::EARLIER_MAX,
            (true, false) => 1,
            (false, false) => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_with_reported_losses_and_ends_some_time_after_them() {
        let start = crate::virtual_time::start();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut redundancy = Redundancy::default();
        redundancy.note(at(0), 0);
        assert_eq!(redundancy.depth(at(0)), 0);
        redundancy.note(at(1), 1);
        assert_eq!(redundancy.depth(at(1)), 1);
        redundancy.note(at(2), 13);
        redundancy.note(at(10), 1);
        redundancy.note(at(11), 0);
        assert_eq!([2, 21, 22, 29, 30].map(|second| redundancy.depth(at(second))), [2, 2, 1, 1, 0]);
    }
}
