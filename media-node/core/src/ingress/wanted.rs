//! The layers of a track last reported to its room as needed: additions are reported at once, removals after a while,
//! as viewers change their minds.

use std::time::{Duration, Instant};

/// An unneeded layer is kept for this long. Its publisher stops it within 2 s: clients gather their view for up to 400 ms.
const SHRINK_AFTER: Duration = Duration::from_millis(1_200);

/// A set of layers, a bit for each place.
pub type LayerSet = u8;

#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    told: LayerSet,
    fewer_since: Option<Instant>,
}

impl Wanted {
    /// Publishers start with all of their layers.
    pub const fn all() -> Self {
        Self { told: LayerSet::MAX, fewer_since: None }
    }

    pub const fn contains(self, place: usize) -> bool {
        self.told & (1 << place) != 0
    }

    /// True if the room must be told now.
    pub fn update(&mut self, now: Instant, needed: LayerSet) -> bool {
        let before = self.told;
        if needed & !before != 0 {
            self.told |= needed;
            self.fewer_since = None;
        } else if needed == before {
            self.fewer_since = None;
        } else if now.saturating_duration_since(*self.fewer_since.get_or_insert(now)) >= SHRINK_AFTER {
            self.told = needed;
            self.fewer_since = None;
        }
        self.told != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_at_once_and_shrinks_when_nothing_was_needed_for_a_while() {
        let start = crate::virtual_time::start();
        let at = |ms| start + Duration::from_millis(ms);
        let mut wanted = Wanted::all();
        assert!(!wanted.update(at(0), 0b001));
        assert!(!wanted.update(at(1_000), 0b111), "told already");
        assert!(!wanted.update(at(1_500), LayerSet::MAX));
        assert!(!wanted.update(at(2_000), 0b001), "the wait begins again");
        assert!(!wanted.update(at(3_100), 0b001));
        assert!(wanted.contains(2));
        assert!(wanted.update(at(3_200), 0b001));
        assert!(wanted.contains(0) && !wanted.contains(1));
        assert!(wanted.update(at(3_300), 0b010));
        assert!(wanted.contains(0) && wanted.contains(1) && !wanted.contains(2));
    }
}
