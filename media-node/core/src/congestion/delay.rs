//! Detects a growing queue on the link to a client from the trend of the delay between groups of packets.

use super::base::Base;
use std::collections::VecDeque;
use std::time::Duration;

/// Packets sent within this time form a group.
const GROUP_NS: u64 = 5_000_000;
/// Packets that arrive within this time of each other, faster than they were sent, were held up together.
const BURST_GAP_NS: u64 = 5_000_000;
const BURST_MAX_NS: u64 = 100_000_000;
const TREND_GROUPS: usize = 20;
/// Weight of the past in the smoothed delay.
const SMOOTHING: f64 = 0.9;
/// The trend's weight grows with every group up to this number, times the gain, as in libwebrtc.
const GROUPS_FULL: u32 = 60;
const GAIN: f64 = 4.0;
/// The threshold in milliseconds, which follows the trend: slowly up, faster down.
const THRESHOLD_FIRST_MS: f64 = 12.5;
const THRESHOLD_MIN_MS: f64 = 6.0;
const THRESHOLD_MAX_MS: f64 = 600.0;
const THRESHOLD_UP: f64 = 0.0087;
const THRESHOLD_DOWN: f64 = 0.039;
/// Jumps this far above the threshold do not move it.
const LEAP_MS: f64 = 15.0;
/// The trend must be above the threshold for this long, and for two groups.
const OVERUSE_AFTER_MS: f64 = 10.0;
/// A shorter queue counts as empty.
const EMPTY_QUEUE_US: u64 = 5_000;
/// A queue that has fallen to this share, in percent, of the longest one during an overuse is draining. On a narrow
/// link it never looks empty, because most packets take longer than the smallest one.
const DRAINS_PERCENT: u64 = 50;
/// A delay that grows by this much from one packet to the next, and then hardly any more, belongs to a longer path: a
/// queue that grows so fast grows with each packet.
const JUMP_US: u64 = 40_000;
const JUMP_STEADY_US: u64 = 10_000;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Usage {
    #[default]
    Normal,
    Over,
    Under,
}

#[derive(Debug, Default)]
pub(super) struct Delay {
    current: Option<Group>,
    previous: Option<Group>,
    trend: Trend,
    detector: Detector,
    base: Base,
    queue_us: u64,
    /// The longest queue since overuse began.
    longest_queue_us: u64,
    rise: Rise,
    is_path_longer: bool,
}

/// Times of a group's packets, from the sender's and the receiver's origin.
#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent_ns: u64,
    last_sent_ns: u64,
    first_arrived_ns: u64,
    last_arrived_ns: u64,
}

impl Delay {
    /// Takes an arrival, in the order of sending; times are from the sender's and the receiver's origin.
    pub(super) fn add(&mut self, sent_ns: u64, arrived_ns: u64) {
        let delayed = self.base.add(sent_ns, arrived_ns);
        self.rise = if delayed.is_path_longer { Rise::None } else { self.rise.next(self.queue_us, delayed.queue_us) };
        self.queue_us = delayed.queue_us;
        self.is_path_longer |= delayed.is_path_longer;
        let is_over = self.detector.usage == Usage::Over;
        self.longest_queue_us = if is_over { self.longest_queue_us.max(self.queue_us) } else { self.queue_us };
        let Some(group) = &mut self.current else {
            self.current = Some(Group::of(sent_ns, arrived_ns));
            return;
        };
        if sent_ns < group.first_sent_ns {
            return; // Overtaken by a later group.
        }
        if group.takes(sent_ns, arrived_ns) {
            group.last_sent_ns = group.last_sent_ns.max(sent_ns);
            group.last_arrived_ns = group.last_arrived_ns.max(arrived_ns);
            return;
        }
        let complete = *group;
        self.current = Some(Group::of(sent_ns, arrived_ns));
        if let Some(previous) = self.previous.replace(complete) {
            let arrived = Duration::from_nanos(complete.last_arrived_ns);
            let [sent_before, sent, arrived_before] =
                [previous.last_sent_ns, complete.last_sent_ns, previous.last_arrived_ns].map(Duration::from_nanos);
            let (sent_ms, arrived_ms) = (ms_between(sent_before, sent), ms_between(arrived_before, arrived));
            let trend = self.trend.add(arrived_ms - sent_ms, arrived);
            self.detector.detect(trend, sent_ms, arrived);
        }
    }

    /// The trend lags: it still contains the groups that filled the queue while the queue drains.
    pub(super) fn usage(&self) -> Usage {
        let drains = self.queue_us * 100 < self.longest_queue_us * DRAINS_PERCENT || self.queue_us < EMPTY_QUEUE_US;
        match self.detector.usage {
            Usage::Over if drains || matches!(self.rise, Rise::Jump(_)) => Usage::Under,
            usage => usage,
        }
    }

