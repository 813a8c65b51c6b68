//! The audio and video of one call, with an encoder that follows the target and a client that reports arrivals.

use media_core::congestion::arrivals::Arrivals;
use media_core::congestion::bandwidth::Bandwidth;
use media_core::congestion::controller::{Controller, Kind, Probe};
use media_core::random::Random;
use media_core::rtcp::write::Writer;
use media_core::rtcp::{self, Compound};
use shared::signal::EstimateReason;
use std::collections::VecDeque;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Interval of a sender's pacer.
pub(super) const TICK: Duration = Duration::from_millis(5);
const FRAME_TICKS: u64 = 7;
const AUDIO_TICKS: u64 = 4;
/// 20 kbit/s.
const AUDIO_BYTES: usize = 50;
const AUDIO_BPS: u64 = 20_000;
const PACKET_BYTES_MAX: usize = 1_200;
const PADDING_BYTES: usize = 1_000;
/// Video that does not arrive for longer is frozen.
const FROZEN: Duration = Duration::from_millis(500);
/// Interval of recorded targets.
const SAMPLE_TICKS: u64 = 20;

/// An RTCP datagram.
pub(super) type Report = Vec<u8>;

/// The properties of a flow.
#[derive(Clone, Debug)]
pub struct Media {
    pub from: Duration,
    /// One way, without the queue.
    pub delay: Duration,
    /// The first estimate.
    pub start_bps: u64,
    /// Bounds of the encoder's rate.
    pub video_bps_min: u64,
    pub video_bps_max: u64,
    /// The flow's demand; more than it sends if the next layer does not fit.
    pub wanted_bps: u64,
    /// Nothing is sent in this time.
    pub pause: Range<Duration>,
    /// If true, it is sent over the backward link.
    pub is_backward: bool,
}

impl Media {
    /// A flow from a second on, with the rates of RFC 8867 §4.4.1: it starts at 150 kbit/s of video, its minimum, and has
    /// up to 1.5 Mbit/s.
    #[must_use]
    pub fn starting_at(second: u64, delay_ms: u64) -> Self {
        Self {
            from: Duration::from_secs(second),
            delay: Duration::from_millis(delay_ms),
            start_bps: 150_000 + AUDIO_BPS,
            video_bps_min: 150_000,
            video_bps_max: 1_500_000,
            wanted_bps: 1_500_000 + AUDIO_BPS,
            pause: Duration::ZERO..Duration::ZERO,
            is_backward: false,
        }
    }
}

/// The results of a flow.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Media bits that arrived in each second since the flow began.
    pub media_bits: Vec<u64>,
    pub packets_sent: u64,
    pub packets_received: u64,
    /// The sum of the gaps in its video.
    pub frozen: Duration,
    /// Bits sent only for probing.
    pub padding_bits: u64,
    /// Queueing delay of each packet in milliseconds, with its arrival time.
    pub queued: Vec<(Duration, u32)>,
    /// The target every 100 ms since the flow began, and its reason.
    pub targets: Vec<(u64, EstimateReason)>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    pub(super) sequence: u16,
    /// Includes all headers.
    pub(super) bytes: usize,
    pub(super) kind: Kind,
}

pub(super) struct Flow {
    media: Media,
    controller: Controller,
    began: Instant,
    ticks: u64,
    /// Sizes of the waiting packets in bytes.
    queue: VecDeque<usize>,
    budget: f64,
    probe: Option<(Probe, f64, u64)>,
    arrivals: Arrivals,
    video_at: Option<Instant>,
    outcome: Outcome,
}

impl Flow {
    pub(super) fn new(now: Instant, media: Media) -> Self {
        let began = now + media.from;
        let mut controller = Controller::new(began, &Bandwidth { start_bps: media.start_bps, ..Bandwidth::default() });
        controller.set_wanted(began, media.wanted_bps, media.wanted_bps);
        Self {
            media,
            controller,
            began,
            ticks: 0,
            queue: VecDeque::new(),
            budget: 0.0,
            probe: None,
            arrivals: Arrivals::new(began, 1),
            video_at: None,
            outcome: Outcome::default(),
        }
    }

    pub(super) fn delay(&self) -> Duration {
        self.media.delay
    }

    pub(super) fn is_backward(&self) -> bool {
        self.media.is_backward
    }

    pub(super) fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// The packets that a sender sends at one tick.
    pub(super) fn tick(&mut self, now: Instant, random: &mut Random) -> Vec<Packet> {
        if self.controller.poll_timeout().is_some_and(|at| at <= now) {
            self.controller.handle_timeout(now);
        }
        if self.ticks.is_multiple_of(SAMPLE_TICKS) {
            self.outcome.targets.push((self.controller.target_bps(), self.controller.reason()));
        }
        let mut sent = Vec::new();
        let is_paused = self.media.pause.contains(&(now - (self.began - self.media.from)));
        if !is_paused && self.ticks.is_multiple_of(AUDIO_TICKS) {
            self.send(now, AUDIO_BYTES, Kind::Audio, &mut sent);
        }
        if !is_paused && self.ticks.is_multiple_of(FRAME_TICKS) {
            self.encode(random);
        }
        self.ticks += 1;
        // Everything sent in the meantime belongs to the probe.
        if !self.probe(now, &mut sent) {
            self.pace(now, &mut sent);
        }
        sent
    }

