//! Requests of a moderator or of the application's server for a room: remove, mute, change, lock, end.

use crate::room::asks::Verb;
use crate::room::context::{Caller, Context};
use crate::room::handle::{audit, ban, end, guest, host, leave, mute, pause, rules, standing, start};
use crate::room::outbox::Reason;
use crate::room::state::State;
use crate::room::state::bans::Judge;
use crate::room::state::members::Member;
use crate::{roles, templates};
use shared::signal::{CallEnd, CallState, ParticipantChange, RoomChange};
use shared::{ErrorCode, ParticipantId, Region, RoleName, TrackId, UnixMillis, limits};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ModerationError {
    #[error("the token does not grant moderating")]
    MayNotModerate,
    #[error("no participant is {participant}")]
    UnknownParticipant { participant: ParticipantId },
    #[error("no guest {participant} waits")]
    UnknownGuest { participant: ParticipantId },
    #[error("no address is known of a guest {participant}")]
    UnknownAddress { participant: ParticipantId },
    #[error("{participant} has no track {track}")]
    UnknownTrack { participant: ParticipantId, track: TrackId },
    #[error("{participant} is not banned")]
    UnknownBan { participant: ParticipantId },
    #[error("only the application and its moderators lift the ban of {participant}")]
    MayNotLiftBan { participant: ParticipantId },
    #[error("only the host, an administrator and the application decide about the host")]
    MayNotTouchHost,
    #[error("only an administrator and the application decide about administrators")]
    MayNotTouchAdmin,
    #[error("there is no role {role}")]
    UnknownRole { role: RoleName },
    #[error("only the application raises and lifts limits of {participant}")]
    MayNotRaiseLimits { participant: ParticipantId },
    #[error("the call is {state}")]
    WrongState { state: &'static str },
    #[error("there is no region {region}")]
    UnknownRegion { region: Region },
    #[error("the room has {} bans already", limits::BANS_PER_ROOM_MAX)]
    TooManyBans,
}

impl Reason for ModerationError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::MayNotModerate
            | Self::MayNotLiftBan { .. }
            | Self::MayNotRaiseLimits { .. }
            | Self::MayNotTouchHost
            | Self::MayNotTouchAdmin => ErrorCode::Forbidden,
            Self::UnknownRole { .. } => ErrorCode::UnknownRole,
            Self::UnknownParticipant { .. } | Self::UnknownGuest { .. } | Self::UnknownAddress { .. } => {
                ErrorCode::UnknownParticipant
            }
            Self::UnknownTrack { .. } => ErrorCode::UnknownTrack,
            Self::UnknownBan { .. } => ErrorCode::UnknownBan,
            Self::TooManyBans => ErrorCode::TooManyBans,
            Self::UnknownRegion { .. } => ErrorCode::UnknownRegion,
            Self::WrongState { .. } => ErrorCode::WrongState,
        }
    }
}

/// Carries out a participant's request, if their grants allow it.
pub(crate) fn moderate(cx: &mut Context<'_>, caller: &Caller, verb: Verb) -> Result<(), ModerationError> {
    let moderator = cx.state.members.get(&caller.participant).filter(|member| may(member, &verb));
    let judge = moderator.ok_or(ModerationError::MayNotModerate)?.judge();
    check_verb(cx, judge, &verb)?;
    check_limits(cx.state, &verb)?;
    check_superiors(cx.state, &caller.participant, &verb)?;
    // Answered first, because the request may remove its own sender.
    cx.done(caller);
    if !concerns_oneself(&caller.participant, &verb) {
        audit::note(cx.state, cx.now, Some(&caller.participant), &verb);
    }
    carry_out(cx, judge, verb);
    Ok(())
}

/// True if a participant's grants allow the verb.
fn may(member: &Member, verb: &Verb) -> bool {
    match verb {
        Verb::AnswerGuest { .. } => member.may_admit(),
        _ => member.grants.moderate || member.grants.metadata && concerns_oneself(&member.id, verb),
    }
}

/// True for a change of one's own metadata and of nothing else.
fn concerns_oneself(by: &ParticipantId, verb: &Verb) -> bool {
    let Verb::UpdateParticipant { participant, change } = verb else { return false };
    participant == by && ParticipantChange { metadata: None, ..change.clone() } == ParticipantChange::default()
}

