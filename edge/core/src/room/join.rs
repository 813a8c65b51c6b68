//! Entering the room: one request, one answer, however often it is repeated.

use super::Room;
use super::media_session::{self, MediaSession};
use super::member::{Member, Waiting};
use super::negotiation::{Negotiation, NegotiationError};
use super::news::Reply;
use super::resume_secret::{Mint, ResumeSecrets};
use super::role;
use super::socket::Asker;
use super::standing::Known;
use super::topology::Meta;
use super::track::{self, Track};
use crate::session_description::Offer;
use shared::signal::{EdgeToClient, TrackIntent, close_code};
use shared::{AttemptId, ErrorCode, ParticipantId, SessionId, UnixMillis, limits};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum JoinError {
    #[error("this socket has joined already")]
    AlreadyJoined,
    #[error("this token was good for one join")]
    TokenUsed,
    #[error("too many single-use tokens have been used: wait until some expire")]
    TooManyTokens,
    #[error("a moderator banned the participant")]
    Banned,
    #[error("the room is locked")]
    RoomLocked,
    #[error("the room is full")]
    RoomFull,
    #[error("{} participants publish already", limits::PUBLISHERS_PER_ROOM_MAX)]
    TooManyPublishers,
    #[error(transparent)]
    Negotiation(#[from] NegotiationError),
    #[error("no session could be made")]
    NoSession,
}

impl JoinError {
    pub(super) fn code(&self) -> ErrorCode {
        match self {
            Self::AlreadyJoined => ErrorCode::AlreadyJoined,
            Self::TokenUsed => ErrorCode::TokenUsed,
            Self::TooManyTokens => ErrorCode::RateLimited,
            Self::Banned => ErrorCode::Banned,
            Self::RoomLocked => ErrorCode::RoomLocked,
            Self::RoomFull => ErrorCode::RoomFull,
            Self::TooManyPublishers => ErrorCode::TooManyPublishers,
            Self::Negotiation(error) => error.code(),
            Self::NoSession => ErrorCode::Internal,
        }
    }
}

impl Room {
    /// Lets a participant in. One who is in the room already has reloaded the page, and the new session replaces the old one.
    pub(super) fn join(
        &mut self,
        now: UnixMillis,
        asker: Asker<'_>,
        attempt: AttemptId,
        offer: &str,
        intents: &[TrackIntent],
    ) -> Result<(), JoinError> {
        let claims = asker.claims;
        let offer = Offer::read(offer).map_err(NegotiationError::from)?;
        if self.is_repeated(&claims.sub, &attempt, &offer) {
            return self.join_again(asker);
        }
        if self.members.get(&claims.sub).is_some_and(|member| member.socket == Some(asker.socket)) {
            return Err(JoinError::AlreadyJoined);
        }
        self.check_unused(claims, &attempt)?;
        if self.bans.contains(&claims.sub) {
            return Err(JoinError::Banned);
        }
        if !self.is_open_to(claims) {
            return Err(JoinError::RoomLocked);
        }
        if !self.has_room_for(claims) {
            return Err(JoinError::RoomFull);
        }
        if !intents.is_empty() && !self.has_room_for_publisher(&claims.sub) {
            return Err(JoinError::TooManyPublishers);
        }
        let grants = self.grants_of(claims);
        let negotiation = Negotiation { offer: &offer, intents, grants, before: &[], keeps_ssrcs: false };
        negotiation.check()?;
        let session = media_session::mint_id(&mut self.random).ok_or(JoinError::NoSession)?;
        self.note_used(claims, &attempt);
        let tracks = self.tracks_for(now, claims, intents);
        let sections = negotiation.answer(&tracks, &mut self.random);
        let media = MediaSession::new(claims.sub.clone(), &offer, sections, &mut self.random);
        self.sessions.insert(session.clone(), media);
        self.admit(now, asker, attempt, session, tracks);
        match self.usable() {
            Some(epoch) => self.serve(&claims.sub, epoch),
            None => self.place(now, None),
        }
        Ok(())
    }

    fn is_repeated(&self, participant: &ParticipantId, attempt: &AttemptId, offer: &Offer) -> bool {
        self.members.get(participant).is_some_and(|member| {
            let session = self.sessions.get(&member.session);
            // Without its node there is no answer to repeat.
            let has_node =
                |session: &MediaSession| session.epoch.is_some_and(|epoch| self.assignments.contains(&epoch));
            let can_answer = |session: &MediaSession| member.waiting.is_some() || has_node(session);
            member.attempt == *attempt
                && session.is_some_and(|session| session.answers_only(offer) && can_answer(session))
        })
    }

    /// The same join, most likely because its answer was lost with the socket: answered again.
    fn join_again(&mut self, asker: Asker<'_>) -> Result<(), JoinError> {
        let participant = &asker.claims.sub;
        let Some(member) = self.members.get(participant) else { return Err(JoinError::NoSession) };
        let (waits, same_socket) = (member.waiting.is_some(), member.socket == Some(asker.socket));
        if waits && same_socket {
            return Err(JoinError::AlreadyJoined);
        }
        self.change_socket(participant, asker.socket);
        if let Some(member) = self.members.get_mut(participant)
            && let Some(waiting) = member.waiting.as_mut().filter(|waiting| waiting.first)
        {
            waiting.in_reply_to = asker.id;
            return Ok(());
        }
        self.reply(participant, Reply::Joined { in_reply_to: asker.id });
        Ok(())
    }

    /// Adds a participant that waits for a node.
    fn admit(&mut self, now: UnixMillis, asker: Asker<'_>, attempt: AttemptId, session: SessionId, tracks: Vec<Track>) {
        let claims = asker.claims;
        let grants = self.grants_of(claims);
        let before = self.replace(&claims.sub);
        let token = self.token_grants(claims);
        let Known { change, by_guest, lost } = self.take_known(&claims.sub);
        let mint = Mint { keys: &self.config.resume_keys, room: &self.id, participant: &claims.sub };
        let resume_secrets = ResumeSecrets::new(mint, &mut self.random);
        let waiting = Waiting {
            in_reply_to: asker.id,
            first: true,
            new_connection: true,
            session: session.clone(),
            tracks: tracks.clone(),
        };
        let member = Member {
            id: claims.sub.clone(),
            name: change.name.clone().unwrap_or_else(|| claims.name.clone()),
            grants,
            token,
            guest: claims.guest.is_some(),
            change,
            changed_by_guest: by_guest,
            lost,
            joined_at: before.as_ref().map_or(now, |before| before.joined_at),
            order: before.as_ref().map_or_else(|| self.next_order(), |before| before.order),
            attempt,
            from: claims.guest.as_ref().and_then(|guest| guest.from.clone()),
            resume_secrets,
            socket: Some(asker.socket),
            absence: None,
            answered: false,
            session,
            was_connected: false,
            waiting: Some(waiting),
            tracks,
            slots: Vec::new(),
            view: Vec::new(),
            view_lines: None,
            sections_asked: (0, 0),
            hand_raised_at: before.as_ref().and_then(|before| before.hand_raised_at),
            silent_since: None,
            dead_at: None,
            restart: None,
        };
        self.members.insert(claims.sub.clone(), member);
        self.guests.remove(&claims.sub);
        self.departed.remove(&claims.sub);
        self.socket_is_client_of(asker.socket, &claims.sub);
    }

    /// Ends the earlier session of a participant that joins again.
    fn replace(&mut self, participant: &ParticipantId) -> Option<Member> {
        let before = self.members.get(participant)?.clone();
        self.refuse_waiting(participant, ErrorCode::Replaced);
        let removed = EdgeToClient::Removed { code: ErrorCode::Replaced, reason: None };
        self.send_off(participant, removed, close_code::REMOVED);
        if let Some(waiting) = &before.waiting {
            self.close_session(&waiting.session);
        }
        self.close_session(&before.session);
        Some(before)
    }

    fn next_order(&mut self) -> u64 {
        let Some(meta) = self.meta_mut() else { return 0 };
        meta.next_order = meta.next_order.saturating_add(1);
        meta.next_order
    }

    /// Turns a join's intents into published tracks; the first join makes the room.
    fn tracks_for(
        &mut self,
        now: UnixMillis,
        claims: &shared::token::JoinClaims,
        intents: &[TrackIntent],
    ) -> Vec<Track> {
        if self.meta().is_none() {
            let participants_max = role::participants_max(claims);
            self.meta.insert((), Meta::new(participants_max, now));
        }
        if let Some(meta) = self.meta_mut() {
            (meta.empty_since, meta.reload_until) = (None, None);
        }
        self.tracks_of(&claims.sub, intents)
    }

    /// What a participant's intents become; a source that was published before stays the same track.
    pub(super) fn tracks_of(&mut self, participant: &ParticipantId, intents: &[TrackIntent]) -> Vec<Track> {
        let before = self.members.get(participant).map_or_else(Vec::new, |member| member.tracks.clone());
        let mut next_csrc = self.meta().map_or(1, |meta| meta.next_csrc);
        let tracks = track::tracks_of(intents, &before, &mut next_csrc);
        if self.meta().is_some_and(|meta| meta.next_csrc != next_csrc)
            && let Some(meta) = self.meta_mut()
        {
            meta.next_csrc = next_csrc;
        }
        tracks
    }
}
