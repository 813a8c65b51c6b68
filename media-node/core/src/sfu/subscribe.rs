//! Turns sections into tracks and slots, and finds the tracks wished for slots.

use super::{Sfu, Timer};
use crate::congestion::allocate::Raises;
use crate::egress::config::Config;
use crate::egress::slot::{Slot, Wish};
use crate::ingress::stream::{Stream, Subscriber};
use crate::ingress::track::Track;
use crate::keys::{RoomKey, SessionKey, StreamKey, TrackKey};
use shared::RoomId;
use shared::control::Forward;
use shared::limits::{ENCODINGS_PER_SECTION_MAX, SECTIONS_PER_OFFER_MAX};
use shared::rtp_parameters::{Encoding, Flow, MediaKind, Section};
use std::collections::BTreeSet;
use std::time::Instant;

/// Most slots that one session may have had: unused ones keep their SSRC's state.
const SLOTS_PER_SESSION_MAX: usize = 2 * SECTIONS_PER_OFFER_MAX;

impl Sfu {
    pub(super) fn set_slots(&mut self, now: Instant, key: SessionKey, sections: &[Section]) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.slots.iter_mut().for_each(|slot| slot.is_active = false);
        for section in sections.iter().filter(|section| section.flow == Flow::NodeToClient) {
            // Under the same keys no index of an SSRC may be used twice (RFC 3711 §9.1): a repeated slot continues
            // where it was, and no two slots share an SSRC.
            let Some(config) = Config::of(section) else { continue };
            let is_full = session.slots.len() >= SLOTS_PER_SESSION_MAX;
            let mut known = session.slots.iter_mut().filter(|slot| slot.config().shares_ssrc_with(&config));
            match (known.next(), known.next()) {
                (Some(slot), None) if slot.config().is_continued_by(&config) => slot.negotiate_again(config),
                (Some(_), _) => tracing::warn!(session = %session.id, mid = %section.mid, "another slot has its SSRC"),
                (None, _) if is_full => tracing::warn!(session = %session.id, "too many slots"),
                (None, _) => session.slots.push(Slot::new(config, &mut self.random)),
            }
        }
        let stopped: Vec<usize> =
            session.slots.iter().enumerate().filter(|(_, slot)| !slot.is_active).map(|(i, _)| i).collect();
        for place in stopped {
            self.set_wish(now, key, place, None);
        }
        self.select_streams(now, key);
    }

    pub(super) fn set_tracks(&mut self, now: Instant, key: SessionKey, sections: &[Section]) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let room_key = session.room;
        session.streams.clear();
        let before = std::mem::take(&mut session.tracks);
        let mut kept = Vec::new();
        for section in sections.iter().filter(|section| section.flow == Flow::ClientToNode) {
            let known = before.iter().find(|track| self.tracks.get(**track).is_some_and(|track| track.is_of(section)));
            let Some(track_key) = known.copied().or_else(|| self.add_track(now, key, section)) else { continue };
            let streams: Vec<_> = self.tracks.get(track_key).into_iter().flat_map(Track::streams).collect();
            if let Some(session) = self.sessions.get_mut(key) {
                session.streams.add(section, &streams);
                session.tracks.push(track_key);
            }
            kept.push(track_key);
        }
        before.into_iter().filter(|track| !kept.contains(track)).for_each(|track| self.remove_track(track));
        for track_key in kept {
            let (Some(track), Some(room)) = (self.tracks.get(track_key), self.rooms.get_mut(room_key)) else {
                continue;
            };
            room.add_track(track.reference.clone(), track_key);
        }
        self.fulfil_wishes(now, room_key, key);
        self.open_taps(now, room_key);
        self.listen(now, room_key);
    }

    /// Creates a track with a stream for each encoding of its section; one without encodings has one stream.
    fn add_track(&mut self, now: Instant, publisher: SessionKey, section: &Section) -> Option<TrackKey> {
        let id = self.sessions.get(publisher)?.id.clone();
        let track_key = self.tracks.insert(Track::new(publisher, &id, section));
        for place in 0..section.encodings.len().clamp(1, ENCODINGS_PER_SECTION_MAX) {
            self.stream_instances += 1;
            let encoding = section.encodings.get(place).map_or_else(Encoding::default, Encoding::clone);
            let stream = Stream::new(publisher, track_key, section, encoding, self.stream_instances);
            let stream_key = self.streams.insert(stream);
            self.tracks.get_mut(track_key)?.add_layer(stream_key);
        }
        if section.kind == MediaKind::Video {
            self.sum_up_viewers(now, track_key);
        }
        Some(track_key)
    }

    /// Fills the slots that were waiting for a track of this publisher.
    fn fulfil_wishes(&mut self, now: Instant, room: RoomKey, publisher: SessionKey) {
        let Some(publisher) = self.sessions.get(publisher) else { return };
        let mut waiting = Vec::new();
        for key in self.rooms.get(room).into_iter().flat_map(|room| room.sessions.values()) {
            let slots = self.sessions.get(*key).into_iter().flat_map(|session| session.slots.iter().enumerate());
            let of_publisher = |wish: &Wish| wish.track.session == publisher.id;
            let wishes = slots.filter(|(_, slot)| slot.wish.as_ref().is_some_and(of_publisher));
            waiting.extend(wishes.map(|(place, _)| (*key, place)));
        }
        for (key, place) in &waiting {
            self.find_track(now, *key, *place);
        }
        waiting.dedup_by_key(|(key, _)| *key);
        waiting.into_iter().for_each(|(key, _)| self.select_streams(now, key));
    }

    pub(super) fn set_forwards(&mut self, now: Instant, room: &RoomId, forwards: Vec<Forward>) {
        let mut changed = BTreeSet::new();
        for forward in forwards {
            let Some(key) = self.session_key(room, &forward.session) else { continue };
            let place = self.sessions.get(key).and_then(|session| session.slot_of(&forward.mid));
            let Some(place) = place else {
                tracing::debug!(session = %forward.session, mid = %forward.mid, "no such slot");
                continue;
            };
            let Forward { track, lines_max, priority, .. } = forward;
            self.set_wish(now, key, place, track.map(|track| Wish { track, lines_max, priority }));
            changed.insert(key);
        }
        changed.into_iter().for_each(|key| self.select_streams(now, key));
    }

    fn set_wish(&mut self, now: Instant, key: SessionKey, place: usize, wish: Option<Wish>) {
        if let Some(slot) = self.sessions.get_mut(key).and_then(|session| session.slots.get_mut(place)) {
            slot.wish = wish;
            self.find_track(now, key, place);
        }
    }

    /// Looks for the track that is wished for a slot.
    fn find_track(&mut self, now: Instant, key: SessionKey, place: usize) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let Some(slot) = session.slots.get_mut(place) else { return };
        let wanted = slot.wish.as_ref().and_then(|wish| self.rooms.get(session.room)?.track(&wish.track));
        let wanted = wanted.filter(|key| self.tracks.get(*key).is_some_and(|track| track.kind == slot.kind()));
        let before = std::mem::replace(&mut slot.track, wanted);
        if before != wanted {
            slot.raises = Raises::default();
        }
        self.note_wish(now, before);
        self.note_wish(now, wanted);
        if before == wanted {
            return;
        }
        let viewer = Subscriber { session: key, slot: place as u16 };
        if let Some(track) = before.and_then(|track| self.tracks.get_mut(track)) {
            track.viewers.retain(|known| *known != viewer);
        }
        if let Some(track) = wanted.and_then(|track| self.tracks.get_mut(track)) {
            track.viewers.push(viewer);
        }
    }

    /// Changes a slot's streams, and the subscriptions with them.
    pub(super) fn change_slot(&mut self, key: SessionKey, place: usize, change: impl FnOnce(&mut Slot)) {
        let Some(slot) = self.sessions.get_mut(key).and_then(|session| session.slots.get_mut(place)) else { return };
        let before = slot.takes();
        change(slot);
        let after = slot.takes();
        let subscriber = Subscriber { session: key, slot: place as u16 };
        for stream in before.into_iter().flatten().filter(|stream| !after.contains(&Some(*stream))) {
            self.unsubscribe(stream, subscriber);
        }
        for stream in after.into_iter().flatten().filter(|stream| !before.contains(&Some(*stream))) {
            if let Some(stream) = self.streams.get_mut(stream) {
                stream.subscribers.push(subscriber);
            }
        }
    }

    pub(super) fn unsubscribe(&mut self, stream: StreamKey, subscriber: Subscriber) {
        let Self { streams, sessions, .. } = self;
        let Some(found) = streams.get_mut(stream) else { return };
        found.subscribers.retain(|known| *known != subscriber);
        let awaits = |known: &Subscriber| {
            let session = sessions.get(known.session);
            let slot = session.and_then(|session| session.slots.get(usize::from(known.slot)));
            slot.and_then(Slot::awaits_keyframe_of) == Some(stream)
        };
        // The recorder may still wait for one. A viewer that needs one asks again.
        if found.tap.is_none() && !found.subscribers.iter().any(awaits) {
            found.keyframes.forget();
        }
    }

    pub(super) fn remove_track(&mut self, key: TrackKey) {
        let Some(track) = self.tracks.remove(key) else { return };
        for stream in track.streams() {
            self.remove_stream(stream);
        }
        let room = self.sessions.get(track.publisher).map(|session| session.room);
        if let Some(room) = room.and_then(|room| self.rooms.get_mut(room)) {
            room.remove_track(&track.reference, key);
        }
        self.deadlines.set(Timer::Viewers(key), None);
    }

    fn remove_stream(&mut self, key: StreamKey) {
        let Some(stream) = self.streams.remove(key) else { return };
        for Subscriber { session, slot } in &stream.subscribers {
            self.change_slot(*session, usize::from(*slot), |slot| slot.lose(key));
        }
        self.deadlines.set(Timer::Repair(key), None);
        self.deadlines.set(Timer::Keyframe(key), None);
    }
}
