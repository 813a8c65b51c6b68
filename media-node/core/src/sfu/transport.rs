//! Connectivity checks and handshakes: how a session connects, moves and ends.

use super::{Output, Sfu, Timer};
use crate::keys::SessionKey;
use crate::path::Path;
use crate::room::Room;
use crate::session::Keys;
use crate::session::dtls::{DtlsError, Event};
use crate::session::ice_lite::CONSENT_TIMEOUT;
use crate::stats::DropReason;
use crate::stun::{self, BindingRequest, BindingSuccess, Response, TransactionIds};
use crate::traced::of_log;
use shared::control::SessionEnd;
use std::time::{Duration, Instant};

/// The first reports soon after the keys, so that audio and video are in sync from the beginning.
const FIRST_REPORT_AFTER: Duration = Duration::from_millis(200);

impl Sfu {
    pub(super) fn handle_stun(&mut self, now: Instant, from: Path, bytes: &[u8]) -> Result<(), DropReason> {
        if stun::is_success(bytes) {
            return self.handle_answer(now, from, bytes);
        }
        let request = BindingRequest::parse(bytes).ok_or(DropReason::MalformedStun)?;
        match self.demux.by_ufrag(request.receiver_ufrag) {
            Some(key) => self.handle_check(now, key, from, &request),
            None if self.is_probe(&request) => self.handle_probe(from, &request),
            None if self.demux.parked.park(now, from, request.receiver_ufrag, bytes) => {
                self.deadlines.set(Timer::Parked, self.demux.parked.next_expiry());
                Ok(())
            }
            None => Err(DropReason::UnknownUfragOverflow),
        }
    }

    fn is_probe(&self, request: &BindingRequest<'_>) -> bool {
        self.probe.as_ref().is_some_and(|(ufrag, _)| ufrag == request.receiver_ufrag)
    }

    /// Answers another node that finds out whether clients can reach this one. The answer is no longer than the
    /// request by more than the address in it, and a stranger gets none.
    fn handle_probe(&mut self, from: Path, request: &BindingRequest<'_>) -> Result<(), DropReason> {
        let (_, key) = self.probe.as_ref().ok_or(DropReason::UnknownUfrag)?;
        if !request.is_authentic(key) {
            return Err(DropReason::StunIntegrity);
        }
        let answer = Response::Success { mapped: from.address }.to_vec(request, key);
        self.egress.send(&mut self.stats, from, answer);
        self.stats.stun_answered += 1;
        Ok(())
    }

    fn handle_check(
        &mut self,
        now: Instant,
        key: SessionKey,
        from: Path,
        request: &BindingRequest<'_>,
    ) -> Result<(), DropReason> {
        let session = self.sessions.get_mut(key).ok_or(DropReason::UnknownUfrag)?;
        let checked = session.ice.handle_check(now, from, request).ok_or(DropReason::StunIntegrity)?;
        self.egress.send(&mut self.stats, from, checked.answer);
        if !checked.is_verified {
            return Ok(());
        }
        self.stats.stun_answered += 1;
        if let Some(forgotten) = checked.forgotten {
            self.demux.release_path(forgotten, key);
        }
        // The source address of a check can be forged, so a check takes no path from a session that has answered
        // there.
        let owner = self.demux.by_path(from).filter(|owner| *owner != key);
        let owner = owner.and_then(|owner| self.sessions.get(owner));
        if !owner.is_some_and(|owner| owner.ice.is_proven(now, from)) {
            self.claim(now, from, key);
        }
        self.drain_ice(now, key);
        Ok(())
    }

    /// Handles a client's response to our check, which proves its path.
    fn handle_answer(&mut self, now: Instant, from: Path, bytes: &[u8]) -> Result<(), DropReason> {
        let answer = BindingSuccess::parse(bytes).ok_or(DropReason::MalformedStun)?;
        let key = self.sessions.key_at(TransactionIds::number(&answer.transaction)).ok_or(DropReason::StunIntegrity)?;
        let session = self.sessions.get_mut(key).ok_or(DropReason::StunIntegrity)?;
        if !session.ice.handle_answer(now, from, &answer) {
            return Err(DropReason::StunIntegrity);
        }
        self.claim(now, from, key);
        self.drain_ice(now, key);
        Ok(())
    }

    /// Assigns datagrams on this path to the session.
    fn claim(&mut self, now: Instant, path: Path, key: SessionKey) {
        let Some(loser) = self.demux.claim_path(path, key) else { return };
        if let Some(session) = self.sessions.get_mut(loser) {
            session.ice.forget(now, path);
        }
        self.drain_ice(now, loser);
    }

    /// Nothing can be sent on this path again.
    pub(super) fn forget_path(&mut self, now: Instant, path: Path) {
        let Some(key) = self.demux.by_path(path) else { return };
        self.demux.release_path(path, key);
        if let Some(session) = self.sessions.get_mut(key) {
            session.ice.forget(now, path);
        }
        self.drain_ice(now, key);
    }

    /// Sends due checks, and schedules the next ones.
    fn drain_ice(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        while let Some((to, check)) = session.ice.poll_ask(now, &mut self.transactions, key.index()) {
            self.egress.send(&mut self.stats, to, check);
        }
        self.deadlines.set(Timer::Consent(key), Some(session.ice.poll_timeout().unwrap_or(session.consent_until())));
        let is_reachable = session.ice.selected().is_some();
        let was_reachable = std::mem::replace(&mut session.is_reachable, is_reachable);
        if is_reachable && !was_reachable && session.is_connected() {
            self.begin_slots(now, key);
        }
    }

