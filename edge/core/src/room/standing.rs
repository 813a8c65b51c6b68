//! A moderator's changes to absent participants. What was taken outlives the room, unless a guest took it.

use super::Room;
use super::ban::Judge;
use super::member::Member;
use serde::{Deserialize, Serialize};
use shared::signal::ParticipantChange;
use shared::token::Grants;
use shared::{ErrorCode, ParticipantId, UnixMillis, limits};

const EVERYTHING: Grants = Grants { publish: true, subscribe: true, chat: true, moderate: true, record: true };

/// Grants that were taken, beyond the room in which they were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Lost {
    /// All others are lost.
    kept: Grants,
    /// Set once, when that room was gone: no later room makes it longer.
    pub(super) until: UnixMillis,
}

impl Lost {
    /// What is taken from a token by these grants; nothing where that is nothing.
    fn of(token: Grants, grants: Grants, until: UnixMillis) -> Option<Self> {
        let kept = EVERYTHING.without(token.without(grants));
        (kept != EVERYTHING).then_some(Self { kept, until })
    }
}

/// What was changed of a participant who is away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredStanding")]
pub(super) struct Standing {
    change: ParticipantChange,
    /// The grants of the participant's token.
    #[serde(skip_serializing_if = "Grants::are_default")]
    token: Grants,
    /// Lower numbers joined earlier.
    order: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    by_guest: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    lost: Option<Lost>,
}

#[derive(Deserialize)]
struct StoredStanding {
    change: ParticipantChange,
    #[serde(default)]
    token: Grants,
    order: u64,
    #[serde(default)]
    by_guest: bool,
    #[serde(default)]
    lost: Option<Lost>,
    /// In older rows of an earlier room: the grants of the change are those that are kept, until then.
    #[serde(default)]
    until: Option<UnixMillis>,
}

impl From<StoredStanding> for Standing {
    fn from(stored: StoredStanding) -> Self {
        let StoredStanding { mut change, token, order, by_guest, mut lost, until } = stored;
        if let Some(until) = until {
            lost = change.grants.take().map(|kept| Lost { kept, until });
        }
        Self { change, token, order, by_guest, lost }
    }
}

impl Standing {
    /// What is left of it when the room is gone.
    fn of_an_earlier_room(&self, now: UnixMillis) -> Option<Self> {
        let grants = self.change.grants.filter(|_| !self.by_guest);
        let taken = || Lost::of(self.token, grants?, now.plus_ms(limits::STANDING_KEPT_MS));
        let lost = Some(self.lost.filter(|lost| now < lost.until).or_else(taken)?);
        let (change, token) = (ParticipantChange::default(), Grants::default());
        Some(Self { change, token, order: 0, by_guest: false, lost })
    }
}

/// What a token grants, as moderators changed it in this room and in an earlier one.
pub(super) fn grants(change: &ParticipantChange, lost: Option<Lost>, token: Grants) -> Grants {
    change.grants.unwrap_or_else(|| lost.map_or(token, |lost| token.and(lost.kept)))
}

/// What is known of a participant who comes in.
#[derive(Default)]
pub(super) struct Known {
    pub(super) change: ParticipantChange,
    pub(super) by_guest: bool,
    pub(super) lost: Option<Lost>,
}

impl Room {
    pub(super) fn standing_grants(&self, participant: &ParticipantId, token: Grants) -> Grants {
        match (self.members.get(participant), self.standings.get(participant)) {
            (Some(member), _) => grants(&member.change, member.lost, token),
            (None, Some(standing)) => grants(&standing.change, standing.lost, token),
            (None, None) => token,
        }
    }

    /// What is known of a participant: as the member that joins again, or from before.
    pub(super) fn take_known(&mut self, participant: &ParticipantId) -> Known {
        let standing = self.standings.remove(participant);
        match (self.members.get(participant), standing) {
            (Some(member), _) => {
                Known { change: member.change.clone(), by_guest: member.changed_by_guest, lost: member.lost }
            }
            (None, Some(Standing { change, by_guest, lost, .. })) => Known { change, by_guest, lost },
            (None, None) => Known::default(),
        }
    }

    /// Changes what a participant may do in this room.
    pub(super) fn regrant(&mut self, now: UnixMillis, judge: Judge, participant: &ParticipantId, grants: Grants) {
        let Some(member) = self.members.get_mut(participant) else { return };
        match judge {
            Judge::Application => (member.lost, member.changed_by_guest) = (None, false),
            Judge::Guest => {
                // What the application's moderators took stays lost after this room.
                let until = now.plus_ms(limits::STANDING_KEPT_MS);
                let taken = member.change.grants.filter(|_| !member.changed_by_guest);
                member.lost = member.lost.or_else(|| Lost::of(member.token, taken?, until));
                member.changed_by_guest = true;
            }
        }
        member.grants = grants;
        member.change.grants = Some(grants);
    }

    /// Whether a participant's token for `record` may still be used over HTTP.
    pub(super) fn check_record_token(&self, participant: &ParticipantId) -> Result<(), ErrorCode> {
        if self.bans.contains(participant) {
            return Err(ErrorCode::Banned);
        }
        let (change, lost, token) = match (self.members.get(participant), self.standings.get(participant)) {
            (Some(member), _) => (&member.change, member.lost, member.token),
            (None, Some(standing)) => (&standing.change, standing.lost, standing.token),
            (None, None) => return Ok(()),
        };
        // Grants that the token of the call never had were not taken by changing others.
        let taken = change.grants.and_then(|grants| Lost::of(token, grants, UnixMillis::default()));
        let keeps = |lost: Option<Lost>| lost.is_none_or(|lost| lost.kept.record);
        if keeps(taken) && keeps(lost) { Ok(()) } else { Err(ErrorCode::Forbidden) }
    }

    /// What was changed of a participant who left goes for when they come back.
    pub(super) fn keep_standing(&mut self, member: &Member) {
        if member.change == ParticipantChange::default() && member.lost.is_none() {
            return;
        }
        if self.standings.len() >= limits::STANDINGS_PER_ROOM_MAX {
            let oldest = self.standings.iter().min_by_key(|(_, standing)| standing.order);
            if let Some(oldest) = oldest.map(|(participant, _)| participant.clone()) {
                self.standings.remove(&oldest);
            }
        }
        let Member { change, token, order, changed_by_guest, lost, .. } = member;
        let standing =
            Standing { change: change.clone(), token: *token, order: *order, by_guest: *changed_by_guest, lost: *lost };
        self.standings.insert(member.id.clone(), standing);
    }

    /// When grants that were lost in an earlier room come back.
    pub(super) fn standing_deadline(&self, participant: &ParticipantId) -> Option<UnixMillis> {
        let of_member = self.members.get(participant).and_then(|member| member.lost);
        let lost = of_member.or_else(|| self.standings.get(participant)?.lost);
        lost.map(|lost| lost.until)
    }

    pub(super) fn standing_due(&mut self, participant: &ParticipantId) {
        if let Some(member) = self.members.get_mut(participant) {
            member.lost = None;
            member.grants = grants(&member.change, None, member.token);
        }
        let Some(standing) = self.standings.get_mut(participant) else { return };
        standing.lost = None;
        if standing.change == ParticipantChange::default() {
            self.standings.remove(participant);
        }
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
