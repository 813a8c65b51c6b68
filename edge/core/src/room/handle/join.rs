//! Joining the room: one request, one answer, however often it is repeated.

use crate::SocketId;
use crate::room::context::Context;
use crate::room::handle::ban::Newcomer;
use crate::room::handle::negotiation::{Negotiation, NegotiationError};
use crate::room::handle::token::TokenError;
use crate::room::handle::{admission, assignment, ban, presence, progress, serve, session, standing, token};
use crate::room::outbox::{Reason, Reply};
use crate::room::state::State;
use crate::room::state::members::{Member, Waiting};
use crate::room::state::meta::Meta;
use crate::room::state::negotiated::Negotiated;
use crate::room::state::resume_secrets::{Mint, ResumeSecrets};
use crate::room::state::sessions::{self, MediaSession};
use crate::room::state::standings::Known;
use crate::room::state::tracks::Track;
use crate::session_description::Offer;
use shared::signal::{Duplicates, EdgeToClient, RoomChange, TrackIntent, close_code};
use shared::token::JoinClaims;
use shared::{AttemptId, ErrorCode, ParticipantId, SessionId, TemplateName, limits};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum JoinError {
    #[error("this socket has joined already")]
    AlreadyJoined,
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("there is no room, and the token does not grant creating it")]
    UnknownRoom,
    #[error("there is no template {0}")]
    UnknownTemplate(TemplateName),
    #[error("a moderator banned the participant, or a guest at the same address")]
    Banned,
    #[error("the call has not started")]
    NotStarted,
    #[error("only invited participants may enter")]
    NotInvited,
    #[error("the participant is in the room already")]
    Duplicate,
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

impl Reason for JoinError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::AlreadyJoined => ErrorCode::AlreadyJoined,
            Self::Token(error) => error.code(),
            Self::UnknownRoom => ErrorCode::UnknownRoom,
            Self::UnknownTemplate(_) => ErrorCode::UnknownTemplate,
            Self::Banned => ErrorCode::Banned,
            Self::NotStarted => ErrorCode::NotStarted,
            Self::NotInvited => ErrorCode::NotInvited,
            Self::Duplicate => ErrorCode::DuplicateIdentity,
            Self::RoomLocked => ErrorCode::RoomLocked,
            Self::RoomFull => ErrorCode::RoomFull,
            Self::TooManyPublishers => ErrorCode::TooManyPublishers,
            Self::Negotiation(error) => error.code(),
            Self::NoSession => ErrorCode::Internal,
        }
    }
}

/// A client that asks to join.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker<'a> {
    pub(crate) socket: SocketId,
    pub(crate) id: Option<u32>,
    pub(crate) claims: &'a JoinClaims,
}

/// Admits a participant. One who is already in the room has reloaded the page, and the new session replaces the old
/// one.
pub(crate) fn join(
    cx: &mut Context<'_>,
    asker: Asker<'_>,
    attempt: AttemptId,
    offer: &str,
    intents: &[TrackIntent],
) -> Result<(), JoinError> {
    let offer = Offer::read(offer).map_err(NegotiationError::from)?;
    let sub = seat(cx.state, &asker, &attempt).ok_or(JoinError::Duplicate)?;
    let claims = &JoinClaims { sub, ..asker.claims.clone() };
    let asker = Asker { claims, ..asker };
    if is_repeated(cx.state, &claims.sub, &attempt, &offer) {
        return join_again(cx, asker);
    }
    if cx.state.members.get(&claims.sub).is_some_and(|member| member.socket == Some(asker.socket)) {
        return Err(JoinError::AlreadyJoined);
    }
    let standing = standing_join(cx.state, &claims.sub, &attempt, &offer).map(|_| &attempt);
    token::check_unused(cx.state, claims, standing)?;
    let from = admission::guest_address(claims);
    let token = admission::token_grants(cx.state, claims);
    if ban::keeps_out(cx.state, cx.now, &Newcomer { participant: &claims.sub, from, token }) {
        return Err(JoinError::Banned);
    }
    let is_new = create(cx, claims)?;
    let joined = enter(cx, asker, attempt, &offer, intents);
    if joined.is_err() && is_new {
        cx.state.meta.remove(&());
    }
    joined
}

