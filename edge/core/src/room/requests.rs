//! The small requests of participants: mute, view, kick, leave.

use super::Room;
use crate::SocketId;
use shared::signal::{EdgeToClient, LeaveReason, close_code};
use shared::{ErrorCode, Mid, ParticipantId};

/// Why a track is not muted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SetMutedError {
    #[error("section {mid} publishes nothing")]
    UnknownTrack { mid: Mid },
}

impl SetMutedError {
    pub(super) const fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownTrack { .. } => ErrorCode::UnknownTrack,
        }
    }
}

/// Why nobody is kicked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KickError {
    #[error("the token does not grant moderating")]
    MayNotModerate,
    #[error("no participant is {participant}")]
    UnknownParticipant { participant: ParticipantId },
}

impl KickError {
    pub(super) const fn code(&self) -> ErrorCode {
        match self {
            Self::MayNotModerate => ErrorCode::Forbidden,
            Self::UnknownParticipant { .. } => ErrorCode::UnknownParticipant,
        }
    }
}

impl Room {
    pub(super) fn set_muted(
        &mut self,
        socket: SocketId,
        participant: &ParticipantId,
        in_reply_to: Option<u32>,
        mid: &Mid,
        muted: bool,
    ) -> Result<(), SetMutedError> {
        let unknown = || SetMutedError::UnknownTrack { mid: mid.clone() };
        let publishes = |tracks: &[super::track::Track]| tracks.iter().position(|track| track.mid == *mid);
        let known = self.members.get(participant).and_then(|member| publishes(&member.tracks));
        let index = known.ok_or_else(unknown)?;
        if let Some(member) = self.members.get_mut(participant) {
            let tracks = member.tracks.iter_mut().skip(index).take(1);
            // A session that waits for its node will publish the same tracks.
            let waiting = member.waiting.iter_mut().flat_map(|waiting| &mut waiting.tracks);
            for track in tracks.chain(waiting.filter(|track| track.mid == *mid)) {
                track.muted = muted;
            }
            self.news.slots_stale = true;
        }
        self.news.done(socket, in_reply_to);
        Ok(())
    }

    pub(super) fn view(
        &mut self,
        socket: SocketId,
        participant: &ParticipantId,
        in_reply_to: Option<u32>,
        view: Vec<ParticipantId>,
    ) {
        if let Some(member) = self.members.get_mut(participant) {
            member.view = view;
            self.news.slots_stale = true;
        }
        self.news.done(socket, in_reply_to);
    }

    pub(super) fn kick(
        &mut self,
        socket: SocketId,
        participant: &ParticipantId,
        in_reply_to: Option<u32>,
        whom: &ParticipantId,
        reason: Option<String>,
    ) -> Result<(), KickError> {
        if !self.members.get(participant).is_some_and(|member| member.grants.moderate) {
            return Err(KickError::MayNotModerate);
        }
        let Some(kicked) = self.members.get(whom) else {
            return Err(KickError::UnknownParticipant { participant: whom.clone() });
        };
        let waiting = kicked.socket.zip(kicked.waiting.as_ref().map(|waiting| waiting.in_reply_to));
        self.news.done(socket, in_reply_to);
        if let Some((socket, in_reply_to)) = waiting {
            self.news.refuse(socket, in_reply_to, ErrorCode::Kicked, "a moderator removed the participant");
        }
        self.send_off(whom, EdgeToClient::Removed { code: ErrorCode::Kicked, reason }, close_code::REMOVED);
        self.remove_member(whom, LeaveReason::Kicked);
        Ok(())
    }

    pub(super) fn leave(&mut self, socket: SocketId, participant: &ParticipantId, in_reply_to: Option<u32>) {
        let waiting = self.members.get(participant).and_then(|member| member.waiting.as_ref());
        if let Some(waiting) = waiting.map(|waiting| waiting.in_reply_to) {
            self.news.refuse(socket, waiting, ErrorCode::NotJoined, "the participant left");
        }
        self.news.done(socket, in_reply_to);
        self.close_client(socket, close_code::NORMAL);
        self.remove_member(participant, LeaveReason::Left);
    }
}
