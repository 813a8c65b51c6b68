//! Mutes and unmutes tracks.

use crate::room::context::{Caller, Context};
use crate::room::outbox::Reason;
use shared::signal::EdgeToClient;
use shared::{ErrorCode, Mid, ParticipantId, TrackId};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SetMutedError {
    #[error("section {mid} publishes nothing")]
    UnknownTrack { mid: Mid },
}

impl Reason for SetMutedError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownTrack { .. } => ErrorCode::UnknownTrack,
        }
    }
}

pub(crate) fn set_muted(cx: &mut Context<'_>, caller: &Caller, mid: &Mid, muted: bool) -> Result<(), SetMutedError> {
    let participant = &caller.participant;
    let tracks = cx.state.members.get(participant).map_or(&[][..], |member| &member.tracks);
    let Some(before) = tracks.iter().find(|track| track.mid == *mid).map(|track| track.muted) else {
        return Err(SetMutedError::UnknownTrack { mid: mid.clone() });
    };
    let mut next_csrc = cx.state.meta().map_or(1, |meta| meta.next_csrc);
    if before != muted
        && let Some(member) = cx.state.members.get_mut(participant)
    {
        // A session that waits for its node will publish the same tracks.
        let waiting = member.waiting.iter_mut().flat_map(|waiting| &mut waiting.tracks);
        for track in member.tracks.iter_mut().chain(waiting).filter(|track| track.mid == *mid) {
            track.set_muted(muted, &mut next_csrc);
        }
        if !muted && let Some(meta) = cx.state.meta_mut() {
            meta.next_csrc = next_csrc;
        }
    }
    cx.done(caller);
    Ok(())
}

pub(crate) fn silence(cx: &mut Context<'_>, participant: &ParticipantId, track: &TrackId) {
    let Some(member) = cx.state.members.get_mut(participant) else { return };
    let waiting = member.waiting.iter_mut().flat_map(|waiting| &mut waiting.tracks);
    let mut mid = None;
    for track in member.tracks.iter_mut().chain(waiting).filter(|of_member| of_member.id == *track) {
        (track.muted, track.silenced) = (true, true);
        mid.get_or_insert_with(|| track.mid.clone());
    }
    if let (true, Some(socket), Some(mid)) = (member.answered, member.socket, mid) {
        cx.outbox.send_client(socket, EdgeToClient::TrackMuted { mid });
    }
}
