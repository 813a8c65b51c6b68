//! Whether the queue of the link to a client grows: the trend of the delay between groups of packets.

use super::base::Base;
use std::collections::VecDeque;
use std::time::Duration;

/// Packets sent within this time travel together.
const GROUP: Duration = Duration::from_millis(5);
/// Packets that arrive within this time of each other, faster than they were sent, were held up together.
const BURST_GAP: Duration = Duration::from_millis(5);
const BURST_MAX: Duration = Duration::from_millis(100);
/// Groups whose trend is taken.
const TREND_GROUPS: usize = 20;
/// Weight of the past in the smoothed delay.
const SMOOTHING: f64 = 0.9;
/// The trend counts more with every group up to so many, times the gain, as in libwebrtc.
const GROUPS_FULL: u32 = 60;
const GAIN: f64 = 4.0;
/// The threshold in milliseconds, and how it follows the trend: slowly up, faster down.
const THRESHOLD_FIRST_MS: f64 = 12.5;
const THRESHOLD_MIN_MS: f64 = 6.0;
const THRESHOLD_MAX_MS: f64 = 600.0;
const THRESHOLD_UP: f64 = 0.0087;
const THRESHOLD_DOWN: f64 = 0.039;
/// Leaps this far above the threshold do not move it.
const LEAP_MS: f64 = 15.0;
/// The trend must be above the threshold for so long, and for two groups.
const OVERUSE_AFTER_MS: f64 = 10.0;
/// In a queue shorter than this nothing waits.
const EMPTY_QUEUE: Duration = Duration::from_millis(5);

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
    queue: Duration,
}

/// Times of packets that travelled together, from the sender's and the receiver's origin.
#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent: Duration,
    last_sent: Duration,
    first_arrived: Duration,
    last_arrived: Duration,
}

impl Delay {
    /// Takes an arrival, in the order of sending.
    pub(super) fn add(&mut self, sent: Duration, arrived: Duration) {
        self.queue = self.base.add(sent, arrived);
        let Some(group) = &mut self.current else {
            self.current = Some(Group::of(sent, arrived));
            return;
        };
        if sent < group.first_sent {
            return; // Overtaken by a later group.
        }
        if group.takes(sent, arrived) {
            group.last_sent = group.last_sent.max(sent);
            group.last_arrived = group.last_arrived.max(arrived);
            return;
        }
        let complete = *group;
        self.current = Some(Group::of(sent, arrived));
        if let Some(previous) = self.previous.replace(complete) {
            let sent_ms = ms_between(previous.last_sent, complete.last_sent);
            let arrived_ms = ms_between(previous.last_arrived, complete.last_arrived);
            let trend = self.trend.add(arrived_ms - sent_ms, complete.last_arrived);
            self.detector.detect(trend, sent_ms, complete.last_arrived);
        }
    }

    /// The trend still holds the groups that made a queue after it has drained: that queue asks for nothing any more.
    pub(super) fn usage(&self) -> Usage {
        match self.detector.usage {
            Usage::Over if self.queue < EMPTY_QUEUE => Usage::Under,
            usage => usage,
        }
    }

    /// How long the last packet waited in the queue.
    pub(super) fn queue(&self) -> Duration {
        self.queue
    }
}

impl Group {
    fn of(sent: Duration, arrived: Duration) -> Self {
        Self { first_sent: sent, last_sent: sent, first_arrived: arrived, last_arrived: arrived }
    }

    fn takes(&self, sent: Duration, arrived: Duration) -> bool {
        let arrived_gap = arrived.saturating_sub(self.last_arrived);
        let was_held_up = arrived_gap < sent.saturating_sub(self.last_sent)
            && arrived_gap <= BURST_GAP
            && arrived.saturating_sub(self.first_arrived) < BURST_MAX;
        sent.saturating_sub(self.first_sent) <= GROUP || was_held_up
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
    /// Takes a group that was this much slower than the one before; gives the trend in milliseconds.
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
            // The first group began to be too slow somewhere on its way.
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

    /// Sends a packet each 10 ms for a second on an even way, then for `ms` with a way that is so much longer for each.
    fn check(slower_us: i64, ms: u64, usage: Usage) {
        let mut delay = Delay::default();
        let mut way_us = 50_000;
        for sent_ms in (0..1_000 + ms).step_by(10) {
            way_us += if sent_ms < 1_000 { 0 } else { slower_us };
            let sent = Duration::from_millis(sent_ms);
            delay.add(sent, Duration::from_micros((sent.as_micros() as i64 + way_us) as u64));
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
        let mut delay = Delay::default();
        let mut over = Vec::new();
        for (number, sent_ms) in (0..3_000).step_by(20).enumerate() {
            // A probe of 10 packets fills the queue up to 80 ms; the next packet finds it empty.
            let queue_ms = if (100..110).contains(&number) { 8 * (number as u64 - 99) } else { 0 };
            delay.add(Duration::from_millis(sent_ms), Duration::from_millis(sent_ms + 50 + queue_ms));
            over.extend((delay.usage() == Usage::Over).then_some((number, delay.queue())));
        }
        assert!(over.iter().any(|(number, _)| *number < 110), "the probe is seen: {over:?}");
        assert!(over.iter().all(|(number, _)| *number < 110), "{over:?}");
    }

    #[test]
    fn measures_the_queue_from_the_shortest_way() {
        let mut base = Base::default();
        let mut add = |sent, arrived| base.add(Duration::from_millis(sent), Duration::from_millis(arrived)).as_millis();
        assert_eq!([add(1_000, 7), add(1_010, 37), add(1_020, 27), add(1_030, 87)], [0, 20, 0, 50]);
        // The span changes twice: the old shortest way is forgotten.
        assert_eq!([add(17_000, 16_007), add(17_010, 16_047), add(33_000, 32_107)], [0, 30, 100]);
    }
}
