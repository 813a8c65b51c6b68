//! The permissions of a participant in a room.

use serde::{Deserialize, Serialize};

/// A participant's permissions in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// Publish audio and video, of the sources that the next three admit.
    pub publish: bool,
    #[serde(skip_serializing_if = "is_true")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<bool>"))]
    pub microphone: bool,
    #[serde(skip_serializing_if = "is_true")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<bool>"))]
    pub camera: bool,
    /// Share a screen, and its sound.
    #[serde(skip_serializing_if = "is_true")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<bool>"))]
    pub screen: bool,
    /// Create the room by joining it first; without this, only an existing room can be joined.
    #[serde(skip_serializing_if = "is_true")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<bool>"))]
    pub create: bool,
    /// Receive the audio and video of others.
    pub subscribe: bool,
    /// Send data: write in the chat, react, raise a hand.
    pub chat: bool,
    /// Remove and mute participants, lower their hands, change their grants, lock and end the room.
    pub moderate: bool,
    /// Start and stop recordings, see and delete those of the room.
    pub record: bool,
    /// Admit and refuse guests in the lobby; moderators may do it anyway.
    #[serde(skip_serializing_if = "is_false")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<bool>"))]
    pub admit: bool,
    /// Be in nobody's roster. Such a participant neither publishes nor writes.
    #[serde(skip_serializing_if = "is_false")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<bool>"))]
    pub hidden: bool,
    /// Change one's own metadata.
    #[serde(skip_serializing_if = "is_false")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<bool>"))]
    pub metadata: bool,
}

impl Default for Grants {
    fn default() -> Self {
        Self { publish: true, subscribe: true, chat: true, ..Self::NONE }
    }
}

impl Grants {
    /// No grant; publishing would include every source, and joining may create the room.
    pub const NONE: Self = Self {
        publish: false,
        microphone: true,
        camera: true,
        screen: true,
        create: true,
        subscribe: false,
        chat: false,
        moderate: false,
        record: false,
        admit: false,
        hidden: false,
        metadata: false,
    };

    /// Everything that a grant permits; `hidden` is a limit more than a permission.
    pub const ALL: Self = Self {
        publish: true,
        subscribe: true,
        chat: true,
        moderate: true,
        record: true,
        admit: true,
        metadata: true,
        ..Self::NONE
    };

    #[must_use]
    pub fn are_default(&self) -> bool {
        *self == Self::default()
    }

    /// The grants that both contain.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.each(other, |own, other| own && other)
    }

    /// The grants missing from `other`.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        self.each(other, |own, other| own && !other)
    }

    /// Without those that a hidden participant cannot use.
    #[must_use]
    pub const fn in_force(self) -> Self {
        Self { publish: self.publish && !self.hidden, chat: self.chat && !self.hidden, ..self }
    }

    fn each(self, other: Self, of: impl Fn(bool, bool) -> bool) -> Self {
        Self {
            publish: of(self.publish, other.publish),
            microphone: of(self.microphone, other.microphone),
            camera: of(self.camera, other.camera),
            screen: of(self.screen, other.screen),
            create: of(self.create, other.create),
            subscribe: of(self.subscribe, other.subscribe),
            chat: of(self.chat, other.chat),
            moderate: of(self.moderate, other.moderate),
            record: of(self.record, other.record),
            admit: of(self.admit, other.admit),
            hidden: of(self.hidden, other.hidden),
            metadata: of(self.metadata, other.metadata),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_true(value: &bool) -> bool {
    *value
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_grants_are_the_defaults_and_are_not_written() {
        let read = |text: &str| serde_json::from_str::<Grants>(text).expect("grants");
        assert_eq!(read("{}"), Grants::default());
        assert_eq!(read(r#"{"camera":false}"#), Grants { camera: false, ..Grants::default() });
        let plain = r#"{"publish":true,"subscribe":true,"chat":true,"moderate":false,"record":false}"#;
        assert_eq!(serde_json::to_string(&Grants::default()).expect("json"), plain);
        let odd = Grants { screen: false, hidden: true, ..Grants::default() };
        assert_eq!(read(&serde_json::to_string(&odd).expect("json")), odd);
        assert!(serde_json::from_str::<Grants>(r#"{"microphones":false}"#).is_err());
    }

    #[test]
    fn the_hidden_neither_publish_nor_write() {
        let hidden = Grants { hidden: true, ..Grants::ALL }.in_force();
        assert_eq!((hidden.publish, hidden.chat, hidden.subscribe, hidden.moderate), (false, false, true, true));
        assert_eq!(Grants::ALL.in_force(), Grants::ALL);
    }
}