/// The first join creates the room, if its token grants that, before the rules of its template are asked; true if it has.
fn create(cx: &mut Context<'_>, claims: &JoinClaims) -> Result<bool, JoinError> {
    if cx.state.exists() {
        return Ok(false);
    }
    if !admission::grants_of(cx.state, claims).create {
        return Err(JoinError::UnknownRoom);
    }
    let unknown = |name: &TemplateName| JoinError::UnknownTemplate(name.clone());
    let template = claims.template.as_ref();
    let template = template.map(|name| cx.config.templates.get(name).ok_or_else(|| unknown(name))).transpose()?;
    let mut meta = Meta::new(admission::participants_max(claims), cx.now);
    if let Some(template) = template {
        let participants_max = claims.participants_max.or(template.participants_max);
        meta.change(&RoomChange { participants_max, ..template.clone() });
    }
    cx.state.meta.insert((), meta);
    Ok(true)
}

/// Admits a participant to a room that exists.
fn enter(
    cx: &mut Context<'_>,
    asker: Asker<'_>,
    attempt: AttemptId,
    offer: &Offer,
    intents: &[TrackIntent],
) -> Result<(), JoinError> {
    let claims = asker.claims;
    if !admission::is_invited(cx.state, claims) {
        return Err(JoinError::NotInvited);
    }
    if admission::is_duplicate(cx.state, claims) {
        return Err(JoinError::Duplicate);
    }
    if !admission::has_started_for(cx.state, claims) {
        return Err(JoinError::NotStarted);
    }
    if !admission::is_open_to(cx.state, claims) {
        return Err(JoinError::RoomLocked);
    }
    if !admission::has_room_for(cx.state, claims) {
        return Err(JoinError::RoomFull);
    }
    if !intents.is_empty()
        && !admission::has_room_for_publisher(cx.state, &claims.sub, admission::guest_address(claims))
    {
        return Err(JoinError::TooManyPublishers);
    }
    let grants = admission::grants_of(cx.state, claims);
    let rules = cx.state.rules();
    let negotiation = Negotiation { offer, intents, grants, rules: &rules, before: &[], keeps_ssrcs: false };
    negotiation.check()?;
    let session = sessions::mint_id(cx.random).ok_or(JoinError::NoSession)?;
    token::note_used(cx.state, claims, &attempt);
    let tracks = tracks_for(cx, claims, intents);
    let sections = negotiation.answer(&tracks, cx.random);
    let negotiated = Negotiated::new(offer, sections, cx.random);
    session::open(cx.state, &session, MediaSession::new(claims.sub.clone(), 1), negotiated);
    admit(cx, asker, attempt, session, tracks);
    match cx.state.usable() {
        Some(epoch) => serve::serve(cx, &claims.sub, epoch),
        None => assignment::place(cx, None),
    }
    Ok(())
}

/// The id that the participant has in this room. Where several with one identity are admitted, it is the one of an earlier
/// request on this socket, of a lost connection, or the next free one.
fn seat(state: &State, asker: &Asker<'_>, attempt: &AttemptId) -> Option<ParticipantId> {
    let identity = &asker.claims.sub;
    if state.meta().is_none_or(|meta| meta.rules.duplicates != Duplicates::Allow) {
        return Some(identity.clone());
    }
    let is_own = |member: &&Member| member.attempt == *attempt || member.socket == Some(asker.socket);
    let own = state.seats_of(identity).find(is_own);
    let lost = || state.seats_of(identity).find(|member| member.socket.is_none());
    if let Some(member) = own.or_else(lost) {
        return Some(member.id.clone());
    }
    identity.seats().find(|seat| !state.members.contains(seat))
}

fn is_repeated(state: &State, participant: &ParticipantId, attempt: &AttemptId, offer: &Offer) -> bool {
    standing_join(state, participant, attempt, offer).is_some_and(|(member, session)| {
        // Without its node there is no answer to repeat.
        let has_node = || session.epoch.is_some_and(|epoch| state.assignments.contains(&epoch));
        member.waiting.is_some() || has_node()
    })
}

/// The member and session created by this attempt and this offer; `None` once the session has had another offer.
fn standing_join<'a>(
    state: &'a State,
    participant: &ParticipantId,
    attempt: &AttemptId,
    offer: &Offer,
) -> Option<(&'a Member, &'a MediaSession)> {
    let member = state.members.get(participant).filter(|member| member.attempt == *attempt)?;
    let session = state.sessions.get(&member.session).filter(|session| session.version == 1)?;
    state.negotiated(&member.session).filter(|negotiated| negotiated.answers(offer))?;
    Some((member, session))
}

