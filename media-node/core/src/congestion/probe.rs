//! Decides when to probe, and at which rates.

use super::cluster::{Clusters, Probe, ProbeId, Shown};
use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

/// The first probes, relative to the first target.
const FIRST: [f64; 2] = [4.0, 10.0];
/// Each later probe, relative to the target.
const STEP: f64 = 2.0;
/// A probe that exceeds the target by this factor is followed by the next, unless it has filled the link.
const NEWS: f64 = 1.1;
/// During this time it is followed in any case: jitter makes links look full.
const DISCOVERY: Duration = Duration::from_secs(2);
/// No rate above this share of the wanted or the highest rate is tried.
const ABOVE_WANTED: f64 = 1.05;
/// The wanted rate follows measured bitrates; only a rise by this factor is probed for at once.
const NOTABLY: f64 = 1.3;
/// Duration of a probe, and its minimum number of bytes, for five packets.
const LENGTH: Duration = Duration::from_millis(25);
const BYTES_MIN: f64 = 5_000.0;
/// After a sudden drop the old capacity may return at any time.
const RECOVERY_EVERY: Duration = Duration::from_secs(2);
const RECOVERY: Duration = Duration::from_secs(60);
/// Otherwise the link is probed more and more rarely while nothing changes.
const EVERY_MIN: Duration = Duration::from_secs(4);
const EVERY_MAX: Duration = Duration::from_secs(16);
/// A client whose queue is busy is probed later.
const LATER: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) struct Prober {
    /// The rate that the link must carry before more is sent.
    wanted_bps: f64,
    /// The highest rate that would be sent.
    most_bps: f64,
    next_id: NonZeroU32,
    /// Probes to send.
    ready: VecDeque<Probe>,
    clusters: Clusters,
    check_at: Option<Instant>,
    every: Duration,
    recovers_until: Option<Instant>,
    begun: Option<Instant>,
}

impl Default for Prober {
    fn default() -> Self {
        Self {
            wanted_bps: 0.0,
            most_bps: 0.0,
            next_id: NonZeroU32::MIN,
            ready: VecDeque::with_capacity(FIRST.len()),
            clusters: Clusters::default(),
            check_at: None,
            every: EVERY_MIN,
            recovers_until: None,
            begun: None,
        }
    }
}

impl Prober {
    /// Begins anew on another path, where the same is wanted.
    pub(super) fn begin_anew(&mut self) {
        let (wanted_bps, most_bps, next_id) = (self.wanted_bps, self.most_bps, self.next_id);
        *self = Self { wanted_bps, most_bps, next_id, ..Self::default() };
    }

    pub(super) fn clusters(&mut self) -> &mut Clusters {
        &mut self.clusters
    }

    pub(super) fn is_under_way(&self, now: Instant) -> bool {
        self.clusters.is_any_open(now)
    }

    pub(super) fn check_at(&self) -> Option<Instant> {
        self.check_at
    }

    pub(super) fn next(&mut self, now: Instant) -> Option<Probe> {
        let probe = self.ready.pop_front()?;
        self.clusters.open(now, probe);
        Some(probe)
    }

    /// Sets the rate that the link must carry before more is sent, and the highest rate that would be sent.
    pub(super) fn set_wanted(&mut self, now: Instant, (bps, most_bps): (f64, f64), target_bps: f64) {
        let is_more = bps > NOTABLY * self.wanted_bps;
        if is_more && self.wanted_bps <= target_bps {
            // A screen begins to move: earlier results are as old as its last movement.
            self.every = EVERY_MIN;
        }
        (self.wanted_bps, self.most_bps) = (bps, most_bps.max(bps));
        if self.begun.is_none() {
            return;
        }
        if bps <= target_bps {
            self.check_at = None;
        } else if is_more || self.check_at.is_none() {
            self.check_at = Some(self.check_at.map_or(now, |at| at.min(now + LATER)));
        }
    }

    /// Starts probing with the first sent packet.
    pub(super) fn begin(&mut self, now: Instant, target_bps: f64) {
        if self.begun.is_some() || self.wanted_bps <= target_bps {
            return;
        }
        self.begun = Some(now);
        let first = FIRST.map(|factor| factor * target_bps);
        first.into_iter().for_each(|bps| self.plan(bps, self.most_bps));
        self.check_at = Some(now + self.every);
    }

    pub(super) fn recover(&mut self, now: Instant) {
        self.recovers_until = Some(now + RECOVERY);
        self.check_at = Some(now + RECOVERY_EVERY);
        self.ready.clear();
    }

