//! Paces video to the client's link; audio never waits.

use crate::keys::StreamKey;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Held packets leave at this interval.
pub const GRID: Duration = Duration::from_millis(5);
/// Burst that may leave at once: a frame of an ordinary picture, which stays one run that way.
const BURST: Duration = Duration::from_millis(40);
/// More than a burst and a packet of a slow link.
const BEHIND: Duration = Duration::from_millis(80);
/// Most waiting packets: as many as a stream's cache keeps.
const HELD_MAX: usize = 512;
/// A packet that would wait longer is useless.
const WAIT_MAX: Duration = Duration::from_millis(600);
/// A screen may wait longer: there is no smaller picture of it, and without what waits its viewer needs a key frame, which
/// takes as long.
const SCREEN_WAIT_MAX: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub slot: u16,
    pub stream: StreamKey,
    pub index: u64,
    pub bytes: usize,
    /// See [`crate::ingress::stream::Stream::is_screen`].
    pub is_screen: bool,
}

#[derive(Debug, Default)]
pub struct Pacer {
    held: VecDeque<Held>,
    held_bits: u64,
    /// Bits sent in excess of the rate.
    debt_bits: u64,
    rate_bps: u64,
    at: Option<Instant>,
}

impl Pacer {
    /// `None` lets everything leave at once.
    pub fn set_rate(&mut self, now: Instant, rate_bps: Option<u64>) {
        let elapsed = now.saturating_duration_since(self.at.unwrap_or(now));
        self.debt_bits = self.debt_bits.saturating_sub(bits(self.rate_bps, elapsed));
        self.at = Some(now);
        let before_bps = std::mem::replace(&mut self.rate_bps, rate_bps.unwrap_or(u64::MAX));
        if self.rate_bps < before_bps {
            // The link still carries the packets sent at the previous rate, and the new rate accounts for them, so the
            // debt is one of time.
            let debt = u128::from(self.debt_bits) * u128::from(self.rate_bps) / u128::from(before_bps);
            self.debt_bits = debt.min(u128::from(u64::MAX)) as u64;
        }
    }

    /// Forgets what was sent, because the client is reached over another link.
    pub fn forget_debt(&mut self) {
        self.debt_bits = 0;
    }

    /// Counts a sent packet of any kind.
    pub fn spend(&mut self, bytes: usize) {
        self.debt_bits = self.debt_bits.saturating_add(bytes as u64 * 8);
    }

    /// True if a video packet must wait.
    pub fn is_busy(&self) -> bool {
        !self.held.is_empty() || !self.is_open()
    }

    /// True if a packet that leaves now would wait on the link, though not because of one just sent.
    pub fn is_behind(&self) -> bool {
        self.debt_bits > bits(self.rate_bps, BEHIND)
    }

    /// Holds a packet; false if it would wait in vain.
    pub fn hold(&mut self, held: Held) -> bool {
        if self.held.len() >= HELD_MAX {
            return false;
        }
        self.held_bits += held.bytes as u64 * 8;
        self.held.push_back(held);
        true
    }

    pub fn let_go(&mut self) -> Option<Held> {
        if !self.is_open() {
            return None;
        }
        let next = self.held.pop_front()?;
        self.held_bits = self.held_bits.saturating_sub(next.bytes as u64 * 8);
        Some(next)
    }

    pub fn has_held(&self) -> bool {
        !self.held.is_empty()
    }

    /// True if packets of this stream wait for this slot.
    pub fn holds(&self, slot: u16, stream: StreamKey) -> bool {
        self.held.iter().any(|held| (held.slot, held.stream) == (slot, stream))
    }

    /// True if this packet waits for this slot.
    pub fn holds_packet(&self, slot: u16, stream: StreamKey, index: u64) -> bool {
        self.held.iter().any(|held| (held.slot, held.stream, held.index) == (slot, stream, index))
    }

    /// True if more waits than the rate can send in time.
    pub fn is_stuck(&self) -> bool {
        let is_late = |wait| self.held_bits > bits(self.rate_bps, wait);
        self.held.len() >= HELD_MAX || is_late(WAIT_MAX) && is_late(self.wait_max())
    }

    /// Drops the packets of this stream that wait for this slot.
    pub fn forget(&mut self, slot: u16, stream: StreamKey) {
        self.held.retain(|held| (held.slot, held.stream) != (slot, stream));
        self.held_bits = self.held.iter().map(|held| held.bytes as u64 * 8).sum();
    }

    pub fn give_up(&mut self) -> impl Iterator<Item = Held> {
        self.held_bits = 0;
        self.held.drain(..)
    }

    fn wait_max(&self) -> Duration {
        if self.held.iter().any(|held| held.is_screen) { SCREEN_WAIT_MAX } else { WAIT_MAX }
    }

    fn is_open(&self) -> bool {
        self.debt_bits <= bits(self.rate_bps, BURST)
    }
}

