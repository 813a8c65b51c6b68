//! The chat: the latest messages by number.

use crate::storage::Table;
use shared::limits;
use shared::signal::{ChatMessage, EdgeToClient};

pub(crate) fn last(chat: &Table<u64, ChatMessage>) -> u64 {
    chat.keys().next_back().copied().unwrap_or(0)
}

/// Adds a message, and drops the oldest ones beyond the limit.
pub(crate) fn keep(chat: &mut Table<u64, ChatMessage>, message: ChatMessage) {
    chat.insert(message.number, message);
    while chat.len() > limits::CHAT_MESSAGES_MAX {
        let Some(oldest) = chat.keys().next().copied() else { break };
        chat.remove(&oldest);
    }
}

/// Deletes the chat when the room ends.
pub(crate) fn forget(chat: &mut Table<u64, ChatMessage>) {
    let numbers: Vec<u64> = chat.keys().copied().collect();
    for number in numbers {
        chat.remove(&number);
    }
}

/// The messages after `number`, split into frames.
pub(crate) fn after(chat: &Table<u64, ChatMessage>, number: u64) -> Vec<EdgeToClient> {
    let later: Vec<ChatMessage> = chat.values().filter(|message| message.number > number).cloned().collect();
    later
        .chunks(limits::CHAT_MESSAGES_PER_FRAME)
        .map(|messages| EdgeToClient::Chat { messages: messages.to_vec() })
        .collect()
}
