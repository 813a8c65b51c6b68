//! Controls the rate of one client from its reports about arrivals, losses and rates.

use super::acknowledged::Acknowledged;
use super::allocate::Estimate;
use super::bandwidth::{Bandwidth, TARGET_MAX_BPS, TARGET_MIN_BPS};
pub use super::cluster::{Probe, ProbeId};
use super::delay::{Delay, Usage};
use super::loss::LossLimit;
use super::overflow::Overflow;
use super::probe::Prober;
use super::rate::{Path, Rate};
use super::reported::Reported;
pub use super::sent::Kind;
use super::sent::{Change, History, Sent};
use crate::rtcp::transport_feedback::{Feedback, TICK};
use shared::signal::EstimateReason;
use std::time::{Duration, Instant};

/// Packets leave faster than the target by this factor, so that frames are not held up; libwebrtc's factor.
const PACING: f64 = 2.5;
/// Used after a sudden drop, when waiting packets were meant for another rate.
const PACING_CAREFUL: f64 = 1.1;
/// For frames so large that a burst of them would fill the link's queue.
const PACING_SPREAD: f64 = 1.2;
const CAREFUL: Duration = Duration::from_secs(4);
/// A client that was sent packets and has reported nothing for this long is disconnected from us, or we from it.
const STARVED_AFTER: Duration = Duration::from_secs(1);
const STARVED_EVERY: Duration = Duration::from_millis(500);
const STARVED_FACTOR: f64 = 0.7;
/// A decrease to less than this share of the target is sudden.
const SUDDEN: f64 = 0.66;
/// Then the queue is drained with this share of the target, until it is this short, but no longer than this.
const DRAIN_SHARE: f64 = 0.5;
const DRAINED: Duration = Duration::from_millis(40);
const DRAIN_MAX: Duration = Duration::from_millis(1_500);
/// A queue up to this length may come from a probe.
const PROBE_QUEUE_MAX: Duration = Duration::from_millis(120);
/// A queue that stays longer than this for so long shows a link that is too narrow for what is sent.
const STANDING_QUEUE: Duration = Duration::from_millis(100);
const STANDS_FOR: Duration = Duration::from_millis(100);
/// No probes are sent into a longer queue.
const BUSY_QUEUE: Duration = Duration::from_millis(60);
/// Two probes in a row that pass at this many times the target show another link.
const OTHER_LINK: f64 = 2.5;
/// Below this target, redundant audio would take up much of the link.
const NARROW_BPS: f64 = 500_000.0;
/// Assumed round trip before the first measurement.
const ROUND_TRIP_ASSUMED: Duration = Duration::from_millis(100);
/// Start of the ticks; reports with 24 bits of reference time wrap.
const TICKS_FIRST: i64 = 1 << 33;

/// Packets that a report mentions for the first time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct News {
    pub arrived: u32,
    pub lost: u32,
}

#[derive(Debug)]
pub struct Controller {
    origin: Instant,
    history: History,
    acknowledged: Acknowledged,
    delay: Delay,
    rate: Rate,
    loss: LossLimit,
    overflow: Overflow,
    reported: Reported,
    prober: Prober,
    /// The newest arrival in extended ticks.
    ticks: Option<i64>,
    round_trip: Duration,
    has_feedback: bool,
    starved_at: Option<Instant>,
    drains_until: Option<Instant>,
    careful_until: Option<Instant>,
    /// True while frames are so large that a burst of them fills the link's queue.
    spreads_frames: bool,
    /// The queue has been long since then.
    queued_since: Option<Instant>,
    /// Bytes sent only for probing.
    padding_bytes: u64,
    min_bps: f64,
    start_bps: f64,
    target_bps: f64,
    /// The target after the client's last report.
    reported_bps: f64,
    reason: EstimateReason,
}

impl Controller {
    #[must_use]
    pub fn new(now: Instant, bandwidth: &Bandwidth) -> Self {
        let min_bps = (bandwidth.min_bps as f64).max(TARGET_MIN_BPS);
        let start_bps = (bandwidth.start_bps as f64).clamp(min_bps, TARGET_MAX_BPS);
        Self {
            origin: now,
            history: History::new(now),
            acknowledged: Acknowledged::default(),
            delay: Delay::default(),
            rate: Rate::new(now, start_bps),
            loss: LossLimit::default(),
            overflow: Overflow::default(),
            reported: Reported::default(),
            prober: Prober::default(),
            ticks: None,
            round_trip: ROUND_TRIP_ASSUMED,
            has_feedback: false,
            starved_at: None,
            drains_until: None,
            careful_until: None,
            spreads_frames: false,
            queued_since: None,
            padding_bytes: 0,
            min_bps,
            start_bps,
            target_bps: start_bps,
            reported_bps: start_bps,
            reason: EstimateReason::Start,
        }
    }

    /// Records a sent packet; returns its transport-wide sequence number. `bytes` includes all headers.
    pub fn sent(&mut self, now: Instant, bytes: usize, kind: Kind, probe: Option<ProbeId>) -> u16 {
        self.prober.begin(now, self.target_bps);
        self.padding_bytes += if kind == Kind::Padding { bytes as u64 } else { 0 };
        self.starved_at.get_or_insert(now + STARVED_AFTER);
        self.history.push(now, bytes.min(usize::from(u16::MAX)) as u16, probe)
    }