/// Returns an error if the verb concerns the host or an administrator, about whom this participant may not decide.
fn check_superiors(state: &State, by: &ParticipantId, verb: &Verb) -> Result<(), ModerationError> {
    let (participant, given) = match verb {
        Verb::Remove { participant, .. } | Verb::MuteTrack { participant, hold: true, .. } => (participant, None),
        Verb::UpdateParticipant { participant, change } if change.role.is_some() || change.grants.is_some() => {
            (participant, change.role.as_ref().map(RoleName::as_str))
        }
        _ => return Ok(()),
    };
    if (given == Some(roles::ADMIN) || host::is_admin(state, participant)) && !host::is_admin(state, by) {
        return Err(ModerationError::MayNotTouchAdmin);
    }
    let is_about_host = given == Some(roles::HOST) || host::concerns(state, participant);
    if is_about_host && !host::may_decide(state, by) { Err(ModerationError::MayNotTouchHost) } else { Ok(()) }
}

/// Returns an error if the target of the verb does not exist, or the judge may not decide about it.
pub(crate) fn check_verb(cx: &Context<'_>, judge: Judge, verb: &Verb) -> Result<(), ModerationError> {
    let state = &*cx.state;
    let member = |participant: &ParticipantId| {
        let unknown = || ModerationError::UnknownParticipant { participant: participant.clone() };
        state.members.get(participant).ok_or_else(unknown)
    };
    match verb {
        Verb::Remove { participant, ban: Some(term), .. } => {
            let participant = &participant.identity();
            if term.address {
                check_address(state, judge, participant)?;
            }
            ban::has_room(state, judge, participant).then_some(()).ok_or(ModerationError::TooManyBans)
        }
        Verb::Remove { participant, ban: None, .. } => member(participant).map(drop),
        Verb::UpdateParticipant { participant, change } => {
            let unknown = |role: &&RoleName| cx.config.roles.grants(role).is_none();
            let unknown = change.role.as_ref().filter(unknown);
            unknown.map_or(Ok(()), |role| Err(ModerationError::UnknownRole { role: role.clone() }))?;
            member(participant).map(drop)
        }
        Verb::LiftBan { participant } => {
            let unknown = || ModerationError::UnknownBan { participant: participant.clone() };
            let ban = state.bans.get(&participant.identity()).ok_or_else(unknown)?;
            let forbidden = || ModerationError::MayNotLiftBan { participant: participant.clone() };
            ban.may_be_lifted_by(judge).then_some(()).ok_or_else(forbidden)
        }
        Verb::AnswerGuest { participant, .. } => {
            let unknown = || ModerationError::UnknownGuest { participant: participant.clone() };
            guest::is_waiting(state, participant).then_some(()).ok_or_else(unknown)
        }
        Verb::MuteTrack { participant, track, .. } => {
            let has = member(participant)?.tracks.iter().any(|of_member| of_member.id == *track);
            let unknown = || ModerationError::UnknownTrack { participant: participant.clone(), track: track.clone() };
            has.then_some(()).ok_or_else(unknown)
        }
        Verb::Start => check_call(state, start::may_start),
        Verb::Pause { .. } => check_call(state, pause::may_pause),
        Verb::Resume => check_call(state, pause::may_resume),
        Verb::UpdateRoom { change } => {
            check_region(cx, change)?;
            let is_seen = |id: &ParticipantId| state.members.get(id).is_some_and(|member| !member.grants.hidden);
            let absent = change.spotlight.iter().flatten().find(|participant| !is_seen(participant));
            let unknown =
                |participant: &ParticipantId| ModerationError::UnknownParticipant { participant: participant.clone() };
            absent.map_or(Ok(()), |participant| Err(unknown(participant)))
        }
        Verb::End { .. } => Ok(()),
    }
}

/// Returns an error if the room would wish for a region that the deployment does not have.
pub(crate) fn check_region(cx: &Context<'_>, change: &RoomChange) -> Result<(), ModerationError> {
    let unknown = change.region.as_ref().filter(|region| !templates::knows(&cx.config.regions, region));
    unknown.map_or(Ok(()), |region| Err(ModerationError::UnknownRegion { region: region.clone() }))
}

