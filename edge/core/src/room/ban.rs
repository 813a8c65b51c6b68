//! Bans outlive the room: a banned participant could otherwise wait until everybody has left. Those of guests do not.

use super::Room;
use serde::{Deserialize, Serialize};
use shared::signal::{BanInfo, BanTerm};
use shared::{ParticipantId, UnixMillis, limits};

/// The source of a decision about others. A guest moderates by the chance of having come first, so a guest's decisions end with the room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judge {
    /// The application's server, or a moderator with a token of its.
    Application,
    Guest,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ban {
    /// The participant's display name, for readers of the list.
    name: String,
    banned_at: UnixMillis,
    /// `None` bans for good, or for as long as the room lives.
    until: Option<UnixMillis>,
    /// Nothing in rows from before the difference was stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outlives_room: Option<bool>,
    /// Where a guest came from, whose next id would be another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<String>,
    /// Until when the address counts; without it, for a day after the ban.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from_until: Option<UnixMillis>,
    /// When a ban for good is forgotten, while there is no room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unused_until: Option<UnixMillis>,
}

impl Ban {
    /// A row that does not say so is of a time when a ban without an end was for the room, unless the room is gone already.
    fn outlives_room(&self) -> bool {
        self.outlives_room.unwrap_or(self.until.is_some() || self.unused_until.is_some())
    }

    /// Until when new guests are refused for their address.
    fn address_until(&self) -> Option<UnixMillis> {
        self.from.as_ref()?;
        Some(self.from_until.unwrap_or_else(|| self.banned_at.plus_ms(limits::GUEST_ADDRESS_BAN_MS_MAX)))
    }
}

impl Room {
    pub(super) fn ban(&mut self, now: UnixMillis, judge: Judge, participant: &ParticipantId, term: BanTerm) {
        let before = self.bans.get(participant);
        // A guest cannot shorten a ban of the application by another one.
        if judge == Judge::Guest && before.is_some_and(Ban::outlives_room) {
            return;
        }
        let (member, departed) = (self.members.get(participant), self.departed.get(participant));
        let names = [member.map(|member| &member.name), departed.map(|departed| &departed.name)];
        let name = names.into_iter().flatten().next().or(before.map(|ban| &ban.name)).cloned().unwrap_or_default();
        let here =
            member.and_then(|member| member.from.clone()).zip(Some(now.plus_ms(limits::GUEST_ADDRESS_BAN_MS_MAX)));
        let left = || departed.map(|departed| (departed.from.clone(), departed.until));
        let known = || before.and_then(|ban| ban.from.clone().zip(ban.address_until()));
        let (from, from_until) = here.or_else(left).or_else(known).unzip();
        let outlives_room = Some(judge == Judge::Application);
        let until = term.lasts_ms.map(|ms| now.plus_ms(ms));
        let ban = Ban { name, banned_at: now, until, outlives_room, from, from_until, unused_until: None };
        self.bans.insert(participant.clone(), ban);
    }

    /// Whether one more participant, or the same one again, can be banned. None makes way for another: that would lift it.
    pub(super) fn has_room_for_ban(&self, judge: Judge, participant: &ParticipantId) -> bool {
        let of_guests = || self.bans.values().filter(|ban| !ban.outlives_room()).count();
        let has_share = || judge == Judge::Application || of_guests() < limits::GUEST_BANS_PER_ROOM_MAX;
        self.bans.contains(participant) || (self.bans.len() < limits::BANS_PER_ROOM_MAX && has_share())
    }

    /// Whether a guest was banned who came from there lately.
    pub(super) fn is_banned_from(&self, now: UnixMillis, from: &str) -> bool {
        let is_near = |ban: &Ban| ban.from.as_deref() == Some(from);
        self.bans.values().any(|ban| is_near(ban) && ban.address_until().is_some_and(|until| now < until))
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

    /// When a ban ends by itself, or its address is forgotten.
    pub(super) fn ban_deadline(&self, participant: &ParticipantId) -> Option<UnixMillis> {
        let ban = self.bans.get(participant)?;
        [ban.until.or(ban.unused_until), ban.address_until()].into_iter().flatten().min()
    }

    pub(super) fn ban_due(&mut self, now: UnixMillis, participant: &ParticipantId) {
        let Some(ban) = self.bans.get(participant) else { return };
        let is_over = |at: Option<UnixMillis>| at.is_some_and(|at| at <= now);
        let (is_unused, is_old) = (is_over(ban.unused_until), is_over(ban.address_until()));
        if is_over(ban.until) || (is_unused && !self.exists()) {
            self.bans.remove(participant);
        } else if let Some(ban) = self.bans.get_mut(participant) {
            if is_unused {
                // The name has been in use since; when this room is gone, the time begins anew.
                ban.unused_until = None;
            }
            if is_old {
                (ban.from, ban.from_until) = (None, None);
            }
        }
    }

    /// The room is gone: the application's bans are kept for a while.
    pub(super) fn keep_bans(&mut self, now: UnixMillis) {
        for participant in self.bans.keys().cloned().collect::<Vec<_>>() {
            let Some(ban) = self.bans.get(&participant) else { continue };
            if !ban.outlives_room() {
                self.bans.remove(&participant);
            } else if ban.until.is_none()
                && let Some(ban) = self.bans.get_mut(&participant)
            {
                ban.unused_until = Some(now.plus_ms(limits::BAN_UNUSED_MS));
            }
        }
    }

    /// Where there is no room, a stored ban has outlived it, whether its row says so or not.
    pub(super) fn mark_old_bans(&mut self) {
        let old = self.bans.iter().filter(|(_, ban)| ban.outlives_room.is_none());
        for participant in old.map(|(participant, _)| participant.clone()).collect::<Vec<_>>() {
            if let Some(ban) = self.bans.get_mut(&participant) {
                ban.outlives_room = Some(true);
            }
        }
    }
}
