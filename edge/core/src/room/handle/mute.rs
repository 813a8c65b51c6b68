//! Mutes and unmutes tracks.

use crate::room::context::{Caller, Context};
use crate::room::outbox::{Output, Reason};
use crate::room::state::members::Member;
use crate::room::state::tracks::Track;
use shared::signal::{EdgeToClient, TrackSource};
use shared::sorted::SortedSet;
use shared::{ErrorCode, Mid, ParticipantId, TrackId};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SetMutedError {
    #[error("section {mid} publishes nothing")]
    UnknownTrack { mid: Mid },
    #[error("a moderator has taken the grant for {of:?}")]
    IsHeld { of: TrackSource },
}

impl Reason for SetMutedError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::UnknownTrack { .. } => ErrorCode::UnknownTrack,
            Self::IsHeld { .. } => ErrorCode::Forbidden,
        }
    }
}

pub(crate) fn set_muted(cx: &mut Context<'_>, caller: &Caller, mid: &Mid, muted: bool) -> Result<(), SetMutedError> {
    let participant = &caller.participant;
    let member = cx.state.members.get(participant);
    let track = member.and_then(|member| Some((member, member.tracks.iter().find(|track| track.mid == *mid)?)));
    let Some((member, track)) = track else {
        return Err(SetMutedError::UnknownTrack { mid: mid.clone() });
    };
    let (before, of) = (track.muted, track.source);
    if !muted && !of.is_granted(member.grants) {
        return Err(SetMutedError::IsHeld { of });
    }
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

/// Mutes the tracks whose sources their participants may not publish.
pub(crate) fn settle(cx: &mut Context<'_>) {
    let state = &mut *cx.state;
    let is_free = |member: &Member, track: &Track| !track.silenced && !track.source.is_granted(member.grants);
    let touched = state.members.changed().iter().filter_map(|id| state.members.get(id));
    let offends = |member: &&Member| all_tracks(member).any(|track| is_free(member, track));
    for participant in touched.filter(offends).map(|member| member.id.clone()).collect::<Vec<_>>() {
        let Some(member) = state.members.get_mut(&participant) else { continue };
        let grants = member.grants;
        let waiting = member.waiting.iter_mut().flat_map(|waiting| &mut waiting.tracks);
        let mut mids = SortedSet::new();
        for track in member.tracks.iter_mut().chain(waiting).filter(|track| !track.source.is_granted(grants)) {
            if !track.silenced {
                mids.insert(track.mid.clone());
            }
            (track.muted, track.silenced) = (true, true);
        }
        // An answer with the roster tells it already.
        let is_told = cx.outbox.replies.iter().any(|(told, reply)| *told == participant && reply.is_full());
        if let Some(socket) = member.socket.filter(|_| member.answered && !is_told) {
            let message = |mid| EdgeToClient::TrackMuted { mid, held: true };
            cx.outbox.muted.extend(mids.into_iter().map(|mid| Output::SendClient { socket, message: message(mid) }));
        }
    }
}

fn all_tracks(member: &Member) -> impl Iterator<Item = &Track> {
    member.tracks.iter().chain(member.waiting.iter().flat_map(|waiting| &waiting.tracks))
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
        cx.outbox.send_client(socket, EdgeToClient::TrackMuted { mid, held: false });
    }
}
