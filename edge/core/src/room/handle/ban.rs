//! Bans: who is banned, for how long, and who else comes from the address of a banned guest.

use crate::room::context::{Caller, Context};
use crate::room::handle::standing;
use crate::room::outbox::Refusal;
use crate::room::state::State;
use crate::room::state::bans::{Ban, Departed, Judge};
use crate::room::state::guests::Guest;
use crate::room::state::members::Member;
use shared::signal::{BanInfo, BanTerm, EdgeToClient};
use shared::sorted;
use shared::token::Grants;
use shared::{ErrorCode, ParticipantId, UnixMillis, limits};

pub(crate) fn list(cx: &mut Context<'_>, caller: &Caller) -> Result<(), Refusal> {
    if !cx.state.members.get(&caller.participant).is_some_and(|member| member.grants.moderate) {
        return Err(Refusal::new(ErrorCode::Forbidden, "the token does not grant moderating"));
    }
    let bans = infos(cx.state);
    cx.outbox.send_client(caller.socket, EdgeToClient::Bans { in_reply_to: caller.id, bans });
    Ok(())
}

pub(crate) fn add(state: &mut State, now: UnixMillis, judge: Judge, participant: &ParticipantId, term: BanTerm) {
    let before = state.bans.get(participant);
    // A guest cannot shorten a ban of the application by another one.
    if before.is_some_and(|ban| !ban.may_be_lifted_by(judge)) {
        return;
    }
    let (member, departed) = (state.seats_of(participant).next(), state.departed.get(participant));
    let waiting = state.guests.get(participant);
    let names = [member.map(|member| &member.name), waiting.map(Guest::name), departed.map(|left| &left.name)];
    let name = names.into_iter().flatten().next().or(before.map(|ban| &ban.name)).cloned().unwrap_or_default();
    let (from, from_until) = address_of(state, now, participant).unzip();
    let outlives_room = Some(judge == Judge::Application);
    let until = term.lasts_ms.map(|ms| now.plus_ms(ms));
    // A second ban, perhaps a longer one, does not let the others at the address in.
    let address = term.address || before.is_some_and(|ban| ban.address);
    let ban = Ban { name, banned_at: now, until, outlives_room, address, from, from_until, unused_until: None };
    state.bans.insert(participant.clone(), ban);
    state.guests.remove(participant);
}

/// The code for a guest's address, and the time until which a ban may use it. `None` for participants who are no guests,
/// and for guests of long ago.
pub(crate) fn address_of(state: &State, now: UnixMillis, participant: &ParticipantId) -> Option<(String, UnixMillis)> {
    let here = || state.seats_of(participant).next()?.from.clone();
    let waits = || state.guests.get(participant)?.from().cloned();
    let left = || state.departed.get(participant).map(|departed| (departed.from.clone(), departed.until));
    let known = || state.bans.get(participant).and_then(|ban| ban.from.clone().zip(ban.address_until()));
    let present = here().or_else(waits).zip(Some(now.plus_ms(limits::GUEST_ADDRESS_BAN_MS_MAX)));
    present.or_else(left).or_else(known)
}

/// Turns away everybody in the lobby at the address of a banned guest, and returns the guests in the room at that address.
/// A moderator is responsible for the room, from wherever.
pub(crate) fn clear_address(state: &mut State, banned: &ParticipantId) -> Vec<ParticipantId> {
    let Some(from) = state.bans.get(banned).and_then(|ban| ban.from.clone()) else { return Vec::new() };
    let waiting = state.guests.iter().filter(|(_, guest)| guest.from() == Some(&from));
    for guest in waiting.map(|(guest, _)| guest.clone()).collect::<Vec<_>>() {
        state.guests.remove(&guest);
    }
    let is_near = |member: &&Member| member.from.as_ref() == Some(&from) && !member.grants.moderate;
    state.members.values().filter(is_near).map(|member| member.id.clone()).collect()
}

/// True if this participant can be banned: there is a free place, or they are banned already. No ban is evicted,
/// because that would lift it.
pub(crate) fn has_room(state: &State, judge: Judge, participant: &ParticipantId) -> bool {
    let of_guests = || state.bans.values().filter(|ban| !ban.outlives_room()).count();
    let has_share = || judge == Judge::Application || of_guests() < limits::GUEST_BANS_PER_ROOM_MAX;
    state.bans.contains(participant) || (state.bans.len() < limits::BANS_PER_ROOM_MAX && has_share())
}

/// A person at the door. `token` are the grants that their token has in this room.
pub(crate) struct Newcomer<'a> {
    pub(crate) participant: &'a ParticipantId,
    pub(crate) from: Option<&'a str>,
    pub(crate) token: Grants,
}

