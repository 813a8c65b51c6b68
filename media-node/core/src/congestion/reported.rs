//! The rate allowed by REMB and receiver reports, for clients without transport-wide feedback.

use super::bandwidth::TARGET_MIN_BPS;

/// Higher loss lowers the rate, loss below the other bound lets it grow.
const LOSS_HIGH: f64 = 0.10;
const LOSS_LOW: f64 = 0.02;
const GROWTH: f64 = 1.08;
/// Without a REMB the arrival rate is unknown, so the rate grows no further than this.
const GROWN_MAX_BPS: f64 = 3_000_000.0;

#[derive(Debug, Default)]
pub(super) struct Reported {
    remb_bps: Option<f64>,
    /// Its remaining part after losses.
    limit_bps: Option<f64>,
}

impl Reported {
    pub(super) fn remb(&mut self, bps: f64) {
        self.remb_bps = Some(bps);
    }

    /// Takes the share of lost packets from a receiver report, at the current target.
    pub(super) fn lost(&mut self, share: f64, target_bps: f64) {
        if share > LOSS_HIGH {
            self.limit_bps = Some((target_bps * (1.0 - share / 2.0)).max(TARGET_MIN_BPS));
        } else if share < LOSS_LOW {
            let before = self.limit_bps.or(self.remb_bps.is_none().then_some(target_bps));
            self.limit_bps = before
                .map(|limit| (limit * GROWTH).min(GROWN_MAX_BPS.max(limit)))
                .filter(|limit| self.remb_bps.is_none_or(|remb| *limit < remb));
        }
    }

    /// The rate; true if it was lowered by loss.
    pub(super) fn allowed_bps(&self) -> Option<(f64, bool)> {
        match (self.remb_bps, self.limit_bps) {
            (Some(remb), Some(limit)) => Some((remb.min(limit), limit < remb)),
            (Some(remb), None) => Some((remb, false)),
            (None, limit) => limit.map(|limit| (limit, true)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remb_is_taken_at_its_word_unless_packets_are_lost() {
        let mut reported = Reported::default();
        let allowed =
            |reported: &Reported| reported.allowed_bps().map(|(bps, is_lossy)| (bps.round() as u64, is_lossy));
        assert_eq!(allowed(&reported), None);
        reported.lost(0.0, 300_000.0);
        assert_eq!(allowed(&reported), Some((324_000, true)), "grows without a REMB");
        reported.remb(1e6);
        reported.lost(0.05, 1e6);
        assert_eq!(allowed(&reported), Some((324_000, true)));
        for _ in 0..20 {
            reported.lost(0.0, 1e6);
        }
        assert_eq!(allowed(&reported), Some((1_000_000, false)));
        reported.lost(0.2, 1e6);
        assert_eq!(allowed(&reported), Some((900_000, true)));
    }
}
