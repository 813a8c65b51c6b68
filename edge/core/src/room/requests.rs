//! Small requests: mute, view, leave.

use super::Room;
use super::member::Member;
use crate::SocketId;
use shared::signal::{LeaveReason, close_code};
use shared::{ErrorCode, Mid, ParticipantId};
use std::collections::BTreeMap;

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
        let mut next_csrc = self.meta().map_or(1, |meta| meta.next_csrc);
        if before != muted
            && let Some(member) = self.members.get_mut(participant)
        {
            // A session that waits for its node will publish the same tracks.
            let waiting = member.waiting.iter_mut().flat_map(|waiting| &mut waiting.tracks);
            for track in member.tracks.iter_mut().chain(waiting).filter(|track| track.mid == *mid) {
                track.set_muted(muted, &mut next_csrc);
            }
            if !muted && let Some(meta) = self.meta_mut() {
                meta.next_csrc = next_csrc;
            }
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
        lines: Option<BTreeMap<ParticipantId, u16>>,
    ) {
        let is_same = |member: &Member| member.view == view && member.view_lines == lines;
        if !self.members.get(participant).is_none_or(is_same)
            && let Some(member) = self.members.get_mut(participant)
        {
            member.view = view;
            member.view_lines = lines;
        }
        self.news.done(socket, in_reply_to);
    }

    pub(super) fn leave(&mut self, socket: SocketId, participant: &ParticipantId, in_reply_to: Option<u32>) {
        self.refuse_waiting(participant, ErrorCode::NotJoined);
        self.news.done(socket, in_reply_to);
        self.close_client(socket, close_code::NORMAL);
        self.remove_member(participant, LeaveReason::Left);
    }
}
