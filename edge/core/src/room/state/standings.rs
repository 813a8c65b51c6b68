//! A moderator's changes to absent participants. Removed grants stay removed after the room ends, unless a guest
//! removed them.

use serde::{Deserialize, Serialize};
use shared::signal::ParticipantChange;
use shared::token::Grants;
use shared::{UnixMillis, limits};

const EVERYTHING: Grants = Grants { hidden: true, ..Grants::ALL };

/// Grants that stay removed after the room has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lost {
    pub(crate) kept: Grants,
    /// Set once, at the end of the room in which the grants were removed; no later room extends it.
    pub(crate) until: UnixMillis,
}

impl Lost {
    /// The grants removed from a token; `None` if there are none.
    pub(crate) fn of(token: Grants, grants: Grants, until: UnixMillis) -> Option<Self> {
        let kept = EVERYTHING.without(token.without(grants));
        (kept != EVERYTHING).then_some(Self { kept, until })
    }
}

/// A moderator's changes to an absent participant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "StoredStanding")]
pub(crate) struct Standing {
    pub(crate) change: ParticipantChange,
    #[serde(skip_serializing_if = "Grants::are_default")]
    pub(crate) token: Grants,
    /// Lower numbers joined earlier.
    pub(crate) order: u64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) by_guest: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lost: Option<Lost>,
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
    /// Older rows of an earlier room have it here: until this time, the change's grants are the remaining ones.
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
    /// The part that outlives its room.
    pub(crate) fn of_an_earlier_room(&self, now: UnixMillis) -> Option<Self> {
        let grants = self.change.grants.filter(|_| !self.by_guest);
        let taken = || Lost::of(self.token, grants?, now.plus_ms(limits::STANDING_KEPT_MS));
        let lost = Some(self.lost.filter(|lost| now < lost.until).or_else(taken)?);
        let (change, token) = (ParticipantChange::default(), Grants::default());
        Some(Self { change, token, order: 0, by_guest: false, lost })
    }
}

/// A token's grants with moderators' changes in this room and in an earlier one.
pub(crate) fn grants(change: &ParticipantChange, lost: Option<Lost>, token: Grants) -> Grants {
    change.grants.unwrap_or_else(|| unchanged_grants(lost, token)).in_force()
}

/// The same without what moderators changed in this room.
pub(crate) fn unchanged_grants(lost: Option<Lost>, token: Grants) -> Grants {
    lost.map_or(token, |lost| token.and(lost.kept))
}

/// Stored state of a participant who joins.
#[derive(Default)]
pub(crate) struct Known {
    pub(crate) change: ParticipantChange,
    pub(crate) by_guest: bool,
    pub(crate) lost: Option<Lost>,
}
