//! Chat, reactions and raised hands.

use crate::room::context::{Caller, Context};
use crate::room::handle::{allowance, audit};
use crate::room::outbox::Reason;
use crate::room::state::{State, messages};
use shared::signal::{ActKind, ChatMessage, Reaction};
use shared::{ErrorCode, MessageId, ParticipantId, UnixMillis};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ConversationError {
    #[error("the token does not grant chat")]
    MayNotChat,
    #[error("the room has no chat, or no reactions")]
    FeatureOff,
    #[error("too many messages, reactions or raised hands")]
    TooMany,
    #[error("the token does not grant moderating")]
    MayNotModerate,
    #[error("there is no participant {participant}")]
    UnknownParticipant { participant: ParticipantId },
}

impl Reason for ConversationError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::MayNotChat | Self::MayNotModerate => ErrorCode::Forbidden,
            Self::FeatureOff => ErrorCode::FeatureOff,
            Self::TooMany => ErrorCode::RateLimited,
            Self::UnknownParticipant { .. } => ErrorCode::UnknownParticipant,
        }
    }
}

pub(crate) fn chat(
    cx: &mut Context<'_>,
    caller: &Caller,
    message: MessageId,
    text: String,
) -> Result<(), ConversationError> {
    let participant = &caller.participant;
    check_may_chat(cx.state, participant)?;
    if !cx.state.features().chat {
        return Err(ConversationError::FeatureOff);
    }
    // The client repeated the message because the answer was lost with its socket.
    let is_known = |known: &ChatMessage| known.message == message && known.participant == *participant;
    if !cx.state.chat.values().any(is_known) {
        let now = cx.now;
        if !allowance::spend(cx.state, participant, |allowance| allowance.take_chat(now)) {
            return Err(ConversationError::TooMany);
        }
        keep(cx, participant, message, text);
    }
    cx.done(caller);
    Ok(())
}

fn keep(cx: &mut Context<'_>, participant: &ParticipantId, message: MessageId, text: String) {
    let Some(name) = cx.state.members.get(participant).map(|member| member.name.clone()) else { return };
    let number = messages::last(&cx.state.chat).saturating_add(1);
    let kept = ChatMessage { number, message, participant: participant.clone(), name, sent_at: cx.now, text };
    messages::keep(&mut cx.state.chat, kept);
    cx.outbox.chat.push(number);
}

pub(crate) fn react(cx: &mut Context<'_>, caller: &Caller, reaction: Reaction) -> Result<(), ConversationError> {
    if !cx.state.features().reactions {
        return Err(ConversationError::FeatureOff);
    }
    check_may_sign(cx, &caller.participant)?;
    cx.outbox.reacted.push((caller.participant.clone(), reaction));
    cx.done(caller);
    Ok(())
}

pub(crate) fn raise_hand(cx: &mut Context<'_>, caller: &Caller, raised: bool) -> Result<(), ConversationError> {
    check_may_sign(cx, &caller.participant)?;
    set_hand(cx.state, &caller.participant, raised.then_some(cx.now));
    cx.done(caller);
    Ok(())
}

pub(crate) fn lower_hand(cx: &mut Context<'_>, caller: &Caller, whom: &ParticipantId) -> Result<(), ConversationError> {
    if !cx.state.members.get(&caller.participant).is_some_and(|member| member.grants.moderate) {
        return Err(ConversationError::MayNotModerate);
    }
    if !cx.state.members.contains(whom) {
        return Err(ConversationError::UnknownParticipant { participant: whom.clone() });
    }
    audit::note_act(cx, caller, ActKind::LowerHand, Some(whom));
    set_hand(cx.state, whom, None);
    cx.done(caller);
    Ok(())
}

fn check_may_sign(cx: &mut Context<'_>, participant: &ParticipantId) -> Result<(), ConversationError> {
    check_may_chat(cx.state, participant)?;
    let now = cx.now;
    match allowance::spend(cx.state, participant, |allowance| allowance.take_reaction(now)) {
        true => Ok(()),
        false => Err(ConversationError::TooMany),
    }
}

/// Raises or lowers a hand; raising it again keeps its time and thus its place in the order.
fn set_hand(state: &mut State, participant: &ParticipantId, raised_at: Option<UnixMillis>) {
    let is_up = state.members.get(participant).is_some_and(|member| member.hand_raised_at.is_some());
    if is_up != raised_at.is_some()
        && let Some(member) = state.members.get_mut(participant)
    {
        member.hand_raised_at = raised_at;
    }
}

fn check_may_chat(state: &State, participant: &ParticipantId) -> Result<(), ConversationError> {
    match state.members.get(participant).is_some_and(|member| member.grants.chat) {
        true => Ok(()),
        false => Err(ConversationError::MayNotChat),
    }
}