    /// Answers the checks that arrived before their session.
    pub(super) fn replay_parked(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get(key) else { return };
        for (from, datagram) in self.demux.parked.take(session.ice.node_ufrag()) {
            let request = BindingRequest::parse(&datagram).ok_or(DropReason::MalformedStun);
            if let Err(reason) = request.and_then(|request| self.handle_check(now, key, from, &request)) {
                self.stats.drop(reason);
            }
        }
        self.deadlines.set(Timer::Parked, self.demux.parked.next_expiry());
    }

    pub(super) fn expire_parked(&mut self, now: Instant) {
        (0..self.demux.parked.expire(now)).for_each(|_| self.stats.drop(DropReason::UnknownUfrag));
        self.deadlines.set(Timer::Parked, self.demux.parked.next_expiry());
    }

    pub(super) fn handle_dtls(&mut self, now: Instant, from: Path, bytes: &[u8]) -> Result<(), DropReason> {
        let key = self.demux.by_path(from).ok_or(DropReason::UnknownAddress)?;
        let session = self.sessions.get_mut(key).ok_or(DropReason::UnknownAddress)?;
        session.ice.note_dtls_from(now, from);
        let made_sense = session.dtls.handle_datagram(now, &self.identity, bytes);
        self.drain_dtls(now, key);
        if made_sense { Ok(()) } else { Err(DropReason::UnexpectedDtls) }
    }

    pub(super) fn handle_dtls_timeout(&mut self, now: Instant, key: SessionKey) {
        if let Some(session) = self.sessions.get_mut(key) {
            session.dtls.handle_timeout(now);
        }
        self.drain_dtls(now, key);
    }

    /// Sends the output of DTLS and handles its events.
    pub(super) fn drain_dtls(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        while let Some(datagram) = session.dtls.poll_transmit() {
            if let Some(to) = session.ice.handshake_to(now, datagram.len()) {
                self.egress.send(&mut self.stats, to, datagram);
            }
        }
        let mut is_new = false;
        let mut end = None;
        while let Some(event) = session.dtls.poll_event() {
            match event {
                Event::Connected { opener, sealer, profile } => {
                    tracing::debug!(session = %session.id, ?profile, "keys are agreed");
                    session.keys = Some(Keys { opener, sealer });
                    is_new = true;
                }
                Event::Ended(error) => {
                    if error != DtlsError::Closed {
                        tracing::info!(session = %session.id, %error, "no secure connection");
                    }
                    end = Some(session_end(error));
                }
            }
        }
        self.deadlines.set(Timer::Dtls(key), session.dtls.poll_timeout());
        if let Some(end) = end {
            self.end_session(key, end);
        } else if is_new {
            self.begin_media(now, key);
        }
    }

    fn begin_media(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get(key) else { return };
        let Some(room) = self.rooms.get(session.room) else { return };
        let took_ms = now.saturating_duration_since(session.opened_at).as_millis() as u64;
        let (trace, parent) = of_log(session.trace);
        tracing::info!(room = %room.id, session = %session.id, trace, parent, took_ms, "session connected");
        self.stats.sessions_connected += 1;
        self.outputs.push_back(Output::SessionConnected { room: room.id.clone(), session: session.id.clone() });
        self.deadlines.set(Timer::Report(key), Some(now + FIRST_REPORT_AFTER));
        self.begin_slots(now, key);
    }

    /// Restarts slots for a new decoder, even if they have played before to another one.
    fn begin_slots(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get(key) else { return };
        let taken: Vec<_> = session.slots.iter().flat_map(|slot| slot.takes()).flatten().collect();
        for stream in taken {
            self.want_keyframe(now, stream);
        }
    }

    /// RFC 7675 §5.1: nothing may be sent to a client that has stopped asking for it.
    pub(super) fn check_consent(&mut self, now: Instant, key: SessionKey) {
        let Some(session) = self.sessions.get_mut(key) else { return };
        for path in session.ice.handle_timeout(now) {
            self.demux.release_path(path, key);
        }
        if session.consent_until() <= now {
            self.end_session(key, SessionEnd::ConsentExpired);
        } else {
            self.drain_ice(now, key);
        }
    }

    pub(super) fn watch_consent(&mut self, now: Instant, key: SessionKey) {
        self.deadlines.set(Timer::Consent(key), Some(now + CONSENT_TIMEOUT));
    }

    /// Ends a session on the node's side and tells its room.
    fn end_session(&mut self, key: SessionKey, end: SessionEnd) {
        let Some(session) = self.sessions.get(key) else { return };
        let (id, room, trace) = (session.id.clone(), session.room, session.trace);
        let Some(room) = self.rooms.get(room).map(|room: &Room| room.id.clone()) else { return };
        let (trace, parent) = of_log(trace);
        tracing::info!(%room, session = %id, trace, parent, ?end, "session ended");
        self.stats.sessions_failed += 1;
        self.close_session(key);
        self.outputs.push_back(Output::SessionClosed { room, session: id, end });
    }
}

fn session_end(error: DtlsError) -> SessionEnd {
    match error {
        DtlsError::Closed => SessionEnd::ClosedByClient,
        DtlsError::WrongFingerprint => SessionEnd::WrongFingerprint,
        DtlsError::NoSrtpProfile | DtlsError::UnsupportedCertificate | DtlsError::Handshake => {
            SessionEnd::HandshakeFailed
        }
    }
}
