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
        let tracks = self.members.get(participant).map_or(&[][..], |member| &member.tracks);
        let Some(before) = tracks.iter().find(|track| track.mid == *mid).map(|track| track.muted) else {
            return Err(SetMutedError::UnknownTrack { mid: mid.clone() });
        };
        if before != muted
            && let Some(member) = self.members.get_mut(participant)
        {
            // A session that waits for its node will publish the same tracks.
            let waiting = member.waiting.iter_mut().flat_map(|waiting| &mut waiting.tracks);
            for track in member.tracks.iter_mut().chain(waiting).filter(|track| track.mid == *mid) {
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
            self.news.views_stale.insert(participant.clone());
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
        if !self.members.contains(whom) {
            return Err(KickError::UnknownParticipant { participant: whom.clone() });
        }
        self.news.done(socket, in_reply_to);
        self.refuse_waiting(whom, ErrorCode::Kicked);
        self.send_off(whom, EdgeToClient::Removed { code: ErrorCode::Kicked, reason }, close_code::REMOVED);
        self.remove_member(whom, LeaveReason::Kicked);
        Ok(())
    }

    pub(super) fn leave(&mut self, socket: SocketId, participant: &ParticipantId, in_reply_to: Option<u32>) {
        self.refuse_waiting(participant, ErrorCode::NotJoined);
        self.news.done(socket, in_reply_to);
        self.close_client(socket, close_code::NORMAL);
        self.remove_member(participant, LeaveReason::Left);
    }
}
