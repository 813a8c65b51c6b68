//! Ends what the rules of a room no longer allow.

use crate::room::state::State;
use crate::room::state::tracks::Track;
use shared::UnixMillis;

/// Ends what the rules no longer allow: tracks of some sources, and a recording.
pub(crate) fn enforce(state: &mut State, now: UnixMillis) {
    let rules = state.rules();
    let admits = |source| rules.admits(source);
    let offends = |track: &Track| !admits(track.source);
    let publishers = state.members.values().filter(|member| {
        let waiting = member.waiting.iter().flat_map(|waiting| &waiting.tracks);
        member.tracks.iter().chain(waiting).any(offends)
    });
    for participant in publishers.map(|member| member.id.clone()).collect::<Vec<_>>() {
        if let Some(member) = state.members.get_mut(&participant) {
            member.tracks.retain(|track| !offends(track));
            member.waiting.iter_mut().for_each(|waiting| waiting.tracks.retain(|track| !offends(track)));
        }
    }
    if !rules.features.recording {
        state.end_recording(now);
    }
}
