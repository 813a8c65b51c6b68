//! The lobby. A guest's page polls until there is a decision.

use crate::room::asks::Answer;
use crate::room::handle::ban::{self, Newcomer};
use crate::room::state::State;
use crate::room::state::guests::{Guest, GuestStanding};
use shared::sorted::SortedMap;
use shared::token::Grants;
use shared::{ErrorCode, ParticipantId, UnixMillis, limits};

pub(crate) fn knock(
    state: &mut State,
    now: UnixMillis,
    participant: &ParticipantId,
    name: String,
    from: Option<String>,
) -> Result<Answer, ErrorCode> {
    if state.bans.contains(participant) {
        return Err(ErrorCode::Banned);
    }
    if state.members.contains(participant) {
        return Ok(Answer::Guest { standing: GuestStanding::Admitted });
    }
    if let Some(guest) = state.guests.get(participant) {
        let standing = guest.standing;
        if guest.name != name
            && let Some(guest) = state.guests.get_mut(participant)
        {
            guest.name = name;
        }
        return Ok(Answer::Guest { standing });
    }
    // As at the guests' entrance without a lobby: a banned guest with a new id is recognised by the address.
    let newcomer = Newcomer { participant, from: from.as_deref(), token: Grants::default() };
    if ban::keeps_out(state, now, &newcomer) {
        return Err(ErrorCode::Banned);
    }
    let near = waiting_from(state, from.as_deref());
    if from.is_some() && near >= limits::GUESTS_WAITING_PER_ADDRESS_MAX {
        return Err(ErrorCode::RateLimited);
    }
    if state.guests.len() >= limits::GUESTS_WAITING_MAX {
        make_way(state, now, near).ok_or(ErrorCode::RoomFull)?;
    }
    let guest = Guest { name, since: now, standing: GuestStanding::Waiting, answered_at: None, from };
    state.guests.insert(participant.clone(), guest);
    Ok(Answer::Guest { standing: GuestStanding::Waiting })
}

fn waiting_from(state: &State, from: Option<&str>) -> usize {
    let waits = |guest: &Guest| guest.standing == GuestStanding::Waiting && guest.from.as_deref() == from;
    state.guests.values().filter(|guest| waits(guest)).count()
}

/// Makes room for another guest. Guests who are removed too early wait again; an admitted one would lose the
/// moderator's decision, so it comes last, and only after enough time to hear of it.
fn make_way(state: &mut State, now: UnixMillis, near: usize) -> Option<()> {
    let has_heard = |guest: &Guest| now >= guest.answered_at().plus_ms(limits::GUEST_ANSWER_KEPT_MS);
    forget_one(state, |guest| guest.standing == GuestStanding::Refused)
        .or_else(|| displace(state, near))
        .or_else(|| forget_one(state, |guest| guest.standing == GuestStanding::Admitted && has_heard(guest)))
}

/// Removes the one of these guests whose answer is oldest.
fn forget_one(state: &mut State, is_one: impl Fn(&Guest) -> bool) -> Option<()> {
    let candidates = state.guests.iter().filter(|(_, guest)| is_one(guest));
    let oldest = candidates.min_by_key(|(_, guest)| guest.answered_at())?.0.clone();
    state.guests.remove(&oldest).map(drop)
}

/// Removes the latest guest from the address with most waiting guests, if the newcomer's address will then have no more: a few addresses
/// cannot fill the lobby. `near` are the guests who wait at the newcomer's address.
fn displace(state: &mut State, near: usize) -> Option<()> {
    let waiting = || state.guests.iter().filter(|(_, guest)| guest.standing == GuestStanding::Waiting);
    let mut by_address: SortedMap<Option<&str>, usize> = SortedMap::new();
    for (_, guest) in waiting() {
        let count = by_address.get_or_default(guest.from.as_deref());
        *count = count.saturating_add(1);
    }
    let most = by_address.values().max().copied().filter(|most| *most > near.saturating_add(1))?;
    let is_of_most = |guest: &Guest| by_address.get(&guest.from.as_deref()) == Some(&most);
    let last = waiting().filter(|(_, guest)| is_of_most(guest)).max_by_key(|(_, guest)| guest.since)?.0.clone();
    state.guests.remove(&last).map(drop)
}

pub(crate) fn is_waiting(state: &State, participant: &ParticipantId) -> bool {
    state.guests.get(participant).is_some_and(|guest| guest.standing == GuestStanding::Waiting)
}

pub(crate) fn answer(state: &mut State, now: UnixMillis, participant: &ParticipantId, admit: bool) {
    if let Some(guest) = state.guests.get_mut(participant) {
        guest.answered_at = Some(now);
        guest.standing = if admit { GuestStanding::Admitted } else { GuestStanding::Refused };
    }
}

pub(crate) fn forget_all(state: &mut State) {
    let guests: Vec<ParticipantId> = state.guests.keys().cloned().collect();
    guests.iter().for_each(|participant| drop(state.guests.remove(participant)));
}
