//! Bans outlive the room: a banned participant could otherwise wait until everybody has left.

use super::Room;
use serde::{Deserialize, Serialize};
use shared::signal::{BanInfo, BanTerm};
use shared::{ParticipantId, UnixMillis, limits};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ban {
    /// The participant's display name, for readers of the list.
    name: String,
    banned_at: UnixMillis,
    /// `None` bans for good.
    until: Option<UnixMillis>,
    /// Where a guest came from, whose next id would be another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// When a ban for good is forgotten, while there is no room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unused_until: Option<UnixMillis>,
}

impl Room {
    pub(super) fn ban(&mut self, now: UnixMillis, participant: &ParticipantId, term: BanTerm) {
        let member = self.members.get(participant);
        let name = member.map_or_else(String::new, |member| member.name.clone());
        let before = || self.bans.get(participant).and_then(|ban| ban.from.clone());
        let from = member.and_then(|member| member.from.clone()).or_else(before);
        let until = term.lasts_ms.map(|ms| now.plus_ms(ms));
        self.bans.insert(participant.clone(), Ban { name, banned_at: now, until, from, unused_until: None });
    }

    /// Whether one more participant, or the same one again, can be banned. None makes way for another: that would lift it.
    pub(super) fn has_room_for_ban(&self, participant: &ParticipantId) -> bool {
        self.bans.contains(participant) || self.bans.len() < limits::BANS_PER_ROOM_MAX
    }

    /// Whether a guest was banned who came from there lately.
    pub(super) fn is_banned_from(&self, now: UnixMillis, from: &str) -> bool {
        let is_near = |ban: &Ban| ban.from.as_deref() == Some(from);
        let is_late = |ban: &Ban| now < ban.banned_at.plus_ms(limits::GUEST_ADDRESS_BAN_MS_MAX);
        self.bans.values().any(|ban| is_near(ban) && is_late(ban))
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
        let ban = self.bans.get(participant)?;
        ban.until.or(ban.unused_until)
    }

    pub(super) fn ban_due(&mut self, participant: &ParticipantId) {
        let is_for_good = self.bans.get(participant).is_some_and(|ban| ban.until.is_none());
        if !(is_for_good && self.exists()) {
            self.bans.remove(participant);
        } else if let Some(ban) = self.bans.get_mut(participant) {
            // The name has been in use since; when this room is gone, the time begins anew.
            ban.unused_until = None;
        }
    }

    /// The room is gone: its bans are kept for a while.
    pub(super) fn keep_bans(&mut self, now: UnixMillis) {
        let for_good =
            self.bans.iter().filter(|(_, ban)| ban.until.is_none()).map(|(participant, _)| participant.clone());
        for participant in for_good.collect::<Vec<_>>() {
            if let Some(ban) = self.bans.get_mut(&participant) {
                ban.unused_until = Some(now.plus_ms(limits::BAN_UNUSED_MS));
            }
        }
    }
}
