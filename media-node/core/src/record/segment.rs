//! The recording of one assignment: packets and orders in, parts and rows of the manifest out.

mod output;
mod part;
mod stream;

pub use output::Output;

use super::limits::ROWS_MAX;
use super::reorder::Packet;
use super::room_clock::RoomClock;
use super::tap::TapNumber;
use output::{Base, millis};
use shared::control::{RecordedParticipant, RecordedTrack, RecordingOrder, TrackRef};
use shared::manifest::{Event, Row};
use shared::rtp_parameters::MediaKind;
use shared::signal::TrackSource;
use shared::{ParticipantId, TrackId, UnixMillis};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use stream::Stream;

/// Most tracks of one segment: a participant who leaves and returns has new ones.
const STREAMS_MAX: usize = 10_000;

#[derive(Debug)]
pub struct Segment {
    order: RecordingOrder,
    clock: RoomClock,
    /// Participants with a `joined` row and without a `left` row.
    present: BTreeSet<ParticipantId>,
    /// The prefix of its parts' keys.
    parts_prefix: String,
    streams: BTreeMap<TrackId, Stream>,
    taps: BTreeMap<TapNumber, Tapped>,
    rows: usize,
    outputs: VecDeque<Output>,
}

/// A track that the shard copies under one number.
#[derive(Debug)]
struct Tapped {
    reference: TrackRef,
    /// The name under which it is recorded.
    track: TrackId,
}

/// The key prefix of a segment's parts.
#[must_use]
pub fn parts_prefix(key_prefix: &str, epoch: u64) -> String {
    format!("{key_prefix}segments/{epoch}/parts/")
}

/// The track of the part with this key.
#[must_use]
pub fn track_of(key: &str) -> Option<TrackId> {
    let (folder, _) = key.rsplit_once('/')?;
    TrackId::parse(folder.rsplit_once('/')?.1).ok()
}

/// The key of a segment's manifest.
#[must_use]
pub fn manifest_key(key_prefix: &str, epoch: u64) -> String {
    format!("{key_prefix}segments/{epoch}/manifest.json")
}

#[must_use]
pub const fn kind_of(source: TrackSource) -> MediaKind {
    match source {
        TrackSource::Microphone | TrackSource::ScreenAudio => MediaKind::Audio,
        TrackSource::Camera | TrackSource::Screen => MediaKind::Video,
    }
}

impl Segment {
    /// Starts without participants.
    #[must_use]
    pub fn new(order: &RecordingOrder, epoch: u64) -> Self {
        Self {
            order: RecordingOrder { participants: Vec::new(), ..order.clone() },
            clock: RoomClock::default(),
            present: BTreeSet::new(),
            parts_prefix: parts_prefix(&order.key_prefix, epoch),
            streams: BTreeMap::new(),
            taps: BTreeMap::new(),
            rows: 0,
            outputs: VecDeque::new(),
        }
    }

    #[must_use]
    pub const fn order(&self) -> &RecordingOrder {
        &self.order
    }

    /// Handles joins, leaves and mutes. Times are the node's own, in microseconds since 1970, here and everywhere; the
    /// order contains the distance to the room's.
    ///
    /// Tracks and participants missing from the order continue until [`Self::end_missing`], since packets may still be
    /// in transit.
    pub fn set_order(&mut self, now_us: i64, order: RecordingOrder) {
        if order.sent_at != UnixMillis::default() {
            self.clock.sample(now_us, micros(order.sent_at));
        }
        let at_ms = self.at_ms(now_us);
        self.order.participants.clone_from(&order.participants);
        for RecordedParticipant { id, name, tracks } in order.participants {
            if self.present.insert(id.clone()) {
                self.row(at_ms, Event::Joined { participant: id.clone(), name });
            }
            for track in tracks {
                self.set_track(at_ms, &id, track);
            }
        }
    }

    /// True if the order omits a track or participant that has not ended.
    #[must_use]
    pub fn has_missing(&self) -> bool {
        let ordered = || self.order.participants.iter();
        let is_ordered = |id: &TrackId| ordered().any(|known| known.tracks.iter().any(|track| track.id == *id));
        let is_present = |id: &ParticipantId| ordered().any(|known| known.id == *id);
        self.streams.iter().any(|(id, stream)| !stream.is_over && !is_ordered(id))
            || self.present.iter().any(|id| !is_present(id))
    }

    /// Ends everything missing from the order, after all earlier packets have been handed over.
    pub fn end_missing(&mut self, now_us: i64) {
        let at_ms = self.at_ms(now_us);
        self.end_others(now_us, at_ms);
        self.forget_taps();
        let ordered: BTreeSet<_> = self.order.participants.iter().map(|participant| participant.id.clone()).collect();
        for participant in self.present.difference(&ordered).cloned().collect::<Vec<_>>() {
            self.present.remove(&participant);
            self.row(at_ms, Event::Left { participant });
        }
    }

