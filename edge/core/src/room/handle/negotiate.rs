//! Further offers of a participant: changed sections, an ICE restart, or a dead transport.

use crate::room::context::{Caller, Context};
use crate::room::handle::negotiation::{Negotiation, NegotiationError};
use crate::room::handle::{admission, assignment, serve, session, turn};
use crate::room::outbox::{Reason, Reply};
use crate::room::state::State;
use crate::room::state::assignments::{Assignment, Link};
use crate::room::state::members::{Member, Renegotiation, Restart, Waiting};
use crate::room::state::negotiated::Negotiated;
use crate::room::state::sessions::{self, MediaSession, MediaState};
use crate::session_description::Offer;
use shared::signal::{NegotiateReason, TrackIntent};
use shared::token::Grants;
use shared::{ErrorCode, NodeId, ParticipantId, SessionId, UnixMillis, limits};

/// Reports of dead transports count together for this long.
const DEAD_REPORTS_MS: u64 = 10_000;
/// So few clients of a node without its socket need not agree that it is dead: if the link of one breaks, the other gets
/// nothing either.
const SERVED_FEW: usize = 2;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NegotiateError {
    #[error("another offer is still being answered")]
    Busy,
    #[error("{} participants are already publishing", limits::PUBLISHERS_PER_ROOM_MAX)]
    TooManyPublishers,
    #[error("the node no longer has this connection: offer a new one")]
    ConnectionForgotten,
    #[error(transparent)]
    Negotiation(#[from] NegotiationError),
    #[error("creating the session failed")]
    NoSession,
}

impl Reason for NegotiateError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Busy => ErrorCode::RateLimited,
            Self::TooManyPublishers => ErrorCode::TooManyPublishers,
            Self::ConnectionForgotten => ErrorCode::SessionExpired,
            Self::Negotiation(error) => error.code(),
            Self::NoSession => ErrorCode::Internal,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Path {
    /// The same session on the same node.
    Same,
    /// A new session on this assignment.
    Another(u64),
    /// A new session on the next assignment; this node has failed.
    Wait(Option<NodeId>),
}

struct Further<'a> {
    offer: Offer,
    intents: &'a [TrackIntent],
    in_reply_to: Option<u32>,
    /// True if the client created a new connection.
    fresh: bool,
}

/// Answers a participant's further offer, immediately or as soon as the Fleet object has named the TURN nodes.
pub(crate) fn negotiate(cx: &mut Context<'_>, caller: &Caller, request: Renegotiation) -> Result<(), NegotiateError> {
    let participant = &caller.participant;
    let member = cx.state.members.get(participant).ok_or(NegotiateError::NoSession)?;
    if member.waiting.is_some() || member.restart.is_some() {
        return Err(NegotiateError::Busy);
    }
    let alone = request.reason == NegotiateReason::TransportDead && reports_alone(cx.state, cx.now, participant);
    if alone || turn::awaits(cx, participant, request.reason) {
        if let Some(member) = cx.state.members.get_mut(participant) {
            member.restart = Some(Restart { request, since: cx.now, alone });
        }
        return Ok(());
    }
    renegotiate(cx, participant, &request, false)
}

/// Answers a pending ICE restart whose wait is over.
pub(crate) fn restart_due(cx: &mut Context<'_>, participant: &ParticipantId) {
    let Some(member) = cx.state.members.get_mut(participant).filter(|member| member.restart.is_some()) else { return };
    let (restart, socket) = (member.restart.take(), member.socket);
    if let (Some(Restart { request, alone, .. }), Some(socket)) = (restart, socket)
        && let Err(error) = renegotiate(cx, participant, &request, alone)
    {
        cx.outbox.refuse(socket, request.in_reply_to, error);
    }
}

