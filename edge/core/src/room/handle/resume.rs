//! Resumes a session on another socket.

use crate::room::context::{Caller, Context};
use crate::room::handle::{adaptation, presence};
use crate::room::outbox::{Reason, Reply};
use crate::room::state::State;
use crate::room::state::members::Member;
use crate::room::state::resume_secrets::Mint;
use crate::room::state::sessions::MediaState;
use crate::room::state::sockets::Bearer;
use shared::{ErrorCode, ParticipantId, SessionId, UnixMillis};

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ResumeError {
    #[error("the session no longer exists: join again")]
    Expired,
}

impl Reason for ResumeError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Expired => ErrorCode::SessionExpired,
        }
    }
}

pub(crate) struct Claim {
    pub(crate) session: SessionId,
    pub(crate) secret: String,
    pub(crate) chat_after: Option<u64>,
    pub(crate) revision: Option<u64>,
}

/// Moves a participant to another socket, and issues the next secret.
pub(crate) fn resume(cx: &mut Context<'_>, caller: &Caller, claim: &Claim) -> Result<(), ResumeError> {
    let Claim { session, secret, chat_after, revision } = claim;
    let participant = &caller.participant;
    let member = cx.state.members.get(participant).ok_or(ResumeError::Expired)?;
    if !member.answered || !member.resume_secrets.open(cx.now, secret) {
        return Err(ResumeError::Expired);
    }
    // A client that missed the answer to its last offer still names the previous session.
    let transport_dead = member.session != *session || !is_served(cx.state, &member.session);
    presence::change_socket(cx, participant, caller.socket);
    if let Some(member) = cx.state.members.get_mut(participant) {
        let mint = Mint { keys: &cx.config.resume_keys, room: &cx.state.id, participant };
        member.resume_secrets.replace(cx.now, secret, mint, cx.random);
    }
    adaptation::repeat_adaptation(cx, participant);
    let chat_after = chat_after.unwrap_or(0);
    cx.reply(participant, Reply::Resumed { in_reply_to: caller.id, transport_dead, chat_after, revision: *revision });
    Ok(())
}

/// The participant whose secret it is, among those with the identity of the token or secret that opened the socket.
pub(crate) fn holder(state: &State, now: UnixMillis, bearer: &Bearer, secret: &str) -> ParticipantId {
    let named = bearer.participant();
    let opens = |member: &&Member| member.resume_secrets.open(now, secret);
    match bearer {
        Bearer::Token(_) => state.seats_of(named).find(opens).map_or_else(|| named.clone(), |member| member.id.clone()),
        Bearer::Secret(_) => named.clone(),
    }
}

/// Discards the secret that the client presented: a client that continues has read the answer to its `resume`.
pub(crate) fn note_secret_read(state: &mut State, participant: &ParticipantId) {
    if state.members.get(participant).is_some_and(|member| member.resume_secrets.are_two())
        && let Some(member) = state.members.get_mut(participant)
    {
        member.resume_secrets.forget_shown();
    }
}

/// True if media can flow on a session, as far as the edge knows.
fn is_served(state: &State, session: &SessionId) -> bool {
    state.sessions.get(session).is_some_and(|session| {
        let current = state.meta().and_then(|meta| meta.current);
        session.media != MediaState::Ended && session.epoch.is_some() && session.epoch == current
    })
}
