//! The rate asked of publishers without transport-wide feedback, derived from the queue of their link and its losses.

use std::time::{Duration, Instant};

/// Every packet of this much time waits at least this long on a link that is too narrow. Jitter and key frames only make
/// some packets wait.
const WINDOW: Duration = Duration::from_millis(250);
const STANDING: Duration = Duration::from_millis(40);
/// Nearly full, if every packet waits this long.
const LONG: Duration = Duration::from_millis(100);
/// While more than the link's rate is tried, this much time is enough. Then the publisher is asked for this share of it:
/// the key frame of a layer that was too much still waits in its pacer, which sends 2.5 times what is asked for.
const ATTEMPT_WINDOW: Duration = Duration::from_millis(60);
const DRAIN_ATTEMPT: f64 = 0.3;
/// A shorter queue counts as empty.
const EMPTY: Duration = Duration::from_millis(20);
/// Higher loss shows a link that is too narrow, as in libwebrtc. If the loss remains after so many reductions in a row,
/// its cause is another.
const LOSS_HIGH: f64 = 0.10;
const REDUCTIONS_MAX: u8 = 3;
/// A full link carries its rate: if packets wait no longer than before though less than this share of it arrives, the path
/// became longer.
const CARRIED_MIN: f64 = 0.6;
/// The shares of the link's rate that are asked for: with a long queue, with a short one, and once it is empty.
const DRAIN_LONG: f64 = 0.7;
const DRAIN: f64 = 0.85;
const HOLD: f64 = 0.9;
/// Growth per second, and near the rate of a link that was too narrow, between these shares of it.
const GROWTH: f64 = 1.2;
const GROWTH_NEAR: f64 = 0.04;
const NEAR_MIN: f64 = 0.8;
const NEAR_MAX: f64 = 1.06;
/// Every failure at about the same rate halves the growth near it, so often at most.
const FAILURES_MAX: u8 = 4;
const SAME: f64 = 0.25;
/// Bounds of a limit: audio continues, and more is as good as none.
const BPS_MIN: f64 = 50_000.0;
pub const BPS_MAX: u64 = 8_000_000;

/// The limit of one publisher; none until its link proves too narrow.
#[derive(Clone, Copy, Debug, Default)]
pub struct Remb {
    limit: Option<Limit>,
    window: Option<Window>,
    standing: Option<Standing>,
    /// The part of the wait that is no queue.
    longer: Duration,
    /// Reductions because of losses without a report of fewer.
    reductions: u8,
}

#[derive(Clone, Copy, Debug)]
struct Limit {
    bps: f64,
    /// The rate that arrived while the link was too narrow.
    link_bps: f64,
    /// True while packets still wait.
    is_draining: bool,
    /// True until the next report, whose losses are still those that led to this limit.
    is_new: bool,
    failures: u8,
}

/// The first time that every packet waited, and the rate that arrived.
#[derive(Clone, Copy, Debug)]
struct Standing {
    shortest: Duration,
    bps: f64,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Instant,
    shortest: Duration,
}

impl Remb {
    pub fn limit_bps(&self) -> Option<u64> {
        self.limit.map(|limit| limit.bps.max(BPS_MIN) as u64)
    }

    /// Takes the time that a packet waited, and the rate that arrives; true if the limit has fallen.
    pub fn wait(&mut self, now: Instant, wait: Duration, arrives_bps: impl FnOnce() -> Option<f64>) -> bool {
        if wait < EMPTY {
            self.longer = Duration::ZERO;
        }
        let wait = wait.saturating_sub(self.longer);
        if wait < EMPTY {
            self.standing = None;
            self.drained();
        }
        let is_attempt = self.limit.is_some_and(|limit| limit.is_attempt());
        let window = self.window.get_or_insert(Window { began: now, shortest: wait });
        window.shortest = window.shortest.min(wait);
        let span = if is_attempt { ATTEMPT_WINDOW } else { WINDOW };
        if now.saturating_duration_since(window.began) < span {
            return false;
        }
        let shortest = window.shortest;
        *window = Window { began: now, shortest: wait };
        let Some(arrives_bps) = arrives_bps().filter(|_| shortest > STANDING) else { return false };
        let now_standing = Standing { shortest, bps: arrives_bps };
        let standing = self.standing.get_or_insert(now_standing);
        if shortest > standing.shortest + EMPTY {
            *standing = now_standing;
        } else if arrives_bps < standing.bps * CARRIED_MIN {
            self.longer += shortest;
            return false;
        }
        let before = self.limit_bps();
        self.narrow(arrives_bps, if shortest > LONG { DRAIN_LONG } else { DRAIN });
        before.is_none_or(|before| self.limit_bps().is_some_and(|bps| bps < before))
    }

    /// The link suddenly carries only this much.
    pub fn overloaded(&mut self, link_bps: u64) {
        self.standing = None;
        self.narrow(link_bps as f64, DRAIN_LONG);
    }

