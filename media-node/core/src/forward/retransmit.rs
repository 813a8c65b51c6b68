//! Keeps a published track's last packets, for every subscriber that lost one of them, and limits how often it asks.

use super::{Facts, Packet};
use std::time::{Duration, Instant};

/// Longest payload that is kept: what fits a datagram of 1,500 bytes on the way to us. Longer ones are not kept.
const PAYLOAD_BYTES_MAX: usize = 1_472;
/// Packets kept of a video track: about half a second of 6 Mbit/s.
pub const VIDEO_PACKETS_KEPT: usize = 512;
/// Packets kept of an audio track: about a second.
pub const AUDIO_PACKETS_KEPT: usize = 64;

/// The last packets of one published track, in memory that is taken once.
pub struct Cache {
    /// What is in each place; a packet's place is its index modulo the length, which is a power of two.
    facts: Box<[Option<Kept>]>,
    payloads: Box<[u8]>,
}

#[derive(Clone, Copy)]
struct Kept {
    facts: Facts,
    payload_bytes: u16,
}

impl Cache {
    /// Takes memory for `packets`, rounded up to a power of two.
    pub fn new(packets: usize) -> Self {
        let places = packets.max(1).next_power_of_two();
        Self {
            facts: vec![None; places].into_boxed_slice(),
            payloads: vec![0; places * PAYLOAD_BYTES_MAX].into_boxed_slice(),
        }
    }

    /// Keeps a packet in the place of the one that is furthest behind it.
    pub fn keep(&mut self, packet: &Packet<'_>) {
        let place = self.place(packet.facts.index);
        let (Some(kept), Some(memory)) = (
            self.facts.get_mut(place),
            self.payloads.get_mut(place * PAYLOAD_BYTES_MAX..).and_then(|from| from.get_mut(..packet.payload.len())),
        ) else {
            return;
        };
        // A packet that comes very late must not push out a newer one.
        if packet.payload.len() > PAYLOAD_BYTES_MAX || kept.is_some_and(|kept| kept.facts.index > packet.facts.index) {
            return;
        }
        memory.copy_from_slice(packet.payload);
        *kept = Some(Kept { facts: packet.facts, payload_bytes: packet.payload.len() as u16 });
    }

    /// The packet with this index, if it is still kept.
    pub fn find(&self, index: u64) -> Option<Packet<'_>> {
        let place = self.place(index);
        let kept = (*self.facts.get(place)?).filter(|kept| kept.facts.index == index)?;
        let start = place * PAYLOAD_BYTES_MAX;
        let payload = self.payloads.get(start..start + usize::from(kept.payload_bytes))?;
        Some(Packet { facts: kept.facts, payload })
    }

    fn place(&self, index: u64) -> usize {
        index as usize & (self.facts.len() - 1)
    }
}

/// Packets whose last retransmission is remembered.
const REMEMBERED: usize = 64;
/// Retransmissions one subscriber's slot may have in a burst, and its allowance per second: a NACK costs its sender
/// 4 bytes for up to 17 packets, so without a bound it would be an amplifier.
const BURST_PACKETS: u32 = 256;
const PACKETS_PER_SECOND: u32 = 512;
/// Least time between two retransmissions of one packet, however short the round trip is.
const INTERVAL_MIN: Duration = Duration::from_millis(10);

/// Decides which of a subscriber's NACKs are answered.
#[derive(Clone, Debug)]
pub struct Throttle {
    answered: [Option<(u64, Instant)>; REMEMBERED],
    allowance: u32,
    allowance_at: Option<Instant>,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { answered: [None; REMEMBERED], allowance: BURST_PACKETS, allowance_at: None }
    }
}

impl Throttle {
    /// Whether to send the packet with this index again. What was sent less than a round trip ago may still be on
    /// its way, so asking for it again says nothing.
    pub fn admit(&mut self, now: Instant, index: u64, round_trip: Duration) -> bool {
        self.refill(now);
        let Some(place) = self.answered.get_mut(index as usize % REMEMBERED) else { return false };
        let is_on_its_way = place.is_some_and(|(answered, at)| {
            answered == index && now.saturating_duration_since(at) < round_trip.max(INTERVAL_MIN)
        });
        if is_on_its_way || self.allowance == 0 {
            return false;
        }
        self.allowance -= 1;
        *place = Some((index, now));
        true
    }

    fn refill(&mut self, now: Instant) {
        let since = *self.allowance_at.get_or_insert(now);
        let elapsed_ms = now.saturating_duration_since(since).as_millis().min(60_000) as u32;
        let refill = elapsed_ms * PACKETS_PER_SECOND / 1_000;
        if refill > 0 {
            self.allowance = (self.allowance + refill).min(BURST_PACKETS);
            self.allowance_at = Some(now);
        }
    }
}

/// Length of the original sequence number that precedes a retransmitted payload (RFC 4588 §4).
pub const ORIGINAL_SEQUENCE_BYTES: usize = 2;

/// Takes apart the payload of a retransmission: the original sequence number and the original payload.
/// `None` for one that only probes for bandwidth: it has no payload at all.
pub fn restore(payload: &[u8]) -> Option<(u16, &[u8])> {
    let (sequence, original) = payload.split_first_chunk::<ORIGINAL_SEQUENCE_BYTES>()?;
    Some((u16::from_be_bytes(*sequence), original))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(index: u64, payload: &[u8]) -> Packet<'_> {
        let facts = Facts { index, timestamp: 9, marker: true, audio_level: None, orientation: None, vp8: None };
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

    #[test]
    fn answers_one_packet_once_per_round_trip() {
        let start = crate::virtual_time::start();
        let mut throttle = Throttle::default();
        let round_trip = Duration::from_millis(50);
        let mut admitted = Vec::new();
        for ms in (0..160).step_by(10) {
            if throttle.admit(start + Duration::from_millis(ms), 7, round_trip) {
                admitted.push(ms);
            }
        }
        assert_eq!(admitted, [0, 50, 100, 150]);
        assert!(throttle.admit(start + Duration::from_millis(160), 8, round_trip), "another packet");
        assert!(throttle.admit(start + Duration::from_millis(165), 9, Duration::ZERO));
        assert!(!throttle.admit(start + Duration::from_millis(166), 9, Duration::ZERO), "not twice at once");
    }

    #[test]
    fn a_flood_of_nacks_gets_a_bounded_answer() {
        let start = crate::virtual_time::start();
        let mut throttle = Throttle::default();
        let flood = |throttle: &mut Throttle, now| {
            (0..5_000).filter(|index| throttle.admit(now, *index, Duration::from_millis(20))).count()
        };
        assert_eq!(flood(&mut throttle, start), 256);
        assert_eq!(flood(&mut throttle, start), 0);
        assert_eq!(flood(&mut throttle, start + Duration::from_millis(100)), 51);
        assert_eq!(flood(&mut throttle, start + Duration::from_secs(1_000_000)), 256);
    }

    #[test]
    fn restores_a_retransmission() {
        assert_eq!(restore(&[0x12, 0x34, 5, 6]), Some((0x1234, &[5u8, 6][..])));
        assert_eq!(restore(&[0x12, 0x34]), Some((0x1234, &[][..])));
        assert_eq!(restore(&[0x12]), None);
        assert_eq!(restore(&[]), None);
    }
}
