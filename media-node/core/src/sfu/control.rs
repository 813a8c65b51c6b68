//! Executes the Room object's decisions: which sessions exist, and the tracks in their slots. Every order is
//! idempotent.

use super::{Output, Sfu, Timer};
use crate::ingress::stream::Subscriber;
use crate::keys::SessionKey;
use crate::room::Room;
use crate::session::Session;
use crate::traced::of_log;
use shared::control::{Forward, RoomToNode, SessionEnd};
use shared::limits::SECTIONS_PER_OFFER_MAX;
use shared::rtp_parameters::{self as parameters, Section};
use shared::{RoomId, SessionId};
use std::collections::BTreeSet;
use std::time::Instant;

impl Sfu {
    pub(super) fn handle_control(&mut self, now: Instant, room: RoomId, message: RoomToNode) {
        match message {
            RoomToNode::Welcome { sessions, forwards, recording, microphones } => {
                self.set_room(now, &room, &sessions, forwards);
                self.set_recording(now, &room, recording.as_ref());
                self.set_microphones(now, &room, &microphones);
            }
            RoomToNode::SetSession { session } => self.set_session(now, &room, &session),
            RoomToNode::CloseSession { session } => {
                if let Some(key) = self.session_key(&room, &session) {
                    self.close_session(key);
                }
            }
            RoomToNode::SetForwards { forwards } => self.set_forwards(now, &room, forwards),
            RoomToNode::SetRecording { recording } => self.set_recording(now, &room, recording.as_ref()),
            RoomToNode::SetMicrophones { microphones } => self.set_microphones(now, &room, &microphones),
            RoomToNode::Release {} => self.close_other_sessions(&room, &BTreeSet::new()),
            // Only the control socket's owner handles these; it reassembles parts.
            RoomToNode::WelcomePart { .. } | RoomToNode::Refused { .. } | RoomToNode::Error { .. } => {}
        }
    }

    /// Replaces the room's state by that of a `welcome`.
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
            silent.extend(unnamed.map(|slot| Forward::new(session.id.clone(), slot.mid().clone(), None)));
        }
        self.set_forwards(now, room, silent);
        self.set_forwards(now, room, forwards);
        self.tell_needs(room);
    }

    /// Repeats reports to a Room object that sent `welcome`, as it may have forgotten them.
    fn tell_needs(&mut self, room: &RoomId) {
        let Some(room) = self.room(room) else { return };
        let sessions: Vec<_> = room.sessions.values().copied().collect();
        let tracks: Vec<_> = room.tracks().map(|(_, key)| key).collect();
        tracks.into_iter().for_each(|key| self.tell_layers(key));
        for key in sessions {
            if self.sessions.get(key).is_some_and(|session| !session.limited.told().is_empty()) {
                self.tell_limited(key);
            }
            if self.sessions.get(key).is_some_and(|session| !session.undecodable.told().is_empty()) {
                self.tell_undecodable(key);
            }
        }
    }

    fn close_other_sessions(&mut self, room: &RoomId, kept: &BTreeSet<&SessionId>) {
        let sessions = self.room(room).into_iter().flat_map(|room| &room.sessions);
        let others: Vec<_> = sessions.filter(|(id, _)| !kept.contains(id)).map(|(_, key)| *key).collect();
        for key in others {
            self.close_session(key);
        }
    }

    fn set_session(&mut self, now: Instant, room: &RoomId, parameters: &parameters::Session) {
        if let Some(key) = self.session_key(room, &parameters.session)
            && self
                .sessions
                .get(key)
                .is_some_and(|session| !parameters.fingerprints().eq(session.client_fingerprints.iter().copied()))
        {
            // Another certificate means another client: its decrypter starts from nothing (RFC 3711 §3.3.1), so slots
            // that continue would be silent to it.
            self.close_session(key);
        }
        let key = match self.session_key(room, &parameters.session) {
            Some(key) => {
                self.restart_ice(key, parameters);
                key
            }
            None if !self.places.take() => {
                let (room, session) = (room.clone(), parameters.session.clone());
                let (trace, parent) = of_log(parameters.trace);
                tracing::info!(%room, %session, trace, parent, "session refused: the node is full");
                self.outputs.push_back(Output::SessionClosed { room, session, end: SessionEnd::Refused });
                return;
            }
            None => self.open_session(now, room, parameters),
        };
        self.set_sections(now, key, &parameters.sections);
        self.set_bandwidth(now, key, parameters.bandwidth);
        self.replay_parked(now, key);
    }

    fn open_session(&mut self, now: Instant, room: &RoomId, parameters: &parameters::Session) -> SessionKey {
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
        self.begin_samples(now, key);
        if !self.deadlines.is_set(Timer::Divide) {
            self.divide(now);
        }
        let (trace, parent) = of_log(parameters.trace);
        tracing::debug!(%room, session = %parameters.session, trace, parent, "session opened");
        key
    }

    /// Handles changed credentials.
    fn restart_ice(&mut self, key: SessionKey, parameters: &parameters::Session) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        session.trace = parameters.trace.or(session.trace);
        if session.ice.node_ufrag() != parameters.ice.node_ufrag {
            self.demux.release_ufrag(session.ice.node_ufrag(), key);
            self.demux.claim_ufrag(&parameters.ice.node_ufrag, key);
            session.ice.restart(&parameters.ice);
        }
    }

    fn set_sections(&mut self, now: Instant, key: SessionKey, sections: &[Section]) {
        let sections = sections.get(..SECTIONS_PER_OFFER_MAX).unwrap_or(sections);
        let Some(session) = self.sessions.get_mut(key) else { return };
        if session.sections == sections {
            return;
        }
        session.sections = sections.to_vec();
        session.set_uplink(now);
        session.set_congestion(now, &self.bandwidth);
        self.set_slots(now, key, sections);
        self.set_tracks(now, key, sections);
    }

    /// Removes a session without telling its client.
    pub(super) fn close_session(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        for track in std::mem::take(&mut session.tracks) {
            self.remove_track(track);
        }
        let Some(session) = self.sessions.remove(key) else { return };
        self.places.give_back();
        for (place, slot) in session.slots.iter().enumerate() {
            let subscriber = Subscriber { session: key, slot: place as u16 };
            for stream in slot.takes().into_iter().flatten() {
                self.unsubscribe(stream, subscriber);
            }
            if let Some(track) = slot.track.and_then(|track| self.tracks.get_mut(track)) {
                track.viewers.retain(|known| *known != subscriber);
            }
        }
        session.ice.paths().for_each(|path| self.demux.release_path(path, key));
        self.demux.release_ufrag(session.ice.node_ufrag(), key);
        for timer in [
            Timer::Dtls(key),
            Timer::Consent(key),
            Timer::Report(key),
            Timer::Arrivals(key),
            Timer::Congestion(key),
            Timer::Probe(key),
            Timer::Pace(key),
            Timer::Select(key),
            Timer::Sample(key),
        ] {
            self.deadlines.set(timer, None);
        }
        let Some(room) = self.rooms.get_mut(session.room) else { return };
        room.sessions.remove(&session.id);
        if room.sessions.is_empty() {
            let id = room.id.clone();
            self.rooms_by_id.remove(&id);
            self.rooms.remove(session.room);
            self.deadlines.set(Timer::Loudest(session.room), None);
        }
    }

    fn room(&self, room: &RoomId) -> Option<&Room> {
        self.rooms.get(*self.rooms_by_id.get(room)?)
    }

    pub(super) fn session_key(&self, room: &RoomId, session: &SessionId) -> Option<SessionKey> {
        self.room(room)?.sessions.get(session).copied()
    }
}
