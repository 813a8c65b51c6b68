//! A node reports the microphones that should be heard.

use crate::room::state::State;
use crate::room::state::tracks::Track;
use shared::control::TrackRef;
use shared::rtp_parameters::MediaKind;
use shared::{TrackId, limits};

/// Puts these first: the ones of another node keep their places behind them, and the ones that this node leaves out give
/// way. Only what is open on this node counts.
pub(crate) fn loudest(state: &mut State, epoch: u64, microphones: &[TrackRef]) {
    // The node has not heard yet that there are slots for all.
    let Some(meta) = state.meta().filter(|meta| !meta.heard.is_empty()) else { return };
    let mut heard: Vec<TrackId> = Vec::with_capacity(limits::SLOTS_PER_KIND_MAX);
    for track in microphones.iter().take(limits::SLOTS_PER_KIND_MAX).filter_map(|of| open(state, epoch, of)) {
        if !heard.contains(&track.id) {
            heard.push(track.id.clone());
        }
    }
    let others: Vec<TrackId> = meta.heard.iter().filter(|id| !heard.contains(id)).cloned().collect();
    let (here, elsewhere): (Vec<_>, Vec<_>) = others.into_iter().partition(|id| is_on_node(state, epoch, id));
    heard.extend(elsewhere.into_iter().chain(here));
    heard.truncate(limits::SLOTS_PER_KIND_MAX);
    if heard != meta.heard
        && let Some(meta) = state.meta_mut()
    {
        meta.heard = heard;
    }
}

/// An open microphone of a session that this node has.
fn open<'a>(state: &'a State, epoch: u64, of: &TrackRef) -> Option<&'a Track> {
    let session = state.sessions.get(&of.session).filter(|session| session.epoch == Some(epoch))?;
    let member = state.members.get(&session.participant).filter(|member| member.session == of.session)?;
    let is_open = |track: &&Track| track.mid == of.mid && track.kind() == MediaKind::Audio && !track.muted;
    member.tracks.iter().find(is_open)
}

fn is_on_node(state: &State, epoch: u64, id: &TrackId) -> bool {
    let publisher = state.members.values().find(|member| member.tracks.iter().any(|track| track.id == *id));
    publisher.is_some_and(|member| state.sessions.get(&member.session).is_some_and(|of| of.epoch == Some(epoch)))
}