/// True if a ban keeps this person out: their own, one for all guests at their address, or that of a guest at the same
/// address if they have never been in this room: they may be the same person with another pass.
pub(crate) fn keeps_out(state: &State, now: UnixMillis, newcomer: &Newcomer<'_>) -> bool {
    let Newcomer { participant, from, token } = *newcomer;
    let participant = &participant.identity();
    if state.bans.contains(participant) {
        return true;
    }
    let Some(from) = from.filter(|_| !standing::standing_grants(state, participant, token).moderate) else {
        return false;
    };
    let is_known = state.seats_of(participant).next().is_some()
        || state.departed.contains(participant)
        || state.is_admitted(participant);
    state.bans.values().any(|ban| ban.is_of(now, from) && (ban.address || !is_known))
}

/// True if a ban keeps out all guests at this address, known ones included.
pub(crate) fn keeps_address_out(state: &State, now: UnixMillis, from: &str) -> bool {
    state.bans.values().any(|ban| ban.is_of(now, from) && ban.address)
}

/// True if a guest from this address was banned recently.
pub(crate) fn is_banned_from(state: &State, now: UnixMillis, from: &str) -> bool {
    state.bans.values().any(|ban| ban.is_of(now, from))
}

/// All bans, newest first.
pub(crate) fn infos(state: &State) -> Vec<BanInfo> {
    let info = |(participant, ban): (&ParticipantId, &Ban)| BanInfo {
        participant: participant.clone(),
        name: ban.name.clone(),
        banned_at: ban.banned_at,
        until: ban.until,
        address: ban.address && ban.from.is_some(),
    };
    let mut infos: Vec<BanInfo> = state.bans.iter().map(info).collect();
    sorted::sort_by_key(&mut infos, |ban| std::cmp::Reverse(ban.banned_at));
    infos
}

pub(crate) fn due(state: &mut State, now: UnixMillis, participant: &ParticipantId) {
    let Some(ban) = state.bans.get(participant) else { return };
    let is_over = |at: Option<UnixMillis>| at.is_some_and(|at| at <= now);
    let (is_unused, is_old) = (is_over(ban.unused_until), is_over(ban.address_until()));
    if is_over(ban.until) || (is_unused && !state.exists()) {
        lift(state, now, participant);
    } else if let Some(ban) = state.bans.get_mut(participant) {
        if is_unused {
            // The name is in use again; the time restarts when this room ends.
            ban.unused_until = None;
        }
        if is_old {
            (ban.from, ban.from_until) = (None, None);
        }
    }
}

pub(crate) fn lift(state: &mut State, now: UnixMillis, participant: &ParticipantId) {
    state.bans.remove(participant);
    if !state.exists() {
        forget_departed(state, now);
    }
}

/// Called when the room has ended: the application's bans are kept for a while.
pub(crate) fn keep_all(state: &mut State, now: UnixMillis) {
    for participant in state.bans.keys().cloned().collect::<Vec<_>>() {
        let Some(ban) = state.bans.get(&participant) else { continue };
        if !ban.outlives_room() {
            state.bans.remove(&participant);
        } else if ban.until.is_none()
            && let Some(ban) = state.bans.get_mut(&participant)
        {
            ban.unused_until = Some(now.plus_ms(limits::BAN_UNUSED_MS));
        }
    }
}

/// Marks all stored bans as outliving the room, whatever their rows contain: no room exists, so they have outlived
/// it.
pub(crate) fn mark_old(state: &mut State) {
    let old = state.bans.iter().filter(|(_, ban)| ban.outlives_room.is_none());
    for participant in old.map(|(participant, _)| participant.clone()).collect::<Vec<_>>() {
        if let Some(ban) = state.bans.get_mut(&participant) {
            ban.outlives_room = Some(true);
        }
    }
}

pub(crate) fn keep_departed(state: &mut State, member: &Member) {
    let Some(from) = member.from.clone().filter(|_| !state.bans.contains(&member.id.identity())) else { return };
    if state.departed.len() >= limits::DEPARTED_GUESTS_PER_ROOM_MAX {
        let oldest = state.departed.iter().min_by_key(|(_, departed)| departed.until);
        if let Some(oldest) = oldest.map(|(participant, _)| participant.clone()) {
            state.departed.remove(&oldest);
        }
    }
    let until = member.joined_at.plus_ms(limits::GUEST_ADDRESS_BAN_MS_MAX);
    state.departed.insert(member.id.identity(), Departed { name: member.name.clone(), from, until });
}

/// Called when the room is gone. Guests from the address of a banned one stay known, so that they are admitted to the next room.
pub(crate) fn forget_departed(state: &mut State, now: UnixMillis) {
    let matters = |departed: &Departed| is_banned_from(state, now, &departed.from);
    let departed = state.departed.iter().filter(|(_, departed)| !matters(departed));
    let departed: Vec<ParticipantId> = departed.map(|(participant, _)| participant.clone()).collect();
    departed.iter().for_each(|participant| drop(state.departed.remove(participant)));
}
