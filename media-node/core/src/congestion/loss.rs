//! The rate allowed by loss: the one that best explains which packets were lost, besides those lost at any rate.
//!
//! Loss that does not depend on the rate belongs to the path; a lower rate would not reduce it. libwebrtc's loss-based
//! estimator v2 has the same idea.

use std::collections::VecDeque;
use std::time::Duration;

/// An observation covers at least this much sending time and this many packets.
const OBSERVATION: Duration = Duration::from_millis(250);
const OBSERVATION_PACKETS: u32 = 12;
const OBSERVATIONS: usize = 20;
/// Weight of an observation relative to the next newer one.
const AGING: f64 = 0.9;
/// Less loss than this reveals nothing about the rate.
const LOSS_NOTABLE: f64 = 0.02;
/// Highest share of loss that may belong to the path.
const INHERENT_MAX: f64 = 0.12;
const PROBABILITY_MIN: f64 = 0.002;
/// Preference for a rate that is higher by the factor e, as log-likelihood per packet.
const PREFERENCE: f64 = 0.01;
/// The tested rates, relative to the current one and to the arrival rate.
const OF_PRESENT: [f64; 4] = [1.08, 1.03, 1.0, 0.95];
const OF_ARRIVED: [f64; 2] = [1.0, 0.9];

/// Losses by rate.
#[derive(Debug)]
pub(super) struct LossLimit {
    current: Current,
    /// Oldest first.
    past: VecDeque<Observation>,
    bps: Option<f64>,
    /// Of all recent packets.
    lost_share: f64,
}

#[derive(Debug, Default)]
struct Current {
    /// The first and the last time of sending.
    sent_ns: Option<(u64, u64)>,
    bytes: u64,
    packets: u32,
    lost: u32,
}

#[derive(Clone, Copy, Debug)]
struct Observation {
    /// The rate at which the packets were sent.
    bps: f64,
    packets: f64,
    lost: f64,
}

impl Default for LossLimit {
    fn default() -> Self {
        // At its full size from the beginning, because reports must not allocate.
        let past = VecDeque::with_capacity(OBSERVATIONS);
        Self { current: Current::default(), past, bps: None, lost_share: 0.0 }
    }
}

impl LossLimit {
    /// Takes a reported packet, in the order of sending.
    pub(super) fn add(&mut self, sent_ns: u64, bytes: u16, is_lost: bool) {
        let current = &mut self.current;
        current.sent_ns = Some(current.sent_ns.map_or((sent_ns, sent_ns), |(first, last)| (first, last.max(sent_ns))));
        current.bytes += u64::from(bytes);
        current.packets += 1;
        current.lost += u32::from(is_lost);
    }

    /// Reverts a loss: the packet was only late.
    pub(super) fn take_back(&mut self) {
        self.current.lost = self.current.lost.saturating_sub(1);
    }

    /// Forgets all losses, because they belong to another link.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// The rate allowed by loss; `None` if all losses belong to the path. Takes the current target and the arrival
    /// rate.
    pub(super) fn update(&mut self, target_bps: f64, arrived_bps: impl FnOnce() -> Option<f64>) -> Option<f64> {
        if let Some(observation) = self.current.complete() {
            self.current = Current::default();
            if self.past.len() == OBSERVATIONS {
                self.past.pop_front();
            }
            self.past.push_back(observation);
            self.lost_share = self.weighted(|observation| observation.lost) / self.weighted(|it| it.packets).max(1.0);
            self.bps = self.best(target_bps, arrived_bps());
        }
        self.bps
    }

    fn best(&self, target_bps: f64, arrived_bps: Option<f64>) -> Option<f64> {
        if self.lost_share < LOSS_NOTABLE {
            return None;
        }
        let present = self.bps.map_or(target_bps, |bps| bps.min(target_bps));
        let of_arrived = OF_ARRIVED.into_iter().filter_map(|factor| Some(arrived_bps? * factor));
        let candidates = OF_PRESENT.into_iter().map(|factor| present * factor).chain(of_arrived);
        let scored = candidates.map(|bps| (self.score(bps), bps));
        let (_, best) = scored.max_by(|one, other| one.0.total_cmp(&other.0))?;
        // A rate without contrary evidence is no limit.
        (best <= present || self.bps.is_some()).then_some(best)
    }

    /// Log-likelihood of the observed losses if the link carried `bps`.
    fn score(&self, bps: f64) -> f64 {
        let overflow = |observation: &Observation| (1.0 - bps / observation.bps).max(0.0);
        let explained = self.weighted(|observation| observation.packets * overflow(observation));
        let others = self.weighted(|observation| observation.packets * (1.0 - overflow(observation)));
        let unexplained = self.weighted(|observation| observation.lost) - explained;
        let inherent = (unexplained / others.max(1.0)).clamp(0.0, INHERENT_MAX);
        let likelihood = self.weighted(|observation| {
            let lost = inherent + (1.0 - inherent) * overflow(observation);
            let lost = lost.clamp(PROBABILITY_MIN, 1.0 - PROBABILITY_MIN);
            observation.lost * lost.ln() + (observation.packets - observation.lost) * (1.0 - lost).ln()
        });
        likelihood + PREFERENCE * bps.ln() * self.weighted(|observation| observation.packets)
    }

    fn weighted(&self, value: impl Fn(&Observation) -> f64) -> f64 {
        self.past.iter().fold(0.0, |sum, observation| AGING * sum + value(observation))
    }
}

impl Current {
    fn complete(&self) -> Option<Observation> {
        let (first_ns, last_ns) = self.sent_ns?;
        let span = Duration::from_nanos(last_ns - first_ns);
        (span >= OBSERVATION && self.packets >= OBSERVATION_PACKETS).then(|| Observation {
            bps: 8.0 * self.bytes as f64 / span.as_secs_f64(),
            packets: self.packets.into(),
            lost: self.lost.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// Sends for 20 s at the lower of 1 Mbit/s and the limit, with packets of 500 bytes, over a link without a queue.
    fn settles_at(capacity_bps: f64, inherent: f64) -> f64 {
        let (mut limit, mut random, mut now) = (LossLimit::default(), Random::seeded(5), Duration::ZERO);
        let mut target = 1e6;
        while now < Duration::from_secs(20) {
            now += Duration::from_secs_f64(4_000.0 / target);
            let overflow = (1.0 - capacity_bps / target).max(0.0);
            let lost = inherent + (1.0 - inherent) * overflow;
            limit.add(now.as_nanos() as u64, 500, f64::from(random.next_u32()) / f64::from(u32::MAX) < lost);
            target = limit.update(target, || Some(target * (1.0 - lost))).unwrap_or(target * 1.000_1).clamp(3e4, 1e6);
        }
        target
    }

    #[test]
    fn loss_of_the_path_leaves_the_rate_alone() {
        for inherent in [0.0, 0.01, 0.02, 0.05, 0.1] {
            let settled = settles_at(1e9, inherent);
            assert!(settled > 0.85e6, "{inherent}: {settled}");
        }
    }

    #[test]
    fn loss_of_a_full_link_lowers_it() {
        for (capacity, inherent) in [(0.5e6, 0.0), (0.2e6, 0.0), (0.5e6, 0.05)] {
            let settled = settles_at(capacity, inherent) / capacity;
            assert!((0.7..1.25).contains(&settled), "{capacity} {inherent}: {settled}");
        }
    }
}
