//! One receive slot of a participant.

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shared::rtp_parameters::MediaKind;
use shared::signal::SlotInfo;
use shared::{Mid, ParticipantId, TrackId};
use std::fmt::Formatter;

/// Stored as a list, because a large room has thousands; earlier versions stored an object, which is read as well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    pub(crate) mid: Mid,
    pub(crate) kind: MediaKind,
    /// Number within the kind; the audio and video slot of one number share a stream.
    pub(crate) number: u8,
    pub(crate) playing: Option<Playing>,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Playing {
    pub(crate) participant: ParticipantId,
    pub(crate) track: TrackId,
}

/// Reads a [`Slot`] of either form.
struct Form;

impl<'de> Visitor<'de> for Form {
    type Value = Slot;

    fn expecting(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.write_str("a slot")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Slot, A::Error> {
        type List = (Mid, MediaKind, u8, Option<(ParticipantId, TrackId)>);
        let (mid, kind, number, playing) = List::deserialize(SeqAccessDeserializer::new(list))?;
        let playing = playing.map(|(participant, track)| Playing { participant, track });
        Ok(Slot { mid, kind, number, playing })
    }

    fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Slot, A::Error> {
        #[derive(Deserialize)]
        struct Object {
            mid: Mid,
            kind: MediaKind,
            number: u8,
            playing: Option<Playing>,
        }
        let Object { mid, kind, number, playing } = Object::deserialize(MapAccessDeserializer::new(fields))?;
        Ok(Slot { mid, kind, number, playing })
    }
}

impl<'de> Deserialize<'de> for Slot {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Form)
    }
}

impl Serialize for Slot {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { mid, kind, number, playing } = self;
        let playing = playing.as_ref().map(|Playing { participant, track }| (participant, track));
        (mid, kind, number, playing).serialize(serializer)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_either_form() {
        let playing = Playing { participant: "ada".parse().unwrap(), track: "t1".parse().unwrap() };
        let slot = |playing| Slot { mid: "2".parse().unwrap(), kind: MediaKind::Audio, number: 3, playing };
        let check =
            |text: &str, slot: &Slot| assert_eq!(&shared::json::from_str::<Slot>(text).unwrap(), slot, "{text}");
        let before = r#"{"mid":"2","kind":"audio","number":3,"playing":{"participant":"ada","track":"t1"}}"#;
        check(before, &slot(Some(playing.clone())));
        check(r#"{"mid":"2","kind":"audio","number":3,"playing":null}"#, &slot(None));
        for slot in [slot(Some(playing)), slot(None)] {
            check(&serde_json::to_string(&slot).unwrap(), &slot);
        }
    }
}
