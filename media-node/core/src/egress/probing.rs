//! A probe in progress: the bytes due at each interval, reduced by other packets sent in the meantime.

use crate::congestion::controller::{Probe, ProbeId};
use std::time::Duration;

/// Probes are sent at this interval.
pub const GRID: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug)]
pub struct Probing {
    probe: Probe,
    sent_bytes: u64,
    /// Bytes that may leave until the next interval; negative if more has left.
    budget_bytes: i64,
}

impl Probing {
    pub fn new(probe: Probe) -> Self {
        Self { probe, sent_bytes: 0, budget_bytes: 0 }
    }

    pub fn bps(&self) -> u64 {
        self.probe.bps
    }

    /// Starts the next interval and returns the bytes due in addition to packets sent in the meantime. `None` ends the
    /// probe.
    pub fn due(&mut self) -> Option<i64> {
        let left = self.probe.bytes.checked_sub(self.sent_bytes).filter(|left| *left > 0)?;
        self.budget_bytes += (u128::from(self.probe.bps) * GRID.as_millis() / 8_000) as i64;
        Some(self.budget_bytes.min(left as i64))
    }

    /// Counts a sent packet. It belongs to the probe unless more has left than is due, for instance a key frame at
    /// once, which says nothing about the probe's rate.
    pub fn note(&mut self, bytes: usize) -> Option<ProbeId> {
        if self.budget_bytes <= 0 {
            return None;
        }
        self.sent_bytes += bytes as u64;
        self.budget_bytes -= bytes as i64;
        Some(self.probe.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_follows_the_rate_and_what_left() {
        let mut probing = Probing::new(Probe { id: ProbeId::numbered(1), bps: 1_600_000, bytes: 2_500 });
        assert_eq!(probing.due(), Some(1_000));
        probing.note(1_200);
        assert_eq!(probing.due(), Some(800));
        probing.note(1_200);
        assert_eq!(probing.due(), Some(100), "no more than the probe has left");
        probing.note(1_200);
        assert_eq!(probing.due(), None);
    }

    #[test]
    fn what_leaves_beyond_what_is_due_is_no_part_of_it() {
        let mut probing = Probing::new(Probe { id: ProbeId::numbered(1), bps: 1_600_000, bytes: 5_000 });
        assert_eq!(probing.note(1_200), None, "nothing is due yet");
        assert_eq!(probing.due(), Some(1_000));
        let burst: Vec<_> = (0..20).map(|_| probing.note(1_200).is_some()).collect();
        assert_eq!(burst.iter().filter(|counts| **counts).count(), 1);
        assert_eq!(probing.due(), Some(800), "it goes on");
    }
}
