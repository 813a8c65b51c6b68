//! Permissions that follow from a participant's grants and the room's limits, and the tracks of an admitted offer.

use crate::room::handle::standing;
use crate::room::state::State;
use crate::room::state::members::Member;
use crate::room::state::tracks;
use crate::room::state::tracks::Track;
use shared::signal::{CallState, Duplicates, TrackIntent};
use shared::token::{Grants, JoinClaims};
use shared::{ParticipantId, RoleName, limits};

/// The room's limit according to the first joiner's token.
pub(crate) fn participants_max(claims: &JoinClaims) -> usize {
    let wanted = claims.participants_max.and_then(|max| usize::try_from(max).ok());
    wanted.unwrap_or(limits::PARTICIPANTS_PER_ROOM_DEFAULT).clamp(1, limits::PARTICIPANTS_PER_ROOM_MAX)
}

/// True if the participant is in the room already, or there is room for one more. The guests of one address leave room for
/// others.
pub(crate) fn has_room_for(state: &State, claims: &JoinClaims) -> bool {
    let limit = state.meta().map_or_else(|| participants_max(claims), |meta| meta.participants_max);
    let has_place = || {
        state.members.len() < limit
            && near(state, &claims.sub, guest_address(claims), |_| true) < limits::guests_per_address_max(limit)
    };
    state.members.contains(&claims.sub) || has_place()
}

/// The code for a guest's address.
pub(crate) fn guest_address(claims: &JoinClaims) -> Option<&str> {
    claims.guest.as_ref()?.from.as_deref()
}

/// The number of other members at a guest's address.
fn near(state: &State, id: &ParticipantId, from: Option<&str>, counts: impl Fn(&Member) -> bool) -> usize {
    let is_near = |member: &&Member| member.from.as_deref() == from && member.id != *id && counts(member);
    if from.is_some() { state.members.values().filter(is_near).count() } else { 0 }
}

/// True if the room is open to everybody with a token, or the participant is invited, a moderator or already in it.
pub(crate) fn is_invited(state: &State, claims: &JoinClaims) -> bool {
    let invites = state.meta().is_none_or(|meta| meta.rules.invites(&claims.sub.identity()));
    invites || grants_of(state, claims).moderate || state.members.contains(&claims.sub)
}

/// True if the participant is connected already, and the room admits nobody twice.
pub(crate) fn is_duplicate(state: &State, claims: &JoinClaims) -> bool {
    let rejects = state.meta().is_some_and(|meta| meta.rules.duplicates == Duplicates::Reject);
    rejects && state.members.get(&claims.sub).is_some_and(|member| member.socket.is_some())
}

/// True unless the call is scheduled for later and the participant is no moderator.
pub(crate) fn has_started_for(state: &State, claims: &JoinClaims) -> bool {
    let is_scheduled = state.meta().is_some_and(|meta| meta.call.state == CallState::Scheduled);
    !is_scheduled || grants_of(state, claims).moderate || state.members.contains(&claims.sub)
}

/// True if the room is unlocked, or the participant is a moderator or already in it.
pub(crate) fn is_open_to(state: &State, claims: &JoinClaims) -> bool {
    let locked = state.meta().is_some_and(|meta| meta.locked);
    !locked || grants_of(state, claims).moderate || state.members.contains(&claims.sub)
}

/// The token's grants with moderators' changes, which take precedence.
pub(crate) fn grants_of(state: &State, claims: &JoinClaims) -> Grants {
    standing::standing_grants(state, &claims.sub, token_grants(state, claims))
}

/// The token's grants in this room: a guest hosts the room that they created, and no later one of that name.
pub(crate) fn token_grants(state: &State, claims: &JoinClaims) -> Grants {
    match is_from_elsewhere(state, claims) {
        false => claims.grants,
        true => Grants { moderate: false, record: false, admit: false, ..claims.grants },
    }
}

/// The token's role in this room, likewise.
pub(crate) fn token_role(state: &State, claims: &JoinClaims) -> RoleName {
    claims.role.clone().filter(|_| !is_from_elsewhere(state, claims)).unwrap_or_default()
}

/// True for a guest who is not the host of this room.
fn is_from_elsewhere(state: &State, claims: &JoinClaims) -> bool {
    let made = state.meta().map(|meta| meta.created_at);
    claims.guest.as_ref().is_some_and(|guest| guest.made.is_none() || guest.made != made)
}

/// True if this participant may publish in addition to the current publishers.
pub(crate) fn has_room_for_publisher(state: &State, participant: &ParticipantId, from: Option<&str>) -> bool {
    let limit = limits::PUBLISHERS_PER_ROOM_MAX;
    let publishes = |member: &Member| !member.tracks.is_empty();
    let others = state.members.values().filter(|member| publishes(member) && member.id != *participant).count();
    others < limit && near(state, participant, from, publishes) < limits::guests_per_address_max(limit)
}

/// True if a newcomer with these grants is counted instead of listed.
pub(crate) fn joins_audience(state: &State, claims: &JoinClaims, grants: Grants) -> bool {
    if grants.hidden {
        return true;
    }
    if grants.publish || grants.moderate {
        return false;
    }
    match state.members.get(&claims.sub) {
        Some(member) => member.audience,
        None => {
            let watches = |member: &&Member| !member.audience && !member.grants.publish;
            state.members.values().filter(watches).count() >= limits::AUDIENCE_LISTED_MAX
        }
    }
}

/// Turns a participant's intents into tracks; a source that was published before keeps its track.
pub(crate) fn tracks_of(state: &mut State, participant: &ParticipantId, intents: &[TrackIntent]) -> Vec<Track> {
    let before = state.members.get(participant).map_or_else(Vec::new, |member| member.tracks.clone());
    let mut next_csrc = state.meta().map_or(1, |meta| meta.next_csrc);
    let tracks = tracks::tracks_of(intents, &before, &mut next_csrc);
    if state.meta().is_some_and(|meta| meta.next_csrc != next_csrc)
        && let Some(meta) = state.meta_mut()
    {
        meta.next_csrc = next_csrc;
    }
    tracks
}

#[cfg(test)]
mod tests {
    use super::*;

    use shared::{ParticipantId, RoomId};

    fn check(wanted: Option<u32>, expected: usize) {
        let claims = JoinClaims {
            participants_max: wanted,
            ..JoinClaims::new(ParticipantId::parse("ada").unwrap(), RoomId::parse("daily").unwrap())
        };
        assert_eq!(participants_max(&claims), expected);
    }

    // Holds S3-ROOM-01.
    #[test]
    fn the_first_token_sets_the_limit_within_bounds_and_without_it_fifty_may_join() {
        check(None, 50);
        check(Some(2), 2);
        check(Some(0), 1);
        check(Some(u32::MAX), limits::PARTICIPANTS_PER_ROOM_MAX);
    }
}
