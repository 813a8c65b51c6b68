//! An audio player without sound: adjacent packets of the stream must be adjacent at their source.

use super::content::Stamp;
use std::collections::BTreeMap;

/// Packets remembered for comparison with their neighbours.
const KEPT: usize = 64;
/// 20 ms at 48,000 ticks per second.
const TICKS_PER_PACKET: u32 = 960;

/// The player of one slot.
#[derive(Clone, Debug, Default)]
pub struct Player {
    kept: BTreeMap<u64, (u32, Stamp)>,
}

impl Player {
    /// Takes a packet; returns a violation against its neighbours, if any.
    pub fn take(&mut self, index: u64, timestamp: u32, stamp: Stamp) -> Option<String> {
        let before = index.checked_sub(1).and_then(|before| self.kept.get(&before));
        let breach = before.and_then(|before| breach(before, &(timestamp, stamp)));
        let breach =
            breach.or_else(|| self.kept.get(&(index + 1)).and_then(|after| self::breach(&(timestamp, stamp), after)));
        self.kept.insert(index, (timestamp, stamp));
        if self.kept.len() > KEPT {
            self.kept.pop_first();
        }
        breach
    }
}

fn breach(before: &(u32, Stamp), after: &(u32, Stamp)) -> Option<String> {
    let ticks = after.0.wrapping_sub(before.0);
    if !before.1.is_with(&after.1) {
        return (ticks == 0 || ticks > u32::MAX / 2).then(|| "timestamps do not advance with the source".into());
    }
    let frames = after.1.frame.wrapping_sub(before.1.frame);
    if frames != 1 {
        return Some(format!("sound packet {} follows {}", after.1.frame, before.1.frame));
    }
    // A publisher that paused resumes with a pause in its timestamps.
    (!(TICKS_PER_PACKET..=u32::MAX / 2).contains(&ticks)).then(|| format!("{ticks} ticks for one packet"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::SourceName;

    fn stamp(source: &str, frame: u32) -> Stamp {
        Stamp {
            source: SourceName::of(source, "0"),
            page: 1,
            frame,
            part: 0,
            parts: 1,
            is_keyframe: false,
            turn: super::super::content::Turn::NONE,
        }
    }

    #[test]
    fn neighbours_are_neighbours_at_their_source() {
        let mut player = Player::default();
        assert_eq!(player.take(10, 0, stamp("ada", 7)), None);
        assert_eq!(player.take(12, 1_920, stamp("ada", 9)), None, "a gap explains a gap");
        assert_eq!(player.take(11, 960, stamp("ada", 8)), None);
        assert_eq!(player.take(13, 2_900, stamp("bob", 500)), None);
        assert!(player.take(14, 3_860, stamp("bob", 502)).is_some(), "a packet vanished");
        assert!(player.take(15, 3_870, stamp("bob", 503)).is_some(), "the timestamp is wrong");
        assert!(player.take(16, 3_870, stamp("ada", 10)).is_some(), "time stands still");
    }
}
