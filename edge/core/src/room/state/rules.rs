//! The rules of a room.

use serde::{Deserialize, Serialize};
use shared::signal::{Duplicates, Features, QualityProfile, RoomType, TrackSource};
use shared::sorted::SortedSet;
use shared::{ParticipantId, Region};

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Rules {
    pub(crate) room_type: RoomType,
    pub(crate) public: bool,
    pub(crate) features: Features,
    pub(crate) quality: Option<QualityProfile>,
    pub(crate) duplicates: Duplicates,
    /// `None` for the region nearest to the first participant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<Region>,
    /// True if guests wait for a moderator.
    pub(crate) lobby: bool,
    pub(crate) invited: SortedSet<ParticipantId>,
}

impl Rules {
    pub(crate) fn are_default(&self) -> bool {
        *self == Self::default()
    }

    /// A private room is never listed.
    pub(crate) fn is_public(&self) -> bool {
        self.public && self.room_type != RoomType::Private
    }

    pub(crate) fn admits(&self, source: TrackSource) -> bool {
        self.room_type.admits(source) && self.features.admit(source)
    }

    pub(crate) fn invites(&self, participant: &ParticipantId) -> bool {
        let is_open = self.invited.is_empty() && self.room_type != RoomType::Private;
        is_open || self.invited.contains(participant)
    }
}
