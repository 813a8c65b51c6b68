//! The choice of tracks copied for the recorder, and the copying.

use super::Sfu;
use crate::ingress::stream::{Stream, Tap};
use crate::ingress::track::Track;
use crate::keys::{RoomKey, SessionKey, StreamKey, TrackKey};
use crate::record::tap::{Taken, TapNumber};
use shared::RoomId;
use shared::control::{RecordingOrder, TrackRef};
use std::time::Instant;

impl Sfu {
    /// Sets the tracks of a room to be copied.
    pub(super) fn set_recording(&mut self, now: Instant, id: &RoomId, order: Option<&RecordingOrder>) {
        let Some(key) = self.rooms_by_id.get(id).copied() else { return };
        let Some(room) = self.rooms.get_mut(key) else { return };
        let participants = order.into_iter().flat_map(|order| &order.participants);
        let wanted = participants.flat_map(|participant| &participant.tracks).map(|track| track.track.clone());
        room.recorded = wanted.collect();
        self.open_taps(now, key);
    }

    /// Assigns numbers to tracks to be copied, and removes those of others.
    pub(super) fn open_taps(&mut self, now: Instant, key: RoomKey) {
        let Some(room) = self.rooms.get(key) else { return };
        let mut changed = Vec::new();
        for (reference, track_key) in room.tracks() {
            let Some(track) = self.tracks.get_mut(track_key) else { continue };
            match (track.tap, room.recorded.contains(reference)) {
                (None, true) => track.tap = Some(self.tap.open(&room.id, reference)),
                (Some(_), false) => track.tap = None,
                (None, false) | (Some(_), true) => continue,
            }
            changed.push(track_key);
        }
        for track in changed {
            self.aim_tap(now, track);
        }
    }

    /// Points the recorder to the best layer of a track. If it has another one, it continues with that until a key
    /// frame.
    pub(super) fn aim_tap(&mut self, now: Instant, key: TrackKey) {
        let Some(track) = self.tracks.get(key) else { return };
        let best = track.tap.zip(self.best_layer(now, track));
        let has_open = track.streams().any(|key| {
            let tap = self.streams.get(key).and_then(|stream| stream.tap);
            matches!(tap, Some(Tap::Open(_)))
        });
        let mut aimed = None;
        for stream_key in track.streams() {
            let Some(stream) = self.streams.get_mut(stream_key) else { continue };
            stream.tap = match (best, stream.tap) {
                (None, _) => None,
                (Some((number, _)), Some(Tap::Open(_))) => Some(Tap::Open(number)),
                (Some((number, best)), known) if best == stream_key => {
                    aimed = known.is_none().then_some(stream_key).or(aimed);
                    Some(if has_open { Tap::AtKeyframe(number) } else { Tap::Open(number) })
                }
                (Some(_), _) => None,
            };
        }
        if let Some(stream) = aimed {
            self.want_keyframe(now, stream);
        }
    }

    /// The layer with the largest picture among those that are sent.
    fn best_layer(&self, now: Instant, track: &Track) -> Option<StreamKey> {
        let alive = track.layers.iter().filter(|layer| layer.is_alive(now)).map(|layer| layer.stream);
        let lines = |key: &StreamKey| self.streams.get(*key).map_or(0, Stream::lines);
        alive.max_by_key(lines).or(track.streams().next())
    }

    /// Requests a key frame for the recorder, which cannot continue without one or wants an entry point.
    pub fn want_recorded_keyframe(&mut self, now: Instant, room: &RoomId, track: &TrackRef) {
        let room = self.rooms_by_id.get(room).and_then(|key| self.rooms.get(*key));
        let track = room.and_then(|room| self.tracks.get(room.track(track)?));
        let tapped = |key: &StreamKey| self.streams.get(*key).is_some_and(|stream| stream.tap.is_some());
        if let Some(stream) = track.and_then(|track| track.streams().find(tapped)) {
            self.want_keyframe(now, stream);
        }
    }

    /// Copies the packets that a stream has just accepted.
    pub(super) fn copy_fresh(&mut self, now: Instant, session: SessionKey, key: StreamKey) {
        let Some(tap) = self.open_tap(key) else { return };
        let Some(stream) = self.streams.get(key) else { return };
        let session = self.sessions.get(session);
        for packet in stream.fresh() {
            let captured = session.and_then(|session| stream.captured(packet.facts.timestamp, &session.clock_offset));
            let taken = Taken {
                tap,
                index: packet.facts.index,
                timestamp: packet.facts.timestamp,
                marker: packet.facts.marker,
                received_us: self.clock.at(now).unix_micros(),
                captured_us: captured.map(|at| at.unix_micros()),
                codec: packet.facts.codec,
                payload: 0..0,
            };
            if self.tap.take(taken, packet.payload) {
                self.stats.recorded += 1;
            } else {
                self.stats.record_overflows += 1;
            }
        }
    }

    /// The number under which a stream's packets are copied; a key frame may be the one that the recorder waits for.
    fn open_tap(&mut self, key: StreamKey) -> Option<TapNumber> {
        let stream = self.streams.get(key)?;
        match stream.tap? {
            Tap::Open(tap) => Some(tap),
            Tap::AtKeyframe(tap) => {
                let mut fresh = stream.fresh();
                fresh.find(|packet| packet.facts.picture.is_some() && packet.facts.is_entry())?;
                drop(fresh);
                self.move_tap(key, tap);
                Some(tap)
            }
        }
    }

    fn move_tap(&mut self, to: StreamKey, tap: TapNumber) {
        let track = self.streams.get(to).and_then(|stream| self.tracks.get(stream.track));
        for key in track.into_iter().flat_map(Track::streams) {
            if let Some(stream) = self.streams.get_mut(key) {
                stream.tap = (key == to).then_some(Tap::Open(tap));
            }
        }
    }
}