    /// The last packet's wait in the queue.
    pub(super) fn queue(&self) -> Duration {
        Duration::from_micros(self.queue_us)
    }

    /// True if since the last call a supposed queue turned out to be a longer path.
    pub(super) fn take_path_longer(&mut self) -> bool {
        std::mem::take(&mut self.is_path_longer)
    }
}

/// The way in which the queue became longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Rise {
    #[default]
    None,
    /// From one packet to the next, to this length in microseconds.
    Jump(u64),
    /// Further after a jump.
    Growth,
}

impl Rise {
    /// Takes the queue of a packet and of the one before it.
    fn next(self, before_us: u64, queue_us: u64) -> Self {
        match self {
            Self::None if queue_us >= before_us + JUMP_US => Self::Jump(queue_us),
            Self::Jump(length_us) if queue_us > length_us + JUMP_STEADY_US => Self::Growth,
            Self::Jump(length_us) if 2 * queue_us < length_us => Self::None,
            Self::Growth if queue_us < EMPTY_QUEUE_US => Self::None,
            Self::None | Self::Jump(_) | Self::Growth => self,
        }
    }
}

impl Group {
    fn of(sent_ns: u64, arrived_ns: u64) -> Self {
        Self {
            first_sent_ns: sent_ns,
            last_sent_ns: sent_ns,
            first_arrived_ns: arrived_ns,
            last_arrived_ns: arrived_ns,
        }
    }

    fn takes(&self, sent_ns: u64, arrived_ns: u64) -> bool {
        let gap_ns = arrived_ns.saturating_sub(self.last_arrived_ns);
        let was_held_up = gap_ns < sent_ns.saturating_sub(self.last_sent_ns)
            && gap_ns <= BURST_GAP_NS
            && arrived_ns.saturating_sub(self.first_arrived_ns) < BURST_MAX_NS;
        sent_ns.saturating_sub(self.first_sent_ns) <= GROUP_NS || was_held_up
    }
}

/// The slope of the smoothed delay over the last groups.
#[derive(Debug, Default)]
struct Trend {
    /// Arrival and smoothed delay in milliseconds.
    points: VecDeque<(f64, f64)>,
    groups: u32,
    delay_ms: f64,
    smoothed_ms: f64,
}

impl Trend {
    /// Takes a group that was this much slower than the one before; returns the trend in milliseconds.
    fn add(&mut self, delta_ms: f64, arrived: Duration) -> f64 {
        self.groups = (self.groups + 1).min(GROUPS_FULL);
        self.delay_ms += delta_ms;
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.delay_ms;
        if self.points.len() == TREND_GROUPS {
            self.points.pop_front();
        }
        self.points.push_back((arrived.as_secs_f64() * 1_000.0, self.smoothed_ms));
        if self.points.len() < TREND_GROUPS {
            return 0.0;
        }
        self.slope().unwrap_or(0.0) * f64::from(self.groups) * GAIN
    }

    /// Least squares.
    fn slope(&self) -> Option<f64> {
        let count = self.points.len() as f64;
        let mean_x = self.points.iter().map(|(x, _)| x).sum::<f64>() / count;
        let mean_y = self.points.iter().map(|(_, y)| y).sum::<f64>() / count;
        let rise: f64 = self.points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
        let run: f64 = self.points.iter().map(|(x, _)| (x - mean_x) * (x - mean_x)).sum();
        (run > 0.0).then(|| rise / run)
    }
}

/// Compares the trend with a threshold that follows it, so that other flows on the link do not starve this one.
#[derive(Debug)]
struct Detector {
    threshold_ms: f64,
    adapted: Option<Duration>,
    over_ms: f64,
    over_groups: u32,
    previous_ms: f64,
    usage: Usage,
}

impl Default for Detector {
    fn default() -> Self {
        Self {
            threshold_ms: THRESHOLD_FIRST_MS,
            adapted: None,
            over_ms: 0.0,
            over_groups: 0,
            previous_ms: 0.0,
            usage: Usage::Normal,
        }
    }
}

impl Detector {
    fn detect(&mut self, trend_ms: f64, sent_ms: f64, arrived: Duration) {
        if trend_ms > self.threshold_ms {
            // The first group became too slow somewhere in between.
            self.over_ms += if self.over_groups == 0 { sent_ms / 2.0 } else { sent_ms };
            self.over_groups += 1;
            if self.over_ms > OVERUSE_AFTER_MS && self.over_groups > 1 && trend_ms >= self.previous_ms {
                self.usage = Usage::Over;
            }
        } else {
            (self.over_ms, self.over_groups) = (0.0, 0);
            self.usage = if trend_ms < -self.threshold_ms { Usage::Under } else { Usage::Normal };
        }
        self.previous_ms = trend_ms;
        self.adapt(trend_ms.abs(), arrived);
    }

