//! Missing packets of a publisher, and the time of the next request for each of them (RFC 4585 §6.2.1).

use super::reordering::Reordering;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Most losses requested at a time. More than that is an outage, for which a key frame is better.
const MISSING_MAX: usize = 128;
/// Requests are repeated after a round trip, but no sooner than this.
const RETRY_MIN: Duration = Duration::from_millis(20);
/// Requests before a packet is given up.
const REQUESTS_MAX: u8 = 10;
/// A packet that cannot arrive within this time is given up: no decoder waits longer.
pub const AGE_MAX: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub struct Missing {
    /// In ascending order; only the first `length` are valid.
    losses: [Loss; MISSING_MAX],
    length: usize,
    next_at: Option<Instant>,
    reordering: Reordering,
    /// At the last request.
    round_trip: Duration,
    /// True if there were more losses than fit, or one was given up, so that requests cannot repair the stream.
    is_beyond_repair: bool,
}

#[derive(Clone, Copy, Debug)]
struct Loss {
    index: u64,
    /// Time at which the gap was noticed; `None` in unused places.
    since: Option<Instant>,
    asked_at: Option<Instant>,
    requests: u8,
}

impl Default for Missing {
    fn default() -> Self {
        let unused = Loss { index: 0, since: None, asked_at: None, requests: 0 };
        Self {
            losses: [unused; MISSING_MAX],
            length: 0,
            next_at: None,
            reordering: Reordering::default(),
            round_trip: Duration::ZERO,
            is_beyond_repair: false,
        }
    }
}

impl Missing {
    /// Adds overtaken packets, which must come after all listed ones.
    pub(super) fn gap(&mut self, now: Instant, indices: Range<u64>) {
        if indices.is_empty() {
            return;
        }
        let gap = (indices.end - indices.start) as usize;
        if gap > MISSING_MAX - self.length {
            self.length = 0;
            self.is_beyond_repair = true;
            self.next_at = None;
            return;
        }
        for (loss, index) in self.losses.iter_mut().skip(self.length).zip(indices) {
            *loss = Loss { index, since: Some(now), asked_at: None, requests: 0 };
        }
        self.length += gap;
        let at = now + self.reordering.wait(now);
        self.next_at = Some(self.next_at.map_or(at, |next| next.min(at)));
    }

    /// Handles a packet that arrived after all; `is_first` if it was not retransmitted.
    pub(super) fn arrived(&mut self, now: Instant, index: u64, is_first: bool) {
        let listed = self.losses.get(..self.length).unwrap_or(&[]);
        let Ok(place) = listed.binary_search_by_key(&index, |loss| loss.index) else { return };
        let loss = listed.get(place).copied();
        // An answer to a request takes a round trip.
        let is_answer = |asked: Instant| now.saturating_duration_since(asked) >= self.round_trip / 2;
        if let Some(Loss { since: Some(since), asked_at, .. }) = loss
            && is_first
            && !asked_at.is_some_and(is_answer)
        {
            self.reordering.note(now, now.saturating_duration_since(since));
        }
        self.losses.copy_within(place + 1..self.length, place);
        self.length -= 1;
        if self.length == 0 {
            self.next_at = None;
        }
    }

    /// Gives up all listed losses.
    pub fn give_up(&mut self) {
        self.length = 0;
        self.next_at = None;
    }

    /// Gives up the listed losses before this index.
    pub(super) fn give_up_before(&mut self, index: u64) {
        let listed = self.losses.get(..self.length).unwrap_or(&[]);
        let first = listed.partition_point(|loss| loss.index < index);
        self.losses.copy_within(first..self.length, 0);
        self.length -= first;
        if self.length == 0 {
            self.next_at = None;
        }
    }

    /// Time of the next [`Self::take_due`].
    pub fn due_at(&self) -> Option<Instant> {
        self.next_at
    }

    /// True if losses were beyond repair since the last call: a key frame is needed instead.
    pub fn take_beyond_repair(&mut self) -> bool {
        std::mem::take(&mut self.is_beyond_repair)
    }

