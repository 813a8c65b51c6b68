//! Chat, reactions and raised hands.

use super::Room;
use crate::SocketId;
use shared::signal::{ChatMessage, EdgeToClient, Reaction};
use shared::{ErrorCode, MessageId, ParticipantId, UnixMillis, limits};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConversationError {
    #[error("the token does not grant chat")]
    MayNotChat,
    #[error("too many messages, reactions or raised hands")]
    TooMany,
    #[error("the token does not grant moderating")]
    MayNotModerate,
    #[error("there is no participant {participant}")]
    UnknownParticipant { participant: ParticipantId },
}

impl ConversationError {
    pub(super) const fn code(&self) -> ErrorCode {
        match self {
            Self::MayNotChat | Self::MayNotModerate => ErrorCode::Forbidden,
            Self::TooMany => ErrorCode::RateLimited,
            Self::UnknownParticipant { .. } => ErrorCode::UnknownParticipant,
        }
    }
}

/// The sender of a request, with its socket and request id.
#[derive(Clone, Copy, Debug)]
pub(super) struct Speaker<'a> {
    pub(super) socket: SocketId,
    pub(super) participant: &'a ParticipantId,
    pub(super) id: Option<u32>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Talk {
    Chat { message: MessageId, text: String },
    React { reaction: Reaction },
    RaiseHand { raised: bool },
    LowerHand { whom: ParticipantId },
}

impl Room {
    /// Executes a participant's message, or returns the reason for its refusal.
    pub(super) fn refused_talk(
        &mut self,
        now: UnixMillis,
        speaker: Speaker<'_>,
        talk: Talk,
    ) -> Option<(ErrorCode, String)> {
        self.talk(now, speaker, talk).err().map(|error| (error.code(), error.to_string()))
    }

    fn talk(&mut self, now: UnixMillis, speaker: Speaker<'_>, talk: Talk) -> Result<(), ConversationError> {
        let Speaker { socket, participant, id } = speaker;
        match talk {
            Talk::Chat { message, text } => self.chat(now, participant, message, text)?,
            Talk::React { reaction } => {
                self.check_may_sign(now, participant)?;
                self.news.reacted.push((participant.clone(), reaction));
            }
            Talk::RaiseHand { raised } => {
                self.check_may_sign(now, participant)?;
                self.set_hand(participant, raised.then_some(now));
            }
            Talk::LowerHand { whom } => self.lower_hand(participant, &whom)?,
        }
        self.news.done(socket, id);
        Ok(())
    }

    fn chat(
        &mut self,
        now: UnixMillis,
        participant: &ParticipantId,
        message: MessageId,
        text: String,
    ) -> Result<(), ConversationError> {
        self.check_may_chat(participant)?;
        // The answer was lost with the socket, so it was sent again.
        let is_known = |known: &ChatMessage| known.message == message && known.participant == *participant;
        if self.chat.values().any(is_known) {
            return Ok(());
        }
        if !self.spend(participant, |allowance| allowance.take_chat(now)) {
            return Err(ConversationError::TooMany);
        }
        self.keep(now, participant, message, text);
        Ok(())
    }

    fn keep(&mut self, now: UnixMillis, participant: &ParticipantId, message: MessageId, text: String) {
        let Some(name) = self.members.get(participant).map(|member| member.name.clone()) else { return };
        let number = self.chat_last().saturating_add(1);
        let kept = ChatMessage { number, message, participant: participant.clone(), name, sent_at: now, text };
        self.chat.insert(number, kept);
        self.news.chat.push(number);
        while self.chat.len() > limits::CHAT_MESSAGES_MAX {
            let Some(oldest) = self.chat.keys().next().copied() else { break };
            self.chat.remove(&oldest);
        }
    }

    /// The number of the last message; 0 if there is none.
    pub(super) fn chat_last(&self) -> u64 {
        self.chat.keys().next_back().copied().unwrap_or(0)
    }

    /// Deletes the chat when the room ends.
    pub(super) fn forget_chat(&mut self) {
        let numbers: Vec<u64> = self.chat.keys().copied().collect();
        for number in numbers {
            self.chat.remove(&number);
        }
    }

    /// The messages after a given one, split into frames.
    pub(super) fn chat_after(&self, number: u64) -> Vec<EdgeToClient> {
        let later: Vec<ChatMessage> = self.chat.values().filter(|message| message.number > number).cloned().collect();
        later
            .chunks(limits::CHAT_MESSAGES_PER_FRAME)
            .map(|messages| EdgeToClient::Chat { messages: messages.to_vec() })
            .collect()
    }

    fn lower_hand(&mut self, participant: &ParticipantId, whom: &ParticipantId) -> Result<(), ConversationError> {
        if !self.members.get(participant).is_some_and(|member| member.grants.moderate) {
            return Err(ConversationError::MayNotModerate);
        }
        if !self.members.contains(whom) {
            return Err(ConversationError::UnknownParticipant { participant: whom.clone() });
        }
        self.set_hand(whom, None);
        Ok(())
    }

    /// Raises or lowers a hand; raising it again keeps its time and thus its place in the order.
    fn set_hand(&mut self, participant: &ParticipantId, raised_at: Option<UnixMillis>) {
        let is_up = self.members.get(participant).is_some_and(|member| member.hand_raised_at.is_some());
        if is_up != raised_at.is_some()
            && let Some(member) = self.members.get_mut(participant)
        {
            member.hand_raised_at = raised_at;
        }
    }

    fn check_may_sign(&mut self, now: UnixMillis, participant: &ParticipantId) -> Result<(), ConversationError> {
        self.check_may_chat(participant)?;
        match self.spend(participant, |allowance| allowance.take_reaction(now)) {
            true => Ok(()),
            false => Err(ConversationError::TooMany),
        }
    }

    fn check_may_chat(&self, participant: &ParticipantId) -> Result<(), ConversationError> {
        match self.members.get(participant).is_some_and(|member| member.grants.chat) {
            true => Ok(()),
            false => Err(ConversationError::MayNotChat),
        }
    }
}