    pub fn drained(&mut self) {
        if let Some(limit) = self.limit.as_mut().filter(|limit| limit.is_draining) {
            (limit.bps, limit.is_draining) = (limit.bps.max(limit.link_bps * HOLD), false);
        }
    }

    /// Takes the rate that arrived within the last second, and the share of lost packets.
    pub fn report(&mut self, arrived_bps: f64, lost: f64) {
        let is_new = self.limit.as_mut().is_some_and(|limit| std::mem::take(&mut limit.is_new));
        if is_new {
            // Its effect is not yet known.
        } else if lost <= LOSS_HIGH {
            self.reductions = 0;
            self.limit = self.limit.and_then(Limit::grown);
        } else if self.reductions < REDUCTIONS_MAX && arrived_bps > 0.0 {
            self.reductions += 1;
            self.narrow(arrived_bps, 1.0 - lost / 2.0);
            // Without a queue there is nothing to wait for.
            self.limit.iter_mut().for_each(|limit| limit.is_draining = false);
        }
    }

    fn narrow(&mut self, link_bps: f64, share: f64) {
        let has_failed = self.limit.is_some_and(|limit| limit.is_attempt());
        let share = if has_failed { share.min(DRAIN_ATTEMPT) } else { share };
        let same = self.limit.filter(|limit| (link_bps / limit.link_bps - 1.0).abs() < SAME);
        let failures = same.map_or(0, |limit| (limit.failures + u8::from(!limit.is_draining)).min(FAILURES_MAX));
        // A queue that drains shows the link's rate, too.
        let bps = same.filter(|limit| limit.is_draining).map_or(f64::MAX, |limit| limit.bps).min(link_bps * share);
        self.limit = Some(Limit { bps, link_bps, is_draining: true, is_new: true, failures });
    }
}

impl Limit {
    /// True while more than the link carried is tried.
    fn is_attempt(&self) -> bool {
        !self.is_draining && self.bps > self.link_bps * NEAR_MAX
    }

