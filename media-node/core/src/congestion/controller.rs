//! How much one client is sent: what its reports about arrivals, losses and rates say about the link to it.

use super::acknowledged::Acknowledged;
use super::bandwidth::{Bandwidth, MIN_BPS};
pub use super::cluster::{Probe, ProbeId};
use super::delay::{Delay, Usage};
use super::loss::LossLimit;
use super::probe::Prober;
use super::rate::{Path, Rate};
use super::reported::Reported;
pub use super::sent::Kind;
use super::sent::{Change, History, Sent};
use crate::rtcp::transport_feedback::{Feedback, TICK};
use std::time::{Duration, Instant};

pub(super) const TARGET_MIN_BPS: f64 = MIN_BPS as f64;
pub(super) const TARGET_MAX_BPS: f64 = 20_000_000.0;
/// Packets leave so much faster than the target says, so that frames are not held up; libwebrtc's factor.
const PACING: f64 = 2.5;
/// After a sudden drop what waits was meant for another rate.
const PACING_CAREFUL: f64 = 1.1;
const CAREFUL: Duration = Duration::from_secs(4);
/// A client that was sent packets and reports nothing for so long is cut off from us, or we from it.
const STARVED_AFTER: Duration = Duration::from_secs(1);
const STARVED_EVERY: Duration = Duration::from_millis(500);
const STARVED_FACTOR: f64 = 0.7;
/// The target fell suddenly if a decrease leaves less than this.
const SUDDEN: f64 = 0.66;
/// Then the queue is drained with this share of the target, until it is this short, but no longer than this.
const DRAIN_SHARE: f64 = 0.5;
const DRAINED: Duration = Duration::from_millis(40);
const DRAIN_MAX: Duration = Duration::from_millis(1_500);
/// A queue no longer than this may come from a probe.
const PROBE_QUEUE_MAX: Duration = Duration::from_millis(120);
/// Nothing is probed into a longer queue.
const BUSY_QUEUE: Duration = Duration::from_millis(60);
/// Round trip that is assumed until something tells it.
const ROUND_TRIP_ASSUMED: Duration = Duration::from_millis(100);
/// Reports of 24 bits of reference time wrap after so many ticks.
const TICKS_FIRST: i64 = 1 << 33;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reason {
    /// Nothing is known yet.
    #[default]
    Start,
    /// The queue of the link grew.
    Delay,
    /// The link loses what exceeds the target.
    Loss,
    /// A probe arrived as fast.
    Probe,
    /// Nothing speaks against more.
    Growth,
    /// The client said so.
    Remb,
    /// The client reports nothing.
    Starved,
}

impl Reason {
    pub const ALL: [Self; 7] =
        [Self::Start, Self::Delay, Self::Loss, Self::Probe, Self::Growth, Self::Remb, Self::Starved];

    pub const fn label(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Delay => "delay",
            Self::Loss => "loss",
            Self::Probe => "probe",
            Self::Growth => "growth",
            Self::Remb => "remb",
            Self::Starved => "starved",
        }
    }
}

#[derive(Debug)]
pub struct Controller {
    origin: Instant,
    history: History,
    acknowledged: Acknowledged,
    delay: Delay,
    rate: Rate,
    loss: LossLimit,
    reported: Reported,
    prober: Prober,
    /// The newest arrival, in ticks with wraps counted.
    ticks: Option<i64>,
    round_trip: Duration,
    has_feedback: bool,
    starved_at: Option<Instant>,
    drains_until: Option<Instant>,
    careful_until: Option<Instant>,
    /// Bytes that were sent for probing alone.
    padding_bytes: u64,
    min_bps: f64,
    target_bps: f64,
    reason: Reason,
}

impl Controller {
    #[must_use]
    pub fn new(now: Instant, bandwidth: &Bandwidth) -> Self {
        let min_bps = (bandwidth.min_bps as f64).max(TARGET_MIN_BPS);
        let start_bps = (bandwidth.start_bps as f64).clamp(min_bps, TARGET_MAX_BPS);
        Self {
            origin: now,
            history: History::default(),
            acknowledged: Acknowledged::default(),
            delay: Delay::default(),
            rate: Rate::new(now, start_bps),
            loss: LossLimit::default(),
            reported: Reported::default(),
            prober: Prober::default(),
            ticks: None,
            round_trip: ROUND_TRIP_ASSUMED,
            has_feedback: false,
            starved_at: None,
            drains_until: None,
            careful_until: None,
            padding_bytes: 0,
            min_bps,
            target_bps: start_bps,
            reason: Reason::Start,
        }
    }

    /// Takes note of a packet that is sent; gives its transport-wide sequence number.
    pub fn sent(&mut self, now: Instant, bytes: usize, kind: Kind, probe: Option<ProbeId>) -> u16 {
        self.prober.begin(now, self.target_bps);
        self.padding_bytes += if kind == Kind::Padding { bytes as u64 } else { 0 };
        self.starved_at.get_or_insert(now + STARVED_AFTER);
        self.history.push(now, bytes.min(usize::from(u16::MAX)) as u16, probe)
    }