fn renegotiate(
    cx: &mut Context<'_>,
    participant: &ParticipantId,
    request: &Renegotiation,
    alone: bool,
) -> Result<(), NegotiateError> {
    let Renegotiation { in_reply_to, ref offer, ref intents, reason } = *request;
    let member = cx.state.members.get(participant).ok_or(NegotiateError::NoSession)?;
    let offer = Offer::read(offer).map_err(NegotiationError::from)?;
    let fresh = reason == NegotiateReason::NewTransport;
    if !fresh && !negotiated(cx.state, &member.session)?.is_of_client(&offer) {
        return Err(NegotiationError::OtherConnection.into());
    }
    let has_room = || admission::has_room_for_publisher(cx.state, participant, member.from.as_deref());
    if member.tracks.is_empty() && !intents.is_empty() && !has_room() {
        return Err(NegotiateError::TooManyPublishers);
    }
    let path = path(cx, participant, reason, alone)?;
    let further = Further { offer, intents, in_reply_to, fresh };
    match path {
        Path::Same => negotiate_same(cx, participant, &further),
        Path::Another(epoch) => {
            negotiate_another(cx, participant, &further)?;
            serve::serve(cx, participant, epoch);
            Ok(())
        }
        Path::Wait(failed) => {
            negotiate_another(cx, participant, &further)?;
            assignment::place(cx, failed);
            answer_others(cx);
            Ok(())
        }
    }
}

/// Answers the clients whose reports have waited for one that agrees.
fn answer_others(cx: &mut Context<'_>) {
    let waits = |member: &&Member| member.restart.as_ref().is_some_and(|restart| restart.alone);
    let waiting: Vec<ParticipantId> = cx.state.members.values().filter(waits).map(|member| member.id.clone()).collect();
    for participant in waiting {
        restart_due(cx, &participant);
    }
}

/// Determines which session an offer leads to; records a report of a dead transport.
fn path(
    cx: &mut Context<'_>,
    participant: &ParticipantId,
    reason: NegotiateReason,
    alone: bool,
) -> Result<Path, NegotiateError> {
    let member = cx.state.members.get(participant).ok_or(NegotiateError::NoSession)?;
    let session = cx.state.sessions.get(&member.session).ok_or(NegotiateError::NoSession)?;
    let ended = session.media == MediaState::Ended;
    let home = session.epoch.and_then(|epoch| Some((epoch, cx.state.assignments.get(&epoch)?)));
    let stays = home.is_some_and(|(_, home)| home.retired_at.is_none());
    match reason {
        NegotiateReason::NewTransport => return Ok(cx.state.usable().map_or(Path::Wait(None), Path::Another)),
        NegotiateReason::Sections if home.is_some() && !ended => return Ok(Path::Same),
        NegotiateReason::IceRestart if stays && !ended => return Ok(Path::Same),
        NegotiateReason::Sections | NegotiateReason::IceRestart | NegotiateReason::TransportDead => {}
    }
    let home_epoch = home.map(|(epoch, _)| epoch);
    let node = home.map(|(_, home)| home.node.clone());
    let alive = home.is_some_and(|(_, home)| is_alive(home)) && home_epoch == cx.state.usable();
    let alive = alive && !(reason == NegotiateReason::TransportDead && reports_dead(cx.state, cx.now, participant));
    let alive = alive || alone && reported(cx.state, cx.now, participant).is_some_and(|others| others == 0);
    match cx.state.usable() {
        _ if alive && ended => Err(NegotiateError::ConnectionForgotten),
        _ if alive => Ok(Path::Same),
        Some(epoch) if Some(epoch) != home_epoch => Ok(Path::Another(epoch)),
        Some(_) | None => Ok(Path::Wait(node)),
    }
}

/// Records a client's report of a dead transport. Returns true if the node counts as dead although its socket is
/// open: it has answered this client before without success, and most of the other clients report the same.
fn reports_dead(state: &mut State, now: UnixMillis, participant: &ParticipantId) -> bool {
    let recent = |at: Option<UnixMillis>| at.is_some_and(|at| now.since_ms(at) < DEAD_REPORTS_MS);
    let Some(member) = state.members.get_mut(participant) else { return false };
    let again = recent(member.dead_at.replace(now));
    let reports = state.members.values().filter(|member| recent(member.dead_at)).count();
    again && reports.saturating_mul(2) > state.members.len()
}

/// Records a client's report of a dead transport if its node has lost only its socket as far as the others know: none of
/// several reports the same, so that the client's own link may have a gap. A client that reports again is believed.
fn reports_alone(state: &mut State, now: UnixMillis, participant: &ParticipantId) -> bool {
    let Some(others) = reported(state, now, participant) else { return false };
    let Some(member) = state.members.get_mut(participant) else { return false };
    let before = member.dead_at.replace(now);
    others == 0 && before.is_none_or(|at| now.since_ms(at) >= DEAD_REPORTS_MS)
}