    /// Like [`Self::recover`], with the first probe at the next opportunity.
    pub(super) fn recover_now(&mut self, now: Instant) {
        self.recover(now);
        self.check_at = Some(now);
    }

    /// Takes the results of the last reports. The target is the previous one.
    pub(super) fn shown(&mut self, now: Instant, target_bps: f64) -> Option<Shown> {
        let shown = self.clusters.shown(now)?;
        let is_news = shown.bps > NEWS * target_bps;
        self.every = if is_news { EVERY_MIN } else { (self.every * 2).min(EVERY_MAX) };
        let next = shown.bps.max(target_bps);
        let may_show_more = !shown.is_full || self.begun.is_some_and(|begun| now < begun + DISCOVERY);
        if next >= self.wanted_bps {
            self.check_at = None;
        }
        if next >= self.most_bps {
            return Some(shown);
        }
        if is_news && may_show_more && !self.is_harder_under_way(now, shown.bps) {
            self.plan(STEP * shown.bps, self.most_bps);
        } else if next < self.wanted_bps && is_news && self.recovers_until.is_some_and(|until| now < until) {
            self.check_at = Some(now + LATER);
        }
        Some(shown)
    }

    /// Adds the next probe if it is due.
    pub(super) fn check(&mut self, now: Instant, target_bps: f64, is_busy: bool) {
        if self.check_at.is_none_or(|at| now < at) {
            return;
        }
        if self.wanted_bps <= target_bps {
            self.check_at = None;
        } else if is_busy || self.is_under_way(now) {
            self.check_at = Some(now + LATER);
        } else {
            self.plan(STEP * target_bps, self.wanted_bps);
            let recovers = self.recovers_until.is_some_and(|until| now < until);
            self.check_at = Some(now + if recovers { RECOVERY_EVERY } else { self.every });
        }
    }

    /// Handles a target that crossed the wanted rate.
    pub(super) fn target_changed(&mut self, now: Instant, target_bps: f64) {
        if self.begun.is_some() && self.check_at.is_none() && self.wanted_bps > target_bps {
            self.check_at = Some(now + self.every);
        }
    }

    fn is_harder_under_way(&self, now: Instant, bps: f64) -> bool {
        !self.ready.is_empty() || self.clusters.hardest_bps(now).is_some_and(|hardest| hardest as f64 > bps)
    }

