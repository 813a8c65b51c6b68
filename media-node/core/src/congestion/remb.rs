//! The rate asked of publishers without transport-wide feedback: the one that arrives, less a part of the losses.

/// Higher loss shows a link that is too narrow; libwebrtc's bounds.
const LOSS_HIGH: f64 = 0.10;
const LOSS_LOW: f64 = 0.02;
/// Growth with each report, of which there is one per second, and near the rate of a link that was too narrow.
const GROWTH: f64 = 1.08;
const GROWTH_NEAR: f64 = 1.01;
/// The rate that is near, as shares of the link's. Below it the link's queue drains.
const NEAR_MIN: f64 = 0.8;
const NEAR_MAX: f64 = 1.1;
/// A publisher that sends less than this share of its limit in so many reports in a row is not limited by it.
const USED_MIN: f64 = 0.7;
const UNUSED_MIN: u8 = 5;
/// No publisher is asked for less.
const BPS_MIN: f64 = 50_000.0;

/// The limit of one publisher; none until losses show one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Remb {
    limit: Option<Limit>,
}

#[derive(Clone, Copy, Debug)]
struct Limit {
    bps: f64,
    /// The rate that arrived while the link was too narrow.
    link_bps: f64,
    /// Reports in a row in which it was hardly used.
    unused: u8,
    /// True if some loss has lowered it and goes on: then the rate is not its cause.
    is_lowered: bool,
}

impl Remb {
    /// Takes the rate that arrived, and the share of lost packets, since the last report.
    pub fn update(&mut self, arrived_bps: f64, lost: f64) {
        if arrived_bps <= 0.0 {
            return;
        }
        self.limit = match self.limit {
            before if lost > LOSS_HIGH => {
                let left_bps = arrived_bps * (1.0 - lost / 2.0);
                let bps = before.map_or(left_bps, |before| before.bps.min(left_bps)).max(BPS_MIN);
                Some(Limit { bps, link_bps: arrived_bps, unused: 0, is_lowered: false })
            }
            Some(limit) if lost < LOSS_LOW && arrived_bps > limit.bps * USED_MIN => Some(limit.grown()),
            Some(limit) if lost < LOSS_LOW => (limit.unused + 1 < UNUSED_MIN).then_some(Limit {
                unused: limit.unused + 1,
                is_lowered: false,
                ..limit
            }),
            Some(limit) if limit.is_lowered => Some(limit),
            Some(limit) => {
                // The first measurement may be of the time before the link became narrow.
                let link_bps = limit.link_bps.min(arrived_bps);
                let bps = limit.bps.min(link_bps * NEAR_MIN).max(BPS_MIN);
                Some(Limit { bps, link_bps, is_lowered: true, ..limit })
            }
            None => None,
        };
    }

    pub fn limit_bps(&self) -> Option<u64> {
        self.limit.map(|limit| limit.bps as u64)
    }
}

impl Limit {
    fn grown(self) -> Self {
        let is_near = (NEAR_MIN..NEAR_MAX).contains(&(self.bps * GROWTH_NEAR / self.link_bps));
        Self { bps: self.bps * if is_near { GROWTH_NEAR } else { GROWTH }, unused: 0, is_lowered: false, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_limited_before_packets_are_lost() {
        let mut remb = Remb::default();
        for lost in [0.0, 0.05, 0.09] {
            remb.update(2e6, lost);
            assert_eq!(remb.limit_bps(), None);
        }
        remb.update(0.0, 1.0);
        assert_eq!(remb.limit_bps(), None, "nothing was sent");
    }

    #[test]
    fn a_link_that_is_too_narrow_limits_at_once_and_is_tried_until_the_publisher_needs_no_more() {
        let mut remb = Remb::default();
        remb.update(600e3, 0.7);
        assert_eq!(remb.limit_bps(), Some(390_000));
        remb.update(600e3, 0.05);
        assert_eq!(remb.limit_bps(), Some(390_000), "some loss does not raise it");
        (0..10).for_each(|_| remb.update(540e3, 0.0));
        assert!(remb.limit_bps().is_some_and(|bps| (500_000..600_000).contains(&bps)), "{remb:?} is near 600 kbit/s");
        remb.update(600e3, 0.05);
        assert_eq!(remb.limit_bps(), Some(480_000), "nor does it let the queue stay");
        let mut reports = 0;
        while let Some(limit) = remb.limit_bps() {
            remb.update((limit as f64).min(2.1e6), 0.0);
            reports += 1;
        }
        assert!((40..80).contains(&reports), "{reports}");
    }

    #[test]
    fn repeated_losses_lower_it_to_a_minimum() {
        let mut remb = Remb::default();
        for _ in 0..20 {
            remb.update(remb.limit_bps().map_or(1e6, |bps| bps as f64), 0.9);
        }
        assert_eq!(remb.limit_bps(), Some(50_000));
    }
}
