//! What the Room object decides: which sessions there are, and what plays in their slots. All of it can be repeated.

use super::{Output, Sfu, Timer};
use crate::room::Room;
use crate::session::Session;
use crate::session::dtls::Dtls;
use crate::session::slot::Slot;
use crate::slab::Key;
use crate::track::{Subscriber, Track};
use shared::control::{Forward, RoomToNode, SessionEnd};
use shared::limits::SECTIONS_PER_OFFER_MAX;
use shared::rtp_parameters::{self as parameters, Flow, Section};
use shared::{RoomId, SessionId};
use std::collections::BTreeSet;
use std::time::Instant;

/// Most slots one session may have had: those that are no longer used keep their SSRC's place.
const SLOTS_PER_SESSION_MAX: usize = 2 * SECTIONS_PER_OFFER_MAX;

impl Sfu {
    pub(super) fn handle_control(&mut self, now: Instant, room: RoomId, message: RoomToNode) {
        match message {
            RoomToNode::Welcome { sessions, forwards } => self.set_room(now, &room, &sessions, forwards),
            RoomToNode::SetSession { session } => self.set_session(now, &room, &session),
            RoomToNode::CloseSession { session } => {
                if let Some(key) = self.session_key(&room, &session) {
                    self.close_session(key);
                }
            }
            RoomToNode::SetForwards { forwards } => self.set_forwards(now, &room, forwards),
            RoomToNode::Release {} => self.close_other_sessions(&room, &BTreeSet::new()),
            // Only the control socket's owner has to act on these.
            RoomToNode::Refused { .. } | RoomToNode::Error { .. } => {}
        }
    }

    /// The whole room as it shall be.
    fn set_room(&mut self, now: Instant, room: &RoomId, sessions: &[parameters::Session], forwards: Vec<Forward>) {
        self.close_other_sessions(room, &sessions.iter().map(|session| &session.session).collect());
        for session in sessions {
            self.set_session(now, room, session);
        }
        let named: BTreeSet<_> = forwards.iter().map(|forward| (&forward.session, &forward.mid)).collect();
        let mut silent = Vec::new();
        for key in self.room(room).into_iter().flat_map(|room| room.sessions.values()) {
            let Some(session) = self.sessions.get(*key) else { continue };
            let unnamed = session.slots.iter().filter(|slot| !named.contains(&(&session.id, slot.mid())));
            silent.extend(unnamed.map(|slot| Forward {
                session: session.id.clone(),
                mid: slot.mid().clone(),
                track: None,
            }));
        }
        self.set_forwards(now, room, silent);
        self.set_forwards(now, room, forwards);
    }

    fn close_other_sessions(&mut self, room: &RoomId, kept: &BTreeSet<&SessionId>) {
        let sessions = self.room(room).into_iter().flat_map(|room| &room.sessions);
        let others: Vec<_> = sessions.filter(|(id, _)| !kept.contains(id)).map(|(_, key)| *key).collect();
        for key in others {
            self.close_session(key);
        }
    }

    fn set_session(&mut self, now: Instant, room: &RoomId, parameters: &parameters::Session) {
        let key = match self.session_key(room, &parameters.session) {
            Some(key) => {
                self.update_session(key, parameters);
                key
            }
            None if self.sessions.count() >= self.sessions_max => {
                let (room, session) = (room.clone(), parameters.session.clone());
                tracing::info!(%room, %session, "session refused: the shard is full");
                self.outputs.push_back(Output::SessionClosed { room, session, end: SessionEnd::Refused });
                return;
            }
            None => self.open_session(now, room, parameters),
        };
        self.set_sections(now, key, &parameters.sections);
        self.replay_parked(now, key);
    }

    fn open_session(&mut self, now: Instant, room: &RoomId, parameters: &parameters::Session) -> Key<Session> {
        let room_key = match self.rooms_by_id.get(room) {
            Some(key) => *key,
            None => {
                let key = self.rooms.insert(Room::new(room.clone()));
                self.rooms_by_id.insert(room.clone(), key);
                key
            }
        };
        let session = Session::new(now, room_key, parameters, self.random.next_u32());
        let key = self.sessions.insert(session);
        if let Some(room) = self.rooms.get_mut(room_key) {
            room.sessions.insert(parameters.session.clone(), key);
        }
        self.demux.claim_ufrag(&parameters.ice.node_ufrag, key);
        self.watch_consent(now, key);
        tracing::debug!(%room, session = %parameters.session, "session opened");
        key
    }

