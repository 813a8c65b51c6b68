//! Decides after every input whether the participants send their media directly to each other.
//!
//! A call begins at the node and returns to it: the room lets the participants try, and tells them once all receive
//! everything. Whatever needs the node ends it: another participant, a recording, a pause, a shared screen, a
//! limit, a moderator's mute.

use crate::room::context::Context;
use crate::room::state::State;
use crate::room::state::direct::Current;
use crate::room::state::members::Member;
use crate::room::state::tracks::Track;
use shared::signal::TrackSource;
use shared::sorted::{self, SortedSet};
use shared::{AttemptId, ParticipantId, limits};

pub(crate) fn settle(cx: &mut Context<'_>) {
    let now = cx.now;
    let Some(direct) = cx.state.meta().map(|meta| &meta.direct).filter(|direct| !direct.is_unused()) else { return };
    let may_begin = direct.after.is_none_or(|after| after <= now);
    let before = direct.current.as_ref().map(|current| &current.peers);
    let peers = peers(cx.state, before.is_some());
    if before.is_some() && before == peers.as_ref() {
        return;
    }
    let (has_begun, was_paused) = (before.is_some(), direct.after.is_some());
    let begins = !has_begun && may_begin && peers.is_some();
    if !(has_begun || begins || may_begin && was_paused) {
        return;
    }
    let Some(direct) = cx.state.meta_mut().map(|meta| &mut meta.direct) else { return };
    if has_begun {
        direct.end(now, limits::DIRECT_PAUSE_MS);
    } else if let Some(peers) = peers {
        direct.number = direct.number.wrapping_add(1);
        direct.current = Some(Current { peers, up: SortedSet::new() });
        direct.after = None;
    } else {
        direct.after = None;
    }
}

/// The participants who may send their media directly, in the order in which they joined; `None` if not all may.
fn peers(state: &State, has_begun: bool) -> Option<Vec<(ParticipantId, AttemptId)>> {
    let most = usize::try_from(state.meta()?.direct.participants_max).ok()?;
    if !(2..=most).contains(&state.members.len()) || state.is_recorded() || state.is_paused() {
        return None;
    }
    let mut members: Vec<&Member> = state.members.values().collect();
    sorted::sort_by_key(&mut members, |member| member.order);
    let may = |member: &&Member| {
        let is_simple =
            |track: &Track| !track.silenced && matches!(track.source, TrackSource::Microphone | TrackSource::Camera);
        let is_free = member.bandwidth.is_unlimited() && member.tracks.iter().all(is_simple);
        // A call in progress survives the loss of a socket, which its media does not need.
        let is_here = has_begun || member.socket.is_some() && state.is_flowing(member);
        let is_seen = member.answered && !member.grants.hidden;
        is_seen && member.grants.publish && member.grants.subscribe && is_free && is_here
    };
    let peer = |member: &Member| (member.id.clone(), member.attempt.clone());
    members.iter().all(may).then(|| members.into_iter().map(peer).collect())
}
