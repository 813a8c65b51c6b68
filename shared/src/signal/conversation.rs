//! What people say to each other beside sound and pictures.

use crate::ids::{MessageId, ParticipantId};
use crate::limits;
use crate::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// One message of the chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
pub struct ChatMessage {
    /// Its place in the room's chat: one more than that of the message before.
    #[cfg_attr(feature = "typescript", ts(type = "number"))]
    pub number: u64,
    /// Its author's name for it.
    pub message: MessageId,
    /// Who wrote it.
    pub participant: ParticipantId,
    /// What they were called then.
    pub name: String,
    /// When the room took it.
    pub sent_at: UnixMillis,
    /// What they wrote.
    pub text: String,
}

/// A sign that everybody sees for a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Reaction {
    /// Yes.
    ThumbsUp,
    /// No.
    ThumbsDown,
    /// Applause.
    Clap,
    /// Love.
    Heart,
    /// Laughter.
    Laugh,
    /// Surprise.
    Surprise,
    /// Celebration.
    Party,
}

/// Whether a text may be a chat message: not blank, not too long, and of control characters only line ends and tabs.
pub(super) fn check_text(text: &str) -> Result<(), &'static str> {
    if text.len() > limits::CHAT_TEXT_BYTES_MAX {
        return Err("text is too long");
    }
    if text.trim().is_empty() {
        return Err("text is empty");
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Err("text has control characters");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_people_write() {
        for (text, expected) in [
            ("hello\n\tthere \u{1f44b}", Ok(())),
            (" \n\t ", Err("text is empty")),
            ("", Err("text is empty")),
            ("a\u{0}b", Err("text has control characters")),
            ("a\rb", Err("text has control characters")),
        ] {
            assert_eq!(check_text(text), expected, "{text:?}");
        }
        assert_eq!(check_text(&"x".repeat(limits::CHAT_TEXT_BYTES_MAX)), Ok(()));
        assert_eq!(check_text(&"x".repeat(limits::CHAT_TEXT_BYTES_MAX + 1)), Err("text is too long"));
    }
}