/// The number of other clients of a participant's node that report it dead; `None` unless the node has lost its socket
/// and serves more than a few.
fn reported(state: &State, now: UnixMillis, participant: &ParticipantId) -> Option<usize> {
    let session = state.sessions.get(&state.members.get(participant)?.session)?;
    let epoch = session.epoch.filter(|epoch| state.usable() == Some(*epoch))?;
    let Link::Lost { since, .. } = state.assignments.get(&epoch)?.link else { return None };
    let is_served = |member: &&Member| {
        let session = state.sessions.get(&member.session);
        member.socket.is_some() && session.is_some_and(|it| it.epoch == Some(epoch) && it.media == MediaState::Up)
    };
    let served: Vec<&Member> = state.members.values().filter(is_served).collect();
    let reports = |member: &&&Member| {
        member.id != *participant && member.dead_at.is_some_and(|at| at >= since && now.since_ms(at) < DEAD_REPORTS_MS)
    };
    (session.media == MediaState::Up && served.len() > SERVED_FEW).then(|| served.iter().filter(reports).count())
}

fn negotiate_same(
    cx: &mut Context<'_>,
    participant: &ParticipantId,
    further: &Further<'_>,
) -> Result<(), NegotiateError> {
    let (id, grants) = session_of(cx.state, participant)?;
    let before = &negotiated(cx.state, &id)?.sections.clone();
    let Further { offer, intents, in_reply_to, .. } = further;
    let rules = &cx.state.rules();
    let negotiation = Negotiation { offer, intents, grants, rules, before, keeps_ssrcs: true };
    negotiation.check()?;
    let tracks = admission::tracks_of(cx.state, participant, intents);
    let sections = negotiation.answer(&tracks, cx.random);
    if let Some(session) = cx.state.sessions.get_mut(&id) {
        session.version = session.version.saturating_add(1);
    }
    if let Some(negotiated) = cx.state.negotiated_mut(&id) {
        negotiated.renegotiate(offer, sections, cx.random);
    }
    session::adopt(cx.state, participant, id, tracks);
    cx.reply(participant, Reply::Negotiated { in_reply_to: *in_reply_to });
    Ok(())
}

/// Prepares another session, which waits for its node.
fn negotiate_another(
    cx: &mut Context<'_>,
    participant: &ParticipantId,
    further: &Further<'_>,
) -> Result<(), NegotiateError> {
    let (id, grants) = session_of(cx.state, participant)?;
    let Further { offer, intents, in_reply_to, fresh } = further;
    let before = if *fresh { None } else { Some(negotiated(cx.state, &id)?.clone()) };
    let sections = before.as_ref().map_or(&[][..], |before| &before.sections);
    let rules = &cx.state.rules();
    let negotiation = Negotiation { offer, intents, grants, rules, before: sections, keeps_ssrcs: false };
    negotiation.check()?;
    let session = sessions::mint_id(cx.random).ok_or(NegotiateError::NoSession)?;
    let tracks = admission::tracks_of(cx.state, participant, intents);
    let sections = negotiation.answer(&tracks, cx.random);
    let mut negotiated = Negotiated::new(offer, sections, cx.random);
    let mut version = 1;
    if let (Some(before), Some(session)) = (before, cx.state.sessions.get(&id)) {
        negotiated.origin = before.origin;
        version = session.version.saturating_add(1);
    }
    session::open(cx.state, &session, MediaSession::new(participant.clone(), version), negotiated);
    if let Some(member) = cx.state.members.get_mut(participant) {
        let (in_reply_to, new_connection) = (*in_reply_to, *fresh);
        member.waiting = Some(Waiting { in_reply_to, first: false, new_connection, session, tracks });
    }
    Ok(())
}

fn session_of(state: &State, participant: &ParticipantId) -> Result<(SessionId, Grants), NegotiateError> {
    let member = state.members.get(participant).ok_or(NegotiateError::NoSession)?;
    Ok((member.session.clone(), member.grants))
}

fn negotiated<'a>(state: &'a State, session: &SessionId) -> Result<&'a Negotiated, NegotiateError> {
    state.negotiated(session).ok_or(NegotiateError::ConnectionForgotten)
}

/// True if a node can receive a session now, or within its time to connect.
const fn is_alive(assignment: &Assignment) -> bool {
    match assignment.link {
        Link::Connected { .. } | Link::Dialing { .. } => true,
        Link::Lost { .. } | Link::Silent => false,
    }
}