    /// Frame sizes vary by a fifth.
    fn encode(&mut self, random: &mut Random) {
        let target = self.controller.target_bps().saturating_sub(AUDIO_BPS);
        let bps = target.clamp(self.media.video_bps_min, self.media.video_bps_max) as f64;
        let spread = 0.8 + 0.4 * f64::from(random.next_u32()) / f64::from(u32::MAX);
        let bytes = (bps * spread * TICK.as_secs_f64() * FRAME_TICKS as f64 / 8.0) as usize;
        let packets = bytes.div_ceil(PACKET_BYTES_MAX);
        self.queue.extend((0..packets).map(|_| bytes / packets));
    }

    fn pace(&mut self, now: Instant, sent: &mut Vec<Packet>) {
        let bytes = self.controller.pacing_bps() as f64 * TICK.as_secs_f64() / 8.0;
        self.budget = (self.budget + bytes).min(bytes.max(PACKET_BYTES_MAX as f64));
        while self.budget > 0.0
            && let Some(bytes) = self.queue.pop_front()
        {
            self.budget -= bytes as f64;
            self.send(now, bytes, Kind::Video, sent);
        }
    }

    /// Sends a probe's due packets: waiting media, or padding. Returns true if there is a probe.
    fn probe(&mut self, now: Instant, sent: &mut Vec<Packet>) -> bool {
        if self.probe.is_none() {
            self.probe = self.controller.next_probe(now).map(|probe| (probe, 0.0, 0));
        }
        let Some((probe, mut budget, mut done)) = self.probe else { return false };
        budget += probe.bps as f64 * TICK.as_secs_f64() / 8.0;
        while budget > 0.0 && done < probe.bytes {
            let (bytes, kind) = match self.queue.pop_front() {
                Some(bytes) => (bytes, Kind::Video),
                None => (PADDING_BYTES, Kind::Padding),
            };
            budget -= bytes as f64;
            done += bytes as u64;
            let sequence = self.controller.sent(now, bytes, kind, Some(probe.id));
            self.count(bytes, kind);
            sent.push(Packet { sequence, bytes, kind });
        }
        self.probe = (done < probe.bytes).then_some((probe, budget, done));
        true
    }

    fn send(&mut self, now: Instant, bytes: usize, kind: Kind, sent: &mut Vec<Packet>) {
        let sequence = self.controller.sent(now, bytes, kind, None);
        self.count(bytes, kind);
        sent.push(Packet { sequence, bytes, kind });
    }

    fn count(&mut self, bytes: usize, kind: Kind) {
        self.outcome.packets_sent += 1;
        self.outcome.padding_bits += if kind == Kind::Padding { 8 * bytes as u64 } else { 0 };
    }

    /// Takes a packet at the client; returns the time of the next report, unless it is known already.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        (sequence, kind): (u16, Kind),
        bytes: usize,
        sent: Instant,
    ) -> Option<Instant> {
        let second = (now - self.began).as_secs() as usize;
        if self.outcome.media_bits.len() <= second {
            self.outcome.media_bits.resize(second + 1, 0);
        }
        if kind == Kind::Video {
            self.note_video(now);
        }
        if kind != Kind::Padding {
            self.outcome.media_bits[second] += 8 * bytes as u64;
        }
        self.outcome.packets_received += 1;
        let queued = (now - sent).saturating_sub(self.media.delay).as_millis() as u32;
        self.outcome.queued.push((now - (self.began - self.media.from), queued));
        self.arrivals.record(now, sequence, 1, bytes)
    }

    /// Adds the gap before this packet, unless the flow paused.
    fn note_video(&mut self, now: Instant) {
        let begin = self.began - self.media.from;
        let Some(before) = self.video_at.replace(now) else { return };
        let gap = now - before;
        let is_pause = before - begin <= self.media.pause.end && now - begin >= self.media.pause.start;
        if gap > FROZEN && !is_pause {
            self.outcome.frozen += gap;
        }
    }

    pub(super) fn reports(&mut self, now: Instant) -> Vec<Report> {
        let mut reports = Vec::new();
        loop {
            let Some(report) = self.arrivals.next_report(now, false) else { return reports };
            let mut buffer = [0; 1_200];
            let mut writer = Writer::new(&mut buffer);
            let told = writer.transport_feedback(1, report).expect("room for a report");
            let length = writer.bytes();
            reports.push(buffer[..length].to_vec());
            self.arrivals.reported(told);
        }
    }

    pub(super) fn hear(&mut self, now: Instant, report: &Report) {
        let packets = Compound::parse(report).expect("our own report");
        for packet in packets {
            if let rtcp::Packet::TransportCongestion(feedback) = packet {
                self.controller.feedback(now, &feedback);
            }
        }
    }
}
