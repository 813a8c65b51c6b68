//! The slots of a client whose codec it cannot decode, as last reported to the room.

use std::time::{Duration, Instant};

/// Minimum interval of reports: a publisher may change its codec with every picture, but not wake the room with each.
const TELL_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub struct Undecodable {
    told: Vec<usize>,
    told_at: Option<Instant>,
    /// True if the last report is outdated, but it is too early for the next.
    pub is_late: bool,
}

impl Undecodable {
    pub fn told(&self) -> &[usize] {
        &self.told
    }

    /// Takes the currently undecodable slots; returns true if they must be reported.
    pub fn update(&mut self, now: Instant, slots: impl Iterator<Item = usize> + Clone) -> bool {
        let is_early = self.told_at.is_some_and(|at| now.saturating_duration_since(at) < TELL_INTERVAL);
        let is_news = !self.told.iter().copied().eq(slots.clone());
        self.is_late = is_news && is_early;
        if !is_news || is_early {
            return false;
        }
        (self.told, self.told_at) = (slots.collect(), Some(now));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_more_a_second_later() {
        let start = crate::virtual_time::start();
        let mut undecodable = Undecodable::default();
        let moments: [(u64, &[usize]); 6] =
            [(0, &[]), (100, &[3]), (200, &[]), (1_099, &[2]), (1_100, &[2]), (5_000, &[2])];
        let told = moments
            .iter()
            .filter(|(at_ms, slots)| undecodable.update(start + Duration::from_millis(*at_ms), slots.iter().copied()));
        assert_eq!(told.map(|(at_ms, _)| *at_ms).collect::<Vec<_>>(), [100, 1_100]);
        assert_eq!((undecodable.told(), undecodable.is_late), (&[2][..], false));
    }
}
