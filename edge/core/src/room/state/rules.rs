//! The rules of a room.

use serde::{Deserialize, Serialize};
use shared::signal::{Duplicates, Features, QualityProfile, RoomChange, RoomType, TrackSource};
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

    pub(crate) fn change(&mut self, change: &RoomChange) {
        let RoomChange { room_type, public, features, quality, duplicates, lobby, ref region, ref invited, .. } =
            *change;
        self.room_type = room_type.unwrap_or(self.room_type);
        self.public = public.unwrap_or(self.public);
        self.features = features.unwrap_or(self.features);
        self.quality = quality.or(self.quality);
        self.duplicates = duplicates.unwrap_or(self.duplicates);
        self.lobby = lobby.unwrap_or(self.lobby);
        if let Some(region) = region {
            self.region = Some(region.clone()).filter(|region| region.as_str() != Region::NEAREST);
        }
        if let Some(invited) = invited {
            self.invited = invited.iter().cloned().collect();
        }
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
