//! What a participant may do in a room.

use serde::{Deserialize, Serialize};

/// A participant's permissions in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Grants {
    /// Publish audio and video.
    pub publish: bool,
    /// Receive the audio and video of others.
    pub subscribe: bool,
    /// Write in the chat, react, raise a hand.
    pub chat: bool,
    /// Remove and mute participants, lower their hands, change their grants, lock and end the room.
    pub moderate: bool,
    /// Start and stop recordings, see and delete those of the room.
    pub record: bool,
}

impl Default for Grants {
    fn default() -> Self {
        Self { publish: true, subscribe: true, chat: true, moderate: false, record: false }
    }
}

impl Grants {
    #[must_use]
    pub fn are_default(&self) -> bool {
        *self == Self::default()
    }

    /// The grants that both contain.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self {
            publish: self.publish && other.publish,
            subscribe: self.subscribe && other.subscribe,
            chat: self.chat && other.chat,
            moderate: self.moderate && other.moderate,
            record: self.record && other.record,
        }
    }

    /// The grants missing from `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self {
            publish: self.publish && !other.publish,
            subscribe: self.subscribe && !other.subscribe,
            chat: self.chat && !other.chat,
            moderate: self.moderate && !other.moderate,
            record: self.record && !other.record,
        }
    }
}
