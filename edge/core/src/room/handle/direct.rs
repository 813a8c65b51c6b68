//! Reports of participants about the media that they receive from each other directly, and their TURN servers for it.

use crate::room::context::{Caller, Context};
use crate::room::outbox::{Reason, Reply};
use shared::{ErrorCode, limits};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DirectError {
    #[error("the room's media always goes through a node")]
    NotInThisRoom,
}

impl Reason for DirectError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NotInThisRoom => ErrorCode::Forbidden,
        }
    }
}

/// One participant receives the media of all others, or no longer; a report about an earlier attempt changes nothing.
pub(crate) fn report(cx: &mut Context<'_>, caller: &Caller, number: u32, up: bool) {
    let participant = &caller.participant;
    let direct = cx.state.meta().map(|meta| &meta.direct).filter(|direct| direct.number == number);
    let current = direct.and_then(|direct| direct.current.as_ref());
    let takes_part = current.is_some_and(|current| current.peers.iter().any(|(peer, _)| peer == participant));
    let is_news = current.is_some_and(|current| current.up.contains(participant) != up || !up);
    if takes_part
        && is_news
        && let Some(meta) = cx.state.meta_mut()
    {
        match meta.direct.current.as_mut() {
            Some(current) if up => drop(current.up.insert(participant.clone())),
            _ => meta.direct.end(cx.now, limits::DIRECT_FAILED_PAUSE_MS),
        }
    }
    cx.done(caller);
}

/// Answers with TURN servers that reach other participants.
pub(crate) fn servers(cx: &mut Context<'_>, caller: &Caller) -> Result<(), DirectError> {
    let is_allowed = cx.state.meta().is_some_and(|meta| meta.direct.participants_max > 0);
    is_allowed.then_some(()).ok_or(DirectError::NotInThisRoom)?;
    cx.reply(&caller.participant, Reply::PeerServers { in_reply_to: caller.id });
    Ok(())
}