    /// Takes over changed credentials: an ICE restart, or another certificate.
    fn update_session(&mut self, key: Key<Session>, parameters: &parameters::Session) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.ice.node_ufrag() != parameters.ice.node_ufrag {
            self.demux.release_ufrag(session.ice.node_ufrag(), key);
            self.demux.claim_ufrag(&parameters.ice.node_ufrag, key);
            session.ice.restart(&parameters.ice);
        }
        if session.client_fingerprint != parameters.client_fingerprint {
            // Another certificate is another association; the keys of the old one prove nothing about the new peer.
            session.client_fingerprint = parameters.client_fingerprint;
            session.dtls = Dtls::server(parameters.client_fingerprint);
            session.keys = None;
            self.deadlines.set(Timer::Dtls(key), None);
            self.deadlines.set(Timer::Report(key), None);
        }
    }

    fn set_sections(&mut self, now: Instant, key: Key<Session>, sections: &[Section]) {
        let sections = sections.get(..SECTIONS_PER_OFFER_MAX).unwrap_or(sections);
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.sections == sections {
            return;
        }
        session.sections = sections.to_vec();
        self.set_slots(now, key, sections);
        self.set_tracks(now, key, sections);
    }

    fn set_slots(&mut self, now: Instant, key: Key<Session>, sections: &[Section]) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.slots.iter_mut().for_each(|slot| slot.is_active = false);
        for section in sections.iter().filter(|section| section.flow == Flow::NodeToClient) {
            let ssrc = section.encodings.first().and_then(|encoding| encoding.ssrc);
            let known = ssrc.and_then(|ssrc| session.slot_of_ssrc(ssrc));
            let is_full = session.slots.len() >= SLOTS_PER_SESSION_MAX;
            match known.and_then(|place| session.slots.get_mut(place)) {
                // What it sends goes on where it was: under the same keys no index may be used twice (RFC 3711 §9.1).
                Some(slot) => slot.is_active = true,
                None if is_full => tracing::warn!(session = %session.id, "too many slots"),
                None => session.slots.extend(Slot::new(section, &mut self.random)),
            }
        }
        let stopped: Vec<usize> =
            session.slots.iter().enumerate().filter(|(_, slot)| !slot.is_active).map(|(i, _)| i).collect();
        for place in stopped {
            self.set_wish(now, key, place, None);
        }
    }

    fn set_tracks(&mut self, now: Instant, key: Key<Session>, sections: &[Section]) {
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
            room.add_track(track.reference.clone(), track.source, track_key);
        }
        self.fulfil_wishes(now, room_key, key);
    }

    /// Fills the slots that were waiting for a track of this publisher.
    fn fulfil_wishes(&mut self, now: Instant, room: Key<Room>, publisher: Key<Session>) {
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

    fn set_forwards(&mut self, now: Instant, room: &RoomId, forwards: Vec<Forward>) {
        for forward in forwards {
            let Some(key) = self.session_key(room, &forward.session) else { continue };
            let place = self.sessions.get(key).and_then(|session| session.slot_of(&forward.mid));
            match place {
                Some(place) => self.set_wish(now, key, place, forward.track),
                None => tracing::debug!(session = %forward.session, mid = %forward.mid, "no such slot"),
            }
        }
    }

    fn set_wish(&mut self, now: Instant, key: Key<Session>, place: usize, wish: Option<shared::control::TrackRef>) {
        if let Some(slot) = self.sessions.get_mut(key).and_then(|session| session.slots.get_mut(place)) {
            slot.wish = wish;
            self.fill_slot(now, key, place);
        }
    }

    /// Lets a slot take the track that is wished for it, if that track is there.
    fn fill_slot(&mut self, now: Instant, key: Key<Session>, place: usize) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        let (room, is_connected) = (session.room, session.is_connected());
        let Some(slot) = session.slots.get_mut(place) else { return };
        let wanted = slot.wish.as_ref().and_then(|wish| self.rooms.get(room)?.track(wish));
        let before = slot.takes();
        slot.select(wanted.and_then(|key| Some((key, self.tracks.get(key)?))));
        let after = slot.takes();
        let awaited = slot.awaits_keyframe_of().filter(|_| is_connected);
        let subscriber = Subscriber { session: key, slot: place as u16 };
        for track in before.into_iter().flatten().filter(|track| !after.contains(&Some(*track))) {
            self.unsubscribe(track, subscriber);
        }
        for track in after.into_iter().flatten().filter(|track| !before.contains(&Some(*track))) {
            if let Some(track) = self.tracks.get_mut(track) {
                track.subscribers.push(subscriber);
            }
        }
        if let Some(track) = awaited {
            self.want_keyframe(now, track);
        }
    }

    pub(super) fn unsubscribe(&mut self, track: Key<Track>, subscriber: Subscriber) {
        if let Some(track) = self.tracks.get_mut(track) {
            track.subscribers.retain(|known| *known != subscriber);
            if track.subscribers.is_empty() {
                track.keyframes.forget();
            }
        }
    }

    fn remove_track(&mut self, key: Key<Track>) {
        let Some(track) = self.tracks.remove(key) else { return };
        for Subscriber { session, slot } in &track.subscribers {
            let session = self.sessions.get_mut(*session);
            if let Some(slot) = session.and_then(|session| session.slots.get_mut(usize::from(*slot))) {
                slot.lose(key);
            }
        }
        let room = self.sessions.get(track.publisher).map(|session| session.room);
        if let Some(room) = room.and_then(|room| self.rooms.get_mut(room)) {
            room.remove_track(&track.reference, track.source, key);
        }
        self.deadlines.set(Timer::Repair(key), None);
        self.deadlines.set(Timer::Keyframe(key), None);
    }

    /// Forgets a session without a word to its client.
    pub(super) fn close_session(&mut self, key: Key<Session>) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        for track in std::mem::take(&mut session.tracks) {
            self.remove_track(track);
        }
        let Some(session) = self.sessions.remove(key) else { return };
        for (place, slot) in session.slots.iter().enumerate() {
            for track in slot.takes().into_iter().flatten() {
                self.unsubscribe(track, Subscriber { session: key, slot: place as u16 });
            }
        }
        session.ice.verified().iter().for_each(|address| self.demux.release_address(*address, key));
        self.demux.release_ufrag(session.ice.node_ufrag(), key);
        for timer in [Timer::Dtls(key), Timer::Consent(key), Timer::Report(key)] {
            self.deadlines.set(timer, None);
        }
        let Some(room) = self.rooms.get_mut(session.room) else { return };
        room.sessions.remove(&session.id);
        if room.sessions.is_empty() {
            let id = room.id.clone();
            self.rooms_by_id.remove(&id);
            self.rooms.remove(session.room);
        }
    }

    fn room(&self, room: &RoomId) -> Option<&Room> {
        self.rooms.get(*self.rooms_by_id.get(room)?)
    }

    fn session_key(&self, room: &RoomId, session: &SessionId) -> Option<Key<Session>> {
        self.room(room)?.sessions.get(session).copied()
    }
}