    /// Writes the due sequence numbers into `due`, in ascending order, and counts them as requested; returns the
    /// written part. Packets requested too often, or that would arrive too late, are given up.
    pub fn take_due<'d>(&mut self, now: Instant, round_trip: Duration, due: &'d mut [u16; MISSING_MAX]) -> &'d [u16] {
        let (retry, reordering) = (round_trip.max(RETRY_MIN), self.reordering.wait(now));
        let (mut kept, mut written) = (0, 0);
        self.round_trip = round_trip;
        self.next_at = None;
        for place in 0..self.length {
            let Some(mut loss) = self.losses.get(place).copied() else { break };
            let Some(since) = loss.since else { continue };
            let mut at = loss.asked_at.map_or(since + reordering, |asked| asked + retry);
            if at <= now {
                let age = now.saturating_duration_since(since) + round_trip;
                if loss.requests >= REQUESTS_MAX || age > AGE_MAX {
                    self.is_beyond_repair = true;
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

pub const fn due_buffer() -> [u16; MISSING_MAX] {
    [0; MISSING_MAX]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wait before the first request if no packet was overtaken before.
    const WAIT: Duration = Duration::from_millis(5);

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
        missing.arrived(start, 11, true);
        missing.arrived(start, 99, true);
        assert_eq!(due(&mut missing, start + WAIT, 60), [10, 12, 14]);
        for index in [10, 12, 14] {
            missing.arrived(start, index, false);
        }
        assert_eq!(missing.due_at(), None);
        assert!(due(&mut missing, start + AGE_MAX / 2, 60).is_empty());
    }

    #[test]
    fn losses_before_a_key_frame_can_be_given_up() {
        let start = crate::virtual_time::start();
        let mut missing = Missing::default();
        missing.gap(start, 10..13);
        missing.gap(start, 20..22);
        missing.give_up_before(20);
        assert_eq!(due(&mut missing, start + WAIT, 60), [20, 21]);
        missing.give_up_before(30);
        assert_eq!((missing.due_at(), missing.take_beyond_repair()), (None, false));
    }

    #[test]
    fn what_was_merely_overtaken_teaches_to_wait_and_an_answer_does_not() {
        let start = crate::virtual_time::start();
        let at = |ms| start + Duration::from_millis(ms);
        let mut missing = Missing::default();
        missing.gap(at(0), 10..11);
        assert_eq!(due(&mut missing, at(5), 60), [10]);
        missing.arrived(at(12), 10, true);
        missing.gap(at(100), 20..22);
        assert_eq!(missing.due_at(), Some(at(115)));
        assert_eq!(due(&mut missing, at(115), 60), [20, 21]);
        // Publishers without a retransmission stream answer on the same one.
        missing.arrived(at(175), 20, true);
        missing.arrived(at(118), 21, false);
        missing.gap(at(200), 30..31);
        assert_eq!(missing.due_at(), Some(at(215)));
    }

    #[test]
    fn gives_up_after_so_many_requests_or_so_long() {
        let start = crate::virtual_time::start();
        for (round_trip_ms, expected) in [(1, 10), (200, 4), (400, 2), (900, 1), (1_000, 0)] {
            let mut missing = Missing::default();
            missing.gap(start, 10..11);
            let requests: usize =
                (0..3_000).map(|ms| due(&mut missing, start + Duration::from_millis(ms), round_trip_ms).len()).sum();
            assert_eq!(requests, expected, "round trip {round_trip_ms} ms");
            assert_eq!((missing.due_at(), missing.take_beyond_repair()), (None, true));
        }
    }

    #[test]
    fn an_outage_is_not_asked_for_packet_by_packet() {
        let start = crate::virtual_time::start();
        let mut missing = Missing::default();
        missing.gap(start, 0..100);
        assert!(!missing.take_beyond_repair());
        missing.gap(start, 200..229);
        assert_eq!(missing.due_at(), None);
        assert!(missing.take_beyond_repair());
        assert!(!missing.take_beyond_repair());
        missing.gap(start, 300..300 + MISSING_MAX as u64);
        assert_eq!(due(&mut missing, start + WAIT, 60).len(), MISSING_MAX);
    }
}