    pub fn feedback(&mut self, now: Instant, feedback: &Feedback<'_>) {
        let mut is_news = false;
        for (sequence, ticks) in feedback.arrivals() {
            let Some((sent, change)) = self.history.report(sequence, ticks.is_some()) else { continue };
            is_news = true;
            match change {
                Change::ArrivedLate => self.loss.take_back(),
                Change::Arrived | Change::Missing => self.loss.add(sent.at, sent.bytes, change == Change::Missing),
            }
            if let Some(ticks) = ticks {
                self.arrived(sent, ticks);
            }
        }
        if is_news {
            (self.has_feedback, self.starved_at) = (true, None);
            self.update(now);
        }
    }

    /// Takes the client's own estimate (draft-alvestrand-rmcat-remb).
    pub fn remb(&mut self, now: Instant, bps: u64) {
        self.reported.remb(bps as f64);
        self.conclude(now, Reason::Remb);
    }

    /// Takes the share of packets lost since the last receiver report.
    pub fn reception(&mut self, now: Instant, fraction_lost: f64) {
        self.reported.lost(fraction_lost, self.target_bps);
        self.conclude(now, Reason::Remb);
    }

    pub fn round_trip(&mut self, _now: Instant, round_trip: Duration) {
        self.round_trip = round_trip;
    }

    /// Says how much would be sent if the link carried it.
    pub fn set_wanted(&mut self, now: Instant, bps: u64) {
        self.prober.set_wanted(now, bps as f64, self.target_bps);
    }

    /// Bits a second, headers of UDP and IP excluded, that all streams may have together.
    pub fn target_bps(&self) -> u64 {
        let share = if self.drains_until.is_some() { DRAIN_SHARE } else { 1.0 };
        (self.target_bps * share).max(TARGET_MIN_BPS) as u64
    }

    /// As [`Self::target_bps`], without what is left free so that a queue drains.
    pub fn sustained_bps(&self) -> u64 {
        self.target_bps as u64
    }

    /// The rate at which packets leave.
    pub fn pacing_bps(&self) -> u64 {
        let factor = match self.delay.usage() {
            _ if self.drains_until.is_some() => 1.0,
            Usage::Over => 1.0,
            Usage::Normal | Usage::Under if self.careful_until.is_some() => PACING_CAREFUL,
            Usage::Normal | Usage::Under => PACING,
        };
        (self.target_bps() as f64 * factor) as u64
    }

    /// As [`Self::pacing_bps`]; `None` while the client reports no arrivals, as nothing is known of the link then.
    pub fn known_pacing_bps(&self) -> Option<u64> {
        self.has_feedback.then(|| self.pacing_bps())
    }

    pub fn padding_bytes(&self) -> u64 {
        self.padding_bytes
    }

    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The next probe to be sent; there may be several. To be asked for after each report, packet and timeout.
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
            self.conclude(now, Reason::Starved);
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
        let mut reason = Reason::Growth;
        if self.update_rate(now) {
            reason = Reason::Delay;
            if self.rate.bps() < SUDDEN * before {
                self.prober.recover(now);
                self.drains_until = Some(now + DRAIN_MAX);
                self.careful_until = Some(now + CAREFUL);
            }
        } else if let Some(shown) = shown.filter(|shown| shown.bps > self.rate.bps()) {
            self.rate.set(now, shown.bps);
            reason = Reason::Probe;
        }
        self.drains_until = self.drains_until.filter(|_| self.delay.queue() > DRAINED);
        self.conclude(now, reason);
    }

    /// Whether the rate that the delay allows fell.
    fn update_rate(&mut self, now: Instant) -> bool {
        let mut usage = self.delay.usage();
        if usage == Usage::Over && self.prober.is_under_way(now) && self.delay.queue() < PROBE_QUEUE_MAX {
            usage = Usage::Under; // The probe's own queue drains by itself.
        }
        let (recent_bps, steady_bps) = (self.acknowledged.recent_bps(), self.acknowledged.steady_bps());
        self.rate.update(now, Path { usage, recent_bps, steady_bps, round_trip: self.round_trip })
    }

    fn conclude(&mut self, now: Instant, reason: Reason) {
        let before = self.target_bps;
        let mut target = (self.rate.bps(), reason);
        if self.has_feedback {
            let allowed = self.loss.update(before, self.acknowledged.steady_bps());
            if let Some(bps) = allowed.filter(|bps| *bps < target.0) {
                target = (bps, Reason::Loss);
            }
        } else if let Some((bps, is_lossy)) = self.reported.allowed_bps() {
            target = (bps, if is_lossy { Reason::Loss } else { reason });
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
