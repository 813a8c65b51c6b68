//! Changes to the rules of a room, and what they end.

use crate::room::state::State;
use crate::room::state::tracks::Track;
use shared::signal::RoomChange;
use shared::{Region, UnixMillis};

/// Takes over the changed rules.
pub(crate) fn change(state: &mut State, change: &RoomChange) {
    let Some(meta) = state.meta_mut() else { return };
    let rules = &mut meta.rules;
    let RoomChange { room_type, public, features, quality, duplicates, lobby, ref region, ref invited, .. } = *change;
    rules.room_type = room_type.unwrap_or(rules.room_type);
    rules.public = public.unwrap_or(rules.public);
    rules.features = features.unwrap_or(rules.features);
    rules.quality = quality.or(rules.quality);
    rules.duplicates = duplicates.unwrap_or(rules.duplicates);
    rules.lobby = lobby.unwrap_or(rules.lobby);
    if let Some(region) = region {
        rules.region = Some(region.clone()).filter(|region| region.as_str() != Region::NEAREST);
    }
    if let Some(invited) = invited {
        rules.invited = invited.iter().cloned().collect();
    }
}

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