fn bits(rate_bps: u64, time: Duration) -> u64 {
    (u128::from(rate_bps) * time.as_micros() / 1_000_000).min(u128::from(u64::MAX)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slab::Key;

    fn packet(index: u64) -> Held {
        Held { slot: 0, stream: Key::numbered(1), index, bytes: 1_000, is_screen: false }
    }

    /// Offers `count` packets of 1,000 bytes at once, and returns how many had left by each of these milliseconds.
    fn left(rate_bps: Option<u64>, count: u64, at_ms: &[u64]) -> Vec<u64> {
        let start = crate::virtual_time::start();
        let mut pacer = Pacer::default();
        pacer.set_rate(start, rate_bps);
        let mut left = 0;
        for index in 0..count {
            if pacer.is_busy() {
                assert!(pacer.hold(packet(index)));
            } else {
                pacer.spend(1_000);
                left += 1;
            }
        }
        at_ms
            .iter()
            .map(|ms| {
                pacer.set_rate(start + Duration::from_millis(*ms), rate_bps);
                while let Some(held) = pacer.let_go() {
                    assert_eq!(held.index, left, "in order");
                    pacer.spend(held.bytes);
                    left += 1;
                }
                left
            })
            .collect()
    }

    #[test]
    fn a_burst_leaves_at_once_and_the_rest_at_the_rate() {
        // 40 ms of 800 kbit/s are four packets, and one may begin in the meantime.
        assert_eq!(left(Some(800_000), 20, &[0, 5, 10, 20, 50, 100, 200]), [5, 5, 6, 7, 10, 15, 20]);
    }

    #[test]
    fn without_a_rate_nothing_waits() {
        assert_eq!(left(None, 2_000, &[0]), [2_000]);
    }

    #[test]
    fn audio_and_repairs_count_and_are_paid_back_in_time() {
        let start = crate::virtual_time::start();
        let mut pacer = Pacer::default();
        pacer.set_rate(start, Some(800_000));
        (0..10).for_each(|_| pacer.spend(1_000));
        assert!(pacer.is_busy());
        pacer.set_rate(start + Duration::from_millis(59), Some(800_000));
        assert!(pacer.is_busy());
        pacer.set_rate(start + Duration::from_millis(60), Some(800_000));
        assert!(!pacer.is_busy());
    }

    #[test]
    fn another_link_owes_nothing_for_what_the_previous_one_carried() {
        let mut pacer = Pacer::default();
        pacer.set_rate(crate::virtual_time::start(), Some(800_000));
        (0..10).for_each(|_| pacer.spend(1_000));
        assert!(pacer.is_busy());
        pacer.forget_debt();
        assert!(!pacer.is_busy());
        assert!(pacer.hold(packet(0)));
        pacer.forget_debt();
        assert_eq!(pacer.let_go().map(|held| held.index), Some(0), "what waits is still sent");
    }

    #[test]
    fn what_is_not_wanted_any_more_holds_up_nothing() {
        let start = crate::virtual_time::start();
        let mut pacer = Pacer::default();
        pacer.set_rate(start, Some(800_000));
        (0..61).for_each(|index| assert!(pacer.hold(packet(index))));
        assert!(pacer.hold(Held { stream: Key::numbered(2), ..packet(61) }));
        assert!(pacer.is_stuck());
        pacer.forget(1, Key::numbered(1));
        assert!(pacer.is_stuck(), "another slot's");
        pacer.forget(0, Key::numbered(1));
        assert_eq!((pacer.is_stuck(), pacer.let_go().map(|held| held.index)), (false, Some(61)));
    }

    #[test]
    fn a_rate_that_falls_leaves_the_time_that_is_owed_as_it_is() {
        let start = crate::virtual_time::start();
        let mut pacer = Pacer::default();
        pacer.set_rate(start, Some(8_000_000));
        (0..50).for_each(|_| pacer.spend(1_000));
        pacer.set_rate(start, Some(80_000));
        pacer.set_rate(start + Duration::from_millis(9), Some(80_000));
        assert!(pacer.is_busy());
        pacer.set_rate(start + Duration::from_millis(10), Some(80_000));
        assert!(!pacer.is_busy(), "50 ms less the burst");
    }

    #[test]
    fn what_could_not_leave_in_time_is_given_up() {
        let start = crate::virtual_time::start();
        let mut pacer = Pacer::default();
        pacer.set_rate(start, Some(800_000));
        (0..60).for_each(|index| assert!(pacer.hold(packet(index))));
        assert!(!pacer.is_stuck());
        assert!(pacer.hold(packet(60)));
        assert!(pacer.is_stuck());
        let screen = Held { is_screen: true, ..packet(61) };
        assert!(pacer.hold(screen) && !pacer.is_stuck(), "a screen may wait for longer");
        (62..300).for_each(|index| assert!(pacer.hold(packet(index))));
        assert!(!pacer.is_stuck());
        (300..302).for_each(|index| assert!(pacer.hold(packet(index))));
        assert!(pacer.is_stuck());
        assert_eq!(pacer.give_up().count(), 302);
        assert!(!pacer.is_stuck() && !pacer.has_held());
        pacer.set_rate(start, Some(100_000_000));
        (0..HELD_MAX as u64).for_each(|index| assert!(pacer.hold(packet(index))));
        assert!(pacer.is_stuck() && !pacer.hold(packet(600)), "never more than a stream keeps");
    }
}
