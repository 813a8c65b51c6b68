//! The list of waiting guests, for those who may admit them.

use crate::SocketId;
use crate::room::publish::post::Post;
use crate::room::state::State;
use crate::room::state::guests::{Guest, GuestStanding};
use shared::ParticipantId;
use shared::signal::{EdgeToClient, GuestInfo};
use shared::sorted::{self, SortedSet};

/// The list last sent to each moderator's socket.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ToldGuests {
    pub(crate) guests: Vec<GuestInfo>,
    pub(crate) sockets: SortedSet<SocketId>,
}

/// Sends the list to moderators whose copy is outdated.
pub(crate) fn tell(told_guests: &mut ToldGuests, post: &mut Post<'_>) {
    // Most rooms have no lobby, and need not look for their moderators after each input.
    if post.state.guests.is_empty() && told_guests.guests.is_empty() {
        told_guests.sockets.clear();
        return;
    }
    let current = guests_to_tell(post.state);
    let told = std::mem::replace(told_guests, current);
    let is_new = told.guests != told_guests.guests;
    let is_empty = told_guests.guests.is_empty();
    let misses = |socket: &&SocketId| is_new || (!is_empty && !told.sockets.contains(socket));
    let sockets = told_guests.sockets.iter().filter(misses).copied().collect();
    post.tell_sockets(sockets, EdgeToClient::GuestsWaiting { guests: told_guests.guests.clone() });
}

pub(crate) fn guests_to_tell(state: &State) -> ToldGuests {
    let waiting = state.guests.iter().filter(|(_, guest)| guest.standing == GuestStanding::Waiting);
    let info = |(participant, guest): (&ParticipantId, &Guest)| GuestInfo {
        participant: participant.clone(),
        name: guest.name.clone(),
        since: guest.since,
    };
    let mut guests: Vec<GuestInfo> = waiting.map(info).collect();
    sorted::sort_by_key(&mut guests, |guest| guest.since);
    let moderators = state.members.values().filter(|member| member.answered && member.may_admit());
    ToldGuests { guests, sockets: moderators.filter_map(|member| member.socket).collect() }
}
