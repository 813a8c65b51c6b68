//! Received and missing packets of one stream, and the times of requests for missing ones.

use crate::clock::Clock;
use media_core::rtcp::ReportBlock;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A gap is requested once reordering cannot explain it, and again after each round trip.
const ASK_AFTER: Duration = Duration::from_millis(15);
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(60);
/// A packet that has not arrived by now never will.
const GIVE_UP_AFTER: Duration = Duration::from_millis(1_000);

#[derive(Clone, Debug, Default)]
pub struct Arrivals {
    highest: Option<u64>,
    first: u64,
    received: u64,
    missing: BTreeMap<u64, Missing>,
    /// Packets whose content later packets repeated.
    mended: BTreeSet<u64>,
    /// Packets that never arrived.
    lost: u64,
    reported: (u64, u64),
}

#[derive(Clone, Copy, Debug)]
struct Missing {
    since: Instant,
    asked_at: Option<Instant>,
}

impl Arrivals {
    /// Returns the extended sequence number of a packet; true if it is new.
    pub fn note(&mut self, clock: &Clock, sequence: u16) -> (u64, bool) {
        let Some(highest) = self.highest else {
            // Far from 0, so that packets from before the first have a place.
            let index = (1 << 32) + u64::from(sequence);
            (self.highest, self.first, self.received) = (Some(index), index, 1);
            return (index, true);
        };
        let distance = i64::from(sequence.wrapping_sub(highest as u16) as i16);
        let index = highest.saturating_add_signed(distance);
        let is_new = if index < self.first {
            // Packets sent before the first arrival may have been overtaken by it.
            let missing = Missing { since: clock.now(), asked_at: None };
            self.missing.extend((index + 1..self.first).map(|index| (index, missing)));
            self.first = index;
            true
        } else if index > highest {
            let missing = Missing { since: clock.now(), asked_at: None };
            self.missing.extend((highest + 1..index).map(|index| (index, missing)));
            self.highest = Some(index);
            true
        } else {
            self.missing.remove(&index).is_some()
        };
        self.received += u64::from(is_new);
        (index, is_new)
    }

    /// Marks a missing packet whose content another packet repeats; reports do not mention that. False if it was not
    /// missing.
    pub fn mend(&mut self, index: u64) -> bool {
        let is_missing = self.missing.remove(&index).is_some();
        if is_missing {
            self.mended.insert(index);
        }
        is_missing
    }

    /// True if this packet was mended and has not arrived itself since.
    pub fn take_mended(&mut self, index: u64) -> bool {
        self.mended.remove(&index)
    }

    /// Packets that never arrived or are still awaited.
    #[must_use]
    pub fn lacking(&self) -> u64 {
        self.lost + self.missing.len() as u64
    }

    /// Sequence numbers to request now.
    pub fn poll_nack(&mut self, clock: &Clock) -> Vec<u16> {
        let before = self.missing.len();
        self.missing.retain(|_, missing| clock.now() < missing.since + GIVE_UP_AFTER);
        self.lost += (before - self.missing.len()) as u64;
        let mut lost = Vec::new();
        for (index, missing) in &mut self.missing {
            if missing.ask_at() <= clock.now() {
                missing.asked_at = Some(clock.now());
                lost.push(*index as u16);
            }
        }
        lost
    }

    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.missing.values().map(Missing::ask_at).min()
    }

    /// A report block about the stream (RFC 3550 §6.4.1).
    pub fn report(&mut self, ssrc: u32) -> Option<ReportBlock> {
        let highest = self.highest?;
        let expected = highest + 1 - self.first;
        let (expected_before, received_before) = std::mem::replace(&mut self.reported, (expected, self.received));
        let expected_now = expected - expected_before;
        let lost_now = expected_now.saturating_sub(self.received - received_before);
        Some(ReportBlock {
            ssrc,
            fraction_lost: (lost_now * 256).checked_div(expected_now).unwrap_or(0).min(255) as u8,
            packets_lost: expected.saturating_sub(self.received) as i32,
            highest_sequence: highest as u32,
            ..ReportBlock::default()
        })
    }
}

impl Missing {
    fn ask_at(&self) -> Instant {
        self.asked_at.map_or(self.since + ASK_AFTER, |at| at + ASK_AGAIN_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_asked_for_until_it_is_filled_or_given_up() {
        let mut clock = Clock::default();
        let mut arrivals = Arrivals::default();
        let begin = clock.now();
        for sequence in [65_534, 65_535, 2] {
            assert!(arrivals.note(&clock, sequence).1);
        }
        assert_eq!((arrivals.poll_nack(&clock), arrivals.lacking()), (vec![], 2));
        clock.advance_to(begin + ASK_AFTER);
        assert_eq!(arrivals.poll_nack(&clock), [0, 1]);
        let (index, is_new) = arrivals.note(&clock, 0);
        assert_eq!((index as u16, is_new), (0, true));
        assert!(!arrivals.note(&clock, 0).1, "it came already");
        clock.advance_to(begin + ASK_AFTER + ASK_AGAIN_AFTER);
        assert_eq!(arrivals.poll_nack(&clock), [1]);
        clock.advance_to(begin + GIVE_UP_AFTER);
        assert_eq!((arrivals.poll_nack(&clock), arrivals.poll_timeout(), arrivals.lacking()), (vec![], None, 1));
    }
}
