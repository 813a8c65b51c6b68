//! A moderator's changes to absent participants. What was taken outlives the room.

use super::Room;
use super::member::Member;
use serde::{Deserialize, Serialize};
use shared::signal::ParticipantChange;
use shared::token::Grants;
use shared::{ParticipantId, UnixMillis, limits};

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

    /// The room is gone: what was taken from people is kept for a while.
    pub(super) fn keep_standings(&mut self, now: UnixMillis) {
        for participant in self.standings.keys().cloned().collect::<Vec<_>>() {
            match self.standings.get(&participant).and_then(|standing| standing.of_an_earlier_room(now)) {
                Some(kept) => self.standings.insert(participant, kept),
                None => drop(self.standings.remove(&participant)),
            }
        }
    }
}
