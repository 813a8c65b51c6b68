//! One receive slot of a participant.

use serde::{Deserialize, Serialize};
use shared::rtp_parameters::MediaKind;
use shared::signal::SlotInfo;
use shared::{Mid, ParticipantId, TrackId};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slot {
    pub(crate) mid: Mid,
    pub(crate) kind: MediaKind,
    /// Number within the kind; the audio and video slot of one number share a stream.
    pub(crate) number: u8,
    pub(crate) playing: Option<Playing>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Playing {
    pub(crate) participant: ParticipantId,
    pub(crate) track: TrackId,
}

impl From<&Slot> for SlotInfo {
    fn from(slot: &Slot) -> Self {
        let playing = slot.playing.as_ref();
        Self {
            mid: slot.mid.clone(),
            track: playing.map(|playing| playing.track.clone()),
            participant: playing.map(|playing| playing.participant.clone()),
        }
    }
}
