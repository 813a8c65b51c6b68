//! Messages between participants about connections of their own: a search for publishers, which everybody hears, and all
//! else for one receiver alone.
//!
//! Nothing is kept: the sender repeats a message whose receiver is away.

use crate::room::context::{Caller, Context};
use crate::room::handle::allowance;
use crate::room::outbox::{Output, Reason};
use crate::room::state::State;
use crate::room::state::members::Member;
use crate::session_description;
use shared::signal::{EdgeToClient, PeerSignal, PeerSignalKind};
use shared::{ErrorCode, MessageId, ParticipantId};

pub(crate) struct Letter {
    pub(crate) to: ParticipantId,
    pub(crate) message: MessageId,
    pub(crate) link: Option<u32>,
    pub(crate) signal: PeerSignal,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PeerError {
    #[error("the grants of {from} and {to} do not allow this message")]
    MayNot { from: ParticipantId, to: ParticipantId },
    #[error("the token does not grant subscribing, or hides its holder")]
    MayNotSeek,
    #[error("who may not publish answers with receiving sections only")]
    MayNotSend,
    #[error("nobody tells themselves something")]
    Oneself,
    #[error("there is no participant {participant}")]
    UnknownParticipant { participant: ParticipantId },
    #[error("{participant} has lost its connection")]
    Away { participant: ParticipantId },
    #[error("too many messages of one participant, or for one")]
    TooMany,
}

impl Reason for PeerError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::MayNot { .. } | Self::MayNotSeek | Self::MayNotSend => ErrorCode::Forbidden,
            Self::Oneself | Self::UnknownParticipant { .. } => ErrorCode::UnknownParticipant,
            Self::Away { .. } => ErrorCode::ParticipantAway,
            Self::TooMany => ErrorCode::RateLimited,
        }
    }
}

/// Tells everybody who is listed that the caller looks for publishers.
pub(crate) fn seek(cx: &mut Context<'_>, caller: &Caller) -> Result<(), PeerError> {
    let from = &caller.participant;
    let now = cx.now;
    let Some(member) = cx.state.members.get(from).filter(|member| member.grants.subscribe && !member.grants.hidden)
    else {
        return Err(PeerError::MayNotSeek);
    };
    let message = EdgeToClient::Sought { from: from.clone(), device: member.attempt.clone(), sent_at: now };
    if !allowance::spend(cx.state, from, |allowance| allowance.take_seek(now)) {
        return Err(PeerError::TooMany);
    }
    let hears = |member: &&Member| member.answered && !member.audience && member.id != *from;
    let sockets: Vec<_> = cx.state.members.values().filter(hears).filter_map(|member| member.socket).collect();
    cx.done(caller);
    if !sockets.is_empty() {
        cx.outbox.direct.push(Output::SendClients { sockets, message });
    }
    Ok(())
}

/// Passes a message on to its receiver, and to nobody else.
pub(crate) fn signal(cx: &mut Context<'_>, caller: &Caller, letter: Letter) -> Result<(), PeerError> {
    let (from, now) = (caller.participant.clone(), cx.now);
    check_may_reach(cx.state, &from, &letter)?;
    let unknown = || PeerError::UnknownParticipant { participant: letter.to.clone() };
    let receiver = cx.state.members.get(&letter.to).ok_or_else(unknown)?;
    let away = || PeerError::Away { participant: letter.to.clone() };
    let socket = receiver.socket.filter(|_| receiver.answered).ok_or_else(away)?;
    let device = cx.state.members.get(&from).ok_or_else(unknown)?.attempt.clone();
    let takes = allowance::spend(cx.state, &from, |allowance| allowance.take_peer_signal(now))
        && allowance::spend(cx.state, &letter.to, |allowance| allowance.take_peer_signaled(now));
    takes.then_some(()).ok_or(PeerError::TooMany)?;
    let Letter { to, message, link, signal } = letter;
    cx.done(caller);
    cx.outbox.send_client(socket, EdgeToClient::Signaled { from, device, sent_at: now, to, message, link, signal });
    Ok(())
}

/// Decides by the grants of both. Media may flow from who publishes to who subscribes, so an offer comes from the former;
/// the latter asks for it, and answers it.
fn check_may_reach(state: &State, from: &ParticipantId, letter: &Letter) -> Result<(), PeerError> {
    let unknown = |participant: &ParticipantId| PeerError::UnknownParticipant { participant: participant.clone() };
    if *from == letter.to {
        return Err(PeerError::Oneself);
    }
    let sender = state.members.get(from).ok_or_else(|| unknown(from))?;
    let receiver = state.members.get(&letter.to).filter(|member| !member.grants.hidden);
    let receiver = receiver.ok_or_else(|| unknown(&letter.to))?;
    let flows = |from: &Member, to: &Member| from.grants.publish && to.grants.subscribe && !to.grants.hidden;
    let may_reach = match letter.signal.kind {
        PeerSignalKind::Offer => flows(sender, receiver),
        PeerSignalKind::RequestOffer | PeerSignalKind::Answer => flows(receiver, sender),
        PeerSignalKind::Candidates => flows(sender, receiver) || flows(receiver, sender),
    };
    let may_not = || PeerError::MayNot { from: from.clone(), to: letter.to.clone() };
    may_reach.then_some(()).ok_or_else(may_not)?;
    let sends_media = letter.signal.sdp.as_deref().is_some_and(session_description::sends_media);
    (!sends_media || flows(sender, receiver)).then_some(()).ok_or(PeerError::MayNotSend)
}
