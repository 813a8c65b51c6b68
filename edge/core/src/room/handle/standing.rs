//! Grants that moderators changed: for participants in the room, for absent ones, and after the room has ended.

use crate::room::state::State;
use crate::room::state::bans::Judge;
use crate::room::state::members::Member;
use crate::room::state::standings::{Known, Lost, Standing, grants};
use crate::room::state::tracks::Track;
use shared::signal::{ParticipantChange, TrackSource};
use shared::token::Grants;
use shared::{ErrorCode, ParticipantId, TrackId, UnixMillis, limits};

pub(crate) fn standing_grants(state: &State, participant: &ParticipantId, token: Grants) -> Grants {
    match (state.seats_of(participant).next(), state.standings.get(&participant.identity())) {
        (Some(member), _) => grants(&member.change, member.lost, token),
        (None, Some(standing)) => grants(&standing.change, standing.lost, token),
        (None, None) => token.in_force(),
    }
}

/// Takes a participant's stored state, from the current member or from an earlier stay.
pub(crate) fn take_known(state: &mut State, participant: &ParticipantId) -> Known {
    let standing = state.standings.remove(&participant.identity());
    match (state.seats_of(participant).next(), standing) {
        (Some(member), _) => {
            Known { change: member.change.clone(), by_guest: member.changed_by_guest, lost: member.lost }
        }
        (None, Some(Standing { change, by_guest, lost, .. })) => Known { change, by_guest, lost },
        (None, None) => Known::default(),
    }
}

/// Changes the grants of a participant's identity in this room: another seat would be a way around it.
pub(crate) fn regrant(state: &mut State, now: UnixMillis, judge: Judge, participant: &ParticipantId, grants: Grants) {
    for seat in state.seat_ids(participant) {
        regrant_seat(state, now, judge, &seat, grants);
    }
}

fn regrant_seat(state: &mut State, now: UnixMillis, judge: Judge, seat: &ParticipantId, grants: Grants) {
    let Some(member) = state.members.get_mut(seat) else { return };
    // Others know the participant already, or must not.
    let grants = Grants { hidden: member.token.hidden, ..grants };
    match judge {
        Judge::Application => (member.lost, member.changed_by_guest) = (None, false),
        Judge::Guest => {
            // Grants removed by the application's moderators stay removed after this room.
            let until = now.plus_ms(limits::STANDING_KEPT_MS);
            let taken = member.change.grants.filter(|_| !member.changed_by_guest);
            member.lost = member.lost.or_else(|| Lost::of(member.token, taken?, until));
            member.changed_by_guest = true;
        }
    }
    member.grants = grants.in_force();
    end_tracks(member);
    member.change.grants = Some(grants);
}

/// Takes the grant for the source of a track, so that its publisher cannot unmute it.
pub(crate) fn hold(state: &mut State, now: UnixMillis, judge: Judge, participant: &ParticipantId, track: &TrackId) {
    let Some(member) = state.members.get(participant) else { return };
    let source = member.tracks.iter().find(|of_member| of_member.id == *track).map(|track| track.source);
    let grants = match source {
        Some(TrackSource::Microphone) => Grants { microphone: false, ..member.grants },
        Some(TrackSource::Camera) => Grants { camera: false, ..member.grants },
        Some(TrackSource::Screen | TrackSource::ScreenAudio) => Grants { screen: false, ..member.grants },
        None => return,
    };
    regrant(state, now, judge, participant, grants);
}

/// Ends the tracks that the participant may no longer publish.
fn end_tracks(member: &mut Member) {
    let grants = member.grants;
    let stays = |track: &Track| track.source.is_granted(grants) || grants.publish && track.source.may_be_held();
    member.tracks.retain(stays);
    member.waiting.iter_mut().for_each(|waiting| waiting.tracks.retain(stays));
}

/// Returns an error if a participant's token for `record` may no longer be used over HTTP.
pub(crate) fn check_record_token(state: &State, participant: &ParticipantId) -> Result<(), ErrorCode> {
    let identity = participant.identity();
    if state.bans.contains(&identity) {
        return Err(ErrorCode::Banned);
    }
    let (change, lost, token) = match (state.seats_of(participant).next(), state.standings.get(&identity)) {
        (Some(member), _) => (&member.change, member.lost, member.token),
        (None, Some(standing)) => (&standing.change, standing.lost, standing.token),
        (None, None) => return Ok(()),
    };
    // Grants that the call's token never had were not removed by changing others.
    let taken = change.grants.and_then(|grants| Lost::of(token, grants, UnixMillis::default()));
    let keeps = |lost: Option<Lost>| lost.is_none_or(|lost| lost.kept.record);
    if keeps(taken) && keeps(lost) { Ok(()) } else { Err(ErrorCode::Forbidden) }
}

/// Keeps moderators' changes to a departing participant for their return.
pub(crate) fn keep(state: &mut State, member: &Member) {
    // Another seat keeps them.
    let is_kept = state.seats_of(&member.id).next().is_some();
    if is_kept || member.change == ParticipantChange::default() && member.lost.is_none() {
        return;
    }
    if state.standings.len() >= limits::STANDINGS_PER_ROOM_MAX {
        let oldest = state.standings.iter().min_by_key(|(_, standing)| standing.order);
        if let Some(oldest) = oldest.map(|(participant, _)| participant.clone()) {
            state.standings.remove(&oldest);
        }
    }
    let Member { change, token, order, changed_by_guest, lost, .. } = member;
    let standing =
        Standing { change: change.clone(), token: *token, order: *order, by_guest: *changed_by_guest, lost: *lost };
    state.standings.insert(member.id.identity(), standing);
}

pub(crate) fn due(state: &mut State, participant: &ParticipantId) {
    if let Some(member) = state.members.get_mut(participant) {
        member.lost = None;
        member.grants = grants(&member.change, None, member.token);
    }
    let Some(standing) = state.standings.get_mut(participant) else { return };
    standing.lost = None;
    if standing.change == ParticipantChange::default() {
        state.standings.remove(participant);
    }
}

/// Keeps removed grants for a while after the room has ended.
pub(crate) fn keep_all(state: &mut State, now: UnixMillis) {
    for participant in state.standings.keys().cloned().collect::<Vec<_>>() {
        match state.standings.get(&participant).and_then(|standing| standing.of_an_earlier_room(now)) {
            Some(kept) => state.standings.insert(participant, kept),
            None => drop(state.standings.remove(&participant)),
        }
    }
}
