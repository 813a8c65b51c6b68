//! Requests of the application's server.

use crate::room::asks::{Answer, Ask, Verb};
use crate::room::context::Context;
use crate::room::handle::ban::Newcomer;
use crate::room::handle::{audit, ban, guest, moderate, progress, recordings, standing};
use crate::room::outbox::{Output, Reason};
use crate::room::state::State;
use crate::room::state::bans::Judge;
use crate::room::state::meta::Meta;
use shared::signal::{CallInfo, CallState, RoomChange};
use shared::token::Grants;
use shared::{ErrorCode, ParticipantId, TemplateName, UnixMillis, api, limits};

pub(crate) fn asked(cx: &mut Context<'_>, request: u64, ask: Ask) {
    let answer = answer(cx, ask).unwrap_or_else(|code| Answer::Refused { code });
    cx.outbox.direct.push(Output::Answer { request, answer });
}

fn answer(cx: &mut Context<'_>, ask: Ask) -> Result<Answer, ErrorCode> {
    match ask {
        Ask::Create { change, template } => create_by(cx, template.as_ref(), &change),
        Ask::Enter { participant, from, made } => {
            check_banned(cx, &participant, from.as_deref(), made)?;
            Ok(create(cx, &RoomChange::default()))
        }
        Ask::Lobby { participant, from } => {
            let is_banned = match &participant {
                Some(participant) => check_banned(cx, participant, from.as_deref(), None).is_err(),
                None => from.is_some_and(|from| ban::keeps_address_out(cx.state, cx.now, &from)),
            };
            if is_banned { Err(ErrorCode::Banned) } else { Ok(Answer::Lobby { recorded: cx.state.is_recorded() }) }
        }
        Ask::Recordings { request, by } => {
            by.map_or(Ok(()), |participant| standing::check_record_token(cx.state, &participant))?;
            recordings::answer(cx, request).map_err(|error| error.code())
        }
        Ask::Show
        | Ask::Participants
        | Ask::Participant { .. }
        | Ask::Bans
        | Ask::Calls
        | Ask::Audit { .. }
        | Ask::Knock { .. }
        | Ask::Moderate { .. }
            if !cx.state.exists() && !outlives(cx.state, &ask) =>
        {
            Err(ErrorCode::UnknownRoom)
        }
        Ask::Show => Ok(shown(cx.state, false)),
        Ask::Participants => Ok(Answer::Participants { participants: cx.state.everybody() }),
        Ask::Participant { participant } => shown_participant(cx.state, &participant),
        Ask::Knock { participant, name, from } => guest::knock(cx.state, cx.now, &participant, name, from),
        Ask::Audit { before, limit } => Ok(audit::page(cx.state, before, limit)),
        Ask::Calls => Ok(Answer::Calls { calls: calls(cx.state) }),
        Ask::Bans => Ok(Answer::Bans { bans: ban::infos(cx.state) }),
        Ask::Moderate { verb } => {
            moderate::check_verb(cx, Judge::Application, &verb).map_err(|error| error.code())?;
            let shows_room = matches!(verb, Verb::UpdateRoom { .. } | Verb::Start | Verb::Pause { .. } | Verb::Resume);
            let shows = match &verb {
                Verb::UpdateParticipant { participant, .. } => Some(participant.clone()),
                Verb::Remove { .. }
                | Verb::LiftBan { .. }
                | Verb::AnswerGuest { .. }
                | Verb::MuteTrack { .. }
                | Verb::UpdateRoom { .. }
                | Verb::Start
                | Verb::Pause { .. }
                | Verb::Resume
                | Verb::End { .. } => None,
            };
            audit::note(cx.state, cx.now, None, &verb);
            moderate::carry_out(cx, Judge::Application, verb);
            // The answer shows the state after the change.
            progress::settle(cx);
            match shows {
                Some(participant) => shown_participant(cx.state, &participant),
                None if shows_room => Ok(shown(cx.state, false)),
                None => Ok(Answer::Done),
            }
        }
    }
}

