//! Further offers of a participant: changed sections, an ICE restart, or a dead transport.

use super::Room;
use super::media_session::{self, MediaSession, MediaState};
use super::member::{Restart, Waiting};
use super::negotiation::{Negotiation, NegotiationError};
use super::news::Reply;
use super::topology::{Assignment, Link};
use crate::session_description::{AnsweredSection, Offer};
use serde::{Deserialize, Serialize};
use shared::signal::{NegotiateReason, TrackIntent};
use shared::{ErrorCode, NodeId, ParticipantId, SessionId, UnixMillis, limits};

/// Reports of dead transports count together for this long.
const DEAD_REPORTS_MS: u64 = 10_000;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NegotiateError {
    #[error("another offer is still being answered")]
    Busy,
    #[error("{} participants publish already", limits::PUBLISHERS_PER_ROOM_MAX)]
    TooManyPublishers,
    #[error("the node no longer has this connection: offer a new one")]
    ConnectionForgotten,
    #[error(transparent)]
    Negotiation(#[from] NegotiationError),
    #[error("creating the session failed")]
    NoSession,
}

impl NegotiateError {
    pub(super) fn code(&self) -> ErrorCode {
        match self {
            Self::Busy => ErrorCode::RateLimited,
            Self::TooManyPublishers => ErrorCode::TooManyPublishers,
            Self::ConnectionForgotten => ErrorCode::SessionExpired,
            Self::Negotiation(error) => error.code(),
            Self::NoSession => ErrorCode::Internal,
        }
    }
}

/// A further offer, as it came.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Renegotiation {
    pub(super) in_reply_to: Option<u32>,
    pub(super) offer: String,
    pub(super) intents: Vec<TrackIntent>,
    pub(super) reason: NegotiateReason,
}

/// The session and node that a further offer leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Path {
    /// The same session on the same node.
    Same,
    /// A new session on this assignment.
    Another(u64),
    /// A new session on the next assignment; this node has failed.
    Wait(Option<NodeId>),
}

/// A parsed further offer.
struct Further<'a> {
    offer: Offer,
    intents: &'a [TrackIntent],
    in_reply_to: Option<u32>,
    /// Whether the client made a new connection.
    fresh: bool,
}

impl Room {
    /// Answers a participant's further offer, immediately or as soon as the Fleet object has named the TURN nodes.
    pub(super) fn negotiate(
        &mut self,
        now: UnixMillis,
        participant: &ParticipantId,
        request: Renegotiation,
    ) -> Result<(), NegotiateError> {
        let member = self.members.get(participant).ok_or(NegotiateError::NoSession)?;
        if member.waiting.is_some() || member.restart.is_some() {
            return Err(NegotiateError::Busy);
        }
        if self.awaits_relay(now, participant, request.reason) {
            if let Some(member) = self.members.get_mut(participant) {
                member.restart = Some(Restart { request, since: now });
            }
            return Ok(());
        }
        self.renegotiate(now, participant, &request)
    }

    /// An ICE restart waits no longer.
    pub(super) fn restart_due(&mut self, now: UnixMillis, participant: &ParticipantId) {
        let Some(member) = self.members.get_mut(participant).filter(|member| member.restart.is_some()) else { return };
        let (restart, socket) = (member.restart.take(), member.socket);
        if let (Some(Restart { request, .. }), Some(socket)) = (restart, socket)
            && let Err(error) = self.renegotiate(now, participant, &request)
        {
            self.news.refuse(socket, request.in_reply_to, error.code(), error);
        }
    }

    fn renegotiate(
        &mut self,
        now: UnixMillis,
        participant: &ParticipantId,
        request: &Renegotiation,
    ) -> Result<(), NegotiateError> {
        let Renegotiation { in_reply_to, ref offer, ref intents, reason } = *request;
        let member = self.members.get(participant).ok_or(NegotiateError::NoSession)?;
        let offer = Offer::read(offer).map_err(NegotiationError::from)?;
        let session = self.sessions.get(&member.session).ok_or(NegotiateError::NoSession)?;
        let fresh = reason == NegotiateReason::NewTransport;
        if !fresh && !session.is_of_client(&offer) {
            return Err(NegotiationError::OtherConnection.into());
        }
        if member.tracks.is_empty() && !intents.is_empty() && !self.has_room_for_publisher(participant) {
            return Err(NegotiateError::TooManyPublishers);
        }
        let path = self.path(now, participant, reason)?;
        let further = Further { offer, intents, in_reply_to, fresh };
        match path {
            Path::Same => self.negotiate_same(participant, &further),
            Path::Another(epoch) => {
                self.negotiate_another(participant, &further)?;
                self.serve(participant, epoch);
                Ok(())
            }
            Path::Wait(failed) => {
                self.negotiate_another(participant, &further)?;
                self.place(now, failed);
                Ok(())
            }
        }
    }

