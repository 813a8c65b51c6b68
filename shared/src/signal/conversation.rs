//! Chat and reactions.

use crate::ids::{MessageId, ParticipantId};
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct ChatMessage {
    /// The message's position in the room's chat, counted from 1 without gaps.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub number: u64,
    /// The author's id for the message.
    pub message: MessageId,
    pub participant: ParticipantId,
    /// The author's name when the message was sent.
    pub name: String,
    /// The time at which the room accepted it.
    pub sent_at: UnixMillis,
    pub text: String,
}

/// Shown to everybody briefly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    ThumbsUp,
    ThumbsDown,
    Clap,
    Heart,
    Laugh,
    Surprise,
    Party,
}
