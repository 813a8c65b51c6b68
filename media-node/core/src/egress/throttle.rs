//! Limits the retransmissions of one subscriber's slot.

use std::time::{Duration, Instant};

/// Packets whose last retransmission is remembered.
const REMEMBERED: usize = 64;
/// Retransmissions of one subscriber's slot in a burst, and per second: a NACK costs its sender 4 bytes for up to 17
/// packets, so without a limit it would be an amplifier.
const BURST_PACKETS: u32 = 256;
const PACKETS_PER_SECOND: u32 = 512;
/// Minimum interval between two retransmissions of one packet, however short the round trip is.
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
    /// True if the packet with this index must be retransmitted. One sent less than a round trip ago may still be in
    /// transit, so another request for it says nothing.
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
