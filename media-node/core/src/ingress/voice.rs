//! Tells from the levels of a microphone (RFC 6464) if its participant speaks.
//!
//! A level is what its client says, so it decides only between open microphones, and a lie wins no more than one slot.

use std::time::{Duration, Instant};

/// The level of silence, in −dBov; the loudest is 0.
pub const SILENT: u8 = 127;
/// A level for speech of unknown loudness: the quietest that counts.
pub const QUIET_SPEECH: u8 = 45;
/// The highest bit tells if the client detected voice, which not all of them do.
const LEVEL_BITS: u8 = 0x7f;
/// Loudness is counted in dB above silence.
const LOUD_MIN_DB: u8 = SILENT - QUIET_SPEECH;
/// Speech exceeds the noise of its room by this much.
const ABOVE_NOISE_DB: u8 = 10;
/// Anything louder than this noise counts: music is as even as a fan, but not as quiet.
const NOISE_MAX_DB: u8 = SILENT - 40;
/// The noise rises by one step for each packet, 2.5 dB a second, and falls at once.
const NOISE_STEPS_PER_DB: u16 = 20;
/// Loud packets that make speech: 60 ms, longer than a key press.
const PACKETS_OF_SPEECH: u8 = 3;
/// After a pause of this length, loud packets are counted anew.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// Pauses between words are shorter than this.
const WORDS_APART_MAX: Duration = Duration::from_millis(600);

#[derive(Clone, Copy, Debug, Default)]
pub struct Voice {
    loudness_db: u8,
    /// The quietest lately.
    noise_steps: u16,
    /// Loud packets, minus quiet ones.
    loud_packets: u8,
    packet_at: Option<Instant>,
    spoke_at: Option<Instant>,
}

impl Voice {
    /// Takes a packet's level, in −dBov; true if speech begins with it.
    pub fn take(&mut self, now: Instant, level: u8) -> bool {
        let loudness_db = SILENT - (level & LEVEL_BITS);
        if self.packet_at.replace(now).is_none_or(|before| now.saturating_duration_since(before) > PAUSE_MIN) {
            self.loud_packets = 0;
        }
        self.loudness_db = ((3 * u16::from(self.loudness_db) + u16::from(loudness_db)) / 4) as u8;
        let noise_db = (self.noise_steps / NOISE_STEPS_PER_DB).min(u16::from(NOISE_MAX_DB));
        self.noise_steps = (self.noise_steps + 1).min(u16::from(loudness_db) * NOISE_STEPS_PER_DB);
        let is_loud = loudness_db >= LOUD_MIN_DB && u16::from(loudness_db) >= noise_db + u16::from(ABOVE_NOISE_DB);
        self.loud_packets =
            if is_loud { PACKETS_OF_SPEECH.min(self.loud_packets + 1) } else { self.loud_packets.saturating_sub(1) };
        if !is_loud || self.loud_packets < PACKETS_OF_SPEECH {
            return false;
        }
        let begins = !self.speaks(now);
        self.spoke_at = Some(now);
        begins
    }

    pub fn speaks(&self, now: Instant) -> bool {
        self.spoke_at.is_some_and(|at| now.saturating_duration_since(at) <= WORDS_APART_MAX)
    }

    pub fn spoke_at(&self) -> Option<Instant> {
        self.spoke_at
    }

    /// In dB above silence, averaged over some packets.
    pub fn loudness_db(&self) -> u8 {
        self.loudness_db
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET_MS: u64 = 20;

    /// Plays levels, each for a number of packets, and returns the packets with which speech begins.
    fn begins(levels: &[(u8, usize)]) -> Vec<usize> {
        let start = crate::virtual_time::start();
        let levels = levels.iter().flat_map(|(level, packets)| std::iter::repeat_n(*level, *packets));
        let mut voice = Voice::default();
        let begins = |(number, level): (usize, u8)| {
            voice.take(start + Duration::from_millis(PACKET_MS * number as u64), level).then_some(number)
        };
        levels.enumerate().filter_map(begins).collect()
    }

    #[test]
    fn three_loud_packets_are_speech() {
        assert_eq!(begins(&[(70, 10), (30, 10)]), [12]);
        assert_eq!(begins(&[(70, 10), (30, 2), (70, 1), (30, 2)]), [14], "a dip within a syllable");
        assert_eq!(begins(&[(70, 10), (0x80 | 30, 10)]), [12], "the client's own opinion is ignored");
    }

    #[test]
    fn a_click_is_no_speech() {
        assert_eq!(begins(&[(70, 10), (10, 2), (70, 10), (10, 2), (70, 10)]), Vec::<usize>::new());
    }

    #[test]
    fn pauses_between_words_end_nothing() {
        assert_eq!(begins(&[(30, 10), (70, 25), (30, 10), (70, 100), (30, 10)]), [2, 147]);
    }

    #[test]
    fn quiet_rooms_differ_and_none_of_them_speaks() {
        for noise in [QUIET_SPEECH + 1, 60, 90, SILENT] {
            assert_eq!(begins(&[(noise, 3_000)]), Vec::<usize>::new());
        }
    }

    #[test]
    fn a_fan_stops_counting_and_a_voice_above_it_does_not() {
        let start = crate::virtual_time::start();
        let mut voice = Voice::default();
        let mut now = start;
        let mut play = |level: u8, packets: usize| {
            for _ in 0..packets {
                now += Duration::from_millis(PACKET_MS);
                voice.take(now, level);
            }
            voice.speaks(now)
        };
        assert!(play(42, 10), "it has just been switched on");
        assert!(!play(42, 2_000));
        assert!(play(30, 3));
        assert!(!play(42, 100));
    }

    #[test]
    fn music_counts_however_even_it_is() {
        let start = crate::virtual_time::start();
        let mut voice = Voice::default();
        for number in 0..10_000 {
            voice.take(start + Duration::from_millis(PACKET_MS * number), 20);
        }
        assert!(voice.speaks(start + Duration::from_millis(PACKET_MS * 10_000)));
    }

    #[test]
    fn loud_packets_far_apart_are_no_speech() {
        let start = crate::virtual_time::start();
        let mut voice = Voice::default();
        assert!((0..10).all(|number| !voice.take(start + Duration::from_millis(300 * number), 20)));
    }
}