    fn plan(&mut self, bps: f64, most_bps: f64) {
        let bps = bps.min(ABOVE_WANTED * most_bps);
        let bytes = (bps * LENGTH.as_secs_f64() / 8.0).max(BYTES_MIN) as u64;
        let id = ProbeId(self.next_id);
        self.next_id = self.next_id.checked_add(1).unwrap_or(NonZeroU32::MIN);
        if self.ready.len() < FIRST.len() {
            self.ready.push_back(Probe { id, bps: bps as u64, bytes });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtual_time::start;

    fn at(ms: u64) -> Instant {
        start() + Duration::from_millis(ms)
    }

    /// Sends all ready probes over a link of this rate; returns their rates in kbit/s.
    fn send(prober: &mut Prober, now: Instant, link_bps: f64) -> Vec<u64> {
        let mut rates = Vec::new();
        while let Some(probe) = prober.next(now) {
            rates.push(probe.bps / 1_000);
            let sent = |number| Duration::from_secs_f64(f64::from(number) * 8_000.0 / probe.bps as f64);
            let arrived =
                |number| Duration::from_secs_f64(f64::from(number) * 8_000.0 / link_bps.min(probe.bps as f64));
            for number in 0..=probe.bytes as u32 / 1_000 {
                prober.clusters().add(probe.id, now + sent(number), arrived(number), 1_000);
            }
        }
        rates
    }

    #[test]
    fn begins_with_two_probes_and_goes_on_while_the_link_shows_more() {
        let mut prober = Prober::default();
        prober.begin(at(0), 3e5);
        assert_eq!(send(&mut prober, at(0), 1e7), [0; 0], "nobody wants more");
        prober.set_wanted(at(0), (5e6, 5e6), 3e5);
        prober.begin(at(0), 3e5);
        assert_eq!(send(&mut prober, at(0), 1e7), [1_200, 3_000]);
        assert!(prober.shown(at(200), 3e5).is_some_and(|shown| shown.bps > 1.1e6));
        assert!(prober.shown(at(200), 1.2e6).is_some_and(|shown| shown.bps > 2.9e6));
        let more = send(&mut prober, at(200), 1e7);
        assert!(matches!(more[..], [5_000..=5_250]), "{more:?}");
        assert!(prober.shown(at(300), 3e6).is_some_and(|shown| shown.bps > 4.9e6));
        prober.check(at(20_000), 5.6e6, false);
        assert_eq!((send(&mut prober, at(20_000), 1e7), prober.check_at()), (vec![], None), "that is enough");
    }

    #[test]
    fn tries_again_more_rarely_and_after_a_drop_more_often() {
        let count = |drop_at: Option<u64>| {
            let mut prober = Prober::default();
            prober.set_wanted(at(0), (2e6, 2e6), 1e6);
            prober.begin(at(0), 1e6);
            let mut probes = 0;
            for ms in (0..60_000).step_by(100) {
                if drop_at == Some(ms) {
                    prober.recover(at(ms));
                }
                prober.check(at(ms), 1e6, false);
                probes += send(&mut prober, at(ms), 1e6).len();
                while prober.shown(at(ms), 1e6).is_some() {}
            }
            probes
        };
        assert!((6..=9).contains(&count(None)), "{}", count(None));
        assert!((28..=32).contains(&count(Some(100))), "{}", count(Some(100)));
    }

    /// Tries a link from its start at 100 kbit/s: 300 are needed next, and 2,000 at most.
    fn tried(link_bps: f64) -> Vec<u64> {
        let mut prober = Prober::default();
        prober.set_wanted(at(0), (3e5, 2e6), 1e5);
        prober.begin(at(0), 1e5);
        send(&mut prober, at(0), 1e5);
        while prober.shown(at(1_000), 1e5).is_some() {}
        prober.check(at(30_000), 1e5, false);
        let (mut rates, mut target) = (Vec::new(), 1e5_f64);
        for ms in (30_000..32_000).step_by(100) {
            rates.extend(send(&mut prober, at(ms), link_bps));
            let shown = prober.shown(at(ms), target);
            target = shown.map_or(target, |shown| shown.bps.max(target));
        }
        rates
    }

    #[test]
    fn goes_beyond_what_is_needed_next_only_while_the_link_carries_it() {
        assert_eq!(tried(150_000.0), [200]);
        assert!(
            matches!(tried(1e7)[..], [200, 350..=400, 700..=800, 1_400..=1_600, 2_000..=2_100]),
            "{:?}",
            tried(1e7)
        );
    }

    #[test]
    fn keeps_ahead_of_a_camera_that_has_just_begun() {
        let (mut prober, mut target) = (Prober::default(), 3e5);
        prober.set_wanted(at(0), (4e5, 8e5), target);
        prober.begin(at(0), target);
        for step in 0..30 {
            let (now, wanted) = (at(100 * step), 4e5 * 1.06_f64.powi(step as i32));
            prober.set_wanted(now, (wanted, 2.0 * wanted), target);
            prober.check(now, target, false);
            send(&mut prober, now, 1e8);
            while let Some(shown) = prober.shown(now, target) {
                target = target.max(shown.bps);
            }
            assert!(step < 2 || target > wanted, "{step}: {target} of {wanted}");
        }
    }

    #[test]
    fn a_wish_that_wavers_is_not_tried_each_time() {
        let mut prober = Prober::default();
        prober.set_wanted(at(0), (2e6, 2e6), 1e6);
        prober.begin(at(0), 1e6);
        let mut probes = 0;
        for ms in (0..60_000).step_by(100) {
            let wanted = 2e6 + 1e5 * f64::from((ms / 100 % 5) as u32);
            prober.set_wanted(at(ms), (wanted, wanted), 1e6);
            prober.check(at(ms), 1e6, false);
            probes += send(&mut prober, at(ms), 1e6).len();
            while prober.shown(at(ms), 1e6).is_some() {}
        }
        assert!((6..=9).contains(&probes), "{probes}");
    }

    #[test]
    fn leaves_a_busy_link_alone() {
        let mut prober = Prober::default();
        prober.set_wanted(at(0), (2e6, 2e6), 1e6);
        prober.begin(at(0), 1e6);
        send(&mut prober, at(0), 1e6);
        while prober.shown(at(100), 1e6).is_some() {}
        prober.check(at(30_000), 1e6, true);
        assert_eq!((send(&mut prober, at(30_000), 1e6), prober.check_at()), (vec![], Some(at(30_500))));
    }
}
