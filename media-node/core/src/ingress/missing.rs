//! Packets of a publisher that did not come, and when to ask for each of them (RFC 4585 §6.2.1).

use std::ops::Range;
use std::time::{Duration, Instant};

/// Most losses that are asked for at a time. More than that is an outage: a key frame mends it better.
const MISSING_MAX: usize = 128;
/// Wait before the first request: packets that merely overtook each other are rarely further apart.
const REORDERING: Duration = Duration::from_millis(5);
/// Requests are repeated after a round trip, but within these bounds.
const RETRY_MIN: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_millis(200);
/// Requests after which a packet is given up.
const REQUESTS_MAX: u8 = 10;
/// Age at which a packet is given up: no decoder waits longer.
const AGE_MAX: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub struct Missing {
    /// In ascending order; only the first `length` are meant.
    losses: [Loss; MISSING_MAX],
    length: usize,
    next_at: Option<Instant>,
    /// There were more losses than fit, so the stream cannot be mended by asking.
    overflowed: bool,
}

#[derive(Clone, Copy, Debug)]
struct Loss {
    index: u64,
    /// When the gap was seen; `None` in places that are not used.
    since: Option<Instant>,
    asked_at: Option<Instant>,
    requests: u8,
}

impl Default for Missing {
    fn default() -> Self {
        let unused = Loss { index: 0, since: None, asked_at: None, requests: 0 };
        Self { losses: [unused; MISSING_MAX], length: 0, next_at: None, overflowed: false }
    }
}

impl Missing {
    /// These packets were overtaken. They are beyond all that were listed before.
    pub(super) fn gap(&mut self, now: Instant, indices: Range<u64>) {
        if indices.is_empty() {
            return;
        }
        let gap = (indices.end - indices.start) as usize;
        if gap > MISSING_MAX - self.length {
            self.length = 0;
            self.overflowed = true;
            self.next_at = None;
            return;
        }
        for (loss, index) in self.losses.iter_mut().skip(self.length).zip(indices) {
            *loss = Loss { index, since: Some(now), asked_at: None, requests: 0 };
        }
        self.length += gap;
        let at = now + REORDERING;
        self.next_at = Some(self.next_at.map_or(at, |next| next.min(at)));
    }

    pub(super) fn arrived(&mut self, index: u64) {
        let listed = self.losses.get(..self.length).unwrap_or(&[]);
        let Ok(place) = listed.binary_search_by_key(&index, |loss| loss.index) else { return };
        self.losses.copy_within(place + 1..self.length, place);
        self.length -= 1;
        if self.length == 0 {
            self.next_at = None;
        }
    }

    /// Nothing that is listed will be asked for.
    pub fn give_up(&mut self) {
        self.length = 0;
        self.next_at = None;
    }

    /// When [`Self::take_due`] should be asked next.
    pub fn due_at(&self) -> Option<Instant> {
        self.next_at
    }

    /// Whether more was lost than can be asked for since this was last called: a key frame is needed instead.
    pub fn take_overflow(&mut self) -> bool {
        std::mem::take(&mut self.overflowed)
    }

    /// Writes the sequence numbers that are due to be asked for into `due`, in ascending order, and counts them as
    /// asked for; gives the ones written. What was asked for too often or is too old is given up.
    pub fn take_due<'d>(&mut self, now: Instant, round_trip: Duration, due: &'d mut [u16; MISSING_MAX]) -> &'d [u16] {
        let retry = round_trip.clamp(RETRY_MIN, RETRY_MAX);
        let (mut kept, mut written) = (0, 0);
        self.next_at = None;
        for place in 0..self.length {
            let Some(mut loss) = self.losses.get(place).copied() else { break };
            let Some(since) = loss.since.filter(|since| now.saturating_duration_since(*since) < AGE_MAX) else {
                continue;
            };
            let mut at = loss.asked_at.map_or(since + REORDERING, |asked| asked + retry);
            if at <= now {
                if loss.requests >= REQUESTS_MAX {
                    continue;
                }
                loss.requests += 1;
                loss.asked_at = Some(now);
                at = now + retry;
                if let Some(place) = due.get_mut(written) {
                    *place = loss.index as u16;
                    written += 1;
                }
            }
            self.next_at = Some(self.next_at.map_or(at, |next| next.min(at)));
            if let Some(place) = self.losses.get_mut(kept) {
                *place = loss;
                kept += 1;
            }
        }
        self.length = kept;
        due.get(..written).unwrap_or(&[])
    }
}

/// Memory for [`Missing::take_due`].
pub const fn due_buffer() -> [u16; MISSING_MAX] {
    [0; MISSING_MAX]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn due(missing: &mut Missing, now: Instant, round_trip_ms: u64) -> Vec<u16> {
        let mut buffer = due_buffer();
        missing.take_due(now, Duration::from_millis(round_trip_ms), &mut buffer).to_vec()
    }

    #[test]
    fn asks_after_the_reordering_wait_and_again_after_a_round_trip() {
        let start = crate::virtual_time::start();
        let mut missing = Missing::default();
        missing.gap(start, 65_535..65_537);
        let mut asked = Vec::new();
        for ms in 0..200 {
            let now = start + Duration::from_millis(ms);
            let is_due = missing.due_at().is_some_and(|at| at <= now);
            let sequences = due(&mut missing, now, 60);
            assert_eq!(is_due, !sequences.is_empty(), "{ms} ms");
            if !sequences.is_empty() {
                assert_eq!(sequences, [65_535, 0]);
                asked.push(ms);
            }
        }
        assert_eq!(asked, [5, 65, 125, 185]);
    }

    #[test]
    fn does_not_ask_for_what_came() {
        let start = crate::virtual_time::start();
        let mut missing = Missing::default();
        missing.gap(start, 10..13);
        missing.gap(start, 14..15);
        missing.arrived(11);
        missing.arrived(99);
        assert_eq!(due(&mut missing, start + REORDERING, 60), [10, 12, 14]);
        for index in [10, 12, 14] {
            missing.arrived(index);
        }
        assert_eq!(missing.due_at(), None);
        assert!(due(&mut missing, start + AGE_MAX / 2, 60).is_empty());
    }

    #[test]
    fn gives_up_after_so_many_requests_or_so_long() {
        let start = crate::virtual_time::start();
        for (round_trip_ms, expected) in [(1, 10), (200, 5), (5_000, 5)] {
            let mut missing = Missing::default();
            missing.gap(start, 10..11);
            let requests: usize =
                (0..3_000).map(|ms| due(&mut missing, start + Duration::from_millis(ms), round_trip_ms).len()).sum();
            assert_eq!(requests, expected, "round trip {round_trip_ms} ms");
            assert_eq!(missing.due_at(), None);
        }
    }

    #[test]
    fn an_outage_is_not_asked_for_packet_by_packet() {
        let start = crate::virtual_time::start();
        let mut missing = Missing::default();
        missing.gap(start, 0..100);
        assert!(!missing.take_overflow());
        missing.gap(start, 200..229);
        assert_eq!(missing.due_at(), None);
        assert!(missing.take_overflow());
        assert!(!missing.take_overflow());
        missing.gap(start, 300..300 + MISSING_MAX as u64);
        assert_eq!(due(&mut missing, start + REORDERING, 60).len(), MISSING_MAX);
    }
}
