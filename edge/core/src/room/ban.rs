//! Bans, and a moderator's changes to absent participants. Both outlive the room: a banned participant could otherwise wait
//! until everybody has left.

use super::Room;
use super::member::Member;
use serde::{Deserialize, Serialize};
use shared::signal::{BanInfo, BanTerm, ParticipantChange};
use shared::token::Grants;
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

/// What was changed of a participant who is away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Standing {
    change: ParticipantChange,
    /// The grants of the participant's token.
    #[serde(default, skip_serializing_if = "Grants::are_default")]
    token: Grants,
    /// Lower numbers joined earlier.
    order: u64,
    /// Of an earlier room, until when it counts: it takes grants away and gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<UnixMillis>,
}

impl Standing {
    /// Those of a token, as a moderator changed them.
    pub(super) fn grants(&self, token: Grants) -> Grants {
        match self.change.grants {
            Some(grants) if self.until.is_some() => grants.and(token),
            Some(grants) => grants,
            None => token,
        }
    }

    /// What is said of the participant from here on, who comes with a token that grants this.
    pub(super) fn into_change(mut self, token: Grants) -> ParticipantChange {
        let grants = self.grants(token);
        if self.until.is_some() {
            self.change.grants = (grants != token).then_some(grants);
        }
        self.change
    }

    /// What is left of it when the room is gone.
    fn of_an_earlier_room(&self, now: UnixMillis) -> Option<Self> {
        if self.until.is_some() {
            return Some(self.clone());
        }
        let everything = Grants { publish: true, subscribe: true, chat: true, moderate: true, record: true };
        let grants = everything.without(self.token.without(self.change.grants?));
        if grants == everything {
            return None;
        }
        let change = ParticipantChange { grants: Some(grants), ..ParticipantChange::default() };
        Some(Self { change, token: Grants::default(), order: 0, until: Some(now.plus_ms(limits::STANDING_KEPT_MS)) })
    }
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

    /// What was changed of a participant who left goes for when they come back.
    pub(super) fn keep_standing(&mut self, member: &Member) {
        if member.change == ParticipantChange::default() {
            return;
        }
        if self.standings.len() >= limits::STANDINGS_PER_ROOM_MAX {
            let oldest = self.standings.iter().min_by_key(|(_, standing)| standing.order);
            if let Some(oldest) = oldest.map(|(participant, _)| participant.clone()) {
                self.standings.remove(&oldest);
            }
        }
        let Member { change, token, order, .. } = member;
        let standing = Standing { change: change.clone(), token: *token, order: *order, until: None };
        self.standings.insert(member.id.clone(), standing);
    }

    pub(super) fn standing_deadline(&self, participant: &ParticipantId) -> Option<UnixMillis> {
        self.standings.get(participant)?.until
    }

    /// The room is gone: what was taken from people is kept for a while, and so are their bans.
    pub(super) fn keep_judgements(&mut self, now: UnixMillis) {
        let for_good =
            self.bans.iter().filter(|(_, ban)| ban.until.is_none()).map(|(participant, _)| participant.clone());
        for participant in for_good.collect::<Vec<_>>() {
            if let Some(ban) = self.bans.get_mut(&participant) {
                ban.unused_until = Some(now.plus_ms(limits::BAN_UNUSED_MS));
            }
        }
        for participant in self.standings.keys().cloned().collect::<Vec<_>>() {
            match self.standings.get(&participant).and_then(|standing| standing.of_an_earlier_room(now)) {
                Some(kept) => self.standings.insert(participant, kept),
                None => drop(self.standings.remove(&participant)),
            }
        }
    }
}
