//! Packets sent to a client, by transport-wide sequence number, until the client reports them.

use super::cluster::ProbeId;
use std::time::Instant;

/// Packets remembered at most. At 5 Mbit/s a client is sent some 520 packets per second, and reports arrive several
/// times a second.
const WINDOW_PACKETS: u64 = 2_048;
/// Packets remembered at first. Almost always all older ones have arrived, and with so few, those of some hundred
/// clients fit into a core's second-level cache.
const WINDOW_PACKETS_FIRST: usize = 256;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Audio,
    Video,
    Retransmission,
    Padding,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// From the history's origin.
    pub(super) at_ns: u64,
    pub(super) bytes: u16,
    pub(super) probe: Option<ProbeId>,
}

/// Small, because each client has many of them.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// From the history's origin.
    at_ns: u64,
    probe: Option<ProbeId>,
    bytes: u16,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fate {
    /// No packet has this place.
    #[default]
    Forgotten,
    Unknown,
    Missing,
    Arrived,
}

/// A report's news about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Arrived,
    /// It was reported missing before, and arrived after all.
    ArrivedLate,
    Missing,
}

#[derive(Debug)]
pub(super) struct History {
    /// The last packets; a packet's place is its number modulo the length, which is a power of two. Empty until the first
    /// packet: clients without transport-wide feedback need none.
    packets: Vec<Entry>,
    origin: Instant,
    /// The next packet's extended number.
    next: u64,
}

impl History {
    /// For packets sent after `origin`.
    pub(super) fn new(origin: Instant) -> Self {
        Self { packets: Vec::new(), origin, next: 1 }
    }

    /// Remembers a packet and returns its transport-wide sequence number.
    pub(super) fn push(&mut self, at: Instant, bytes: u16, probe: Option<ProbeId>) -> u16 {
        let number = self.next;
        self.next += 1;
        let mut place = self.place(number);
        // Another report about a packet that has arrived is no news, so only others need to be remembered for longer.
        let is_over = |entry: &Entry| matches!(entry.fate, Fate::Arrived | Fate::Forgotten);
        if !self.packets.get(place).is_some_and(is_over) && self.packets.len() < WINDOW_PACKETS as usize {
            self.grow(number);
            place = self.place(number);
        }
        if let Some(place) = self.packets.get_mut(place) {
            let at_ns = at.saturating_duration_since(self.origin).as_nanos() as u64;
            *place = Entry { at_ns, bytes, probe, fate: Fate::Unknown };
        }
        number as u16
    }

    /// Doubles the number of remembered packets before the one with this number.
    #[cold]
    fn grow(&mut self, number: u64) {
        let before = std::mem::take(&mut self.packets);
        self.packets = vec![Entry::default(); (2 * before.len()).max(WINDOW_PACKETS_FIRST)];
        for old in number.saturating_sub(before.len() as u64)..number {
            let place = self.place(old);
            let entry = before.get(old as usize & (before.len() - 1)).copied();
            if let Some((place, entry)) = self.packets.get_mut(place).zip(entry) {
                *place = entry;
            }
        }
    }

    fn place(&self, number: u64) -> usize {
        number as usize & self.packets.len().wrapping_sub(1)
    }

    /// Forgets all packets: reports about them are no news. Numbers continue.
    pub(super) fn forget(&mut self) {
        self.packets.fill(Entry::default());
    }

    /// A report's news about a packet; `None` if there is no news, or the packet is forgotten or was never sent.
    pub(super) fn report(&mut self, sequence: u16, has_arrived: bool) -> Option<(Sent, Change)> {
        let age = u64::from((self.next as u16).wrapping_sub(sequence));
        if age == 0 || age > self.packets.len() as u64 {
            return None;
        }
        let place = self.place(self.next.checked_sub(age)?);
        let entry = self.packets.get_mut(place)?;
        let (fate, change) = match (entry.fate, has_arrived) {
            (Fate::Unknown, true) => (Fate::Arrived, Change::Arrived),
            (Fate::Missing, true) => (Fate::Arrived, Change::ArrivedLate),
            (Fate::Unknown, false) => (Fate::Missing, Change::Missing),
            (Fate::Forgotten | Fate::Missing | Fate::Arrived, _) => return None,
        };
        entry.fate = fate;
        Some((Sent { at_ns: entry.at_ns, bytes: entry.bytes, probe: entry.probe }, change))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtual_time::start;

    fn changes(history: &mut History, reports: &[(u16, bool)]) -> Vec<Option<Change>> {
        reports.iter().map(|(sequence, arrived)| Some(history.report(*sequence, *arrived)?.1)).collect()
    }

    #[test]
    fn each_packet_is_told_of_once_and_a_loss_may_be_taken_back() {
        let mut history = History::new(start());
        let numbers: Vec<_> = (0..3).map(|_| history.push(start(), 100, None)).collect();
        assert_eq!(numbers, [1, 2, 3]);
        let reports = [
            (1, true),
            (2, false),
            (3, true),
            (1, true),
            (2, false),
            (2, true),
            (2, true),
            (1, false),
            (4, true),
            (0, true),
        ];
        let expected = [
            Some(Change::Arrived),
            Some(Change::Missing),
            Some(Change::Arrived),
            None,
            None,
            Some(Change::ArrivedLate),
            None,
            None,
            None,
            None,
        ];
        assert_eq!(changes(&mut history, &reports), expected);
    }

    /// Reports and sends in turn, in a short and in the longest window.
    #[test]
    fn a_short_window_has_the_same_news_as_the_longest() {
        let mut random = crate::random::Random::seeded(7);
        let mut short = History::new(start());
        let mut long = History::new(start());
        long.packets = vec![Entry::default(); WINDOW_PACKETS as usize];
        let mut lengths = Vec::new();
        for round in 0..60_000_u32 {
            // First everything is reported soon; then some packets are lost; then nothing is reported for a while.
            let loss = [0, 0, 5, 0][(round / 10_000).min(3) as usize];
            let at = start() + std::time::Duration::from_millis(round.into());
            let sequence = short.push(at, round as u16, None);
            assert_eq!(long.push(at, round as u16, None), sequence);
            if (20_000..20_600).contains(&round) {
                continue;
            }
            for behind in [40, random.next_u16() % 3_000] {
                let (told, has_arrived) = (sequence.wrapping_sub(behind), random.next_u16() % 100 >= loss);
                let news = |history: &mut History| {
                    history.report(told, has_arrived).map(|(sent, change)| (sent.at_ns, sent.bytes, change))
                };
                assert_eq!(news(&mut short), news(&mut long), "{told} in round {round}");
            }
            lengths.push(short.packets.len());
        }
        assert_eq!((lengths[19_999], lengths[59_999]), (256, 2_048));
    }

    #[test]
    fn numbers_wrap_and_old_packets_are_forgotten() {
        let mut history = History::new(start());
        let last = (0..70_000).map(|_| history.push(start(), 100, None)).last();
        assert_eq!(last, Some(70_000_u32 as u16));
        let oldest = (70_001 - WINDOW_PACKETS) as u16;
        assert_eq!(
            changes(&mut history, &[(oldest - 1, true), (oldest, true), (4_464, false)]),
            [None, Some(Change::Arrived), Some(Change::Missing)]
        );
    }
}
