//! Restores the sending order of packets, and gives up on a missing one.

use rtc::rtp;
use std::collections::BTreeMap;

/// Packets that wait for a missing one before it is given up: half a second of video at 500 kbit/s, by which time a
/// retransmission has arrived or never will.
const WAITING_MAX: usize = 32;

/// A packet in sending order.
#[derive(Debug)]
pub(super) struct Ordered {
    pub(super) packet: rtp::Packet,
    /// True if packets before it are missing.
    pub(super) after_gap: bool,
}

#[derive(Default)]
pub(super) struct Reorder {
    next: Option<u64>,
    waiting: BTreeMap<u64, rtp::Packet>,
}

impl Reorder {
    /// Takes a packet; drops duplicates and late packets.
    pub(super) fn push(&mut self, packet: rtp::Packet) {
        let sequence = packet.header.sequence_number;
        let next = *self.next.get_or_insert_with(|| extend(1 << 16, sequence));
        let extended = extend(next, sequence);
        if extended >= next {
            self.waiting.entry(extended).or_insert(packet);
        }
    }

    /// The next packet, or the first one after a gap that has lasted long enough.
    pub(super) fn pop(&mut self) -> Option<Ordered> {
        let (&first, next) = (self.waiting.keys().next()?, self.next?);
        let after_gap = first != next;
        if after_gap && self.waiting.len() <= WAITING_MAX {
            return None;
        }
        self.next = Some(first + 1);
        Some(Ordered { packet: self.waiting.remove(&first)?, after_gap })
    }
}

/// The number near `near` whose lower 16 bits are `sequence` (RFC 3550 appendix A.1).
fn extend(near: u64, sequence: u16) -> u64 {
    let difference = sequence.wrapping_sub(near as u16) as i16;
    near.saturating_add_signed(i64::from(difference))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(arriving: impl IntoIterator<Item = u16>, expected: &[(u16, bool)]) {
        let mut reorder = Reorder::default();
        let mut popped = Vec::new();
        for sequence in arriving {
            let header = rtp::Header { sequence_number: sequence, ..Default::default() };
            reorder.push(rtp::Packet { header, ..Default::default() });
            while let Some(next) = reorder.pop() {
                popped.push((next.packet.header.sequence_number, next.after_gap));
            }
        }
        assert_eq!(popped, expected);
    }

    #[test]
    fn a_late_packet_takes_its_place() {
        check([65_534, 0, 65_535, 1], &[(65_534, false), (65_535, false), (0, false), (1, false)]);
    }

    #[test]
    fn repeated_and_old_packets_are_dropped() {
        check([10, 11, 10, 11, 5, 12], &[(10, false), (11, false), (12, false)]);
    }

    #[test]
    fn a_packet_that_never_comes_is_given_up() {
        let rest = WAITING_MAX as u16 + 1;
        let mut expected = vec![(10, false), (12, true)];
        expected.extend((13..12 + rest).map(|sequence| (sequence, false)));
        check([10].into_iter().chain(12..12 + rest), &expected);
    }
}
