//! The slots limited by a client's downlink, as last reported to the room.

use crate::keys::StreamKey;
use std::time::{Duration, Instant};

/// Another layer is reported once it has lasted for this long; a pause, and its end, at once.
const SETTLED_AFTER: Duration = Duration::from_secs(2);

/// A limited slot's place, and its stream; `None` while it is paused.
pub type LimitedSlot = (usize, Option<StreamKey>);

#[derive(Debug, Default)]
pub struct Limited {
    told: Vec<LimitedSlot>,
    changed_at: Option<Instant>,
}

impl Limited {
    pub fn told(&self) -> &[LimitedSlot] {
        &self.told
    }

    /// Takes the currently limited slots; returns true if they must be reported.
    pub fn update(&mut self, now: Instant, slots: impl Iterator<Item = LimitedSlot> + Clone) -> bool {
        if self.told.iter().copied().eq(slots.clone()) {
            self.changed_at = None;
            return false;
        }
        let changed_at = *self.changed_at.get_or_insert(now);
        let is_settled = now.saturating_duration_since(changed_at) >= SETTLED_AFTER;
        if is_settled || !paused(self.told.iter().copied()).eq(paused(slots.clone())) {
            *self = Self { told: slots.collect(), changed_at: None };
            return true;
        }
        false
    }
}

fn paused(slots: impl Iterator<Item = LimitedSlot>) -> impl Iterator<Item = usize> {
    slots.filter(|(_, stream)| stream.is_none()).map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Milliseconds, and the limited slots with the numbers of their streams.
    type Moment<'a> = (u64, &'a [(usize, Option<u32>)]);

    /// Plays the limited slots at these times, and checks the times of the reports.
    fn check(moments: &[Moment<'_>], told_at_ms: &[u64]) {
        let start = crate::virtual_time::start();
        let mut limited = Limited::default();
        let told = moments.iter().filter(|(at_ms, slots)| {
            let slots = slots.iter().map(|(place, stream)| (*place, stream.map(StreamKey::numbered)));
            limited.update(start + Duration::from_millis(*at_ms), slots)
        });
        assert_eq!(told.map(|(at_ms, _)| *at_ms).collect::<Vec<_>>(), told_at_ms);
    }

    #[test]
    fn a_pause_and_its_end_are_told_at_once() {
        check(&[(0, &[]), (100, &[(3, None)]), (200, &[(3, None)]), (300, &[(3, Some(1))]), (400, &[])], &[100, 300]);
    }

    #[test]
    fn another_layer_is_told_when_it_stays() {
        check(&[(0, &[(3, Some(1))]), (1_900, &[(3, Some(2))]), (2_000, &[(3, Some(2))])], &[2_000]);
        check(&[(0, &[(3, Some(1))]), (1_900, &[]), (2_000, &[(3, Some(1))]), (3_900, &[(3, Some(1))])], &[]);
    }
}
