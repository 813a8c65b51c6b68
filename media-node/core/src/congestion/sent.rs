//! Packets sent to a client, by transport-wide sequence number, until the client reports them.

use super::cluster::ProbeId;
use std::time::Instant;

/// At 5 Mbit/s a client is sent some 520 packets per second, and reports arrive several times a second.
const WINDOW_PACKETS: u64 = 2_048;

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

/// Small, because each client has [`WINDOW_PACKETS`] of them.
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
    /// Empty until the first packet: clients without transport-wide feedback need none.
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
        if self.packets.is_empty() {
            self.packets = vec![Entry::default(); WINDOW_PACKETS as usize];
        }
        let number = self.next;
        self.next += 1;
        if let Some(place) = self.packets.get_mut((number % WINDOW_PACKETS) as usize) {
            let at_ns = at.saturating_duration_since(self.origin).as_nanos() as u64;
            *place = Entry { at_ns, bytes, probe, fate: Fate::Unknown };
        }
        number as u16
    }

    /// Forgets all packets: reports about them are no news. Numbers continue.
    pub(super) fn forget(&mut self) {
        self.packets.fill(Entry::default());
    }

    /// A report's news about a packet; `None` if there is no news, or the packet is forgotten or was never sent.
    pub(super) fn report(&mut self, sequence: u16, has_arrived: bool) -> Option<(Sent, Change)> {
        let age = u64::from((self.next as u16).wrapping_sub(sequence));
        if age == 0 || age > WINDOW_PACKETS {
            return None;
        }
        let number = self.next.checked_sub(age)?;
        let entry = self.packets.get_mut((number % WINDOW_PACKETS) as usize)?;
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