    fn grown(self) -> Option<Self> {
        let is_near = (NEAR_MIN..NEAR_MAX).contains(&(self.bps / self.link_bps));
        let near = 1.0 + GROWTH_NEAR / f64::from(1_u32 << self.failures);
        let growth = if self.is_draining {
            1.0
        } else if is_near {
            near
        } else {
            GROWTH
        };
        let bps = self.bps.max(BPS_MIN) * growth;
        (bps < BPS_MAX as f64).then_some(Self { bps, ..self })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtual_time::start;

    /// A link that carries `link_kbps`, and a publisher that sends `sent_kbps` or its limit; each step is 20 ms.
    struct Link {
        remb: Remb,
        now: Instant,
        queue_bits: f64,
        queue_ms_max: f64,
        longer: Duration,
        /// Bits that arrived and were lost since the last report.
        arrived: f64,
        lost: f64,
        step: u32,
    }

    impl Link {
        fn new(queue_ms_max: f64) -> Self {
            let (remb, longer) = (Remb::default(), Duration::ZERO);
            Self { remb, now: start(), queue_bits: 0.0, queue_ms_max, longer, arrived: 0.0, lost: 0.0, step: 0 }
        }

        /// Plays for this long; returns the highest limit of the last second, in kbit/s.
        fn play(&mut self, ms: u32, link_kbps: f64, sent_kbps: f64, loss: f64) -> Option<u64> {
            for _ in 0..ms / 20 {
                let limit_kbps = self.remb.limit_bps().map_or(f64::MAX, |bps| bps as f64 / 1_000.0);
                let bits = 20.0 * sent_kbps.min(limit_kbps);
                let room = link_kbps * (20.0 + self.queue_ms_max) - self.queue_bits;
                let taken = (bits * (1.0 - loss)).min(room);
                let arrived = (self.queue_bits + taken).min(20.0 * link_kbps);
                self.queue_bits += taken - arrived;
                (self.arrived, self.lost) = (self.arrived + arrived, self.lost + bits - taken);
                (self.now, self.step) = (self.now + Duration::from_millis(20), self.step + 1);
                let wait = Duration::from_secs_f64(self.queue_bits / link_kbps / 1_000.0) + self.longer;
                self.remb.wait(self.now, wait, || Some(1_000.0 * arrived / 20.0));
                if self.step.is_multiple_of(50) {
                    let lost = self.lost / (self.arrived + self.lost).max(1.0);
                    self.remb.report(self.arrived, lost);
                    (self.arrived, self.lost) = (0.0, 0.0);
                }
            }
            self.remb.limit_bps().map(|bps| bps / 1_000)
        }
    }

    #[test]
    fn nothing_is_limited_by_a_good_link_or_a_little_loss() {
        let mut link = Link::new(200.0);
        for loss in [0.0, 0.05, 0.09] {
            assert_eq!(link.play(10_000, 10_000.0, 2_000.0, loss), None, "{loss}");
        }
        link.remb.report(0.0, 1.0);
        assert_eq!(link.remb.limit_bps(), None, "nothing was sent");
    }

    #[test]
    fn a_narrow_link_limits_within_half_a_second_and_a_wide_one_ends_that() {
        let mut link = Link::new(200.0);
        link.play(5_000, 10_000.0, 2_100.0, 0.0);
        let narrow = link.play(500, 600.0, 2_100.0, 0.0);
        assert!(narrow.is_some_and(|kbps| (400..=540).contains(&kbps)), "{narrow:?}");
        for second in 1..=40 {
            let kbps = link.play(1_000, 600.0, 2_100.0, 0.0);
            assert!(kbps.is_some_and(|kbps| (400..=760).contains(&kbps)), "{kbps:?} after {second} s");
        }
        let seconds = (1..60).find(|_| link.play(1_000, 10_000.0, 2_100.0, 0.0).is_none_or(|kbps| kbps >= 2_100));
        assert!(seconds.is_some_and(|seconds| seconds <= 40), "{seconds:?}");
        assert_eq!(link.play(20_000, 10_000.0, 2_100.0, 0.0), None);
    }

    #[test]
    fn a_longer_path_that_is_not_told_from_a_queue_limits_little_and_not_for_long() {
        for longer_ms in [50, 150, 400] {
            let mut link = Link::new(200.0);
            link.play(5_000, 10_000.0, 2_000.0, 0.0);
            link.longer = Duration::from_millis(longer_ms);
            for _ in 0..50 {
                let kbps = link.play(100, 10_000.0, 2_000.0, 0.0);
                assert!(kbps.is_none_or(|kbps| kbps >= 800), "{longer_ms} ms: {kbps:?}");
            }
            assert_eq!(link.play(40_000, 10_000.0, 2_000.0, 0.0), None, "{longer_ms} ms");
            // A queue on such a path is one.
            let narrow = link.play(1_500, 600.0, 2_000.0, 0.0);
            assert!(narrow.is_some_and(|kbps| (400..=540).contains(&kbps)), "{longer_ms} ms: {narrow:?}");
        }
    }

    #[test]
    fn every_failure_at_the_same_rate_makes_the_next_attempt_later() {
        let mut link = Link::new(200.0);
        link.play(1_000, 600.0, 2_100.0, 0.0);
        let mut failures = Vec::new();
        let mut before = None;
        for second in 0..120 {
            let kbps = link.play(1_000, 600.0, 2_100.0, 0.0);
            failures.extend((kbps < before).then_some(second));
            before = kbps;
        }
        let pauses: Vec<_> = failures.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert!(pauses.len() >= 3 && pauses.windows(2).all(|pair| 2 * pair[1] > 3 * pair[0]), "{failures:?}");
    }

    #[test]
    fn a_failed_attempt_at_more_ends_at_once_and_leaves_room_for_what_the_publisher_still_holds() {
        let attempt = |kbps: f64| Limit {
            bps: kbps * 1_000.0,
            link_bps: 300_000.0,
            is_draining: false,
            is_new: false,
            failures: 0,
        };
        let limit_after = |kbps, waits_ms: &[u64]| {
            let mut remb = Remb { limit: Some(attempt(kbps)), ..Remb::default() };
            for (number, wait_ms) in (0..).zip(waits_ms) {
                let now = start() + Duration::from_millis(20 * number);
                remb.wait(now, Duration::from_millis(*wait_ms), || Some(300_000.0));
            }
            remb.limit_bps()
        };
        assert_eq!(limit_after(400.0, &[50, 70, 90, 110]), Some(90_000));
        assert_eq!(limit_after(310.0, &[50, 70, 90, 110]), Some(310_000), "no more than the link carried");
        assert_eq!(limit_after(400.0, &[50, 70, 30, 110]), Some(400_000), "jitter");
        assert_eq!(limit_after(400.0, &[50, 70, 90, 110, 10]), Some(270_000), "the queue is empty");
    }

    #[test]
    fn a_link_without_a_queue_limits_by_its_losses() {
        let mut link = Link::new(0.0);
        let kbps = link.play(2_000, 600.0, 2_100.0, 0.0);
        assert!(kbps.is_some_and(|kbps| (350..=600).contains(&kbps)), "{kbps:?}");
        let kbps = link.play(20_000, 600.0, 2_100.0, 0.0);
        assert!(kbps.is_some_and(|kbps| (350..=800).contains(&kbps)), "{kbps:?}");
    }

    #[test]
    fn losses_that_a_lower_rate_does_not_cure_stop_lowering_it() {
        let mut link = Link::new(200.0);
        let kbps = link.play(60_000, 10_000.0, 2_000.0, 0.2);
        assert!(kbps.is_some_and(|kbps| kbps >= 700), "{kbps:?}");
        assert!(link.play(20_000, 10_000.0, 2_000.0, 0.0).is_none_or(|kbps| kbps > 2_000), "they end");
    }

    #[test]
    fn no_publisher_is_asked_for_less_than_its_audio() {
        let mut link = Link::new(200.0);
        assert_eq!(link.play(3_000, 30.0, 2_000.0, 0.0), Some(50));
    }
}