    fn set_track(&mut self, at_ms: u64, participant: &ParticipantId, track: RecordedTrack) {
        let RecordedTrack { id, track: reference, source, muted } = track;
        let known = self.streams.get_mut(&id).map(|stream| {
            stream.reference = reference.clone();
            let was_over = std::mem::replace(&mut stream.is_over, false);
            (was_over, std::mem::replace(&mut stream.is_muted, muted))
        });
        match known {
            Some((false, before)) if before == muted => return,
            Some((false, _)) => return self.row(at_ms, Event::Muted { track: id, muted }),
            None if self.streams.len() >= STREAMS_MAX => return,
            None => {
                let stream = Stream::new(&id, reference, kind_of(source), muted);
                self.streams.insert(id.clone(), stream);
            }
            Some((true, _)) => {}
        }
        let (participant, kind) = (participant.clone(), kind_of(source));
        self.row(at_ms, Event::Track { track: id, participant, kind, source, muted });
    }

    /// Ends tracks that are no longer ordered.
    fn end_others(&mut self, now_us: i64, at_ms: u64) {
        let ordered = self.order.participants.iter().flat_map(|participant| &participant.tracks);
        let ordered: Vec<TrackId> = ordered.map(|track| track.id.clone()).collect();
        let over = |(id, stream): &(&TrackId, &Stream)| !stream.is_over && !ordered.contains(id);
        let over: Vec<TrackId> = self.streams.iter().filter(over).map(|(id, _)| id.clone()).collect();
        for id in over {
            self.with_stream(&id, |stream, base, out| stream.end(base, now_us, out));
            self.row(at_ms, Event::TrackEnded { track: id });
        }
    }

    /// The shard starts copying a track under this number.
    pub fn open(&mut self, tap: TapNumber, track: TrackRef) {
        self.taps.retain(|_, known| known.reference != track);
        // Orders arrive before the packets that they make the shard copy.
        if let Some(known) = self.recorded_as(&track) {
            self.taps.insert(tap, Tapped { reference: track, track: known });
        }
    }

    /// Takes a packet copied by the shard.
    pub fn packet(&mut self, tap: TapNumber, packet: Packet) {
        let started_us = self.started_us();
        let Some(stream) = self.taps.get(&tap).and_then(|tapped| self.streams.get_mut(&tapped.track)) else { return };
        let base = Base { started_us, parts_prefix: &self.parts_prefix };
        let mut out = Vec::new();
        stream.packet(base, packet, &mut out);
        for output in out {
            self.push(output);
        }
    }

    fn recorded_as(&self, reference: &TrackRef) -> Option<TrackId> {
        let found = self.streams.iter().find(|(_, stream)| stream.reference == *reference && !stream.is_over);
        found.map(|(id, _)| id.clone())
    }

    /// A track that is recorded again gets another number.
    fn forget_taps(&mut self) {
        let mut taps = std::mem::take(&mut self.taps);
        taps.retain(|_, tapped| self.recorded_as(&tapped.reference).as_ref() == Some(&tapped.track));
        self.taps = taps;
    }

    /// Seals parts that have been open for long, and gives up packets that have waited for long.
    pub fn tick(&mut self, now_us: i64) {
        self.clock.tick(now_us);
        let ids: Vec<TrackId> = self.streams.keys().cloned().collect();
        for id in ids {
            self.with_stream(&id, |stream, base, out| stream.tick(base, now_us, out));
        }
    }

    /// Ends the segment, without any participant leaving.
    pub fn finish(&mut self, now_us: i64) {
        self.order.participants.clear();
        let at_ms = self.at_ms(now_us);
        self.end_others(now_us, at_ms);
        self.forget_taps();
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn with_stream(&mut self, id: &TrackId, act: impl FnOnce(&mut Stream, Base<'_>, &mut Vec<Output>)) {
        let started_us = self.started_us();
        let Some(stream) = self.streams.get_mut(id) else { return };
        let base = Base { started_us, parts_prefix: &self.parts_prefix };
        let mut out = Vec::new();
        act(stream, base, &mut out);
        for output in out {
            self.push(output);
        }
    }

    fn row(&mut self, at_ms: u64, event: Event) {
        self.push(Output::Row(Row { at_ms, event }));
    }

    fn push(&mut self, output: Output) {
        if let Output::Row(_) = output {
            self.rows += 1;
            if self.rows > ROWS_MAX {
                return;
            }
        }
        self.outputs.push_back(output);
    }

    fn at_ms(&self, now_us: i64) -> u64 {
        millis(now_us.saturating_sub(self.started_us()))
    }

    /// The start of the recording on the node's clock.
    fn started_us(&self) -> i64 {
        self.clock.nodes(micros(self.order.started_at))
    }
}

fn micros(at: UnixMillis) -> i64 {
    i64::try_from(at.0).unwrap_or(i64::MAX).saturating_mul(1_000)
}

#[cfg(test)]
mod tests;
