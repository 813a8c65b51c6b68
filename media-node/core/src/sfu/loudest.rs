//! Listens to the microphones of rooms that have more of them than a client has slots, and tells the room who should be
//! heard.

use super::{Output, Sfu, Timer};
use crate::ingress::stream::Stream;
use crate::ingress::track::Track;
use crate::ingress::voice::Voice;
use crate::keys::{RoomKey, SessionKey, StreamKey};
use crate::loudest::Microphones;
use shared::RoomId;
use shared::control::{self, TrackRef};
use std::time::Instant;

impl Sfu {
    pub(super) fn set_microphones(&mut self, now: Instant, room: &RoomId, listed: &control::Microphones) {
        let Some(key) = self.rooms_by_id.get(room).copied() else { return };
        let Some(room) = self.rooms.get_mut(key) else { return };
        let before = room.microphones.take();
        let gone: Vec<TrackRef> = before.iter().flat_map(Microphones::tracks).cloned().collect();
        room.microphones = Microphones::listed(now, before, listed);
        for track in gone {
            let is_listed = listed.heard.contains(&track) || listed.waiting.contains(&track);
            if !is_listed && let Some(stream) = self.microphone(key, &track) {
                stream.voice = None;
            }
        }
        self.listen(now, key);
    }

    /// Listens to all tracks that are on the list of their room, which may have come before them.
    pub(super) fn listen(&mut self, now: Instant, key: RoomKey) {
        let microphones = self.rooms.get(key).and_then(|room| room.microphones.as_ref());
        let Some(microphones) = microphones else { return self.deadlines.set(Timer::Loudest(key), None) };
        let tracks: Vec<TrackRef> = microphones.tracks().cloned().collect();
        for track in tracks {
            if let Some(stream) = self.microphone(key, &track) {
                stream.voice.get_or_insert_with(Voice::default);
            }
        }
        self.choose_loudest(now, key);
    }

    /// Handles the beginning of speech.
    pub(super) fn note_voice(&mut self, now: Instant, publisher: SessionKey, stream: StreamKey) {
        let track = self.streams.get(stream).and_then(|stream| self.tracks.get(stream.track));
        let Some((track, key)) = track.zip(self.sessions.get(publisher).map(|session| session.room)) else { return };
        let microphones = self.rooms.get(key).and_then(|room| room.microphones.as_ref());
        if microphones.is_some_and(|microphones| !microphones.is_heard(&track.reference)) {
            self.choose_loudest(now, key);
        }
    }

    pub(super) fn choose_loudest(&mut self, now: Instant, key: RoomKey) {
        let Self { rooms, tracks, streams, .. } = self;
        let Some(mut microphones) = rooms.get_mut(key).and_then(|room| room.microphones.take()) else { return };
        let Some(room) = rooms.get_mut(key) else { return };
        let choice = microphones.choose(now, |track| streams.get(tracks.get(room.track(track)?)?.single()?)?.voice);
        if choice.is_news {
            let heard = microphones.heard().cloned().collect();
            self.stats.loudest_reports += 1;
            self.outputs.push_back(Output::Loudest { room: room.id.clone(), microphones: heard });
        }
        room.microphones = Some(microphones);
        self.deadlines.set(Timer::Loudest(key), choice.again_at);
    }

    /// Streams with a voice.
    #[cfg(test)]
    pub(super) fn streams_listened(&self) -> usize {
        self.streams.values().filter(|stream| stream.voice.is_some()).count()
    }

    fn microphone(&mut self, room: RoomKey, track: &TrackRef) -> Option<&mut Stream> {
        let track = self.rooms.get(room)?.track(track)?;
        let stream = self.tracks.get(track).and_then(Track::single)?;
        self.streams.get_mut(stream)
    }
}
