//! Samples each session's quality every minute, and adds the samples up.

use super::{Output, Sfu, Timer};
use crate::congestion::allocate::Limit;
use crate::egress::slot::Slot;
use crate::keys::SessionKey;
use crate::quality::Counts;
use crate::session::Session;
use shared::control::{Grade, QualityLimit, SessionQuality, TrackQuality};
use shared::limits::QUALITY_INTERVAL_MS;
use shared::rtp_parameters::{Flow, MediaKind};
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_millis(QUALITY_INTERVAL_MS);
/// Spread of the first sample, so that the samples of a full room do not coincide.
const SPREAD_MS: u64 = 10_000;

impl Sfu {
    pub(super) fn begin_samples(&mut self, now: Instant, key: SessionKey) {
        let spread = Duration::from_millis(self.random.next_u64() % SPREAD_MS);
        self.deadlines.set(Timer::Sample(key), Some(now + INTERVAL - spread));
    }

    /// Reports the quality of a session's media since the last sample, and schedules the next in a minute.
    pub(super) fn sample(&mut self, now: Instant, key: SessionKey) {
        let allowed_bps = self.allowed(key).map(|estimate| saturated(estimate.sustained_bps));
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(room) = self.rooms.get(session.room).map(|room| room.id.clone()) else { return };
        self.deadlines.set(Timer::Sample(key), Some(now + INTERVAL));
        let interval = now.saturating_duration_since(std::mem::replace(&mut session.sampled_at, now));
        let mut tracks = sampled_slots(session, interval);
        for layers in session.tracks.iter().filter_map(|track| self.tracks.get(*track)) {
            for (place, stream) in layers.streams().enumerate() {
                let Some(stream) = self.streams.get_mut(stream) else { continue };
                let (counts, lines) = (stream.tally.take(), stream.lines());
                let clock_rate = stream.clock_rate();
                let Some(receiver) = stream.receiver().filter(|_| counts.packets > 0) else { continue };
                let (lost, jitter_ticks) = (receiver.take_lost(), receiver.jitter_ticks());
                let measured = Measured { lost, jitter_ms: milliseconds(jitter_ticks, clock_rate), lines };
                tracks.push(TrackQuality {
                    rid: layers.rid(place).map(str::to_owned),
                    ..quality(layers.reference.mid.clone(), Flow::ClientToNode, layers.kind, counts, measured, interval)
                });
            }
        }
        if tracks.is_empty() {
            return;
        }
        let round_trip_ms = session.is_round_trip_known.then_some(session.round_trip.as_millis() as u32);
        let grade = grade(round_trip_ms, &tracks);
        let quality = SessionQuality {
            room,
            session: session.id.clone(),
            participant: session.participant.clone(),
            interval_ms: interval.as_millis() as u32,
            round_trip_ms,
            estimate_bps: allowed_bps,
            grade,
            tracks,
        };
        self.stats.sampled(&quality);
        self.outputs.push_back(Output::Quality(Box::new(quality)));
    }
}

/// Measurements of a stream besides its counts.
struct Measured {
    lost: u64,
    jitter_ms: u32,
    /// 0 if unknown.
    lines: u16,
}

fn sampled_slots(session: &mut Session, interval: Duration) -> Vec<TrackQuality> {
    let mut sampled = Vec::new();
    for slot in session.slots.iter_mut().filter(|slot| slot.is_active) {
        let (counts, limit) = (slot.tally.take(), limit(slot));
        if counts.packets == 0 && limit != Some(QualityLimit::Paused) {
            continue;
        }
        let (lost, jitter_ticks) = slot.reception.take();
        let jitter_ms = milliseconds(jitter_ticks, slot.config().clock_rate);
        let measured = Measured { lost, jitter_ms, lines: slot.grant.map_or(0, |grant| grant.lines) };
        let quality = quality(slot.mid().clone(), Flow::NodeToClient, slot.kind(), counts, measured, interval);
        sampled.push(TrackQuality { limit, ..quality });
    }
    sampled
}

fn limit(slot: &Slot) -> Option<QualityLimit> {
    let grant = slot.grant.filter(|_| slot.track.is_some())?;
    match grant.limit {
        Limit::None => None,
        Limit::Size => Some(QualityLimit::Size),
        Limit::Estimate if grant.stream.is_none() => Some(QualityLimit::Paused),
        Limit::Estimate => Some(QualityLimit::Estimate),
        Limit::NoLayer => Some(QualityLimit::NoLayer),
    }
}

fn quality(
    mid: shared::Mid,
    flow: Flow,
    kind: MediaKind,
    counts: Counts,
    measured: Measured,
    interval: Duration,
) -> TrackQuality {
    let interval_ms = (interval.as_millis() as u64).max(1);
    TrackQuality {
        mid,
        flow,
        kind,
        rid: None,
        bitrate_bps: saturated(counts.bytes * 8 * 1_000 / interval_ms),
        packets: counts.packets,
        packets_lost: saturated(measured.lost),
        jitter_ms: measured.jitter_ms,
        frames: counts.frames,
        frame_height: (measured.lines > 0).then_some(measured.lines),
        freezes: counts.freezes,
        nacks: counts.nacks,
        plis: counts.plis,
        limit: None,
    }
}

/// The worse of both directions.
fn grade(round_trip_ms: Option<u32>, tracks: &[TrackQuality]) -> Grade {
    let graded = [Flow::ClientToNode, Flow::NodeToClient].map(|flow| {
        let of_flow = tracks.iter().filter(|track| track.flow == flow);
        let (lost, packets) = of_flow.fold((0, 0), |(lost, packets), track| {
            (lost + u64::from(track.packets_lost), packets + u64::from(track.packets))
        });
        // Lost packets are included in those sent, and missing from those received.
        let sent = if flow == Flow::NodeToClient { packets } else { packets + lost };
        Grade::of(round_trip_ms, lost, sent)
    });
    graded.into_iter().max().unwrap_or(Grade::Excellent)
}

fn milliseconds(ticks: u32, clock_rate: u32) -> u32 {
    saturated(u64::from(ticks) * 1_000 / u64::from(clock_rate.max(1)))
}

fn saturated(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
