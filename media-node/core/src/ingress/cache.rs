//! A published track's last packets, for every subscriber that lost one of them.

use crate::packet::{Facts, Packet};

/// Longest kept payload: that of a 1,500-byte datagram. Longer ones are not kept.
const PAYLOAD_BYTES_MAX: usize = 1_472;
/// Packets kept of a video track: about half a second of 6 Mbit/s.
pub const VIDEO_PACKETS_KEPT: usize = 512;
/// Packets kept of an audio track: about a second.
pub const AUDIO_PACKETS_KEPT: usize = 64;

/// The last packets of one published track, in memory allocated once.
pub struct Cache {
    /// A packet's place is its index modulo the length, which is a power of two.
    facts: Box<[Option<Kept>]>,
    payloads: Box<[u8]>,
}

#[derive(Clone, Copy)]
struct Kept {
    facts: Facts,
    payload_bytes: u16,
}

impl Cache {
    /// Allocates memory for `packets`, rounded up to a power of two.
    pub fn new(packets: usize) -> Self {
        let places = packets.max(1).next_power_of_two();
        Self {
            facts: vec![None; places].into_boxed_slice(),
            payloads: vec![0; places * PAYLOAD_BYTES_MAX].into_boxed_slice(),
        }
    }

    /// Replaces the packet that is furthest behind.
    pub fn keep(&mut self, packet: &Packet<'_>) {
        let place = self.place(packet.facts.index);
        let (Some(kept), Some(memory)) = (
            self.facts.get_mut(place),
            self.payloads.get_mut(place * PAYLOAD_BYTES_MAX..).and_then(|from| from.get_mut(..packet.payload.len())),
        ) else {
            return;
        };
        // A very late packet must not replace a newer one.
        if packet.payload.len() > PAYLOAD_BYTES_MAX || kept.is_some_and(|kept| kept.facts.index > packet.facts.index) {
            return;
        }
        memory.copy_from_slice(packet.payload);
        *kept = Some(Kept { facts: packet.facts, payload_bytes: packet.payload.len() as u16 });
    }

    pub fn find(&self, index: u64) -> Option<Packet<'_>> {
        let place = self.place(index);
        let kept = self.facts.get(place)?.as_ref().filter(|kept| kept.facts.index == index)?;
        let start = place * PAYLOAD_BYTES_MAX;
        let payload = self.payloads.get(start..start + usize::from(kept.payload_bytes))?;
        Some(Packet { facts: kept.facts, payload })
    }

    fn place(&self, index: u64) -> usize {
        index as usize & (self.facts.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::rtp_parameters::CodecName;

    fn packet(index: u64, payload: &[u8]) -> Packet<'_> {
        let facts = Facts { index, timestamp: 9, marker: true, ..Facts::none(CodecName::Vp8) };
        Packet { facts, payload }
    }

    #[test]
    fn finds_the_last_packets_and_no_others() {
        let mut cache = Cache::new(4);
        for index in 10..16 {
            cache.keep(&packet(index, &[index as u8; 3]));
        }
        for index in 12..16 {
            assert_eq!(cache.find(index).map(|found| found.payload.to_vec()), Some(vec![index as u8; 3]));
        }
        for index in [0, 8, 9, 10, 11, 16, 17] {
            assert!(cache.find(index).is_none(), "{index}");
        }
    }

    #[test]
    fn a_late_packet_does_not_push_out_a_newer_one() {
        let mut cache = Cache::new(4);
        cache.keep(&packet(14, b"new"));
        cache.keep(&packet(10, b"old"));
        assert_eq!(cache.find(14).map(|found| found.payload), Some(&b"new"[..]));
        assert!(cache.find(10).is_none());
    }

    #[test]
    fn keeps_the_longest_payload_and_nothing_longer() {
        let mut cache = Cache::new(2);
        for (index, bytes) in [(0, PAYLOAD_BYTES_MAX), (1, PAYLOAD_BYTES_MAX), (2, PAYLOAD_BYTES_MAX + 1), (3, 9_000)] {
            let payload = vec![index as u8; bytes];
            cache.keep(&packet(index, &payload));
            assert_eq!(cache.find(index).is_some(), bytes <= PAYLOAD_BYTES_MAX, "{bytes}");
        }
        assert!(cache.find(1).is_some_and(|found| found.payload.iter().all(|byte| *byte == 1)));
    }
}