/// Answers a repeated join again; the first answer was most likely lost with the socket.
fn join_again(cx: &mut Context<'_>, asker: Asker<'_>) -> Result<(), JoinError> {
    let participant = &asker.claims.sub;
    let Some(member) = cx.state.members.get(participant) else { return Err(JoinError::NoSession) };
    let (waits, same_socket) = (member.waiting.is_some(), member.socket == Some(asker.socket));
    if waits && same_socket {
        return Err(JoinError::AlreadyJoined);
    }
    presence::change_socket(cx, participant, asker.socket);
    if let Some(member) = cx.state.members.get_mut(participant)
        && let Some(waiting) = member.waiting.as_mut().filter(|waiting| waiting.first)
    {
        waiting.in_reply_to = asker.id;
        return Ok(());
    }
    cx.reply(participant, Reply::Joined { in_reply_to: asker.id });
    Ok(())
}

/// Adds a participant that waits for a node.
fn admit(cx: &mut Context<'_>, asker: Asker<'_>, attempt: AttemptId, session: SessionId, tracks: Vec<Track>) {
    let claims = asker.claims;
    let grants = admission::grants_of(cx.state, claims);
    let audience = admission::joins_audience(cx.state, claims, grants);
    let before = replace(cx, &claims.sub);
    let token = admission::token_grants(cx.state, claims);
    let Known { change, by_guest, lost } = standing::take_known(cx.state, &claims.sub);
    let mint = Mint { keys: &cx.config.resume_keys, room: &cx.state.id, participant: &claims.sub };
    let resume_secrets = ResumeSecrets::new(mint, cx.random);
    let near = cx.state.sockets.get(&asker.socket).map(|socket| socket.near.clone()).filter(|near| !near.is_empty());
    let near = near.or_else(|| Some(before.as_ref()?.near.clone())).unwrap_or_default();
    let trace = cx.state.sockets.get(&asker.socket).and_then(|socket| socket.trace);
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
        role: change.role.clone().unwrap_or_else(|| admission::token_role(cx.state, claims)),
        attributes: claims.attributes.clone(),
        token,
        bandwidth: change.bandwidth.unwrap_or(claims.bandwidth),
        audience,
        guest: claims.guest.is_some(),
        change,
        changed_by_guest: by_guest,
        lost,
        joined_at: before.as_ref().map_or(cx.now, |before| before.joined_at),
        order: before.as_ref().map_or_else(|| next_order(cx.state), |before| before.order),
        revision: before.as_ref().map_or(0, |before| before.revision),
        attempt,
        from: admission::guest_address(claims).map(str::to_owned),
        near,
        trace,
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
    cx.state.members.insert(claims.sub.clone(), member);
    cx.state.guests.remove(&claims.sub.identity());
    cx.state.departed.remove(&claims.sub.identity());
    cx.state.socket_is_client_of(asker.socket, &claims.sub);
}

/// Ends the earlier session of a participant that joins again.
fn replace(cx: &mut Context<'_>, participant: &ParticipantId) -> Option<Member> {
    let before = cx.state.members.get(participant)?.clone();
    cx.refuse_waiting(participant, ErrorCode::Replaced);
    let removed = EdgeToClient::Removed { code: ErrorCode::Replaced, reason: None };
    cx.send_off(participant, removed, close_code::REMOVED);
    if let Some(waiting) = &before.waiting {
        cx.state.sessions.remove(&waiting.session);
    }
    cx.state.sessions.remove(&before.session);
    Some(before)
}

fn next_order(state: &mut State) -> u64 {
    let Some(meta) = state.meta_mut() else { return 0 };
    meta.next_order = meta.next_order.saturating_add(1);
    meta.next_order
}

/// Turns a join's intents into published tracks.
fn tracks_for(cx: &mut Context<'_>, claims: &JoinClaims, intents: &[TrackIntent]) -> Vec<Track> {
    progress::begin_again(cx.state, cx.now);
    if let Some(meta) = cx.state.meta_mut() {
        (meta.empty_since, meta.reload_until) = (None, None);
    }
    admission::tracks_of(cx.state, &claims.sub, intents)
}
