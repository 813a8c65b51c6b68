//! Which track plays in which slot: sections become tracks and slots, and slots take the tracks that are wished for them.

use super::{Sfu, Timer};
use crate::egress::config::Config;
use crate::egress::slot::Slot;
use crate::ingress::track::{Subscriber, Track};
use crate::keys::{RoomKey, SessionKey, TrackKey};
use shared::RoomId;
use shared::control::{Forward, TrackRef};
use shared::limits::SECTIONS_PER_OFFER_MAX;
use shared::rtp_parameters::{Flow, Section};
use std::time::Instant;

/// Most slots one session may have had: those that are no longer used keep their SSRC's place.
const SLOTS_PER_SESSION_MAX: usize = 2 * SECTIONS_PER_OFFER_MAX;

impl Sfu {
    pub(super) fn set_slots(&mut self, now: Instant, key: SessionKey, sections: &[Section]) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.slots.iter_mut().for_each(|slot| slot.is_active = false);
        for section in sections.iter().filter(|section| section.flow == Flow::NodeToClient) {
            // Under the same keys no index of an SSRC may be used twice (RFC 3711 §9.1): a slot that is told again goes
            // on where it was, and no two slots share an SSRC.
            let known = session.slots.iter().position(|slot| slot.config().shares_ssrc_with(section));
            let is_full = session.slots.len() >= SLOTS_PER_SESSION_MAX;
            match known.and_then(|place| session.slots.get_mut(place)) {
                Some(slot) if *slot.mid() == section.mid => slot.is_active = true,
                Some(_) => tracing::warn!(session = %session.id, mid = %section.mid, "another slot has its SSRC"),
                None if is_full => tracing::warn!(session = %session.id, "too many slots"),
                None => session.slots.extend(Config::of(section).map(|config| Slot::new(config, &mut self.random))),
            }
        }
        let stopped: Vec<usize> =
            session.slots.iter().enumerate().filter(|(_, slot)| !slot.is_active).map(|(i, _)| i).collect();
        for place in stopped {
            self.set_wish(now, key, place, None);
        }
    }

    pub(super) fn set_tracks(&mut self, now: Instant, key: SessionKey, sections: &[Section]) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let (id, room_key) = (session.id.clone(), session.room);
        session.streams.clear();
        let before = std::mem::take(&mut session.tracks);
        let mut kept = Vec::new();
        for section in sections.iter().filter(|section| section.flow == Flow::ClientToNode) {
            let known = before.iter().find(|track| self.tracks.get(**track).is_some_and(|track| track.is_of(section)));
            let track_key = known.copied().unwrap_or_else(|| {
                self.track_instances += 1;
                self.tracks.insert(Track::new(key, &id, section, self.track_instances))
            });
            if let Some(session) = self.sessions.get_mut(key) {
                session.streams.add(section, track_key);
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
    }

    /// Fills the slots that were waiting for a track of this publisher.
    fn fulfil_wishes(&mut self, now: Instant, room: RoomKey, publisher: SessionKey) {
        let Some(publisher) = self.sessions.get(publisher) else { return };
        let mut waiting = Vec::new();
        for key in self.rooms.get(room).into_iter().flat_map(|room| room.sessions.values()) {
            let slots = self.sessions.get(*key).into_iter().flat_map(|session| session.slots.iter().enumerate());
            let wishes = slots.filter(|(_, slot)| slot.wish.as_ref().is_some_and(|wish| wish.session == publisher.id));
            waiting.extend(wishes.map(|(place, _)| (*key, place)));
        }
        for (key, place) in waiting {
            self.fill_slot(now, key, place);
        }
    }

    pub(super) fn set_forwards(&mut self, now: Instant, room: &RoomId, forwards: Vec<Forward>) {
        for forward in forwards {
            let Some(key) = self.session_key(room, &forward.session) else { continue };
            let place = self.sessions.get(key).and_then(|session| session.slot_of(&forward.mid));
            match place {
                Some(place) => self.set_wish(now, key, place, forward.track),
                None => tracing::debug!(session = %forward.session, mid = %forward.mid, "no such slot"),
            }
        }
    }

    fn set_wish(&mut self, now: Instant, key: SessionKey, place: usize, wish: Option<TrackRef>) {
        if let Some(slot) = self.sessions.get_mut(key).and_then(|session| session.slots.get_mut(place)) {
            slot.wish = wish;
            self.fill_slot(now, key, place);
        }
    }

    /// Lets a slot take the track that is wished for it, if that track is there.
    fn fill_slot(&mut self, now: Instant, key: SessionKey, place: usize) {
        let Some(session) = self.sessions.get(key) else { return };
        let Some(slot) = session.slots.get(place) else { return };
        let wanted = slot.wish.as_ref().and_then(|wish| self.rooms.get(session.room)?.track(wish));
        let wanted = wanted.and_then(|key| Some((key, self.tracks.get(key)?)));
        let wanted = wanted.filter(|(_, track)| track.kind == slot.kind()).map(|(key, _)| key);
        self.change_slot(key, place, |slot| slot.select(wanted));
        let Some(session) = self.sessions.get(key).filter(|session| session.is_connected()) else { return };
        if let Some(track) = session.slots.get(place).and_then(Slot::awaits_keyframe_of) {
            self.want_keyframe(now, track);
        }
    }

    /// Changes what a slot takes, and with it who is given the packets of which track.
    pub(super) fn change_slot(&mut self, key: SessionKey, place: usize, change: impl FnOnce(&mut Slot)) {
        let Some(slot) = self.sessions.get_mut(key).and_then(|session| session.slots.get_mut(place)) else { return };
        let before = slot.takes();
        change(slot);
        let after = slot.takes();
        let subscriber = Subscriber { session: key, slot: place as u16 };
        for track in before.into_iter().flatten().filter(|track| !after.contains(&Some(*track))) {
            self.unsubscribe(track, subscriber);
        }
        for track in after.into_iter().flatten().filter(|track| !before.contains(&Some(*track))) {
            if let Some(track) = self.tracks.get_mut(track) {
                track.subscribers.push(subscriber);
            }
        }
    }

    pub(super) fn unsubscribe(&mut self, track: TrackKey, subscriber: Subscriber) {
        if let Some(track) = self.tracks.get_mut(track) {
            track.subscribers.retain(|known| *known != subscriber);
            // The recorder may still wait for one.
            if track.subscribers.is_empty() && track.tap.is_none() {
                track.keyframes.forget();
            }
        }
    }

    pub(super) fn remove_track(&mut self, key: TrackKey) {
        let Some(track) = self.tracks.remove(key) else { return };
        for Subscriber { session, slot } in &track.subscribers {
            self.change_slot(*session, usize::from(*slot), |slot| slot.lose(key));
        }
        let room = self.sessions.get(track.publisher).map(|session| session.room);
        if let Some(room) = room.and_then(|room| self.rooms.get_mut(room)) {
            room.remove_track(&track.reference, key);
        }
        self.deadlines.set(Timer::Repair(key), None);
        self.deadlines.set(Timer::Keyframe(key), None);
    }
}
