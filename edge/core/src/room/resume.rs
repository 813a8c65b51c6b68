//! Losing a socket and coming back with another one, while media flows on.

use super::Room;
use super::media_session::MediaState;
use super::member::{Absence, Member};
use super::news::Reply;
use super::resume_secret::Mint;
use crate::SocketId;
use shared::signal::close_code;
use shared::{ErrorCode, ParticipantId, SessionId, UnixMillis, limits};

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ResumeError {
    #[error("the session no longer exists: join again")]
    Expired,
}

pub(super) struct Claim {
    pub(super) session: SessionId,
    pub(super) secret: String,
    pub(super) chat_after: Option<u64>,
}

impl ResumeError {
    pub(super) const fn code(self) -> ErrorCode {
        match self {
            Self::Expired => ErrorCode::SessionExpired,
        }
    }
}

impl Room {
    /// The participant whose session a secret opens; asked before a socket without a join token is accepted.
    #[must_use]
    pub fn resumable(&self, now: UnixMillis, secret: &str) -> Option<ParticipantId> {
        let opens = |member: &&Member| member.answered && member.resume_secrets.open(now, secret);
        self.members.values().find(opens).map(|member| member.id.clone())
    }

    /// Gives a participant another socket, and another secret for the next time.
    pub(super) fn resume(
        &mut self,
        now: UnixMillis,
        socket: SocketId,
        in_reply_to: Option<u32>,
        participant: &ParticipantId,
        claim: &Claim,
    ) -> Result<(), ResumeError> {
        let Claim { session, secret, chat_after } = claim;
        let member = self.members.get(participant).ok_or(ResumeError::Expired)?;
        if !member.answered || !member.resume_secrets.open(now, secret) {
            return Err(ResumeError::Expired);
        }
        // A client that never heard the answer to its last offer still names the session before.
        let transport_dead = member.session != *session || !self.is_served(&member.session);
        self.change_socket(participant, socket);
        if let Some(member) = self.members.get_mut(participant) {
            let mint = Mint { keys: &self.config.resume_keys, room: &self.id, participant };
            member.resume_secrets.replace(now, secret, mint, &mut self.random);
        }
        self.repeat_adaptation(participant);
        let chat_after = chat_after.unwrap_or(0);
        self.reply(participant, Reply::Resumed { in_reply_to, transport_dead, chat_after });
        Ok(())
    }

    /// A client that goes on has read what its `resume` was answered, and has no use for the secret that it showed.
    pub(super) fn note_secret_read(&mut self, participant: &ParticipantId) {
        if self.members.get(participant).is_some_and(|member| member.resume_secrets.are_two())
            && let Some(member) = self.members.get_mut(participant)
        {
            member.resume_secrets.forget_shown();
        }
    }

    /// Whether media can flow on a session, as far as the edge knows.
    fn is_served(&self, session: &SessionId) -> bool {
        self.sessions.get(session).is_some_and(|session| {
            let current = self.meta().and_then(|meta| meta.current);
            session.media != MediaState::Ended && session.epoch.is_some() && session.epoch == current
        })
    }

    /// Replaces a participant's socket and closes the previous one.
    pub(super) fn change_socket(&mut self, participant: &ParticipantId, socket: SocketId) {
        let before = self.members.get(participant).and_then(|member| member.socket);
        if let Some(before) = before.filter(|before| *before != socket) {
            self.refuse_waiting(participant, ErrorCode::Replaced);
            self.drop_waiting_negotiation(participant);
            self.close_client(before, close_code::NORMAL);
        }
        if let Some(member) = self.members.get_mut(participant) {
            member.socket = Some(socket);
            member.absence = None;
            // Whether the last wish for more sections reached them is not known.
            member.sections_asked = (0, 0);
            self.socket_is_client_of(socket, participant);
        }
    }

    /// A participant's socket is gone; the place and the media are kept for a while.
    pub(super) fn client_lost(&mut self, participant: &ParticipantId, socket: SocketId, absence: Absence) {
        if self.members.get(participant).is_none_or(|member| member.socket != Some(socket)) {
            return;
        }
        if let Some(member) = self.members.get_mut(participant) {
            member.socket = None;
            member.absence = Some(absence);
        }
        self.drop_waiting_negotiation(participant);
    }

    /// Nobody is left to hear the answer to a further offer; the client offers again.
    fn drop_waiting_negotiation(&mut self, participant: &ParticipantId) {
        let Some(member) = self.members.get_mut(participant) else { return };
        member.restart = None;
        if let Some(waiting) = member.waiting.take_if(|waiting| !waiting.first) {
            self.close_session(&waiting.session);
        }
    }

    /// A participant did not come back.
    pub(super) fn resume_due(&mut self, participant: &ParticipantId) {
        let Some(absence) = self.members.get(participant).and_then(|member| member.absence) else { return };
        self.remove_member(participant, absence.reason());
        if self.members.is_empty()
            && absence.page_closed
            && self.is_recorded()
            && let Some(meta) = self.meta_mut()
        {
            meta.reload_until = Some(absence.since.plus_ms(limits::RECORDING_RELOAD_MS));
        }
    }
}