    /// Begins anew, because media takes another route. Starts as low as at first, or lower if the previous route carried
    /// less. Packets sent on the previous route reveal nothing.
    pub fn change_route(&mut self, now: Instant) {
        self.history.forget();
        let start_bps = self.start_bps.min(self.reported_bps);
        (self.acknowledged, self.delay, self.rate) =
            (Acknowledged::default(), Delay::default(), Rate::new(now, start_bps));
        (self.loss, self.overflow, self.reported) = (LossLimit::default(), Overflow::default(), Reported::default());
        self.prober.begin_anew();
        (self.starved_at, self.drains_until, self.careful_until, self.queued_since) = (None, None, None, None);
        (self.target_bps, self.reason) = (start_bps, EstimateReason::Start);
    }

    /// Continues at another port of the client's NAT. Packets to the previous one are lost, which reveals nothing about
    /// the link, and neither does the silence since.
    pub fn change_port(&mut self, now: Instant) {
        self.history.forget();
        self.starved_at = None;
        if self.reason == EstimateReason::Starved {
            self.rate.set(now, self.reported_bps);
            self.conclude(now, EstimateReason::Growth);
        }
    }

    /// Returns the numbers of packets that the report mentions for the first time.
    pub fn feedback(&mut self, now: Instant, feedback: &Feedback<'_>) -> News {
        let mut news = News::default();
        for (sequence, ticks) in feedback.arrivals() {
            let Some((sent, change)) = self.history.report(sequence, ticks.is_some()) else { continue };
            match change {
                Change::ArrivedLate => self.loss.take_back(),
                Change::Arrived | Change::Missing => self.loss.add(sent.at, sent.bytes, change == Change::Missing),
            }
            if change == Change::Missing {
                news.lost += 1;
                self.overflow.add(self.delay.queue());
            } else {
                news.arrived += 1;
            }
            if let Some(ticks) = ticks {
                self.arrived(sent, ticks);
            }
        }
        if news != News::default() {
            (self.has_feedback, self.starved_at) = (true, None);
            let is_queued = self.delay.queue() > STANDING_QUEUE;
            self.queued_since = is_queued.then_some(self.queued_since.unwrap_or(now));
            self.update(now);
            self.reported_bps = self.target_bps;
        }
        news
    }

    /// Takes the client's own estimate (draft-alvestrand-rmcat-remb).
    pub fn remb(&mut self, now: Instant, bps: u64) {
        self.reported.remb(bps as f64);
        self.conclude(now, EstimateReason::Remb);
        self.reported_bps = self.target_bps;
    }

    /// Takes the share of packets lost since the last receiver report.
    pub fn reception(&mut self, now: Instant, fraction_lost: f64) {
        self.reported.lost(fraction_lost, self.target_bps);
        self.conclude(now, EstimateReason::Remb);
    }

    pub fn round_trip(&mut self, _now: Instant, round_trip: Duration) {
        self.round_trip = round_trip;
    }

    /// Takes the rate at which the next larger layer fits, and the highest rate to probe. Probes start with the first
    /// and continue towards the second while they arrive as fast as they were sent.
    pub fn set_wanted(&mut self, now: Instant, next_bps: u64, most_bps: u64) {
        self.prober.set_wanted(now, (next_bps as f64, most_bps as f64), self.target_bps);
    }

    /// Sets whether frames leave no faster than the link carries them.
    pub fn set_spreads_frames(&mut self, spreads_frames: bool) {
        self.spreads_frames = spreads_frames;
    }

    /// The rate for all streams together, including UDP and IP headers.
    pub fn target_bps(&self) -> u64 {
        let share = if self.drains_until.is_some() { DRAIN_SHARE } else { 1.0 };
        (self.target_bps * share).max(TARGET_MIN_BPS) as u64
    }

    /// Like [`Self::target_bps`], including the part reserved for draining a queue.
    pub fn sustained_bps(&self) -> u64 {
        self.target_bps as u64
    }

    pub fn estimate(&self) -> Estimate {
        Estimate { target_bps: self.target_bps(), sustained_bps: self.sustained_bps() }
    }

    /// The rate at which packets leave.
    pub fn pacing_bps(&self) -> u64 {
        let factor = match self.delay.usage() {
            _ if self.drains_until.is_some() => 1.0,
            Usage::Over => 1.0,
            Usage::Normal | Usage::Under if self.careful_until.is_some() => PACING_CAREFUL,
            Usage::Normal | Usage::Under if self.spreads_frames => PACING_SPREAD,
            Usage::Normal | Usage::Under => PACING,
        };
        (self.target_bps() as f64 * factor) as u64
    }

    /// Like [`Self::pacing_bps`]; `None` while the client reports no arrivals, as nothing is known about the link.
    pub fn known_pacing_bps(&self) -> Option<u64> {
        self.has_feedback.then(|| self.pacing_bps())
    }

