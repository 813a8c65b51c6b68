//! The lobby: waiting guests and the moderators' decisions. A guest's page polls until there is a decision.

use super::api::Answer;
use super::{Output, Room};
use crate::SocketId;
use serde::{Deserialize, Serialize};
use shared::signal::{EdgeToClient, GuestInfo};
use shared::{ErrorCode, ParticipantId, UnixMillis, limits};
use std::collections::BTreeSet;

/// A guest whose last request was within [`limits::GUEST_WAIT_MS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Guest {
    name: String,
    since: UnixMillis,
    standing: GuestStanding,
    /// The code for the address of a waiting guest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GuestStanding {
    Waiting,
    Admitted,
    Refused,
}

/// The list last sent to each moderator's socket.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct ToldGuests {
    guests: Vec<GuestInfo>,
    sockets: BTreeSet<SocketId>,
}

impl Room {
    pub(super) fn knock(
        &mut self,
        now: UnixMillis,
        participant: &ParticipantId,
        name: String,
        from: Option<String>,
        is_known: bool,
    ) -> Result<Answer, ErrorCode> {
        if self.bans.contains(participant) {
            return Err(ErrorCode::Banned);
        }
        if self.members.contains(participant) {
            return Ok(Answer::Guest { standing: GuestStanding::Admitted });
        }
        if let Some(guest) = self.guests.get(participant) {
            let standing = guest.standing;
            if guest.name != name
                && let Some(guest) = self.guests.get_mut(participant)
            {
                guest.name = name;
            }
            return Ok(Answer::Guest { standing });
        }
        // As at the entrance without a lobby: a banned guest's new id is recognised by the address.
        if !is_known && from.as_deref().is_some_and(|from| self.is_banned_from(now, from)) {
            return Err(ErrorCode::Banned);
        }
        if from.is_some() && self.guests_waiting_from(from.as_deref()) >= limits::GUESTS_WAITING_PER_ADDRESS_MAX {
            return Err(ErrorCode::RateLimited);
        }
        if self.guests.len() >= limits::GUESTS_WAITING_MAX {
            self.forget_answered_guest().ok_or(ErrorCode::RoomFull)?;
        }
        let guest = Guest { name, since: now, standing: GuestStanding::Waiting, from };
        self.guests.insert(participant.clone(), guest);
        Ok(Answer::Guest { standing: GuestStanding::Waiting })
    }

    fn guests_waiting_from(&self, from: Option<&str>) -> usize {
        let waits = |guest: &Guest| guest.standing == GuestStanding::Waiting && guest.from.as_deref() == from;
        self.guests.values().filter(|guest| waits(guest)).count()
    }

    /// Makes room for another guest by removing the one with the oldest decision, which has most likely been delivered.
    fn forget_answered_guest(&mut self) -> Option<()> {
        let answered = self.guests.iter().filter(|(_, guest)| guest.standing != GuestStanding::Waiting);
        let oldest = answered.min_by_key(|(_, guest)| guest.since)?.0.clone();
        self.guests.remove(&oldest).map(drop)
    }

    pub(super) fn is_waiting_guest(&self, participant: &ParticipantId) -> bool {
        self.guests.get(participant).is_some_and(|guest| guest.standing == GuestStanding::Waiting)
    }

    pub(super) fn answer_guest(&mut self, participant: &ParticipantId, admit: bool) {
        if let Some(guest) = self.guests.get_mut(participant) {
            guest.standing = if admit { GuestStanding::Admitted } else { GuestStanding::Refused };
            guest.from = None;
        }
    }

    pub(super) fn guest_deadline(&self, participant: &ParticipantId) -> Option<UnixMillis> {
        self.guests.get(participant).map(|guest| guest.since.plus_ms(limits::GUEST_WAIT_MS))
    }

    pub(super) fn forget_guests(&mut self) {
        let guests: Vec<ParticipantId> = self.guests.keys().cloned().collect();
        guests.iter().for_each(|participant| drop(self.guests.remove(participant)));
    }

    /// Sends the list to moderators whose copy is outdated.
    pub(super) fn tell_guests(&mut self) {
        // Most rooms have no lobby, and need not look for their moderators after each input.
        if self.guests.is_empty() && self.told_guests.guests.is_empty() {
            self.told_guests.sockets.clear();
            return;
        }
        let current = self.guests_to_tell();
        let told = std::mem::replace(&mut self.told_guests, current);
        let is_new = told.guests != self.told_guests.guests;
        let is_empty = self.told_guests.guests.is_empty();
        let misses = |socket: &&SocketId| is_new || (!is_empty && !told.sockets.contains(socket));
        let sockets = self.told_guests.sockets.iter().filter(misses);
        let message = EdgeToClient::GuestsWaiting { guests: self.told_guests.guests.clone() };
        self.outputs.extend(sockets.map(|socket| Output::SendClient { socket: *socket, message: message.clone() }));
    }

    pub(super) fn guests_to_tell(&self) -> ToldGuests {
        let waiting = self.guests.iter().filter(|(_, guest)| guest.standing == GuestStanding::Waiting);
        let info = |(participant, guest): (&ParticipantId, &Guest)| GuestInfo {
            participant: participant.clone(),
            name: guest.name.clone(),
            since: guest.since,
        };
        let mut guests: Vec<GuestInfo> = waiting.map(info).collect();
        guests.sort_by_key(|guest| guest.since);
        let moderators = self.members.values().filter(|member| member.answered && member.grants.moderate);
        ToldGuests { guests, sockets: moderators.filter_map(|member| member.socket).collect() }
    }
}