    fn adapt(&mut self, size_ms: f64, arrived: Duration) {
        let elapsed_ms = self.adapted.replace(arrived).map_or(0.0, |before| ms_between(before, arrived));
        if size_ms > self.threshold_ms + LEAP_MS {
            return;
        }
        let gain = if size_ms < self.threshold_ms { THRESHOLD_DOWN } else { THRESHOLD_UP };
        let moved = self.threshold_ms + gain * (size_ms - self.threshold_ms) * elapsed_ms.clamp(0.0, 100.0);
        self.threshold_ms = moved.clamp(THRESHOLD_MIN_MS, THRESHOLD_MAX_MS);
    }
}

fn ms_between(from: Duration, to: Duration) -> f64 {
    (to.as_secs_f64() - from.as_secs_f64()) * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends a packet every 10 ms for a second with constant delay, then for `ms` with a delay that grows by
    /// `slower_us` for each.
    fn check(slower_us: i64, ms: u64, usage: Usage) {
        let mut delay = Delay::default();
        let mut way_us = 50_000;
        for sent_ms in (0..1_000 + ms).step_by(10) {
            way_us += if sent_ms < 1_000 { 0 } else { slower_us };
            let sent_ns = sent_ms * 1_000_000;
            delay.add(sent_ns, (sent_ns as i64 + way_us * 1_000) as u64);
        }
        assert_eq!(delay.usage(), usage, "{slower_us} µs more each, {ms} ms");
    }

    #[test]
    fn sees_a_queue_grow_and_shrink() {
        check(0, 1_000, Usage::Normal);
        check(3_000, 200, Usage::Over);
        check(30_000, 70, Usage::Over);
        check(100, 1_000, Usage::Normal);
        check(-3_000, 150, Usage::Under);
    }

    #[test]
    fn a_queue_that_has_drained_is_no_overuse() {
        [0, 8, 30].into_iter().for_each(check_drained);
    }

    fn check_drained(rest_ms: u64) {
        let mut delay = Delay::default();
        let mut over = Vec::new();
        for (number, sent_ms) in (0..3_000).step_by(20).enumerate() {
            // A probe of 10 packets fills the queue up to 80 ms; the next one finds it empty. The first packet is a small one.
            let probe_ms = if (100..110).contains(&number) { 8 * (number as u64 - 99) } else { 0 };
            let queue_ms = if number == 0 { 0 } else { rest_ms + probe_ms };
            delay.add(sent_ms * 1_000_000, (sent_ms + 50 + queue_ms) * 1_000_000);
            over.extend((delay.usage() == Usage::Over).then_some((number, delay.queue())));
        }
        assert!(over.iter().any(|(number, _)| *number < 110), "the probe is seen: {over:?}");
        assert!(over.iter().all(|(number, _)| *number < 110), "{over:?}");
    }

    /// Sends a packet every 10 ms for 2 s; the path becomes 100 ms longer after one, and the queue grows by `slower_us`
    /// with each packet from then on. Returns the times of overuse after the jump, in milliseconds.
    fn overuse_after_jump(slower_us: u64) -> Vec<u64> {
        let mut delay = Delay::default();
        let mut over = Vec::new();
        for sent_ms in (0..2_000_u64).step_by(10) {
            let jitter_us = sent_ms * 7 % 60 * 100;
            let longer_us = if sent_ms < 1_000 { 0 } else { 100_000 + (sent_ms - 1_000) / 10 * slower_us };
            delay.add(sent_ms * 1_000_000, (sent_ms * 1_000 + jitter_us + longer_us) * 1_000);
            over.extend((delay.usage() == Usage::Over).then_some(sent_ms.saturating_sub(1_000)));
        }
        over
    }

    #[test]
    fn a_path_that_becomes_longer_is_no_overuse_unless_a_queue_grows_as_well() {
        assert!(overuse_after_jump(0).is_empty());
        for slower_us in [2_000, 20_000] {
            let over = overuse_after_jump(slower_us);
            assert!(over.first().is_some_and(|ms| (10..=100).contains(ms)), "{slower_us}: {over:?}");
        }
    }

    #[test]
    fn measures_the_queue_from_the_shortest_way() {
        let mut base = Base::default();
        let mut add =
            |sent_ms: u64, arrived_ms: u64| base.add(sent_ms * 1_000_000, arrived_ms * 1_000_000).queue_us / 1_000;
        assert_eq!([add(1_000, 7), add(1_010, 37), add(1_020, 27), add(1_030, 87)], [0, 20, 0, 50]);
        // The span changes twice: the old shortest transit is forgotten.
        assert_eq!([add(17_000, 16_007), add(17_010, 16_047), add(33_000, 32_107)], [0, 30, 100]);
    }
}
