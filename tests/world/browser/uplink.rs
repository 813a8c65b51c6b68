//! A browser's sender that adapts to its uplink as libwebrtc does: an estimate from reported arrivals, and a pacer.

use super::publish::Plain;
use crate::clock::Clock;
use crate::net::HEADER_BYTES;
use media_core::rtcp::transport_feedback::{Feedback, TICK};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// The estimate before anything is known about the link.
const START_BPS: f64 = 3_000_000.0;
const MIN_BPS: f64 = 30_000.0;
/// Video leaves faster than the target by this factor; libwebrtc's value.
const PACING: f64 = 2.5;
/// The arrival rate is measured over this time, so that a sudden drop is found in several steps.
const RATE_WINDOW: Duration = Duration::from_millis(500);
const BACK_OFF: f64 = 0.85;
const DECREASE_INTERVAL: Duration = Duration::from_millis(200);
const GROWTH_PER_S: f64 = 1.08;
/// The target may exceed the arrival rate by this factor.
const ABOVE_ARRIVED: f64 = 1.5;
/// A queue that is longer than this and does not drain means overuse.
const QUEUE: Duration = Duration::from_millis(25);
/// SRTP's tag.
const TAG_BYTES: usize = 16;
/// Packets whose arrival is still awaited.
const FLYING_MAX: usize = 2_048;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Audio,
    Video,
    Retransmission,
}

/// The uplink as its browser knows it.
#[derive(Debug)]
pub struct Uplink {
    target_bps: f64,
    /// The node's limit.
    remb_bps: Option<u64>,
    flying: BTreeMap<u64, Flying>,
    /// Arrivals of the last [`RATE_WINDOW`], in microseconds from the node's origin, with sizes.
    arrived: VecDeque<(i64, usize)>,
    least_transit_us: Option<i64>,
    transit_us: i64,
    decreased_at: Instant,
    changed_at: Instant,
    /// Retransmissions leave before video.
    repairs: VecDeque<Plain>,
    video: VecDeque<Plain>,
    /// The time at which the pacer lets the next packet go.
    free_at: Instant,
}

#[derive(Clone, Copy, Debug)]
struct Flying {
    at: Instant,
    bytes: usize,
    ssrc: u32,
    sequence: u16,
    kind: Kind,
}

impl Uplink {
    #[must_use]
    pub fn new(clock: &Clock) -> Self {
        Self {
            target_bps: START_BPS,
            remb_bps: None,
            flying: BTreeMap::new(),
            arrived: VecDeque::new(),
            least_transit_us: None,
            transit_us: 0,
            decreased_at: clock.now(),
            changed_at: clock.now(),
            repairs: VecDeque::new(),
            video: VecDeque::new(),
            free_at: clock.now(),
        }
    }

    /// The rate for all streams together.
    #[must_use]
    pub fn bps(&self) -> u64 {
        self.remb_bps.unwrap_or(u64::MAX).min(self.target_bps as u64)
    }

    pub fn limit(&mut self, remb_bps: u64) {
        self.remb_bps = Some(remb_bps);
    }

    /// Queues packets; audio never waits.
    pub fn hold(&mut self, packets: Vec<Plain>) -> Vec<Plain> {
        let (audio, others): (Vec<_>, Vec<_>) = packets.into_iter().partition(|packet| packet.kind == Kind::Audio);
        for packet in others {
            let queue = if packet.kind == Kind::Retransmission { &mut self.repairs } else { &mut self.video };
            queue.push_back(packet);
        }
        audio
    }