    /// True if the link carries less than it is sent, whatever the estimate is so far.
    pub fn is_overrun(&self, now: Instant) -> bool {
        self.queued_since.is_some_and(|since| now.saturating_duration_since(since) >= STANDS_FOR)
    }

    /// True if a narrow link drops packets because its queue is full: redundancy would make it drop more.
    pub fn overflows(&self) -> bool {
        self.has_feedback && self.target_bps < NARROW_BPS && self.overflow.is_usual()
    }

    pub fn padding_bytes(&self) -> u64 {
        self.padding_bytes
    }

    pub fn reason(&self) -> EstimateReason {
        self.reason
    }

    /// The next probe to send; there may be several. Call after each report, packet and timeout.
    pub fn next_probe(&mut self, now: Instant) -> Option<Probe> {
        self.prober.next(now)
    }

    pub fn poll_timeout(&self) -> Option<Instant> {
        let starved_at = self.starved_at.filter(|_| self.has_feedback);
        [starved_at, self.drains_until, self.careful_until, self.prober.check_at()].into_iter().flatten().min()
    }

    pub fn handle_timeout(&mut self, now: Instant) {
        if self.has_feedback && self.starved_at.is_some_and(|at| at <= now) {
            self.starved_at = Some(now + STARVED_EVERY);
            self.rate.set(now, self.rate.bps() * STARVED_FACTOR);
            self.prober.recover(now);
            self.conclude(now, EstimateReason::Starved);
        }
        self.drains_until = self.drains_until.filter(|until| now < *until);
        self.careful_until = self.careful_until.filter(|until| now < *until);
        let is_busy = self.delay.usage() == Usage::Over || self.delay.queue() > BUSY_QUEUE;
        self.prober.check(now, self.target_bps, is_busy || self.drains_until.is_some());
    }

    fn arrived(&mut self, sent: Sent, ticks: i64) {
        // The reference time wraps after 2^32 ticks.
        let ticks =
            self.ticks.map_or(TICKS_FIRST + ticks, |last| last + i64::from((ticks as i32).wrapping_sub(last as i32)));
        self.ticks = self.ticks.max(Some(ticks));
        let arrived = Duration::from_micros(ticks.max(0) as u64 * TICK.as_micros() as u64);
        self.acknowledged.add(arrived, sent.bytes);
        self.delay.add(sent.at.saturating_duration_since(self.origin), arrived);
        if let Some(probe) = sent.probe {
            self.prober.clusters().add(probe, sent.at, arrived, sent.bytes);
        }
    }

    fn update(&mut self, now: Instant) {
        let before = self.rate.bps();
        let shown = self.prober.shown(now, self.target_bps);
        // Losses in a full queue say nothing about a link that has become much faster.
        let is_other = shown.is_some_and(|shown| shown.bps > OTHER_LINK * self.target_bps && !shown.is_full);
        if is_other && self.overflow.is_usual() {
            self.loss.forget();
        }
        let mut reason = EstimateReason::Growth;
        if self.update_rate(now) {
            reason = EstimateReason::Delay;
            if self.rate.bps() < SUDDEN * before {
                self.prober.recover(now);
                self.drains_until = Some(now + DRAIN_MAX);
                self.careful_until = Some(now + CAREFUL);
            }
        } else if let Some(shown) = shown.filter(|shown| shown.bps > self.rate.bps()) {
            self.rate.set(now, shown.bps);
            reason = EstimateReason::Probe;
        }
        self.drains_until = self.drains_until.filter(|_| self.delay.queue() > DRAINED);
        if self.delay.take_path_longer() {
            // The rate was lowered for a queue that never was.
            (self.drains_until, self.careful_until) = (None, None);
            self.overflow = Overflow::default();
            self.prober.recover_now(now);
        }
        self.conclude(now, reason);
    }

    /// Returns true if the rate allowed by the delay fell.
    fn update_rate(&mut self, now: Instant) -> bool {
        let mut usage = self.delay.usage();
        if usage == Usage::Over && self.prober.is_under_way(now) && self.delay.queue() < PROBE_QUEUE_MAX {
            usage = Usage::Under; // The probe's own queue drains by itself.
        }
        let (recent_bps, steady_bps) = (self.acknowledged.recent_bps(), self.acknowledged.steady_bps());
        self.rate.update(now, Path { usage, recent_bps, steady_bps, round_trip: self.round_trip })
    }

    fn conclude(&mut self, now: Instant, reason: EstimateReason) {
        let before = self.target_bps;
        let mut target = (self.rate.bps(), reason);
        if self.has_feedback {
            let allowed = self.loss.update(before, || self.acknowledged.steady_bps());
            if let Some(bps) = allowed.filter(|bps| *bps < target.0) {
                target = (bps, EstimateReason::Loss);
            }
        } else if let Some((bps, is_lossy)) = self.reported.allowed_bps() {
            target = (bps, if is_lossy { EstimateReason::Loss } else { reason });
        }
        self.target_bps = target.0.clamp(self.min_bps, TARGET_MAX_BPS);
        if self.target_bps != before {
            self.reason = target.1;
            self.prober.target_changed(now, self.target_bps);
        }
    }
}

#[cfg(test)]
mod tests;