fn check_call(state: &State, may: impl Fn(CallState) -> bool) -> Result<(), ModerationError> {
    let state = state.meta().map_or(CallState::Ended, |meta| meta.call.state);
    if may(state) { Ok(()) } else { Err(ModerationError::WrongState { state: state.as_str() }) }
}

/// Returns an error if the verb raises or lifts a limit on a participant's media.
fn check_limits(state: &State, verb: &Verb) -> Result<(), ModerationError> {
    let Verb::UpdateParticipant { participant, change: ParticipantChange { bandwidth: Some(bandwidth), .. } } = verb
    else {
        return Ok(());
    };
    let is_within = state.members.get(participant).is_none_or(|member| bandwidth.is_within(member.bandwidth));
    let forbidden = || ModerationError::MayNotRaiseLimits { participant: participant.clone() };
    is_within.then_some(()).ok_or_else(forbidden)
}

/// Returns an error if no ban can be for the guests at this participant's address, or the judge cannot change it.
fn check_address(state: &State, judge: Judge, participant: &ParticipantId) -> Result<(), ModerationError> {
    let forbidden = || ModerationError::MayNotLiftBan { participant: participant.clone() };
    let may_change = state.bans.get(participant).is_none_or(|ban| ban.may_be_lifted_by(judge));
    may_change.then_some(()).ok_or_else(forbidden)?;
    let unknown = || ModerationError::UnknownAddress { participant: participant.clone() };
    ban::address_of(state, UnixMillis::default(), participant).map(drop).ok_or_else(unknown)
}

/// Carries out a verb for which [`check_verb`] succeeded.
pub(crate) fn carry_out(cx: &mut Context<'_>, judge: Judge, verb: Verb) {
    match verb {
        Verb::Remove { participant, reason, ban } => {
            let Some(term) = ban else { return leave::expel(cx, &participant, ErrorCode::Kicked, reason) };
            // Another seat would be a way around it.
            let identity = participant.identity();
            ban::add(cx.state, cx.now, judge, &identity, term);
            let near = if term.address { ban::clear_address(cx.state, &identity) } else { Vec::new() };
            for participant in near.into_iter().chain(cx.state.seat_ids(&identity)) {
                leave::expel(cx, &participant, ErrorCode::Kicked, reason.clone());
            }
        }
        Verb::LiftBan { participant } => ban::lift(cx.state, cx.now, &participant.identity()),
        Verb::AnswerGuest { participant, admit } => guest::answer(cx.state, cx.now, &participant, admit),
        Verb::MuteTrack { participant, track, hold: false } => mute::silence(cx, &participant, &track),
        Verb::MuteTrack { participant, track, hold: true } => {
            standing::hold(cx.state, cx.now, judge, &participant, &track);
        }
        Verb::UpdateParticipant { participant, change } => {
            update_participant(cx, judge, &participant, change);
        }
        Verb::UpdateRoom { change } => {
            if let Some(meta) = cx.state.meta_mut() {
                meta.change(&change);
            }
            rules::enforce(cx.state, cx.now);
        }
        Verb::Start => start::start(cx.state, cx.now),
        Verb::Pause { reason } => pause::pause(cx.state, cx.now, reason),
        Verb::Resume => pause::resume(cx.state, cx.now),
        Verb::End { reason } => end::end(cx, CallEnd::Closed, reason.as_deref()),
    }
}

fn update_participant(cx: &mut Context<'_>, judge: Judge, participant: &ParticipantId, change: ParticipantChange) {
    let ParticipantChange { name, metadata, grants, role, bandwidth } = change;
    for seat in cx.state.seat_ids(participant).into_iter().filter(|_| name.is_some() || bandwidth.is_some()) {
        let Some(member) = cx.state.members.get_mut(&seat) else { continue };
        if let Some(name) = &name {
            member.name.clone_from(name);
            member.change.name = Some(name.clone());
        }
        if let Some(bandwidth) = bandwidth {
            (member.bandwidth, member.change.bandwidth) = (bandwidth, Some(bandwidth));
        }
    }
    if metadata.is_some()
        && let Some(member) = cx.state.members.get_mut(participant)
    {
        member.change.metadata = metadata;
    }
    if let Some(grants) = grants {
        standing::regrant(cx.state, cx.now, judge, participant, grants);
    }
    if let Some(role) = role {
        host::appoint(cx, judge, participant, &role);
    }
}
