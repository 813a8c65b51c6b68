//! Participants who may not come in again, and what a moderator said of those who are away.

use super::Room;
use serde::{Deserialize, Serialize};
use shared::signal::{BanInfo, BanTerm, ParticipantChange};
use shared::{ParticipantId, UnixMillis, limits};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ban {
    /// As the participant was called, for whoever reads the list.
    name: String,
    banned_at: UnixMillis,
    /// `None` bans for as long as the room lives.
    until: Option<UnixMillis>,
}

/// What was changed of a participant who is away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Standing {
    pub(super) change: ParticipantChange,
    /// Whoever has the lower number joined earlier.
    order: u64,
}

impl Room {
    pub(super) fn ban(&mut self, now: UnixMillis, participant: &ParticipantId, term: BanTerm) {
        let name = self.members.get(participant).map_or_else(String::new, |member| member.name.clone());
        let until = term.lasts_ms.map(|ms| now.plus_ms(ms));
        self.bans.insert(participant.clone(), Ban { name, banned_at: now, until });
    }

    /// Whether one more participant, or the same one again, can be banned.
    pub(super) fn has_room_for_ban(&self, participant: &ParticipantId) -> bool {
        self.bans.contains(participant) || self.bans.len() < limits::BANS_PER_ROOM_MAX
    }

    /// Everybody who is banned, the latest first.
    pub(super) fn ban_infos(&self) -> Vec<BanInfo> {
        let info = |(participant, ban): (&ParticipantId, &Ban)| BanInfo {
            participant: participant.clone(),
            name: ban.name.clone(),
            banned_at: ban.banned_at,
            until: ban.until,
        };
        let mut infos: Vec<BanInfo> = self.bans.iter().map(info).collect();
        infos.sort_by_key(|ban| std::cmp::Reverse(ban.banned_at));
        infos
    }

    /// When a ban ends by itself.
    pub(super) fn ban_deadline(&self, participant: &ParticipantId) -> Option<UnixMillis> {
        self.bans.get(participant)?.until
    }

    /// What was changed of a participant who left goes for when they come back.
    pub(super) fn keep_standing(&mut self, participant: &ParticipantId, order: u64, change: ParticipantChange) {
        if change == ParticipantChange::default() {
            return;
        }
        if self.standings.len() >= limits::STANDINGS_PER_ROOM_MAX {
            let oldest = self.standings.iter().min_by_key(|(_, standing)| standing.order);
            if let Some(oldest) = oldest.map(|(participant, _)| participant.clone()) {
                self.standings.remove(&oldest);
            }
        }
        self.standings.insert(participant.clone(), Standing { change, order });
    }

    /// Nothing that was said of anybody counts any longer.
    pub(super) fn forget_standings(&mut self) {
        let banned: Vec<ParticipantId> = self.bans.keys().cloned().collect();
        banned.iter().for_each(|participant| drop(self.bans.remove(participant)));
        let away: Vec<ParticipantId> = self.standings.keys().cloned().collect();
        away.iter().for_each(|participant| drop(self.standings.remove(participant)));
    }
}
