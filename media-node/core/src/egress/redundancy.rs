//! The number of earlier packets that each audio packet to a client repeats (RFC 2198), based on the client's reported
//! losses.

use crate::codec::red;
use std::time::{Duration, Instant};

/// From this share of lost packets on, in 256ths, adjacent packets are lost too often for a single earlier packet.
const HEAVY_LOSS: u8 = 5;
/// Losses come in bursts, and browsers report on audio every 5 s.
const REMEMBERED: Duration = Duration::from_secs(20);

/// Packets after which the reported arrivals show the share of losses.
const COUNTED: u32 = 64;
/// A client that reported arrivals within this time shows its link's losses by them. Report blocks also count what was
/// lost on the way to the node.
const ARRIVALS_HOLD: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug, Default)]
pub struct Redundancy {
    light_until: Option<Instant>,
    heavy_until: Option<Instant>,
    counted: u32,
    counted_lost: u32,
    arrivals_at: Option<Instant>,
}

impl Redundancy {
    /// Takes the numbers of packets reported as arrived and as lost by transport-wide feedback, which comes many times
    /// a second.
    pub fn note_arrivals(&mut self, now: Instant, arrived: u32, lost: u32) {
        self.arrivals_at = Some(now);
        self.counted += arrived + lost;
        self.counted_lost += lost;
        if self.counted >= COUNTED {
            let share = self.counted_lost * 256 / self.counted;
            (self.counted, self.counted_lost) = (0, 0);
            self.note(now, share.min(255) as u8);
        }
    }

    /// Takes the share of lost packets from a report block, in 256ths (RFC 3550 §6.4.1).
    pub fn note_block(&mut self, now: Instant, fraction_lost: u8) {
        let holds = |at| now.saturating_duration_since(at) < ARRIVALS_HOLD;
        if !self.arrivals_at.is_some_and(holds) {
            self.note(now, fraction_lost);
        }
    }

    fn note(&mut self, now: Instant, fraction_lost: u8) {
        if fraction_lost > 0 {
            self.light_until = Some(now + REMEMBERED);
        }
        if fraction_lost >= HEAVY_LOSS {
            self.heavy_until = Some(now + REMEMBERED);
        }
    }

    /// Earlier packets per packet, up to [`red::EARLIER_MAX`].
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
        redundancy.note_block(at(0), 0);
        assert_eq!(redundancy.depth(at(0)), 0);
        redundancy.note_block(at(1), 1);
        assert_eq!(redundancy.depth(at(1)), 1);
        redundancy.note_block(at(2), 13);
        redundancy.note_block(at(10), 1);
        redundancy.note_block(at(11), 0);
        assert_eq!([2, 21, 22, 29, 30].map(|second| redundancy.depth(at(second))), [2, 2, 1, 1, 0]);
    }

    #[test]
    fn arrivals_show_a_loss_before_the_next_report_block() {
        let start = crate::virtual_time::start();
        let mut redundancy = Redundancy::default();
        redundancy.note_arrivals(start, 60, 3);
        assert_eq!(redundancy.depth(start), 0, "too few to tell");
        redundancy.note_arrivals(start, 10, 0);
        assert_eq!(redundancy.depth(start), 2);
        let later = start + Duration::from_secs(60);
        redundancy.note_arrivals(later, 64, 0);
        redundancy.note_arrivals(later, 199, 1);
        assert_eq!(redundancy.depth(later), 1);
    }

    #[test]
    fn report_blocks_count_only_without_arrivals() {
        let at = |seconds| crate::virtual_time::start() + Duration::from_secs(seconds);
        let mut redundancy = Redundancy::default();
        redundancy.note_arrivals(at(0), 64, 0);
        redundancy.note_block(at(4), 20);
        assert_eq!(redundancy.depth(at(4)), 0, "lost before the node");
        redundancy.note_block(at(5), 20);
        assert_eq!(redundancy.depth(at(5)), 2, "it reports no arrivals");
    }
}