/// Refuses a guest whom a ban keeps out. `made` is the creation time of the room that the guest hosts.
fn check_banned(
    cx: &Context<'_>,
    participant: &ParticipantId,
    from: Option<&str>,
    made: Option<UnixMillis>,
) -> Result<(), ErrorCode> {
    let moderate = made.is_some() && made == cx.state.meta().map(|meta| meta.created_at);
    let token = Grants { moderate, ..Grants::default() };
    let is_out = ban::keeps_out(cx.state, cx.now, &Newcomer { participant, from, token });
    if is_out { Err(ErrorCode::Banned) } else { Ok(()) }
}

/// True for requests about state that outlives the room.
fn outlives(state: &State, ask: &Ask) -> bool {
    match ask {
        Ask::Bans | Ask::Moderate { verb: Verb::LiftBan { .. } } => !state.bans.is_empty(),
        Ask::Calls => !state.calls.is_empty(),
        Ask::Audit { .. } => !state.acts.is_empty(),
        _ => false,
    }
}

fn create_by(cx: &mut Context<'_>, template: Option<&TemplateName>, change: &RoomChange) -> Result<Answer, ErrorCode> {
    let template = template.map(|name| cx.config.templates.get(name).ok_or(ErrorCode::UnknownTemplate)).transpose()?;
    moderate::check_region(cx, change).map_err(|error| error.code())?;
    let is_new = !cx.state.exists();
    let answer = create(cx, template.unwrap_or(change));
    if !is_new || template.is_none() {
        return Ok(answer);
    }
    if let Some(meta) = cx.state.meta_mut() {
        meta.change(change);
    }
    progress::settle(cx);
    Ok(shown(cx.state, true))
}

fn create(cx: &mut Context<'_>, change: &RoomChange) -> Answer {
    if cx.state.exists() {
        return shown(cx.state, false);
    }
    let mut meta = Meta {
        empty_since: Some(cx.now),
        empty_timeout_ms: limits::CREATED_ROOM_LIFETIME_MS,
        ..Meta::new(limits::PARTICIPANTS_PER_ROOM_DEFAULT, cx.now)
    };
    meta.change(change);
    cx.state.meta.insert((), meta);
    progress::settle(cx);
    shown(cx.state, true)
}

fn shown_participant(state: &State, participant: &ParticipantId) -> Result<Answer, ErrorCode> {
    let member = state.members.get(participant).ok_or(ErrorCode::UnknownParticipant)?;
    Ok(Answer::Participant { participant: state.info(member) })
}

/// Newest first.
fn calls(state: &State) -> Vec<CallInfo> {
    let current = state.meta().filter(|meta| meta.call.state != CallState::Ended);
    let current = current.map(|meta| meta.call.info(None, None));
    let past = state.calls.keys().rev().filter_map(|number| state.calls.get(number));
    current.into_iter().chain(past.map(|call| call.info.clone())).collect()
}

fn shown(state: &State, made: bool) -> Answer {
    let info = state.room_info();
    let (created_at, empty_timeout_ms) =
        state.meta().map_or_else(Default::default, |meta| (meta.created_at, meta.empty_timeout_ms));
    let of_room = state.rules();
    let room = api::Room {
        name: state.id.clone(),
        created_at,
        participants: u32::try_from(state.members.len()).unwrap_or(u32::MAX),
        locked: info.locked,
        metadata: info.metadata,
        participants_max: info.participants_max,
        empty_timeout_ms,
        state: info.state,
        duration_ms_max: state.meta().and_then(|meta| meta.duration_ms_max),
        starts_at: info.starts_at,
        started_at: info.started_at,
        ends_at: info.ends_at,
        room_type: info.room_type,
        public: info.public,
        features: info.features,
        quality: info.quality,
        duplicates: of_room.duplicates,
        region: of_room.region,
        lobby: of_room.lobby,
        invited: of_room.invited,
    };
    Answer::Room { room, made }
}