    /// Decides which session an offer leads to; records a report of a dead transport.
    fn path(
        &mut self,
        now: UnixMillis,
        participant: &ParticipantId,
        reason: NegotiateReason,
    ) -> Result<Path, NegotiateError> {
        let member = self.members.get(participant).ok_or(NegotiateError::NoSession)?;
        let session = self.sessions.get(&member.session).ok_or(NegotiateError::NoSession)?;
        let ended = session.media == MediaState::Ended;
        let home = session.epoch.and_then(|epoch| Some((epoch, self.assignments.get(&epoch)?)));
        let stays = home.is_some_and(|(_, home)| home.retired_at.is_none());
        match reason {
            NegotiateReason::NewTransport => return Ok(self.usable().map_or(Path::Wait(None), Path::Another)),
            NegotiateReason::Sections if home.is_some() && !ended => return Ok(Path::Same),
            NegotiateReason::IceRestart if stays && !ended => return Ok(Path::Same),
            NegotiateReason::Sections | NegotiateReason::IceRestart | NegotiateReason::TransportDead => {}
        }
        let home_epoch = home.map(|(epoch, _)| epoch);
        let node = home.map(|(_, home)| home.node.clone());
        let alive = home.is_some_and(|(_, home)| is_alive(home)) && home_epoch == self.usable();
        let alive = alive && !(reason == NegotiateReason::TransportDead && self.reports_dead(now, participant));
        match self.usable() {
            _ if alive && ended => Err(NegotiateError::ConnectionForgotten),
            _ if alive => Ok(Path::Same),
            Some(epoch) if Some(epoch) != home_epoch => Ok(Path::Another(epoch)),
            Some(_) | None => Ok(Path::Wait(node)),
        }
    }

    /// Notes that a client found its transport dead. Returns whether the node counts as dead although its socket is
    /// open: it has answered this client before without success, and most of the other clients report the same.
    fn reports_dead(&mut self, now: UnixMillis, participant: &ParticipantId) -> bool {
        let recent = |at: Option<UnixMillis>| at.is_some_and(|at| now.since_ms(at) < DEAD_REPORTS_MS);
        let Some(member) = self.members.get_mut(participant) else { return false };
        let again = recent(member.dead_at.replace(now));
        let reports = self.members.values().filter(|member| recent(member.dead_at)).count();
        again && reports.saturating_mul(2) > self.members.len()
    }

    fn negotiate_same(&mut self, participant: &ParticipantId, further: &Further<'_>) -> Result<(), NegotiateError> {
        let (id, before, grants) = self.negotiated_before(participant)?;
        let Further { offer, intents, in_reply_to, .. } = further;
        let negotiation = Negotiation { offer, intents, grants, before: &before, keeps_ssrcs: true };
        negotiation.check()?;
        let tracks = self.tracks_of(participant, intents);
        let sections = negotiation.answer(&tracks, &mut self.random);
        if let Some(session) = self.sessions.get_mut(&id) {
            session.renegotiate(offer, sections, &mut self.random);
            self.news.set_sessions.extend(session.epoch.map(|epoch| (epoch, id.clone())));
        }
        self.adopt(participant, id, tracks);
        self.reply(participant, Reply::Negotiated { in_reply_to: *in_reply_to });
        Ok(())
    }

    /// Prepares another session, which waits for its node.
    fn negotiate_another(&mut self, participant: &ParticipantId, further: &Further<'_>) -> Result<(), NegotiateError> {
        let (id, before, grants) = self.negotiated_before(participant)?;
        let before = if further.fresh { Vec::new() } else { before };
        let Further { offer, intents, in_reply_to, fresh } = further;
        let negotiation = Negotiation { offer, intents, grants, before: &before, keeps_ssrcs: false };
        negotiation.check()?;
        let session = media_session::mint_id(&mut self.random).ok_or(NegotiateError::NoSession)?;
        let tracks = self.tracks_of(participant, intents);
        let sections = negotiation.answer(&tracks, &mut self.random);
        let mut media = MediaSession::new(participant.clone(), offer, sections, &mut self.random);
        if let Some(before) = self.sessions.get(&id).filter(|_| !fresh) {
            media.origin = before.origin;
            media.version = before.version.saturating_add(1);
        }
        self.sessions.insert(session.clone(), media);
        if let Some(member) = self.members.get_mut(participant) {
            let (in_reply_to, new_connection) = (*in_reply_to, *fresh);
            member.waiting = Some(Waiting { in_reply_to, first: false, new_connection, session, tracks });
        }
        Ok(())
    }

    fn negotiated_before(
        &self,
        participant: &ParticipantId,
    ) -> Result<(SessionId, Vec<AnsweredSection>, shared::token::Grants), NegotiateError> {
        let member = self.members.get(participant).ok_or(NegotiateError::NoSession)?;
        let session = self.sessions.get(&member.session).ok_or(NegotiateError::NoSession)?;
        Ok((member.session.clone(), session.sections.clone(), member.grants))
    }
}

/// Whether a node can be told about a session, now or within the time it has to dial.
const fn is_alive(assignment: &Assignment) -> bool {
    match assignment.link {
        Link::Connected { .. } | Link::Dialing { .. } => true,
        Link::Lost { .. } | Link::Silent => false,
    }
}
