//! Guests who left this room, and where they came from: one who leaves before being banned would otherwise return as another guest.

use super::Room;
use super::member::Member;
use serde::{Deserialize, Serialize};
use shared::{ParticipantId, UnixMillis, limits};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Departed {
    pub(super) name: String,
    pub(super) from: String,
    /// By then the address may be another person's.
    pub(super) until: UnixMillis,
}

impl Room {
    pub(super) fn keep_departed(&mut self, member: &Member) {
        let Some(from) = member.from.clone().filter(|_| !self.bans.contains(&member.id)) else { return };
        if self.departed.len() >= limits::DEPARTED_GUESTS_PER_ROOM_MAX {
            let oldest = self.departed.iter().min_by_key(|(_, departed)| departed.until);
            if let Some(oldest) = oldest.map(|(participant, _)| participant.clone()) {
                self.departed.remove(&oldest);
            }
        }
        let until = member.joined_at.plus_ms(limits::GUEST_ADDRESS_BAN_MS_MAX);
        self.departed.insert(member.id.clone(), Departed { name: member.name.clone(), from, until });
    }

    pub(super) fn departed_deadline(&self, participant: &ParticipantId) -> Option<UnixMillis> {
        self.departed.get(participant).map(|departed| departed.until)
    }

    /// The room is gone.
    pub(super) fn forget_departed(&mut self) {
        let departed: Vec<ParticipantId> = self.departed.keys().cloned().collect();
        departed.iter().for_each(|participant| drop(self.departed.remove(participant)));
    }
}