    /// The next packet that the pacer lets go.
    pub fn let_go(&mut self, clock: &Clock) -> Option<Plain> {
        if self.free_at > clock.now() {
            return None;
        }
        let packet = self.repairs.pop_front().or_else(|| self.video.pop_front())?;
        let bits = 8.0 * wire_bytes(&packet) as f64;
        self.free_at = clock.now() + Duration::from_secs_f64(bits / (PACING * self.bps() as f64).max(MIN_BPS));
        Some(packet)
    }

    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        (!self.repairs.is_empty() || !self.video.is_empty()).then_some(self.free_at)
    }

    /// Records a packet by its extended transport-wide sequence number.
    pub fn sent(&mut self, clock: &Clock, number: u64, packet: &Plain) {
        let (ssrc, sequence) = (packet.ssrc, packet.index as u16);
        let flying = Flying { at: clock.now(), bytes: wire_bytes(packet), ssrc, sequence, kind: packet.kind };
        self.flying.insert(number, flying);
        while self.flying.len() > FLYING_MAX {
            self.flying.pop_first();
        }
    }

    /// Takes a report. Returns the streams' packets that are reported lost without a later one that arrived: libwebrtc
    /// retransmits them unasked.
    pub fn hear(&mut self, clock: &Clock, feedback: Feedback<'_>) -> Vec<(u32, u16)> {
        let newest = self.flying.last_key_value().map_or(0, |(number, _)| *number);
        let (mut lost, mut transits) = (BTreeMap::<u32, Vec<u16>>::new(), Vec::new());
        for (sequence, ticks) in feedback.arrivals() {
            let number = newest.checked_sub(u64::from((newest as u16).wrapping_sub(sequence)));
            let Some((number, flying)) = number.and_then(|number| Some((number, *self.flying.get(&number)?))) else {
                continue;
            };
            let Some(ticks) = ticks else {
                if flying.kind == Kind::Video {
                    lost.entry(flying.ssrc).or_default().push(flying.sequence);
                }
                continue;
            };
            self.flying.remove(&number);
            lost.remove(&flying.ssrc);
            let arrived_us = ticks * TICK.as_micros() as i64;
            self.arrived.push_back((arrived_us, flying.bytes));
            transits.push(arrived_us - Clock::elapsed_at(flying.at).as_micros() as i64);
        }
        if let Some(least) = transits.iter().min() {
            self.least_transit_us = Some(self.least_transit_us.map_or(*least, |before| before.min(*least)));
            self.estimate(clock, transits.iter().sum::<i64>() / transits.len() as i64);
        }
        lost.into_iter().flat_map(|(ssrc, lost)| lost.into_iter().map(move |sequence| (ssrc, sequence))).collect()
    }

    fn estimate(&mut self, clock: &Clock, transit_us: i64) {
        let now = clock.now();
        let before_us = std::mem::replace(&mut self.transit_us, transit_us);
        let elapsed = now.duration_since(std::mem::replace(&mut self.changed_at, now)).as_secs_f64();
        let rate_bps = self.rate_bps();
        let queue_us = transit_us - self.least_transit_us.unwrap_or(transit_us);
        let is_overused = queue_us > QUEUE.as_micros() as i64 && transit_us > before_us - 2_000;
        if is_overused && now.duration_since(self.decreased_at) >= DECREASE_INTERVAL {
            self.decreased_at = now;
            self.target_bps = self.target_bps.min(BACK_OFF * rate_bps).max(MIN_BPS);
        } else if !is_overused {
            let grown = self.target_bps * GROWTH_PER_S.powf(elapsed.min(1.0));
            self.target_bps = grown.min(ABOVE_ARRIVED * rate_bps).max(self.target_bps).min(START_BPS);
        }
    }

    fn rate_bps(&mut self) -> f64 {
        let window_us = RATE_WINDOW.as_micros() as i64;
        let newest = self.arrived.iter().map(|(at, _)| *at).max().unwrap_or(0);
        self.arrived.retain(|(at, _)| *at > newest - window_us);
        8.0 * self.arrived.iter().map(|(_, bytes)| *bytes).sum::<usize>() as f64 / RATE_WINDOW.as_secs_f64()
    }
}

fn wire_bytes(packet: &Plain) -> usize {
    packet.bytes.len() + TAG_BYTES + HEADER_BYTES
}
