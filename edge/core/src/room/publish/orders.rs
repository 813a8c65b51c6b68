//! The complete recording orders for the nodes, sent when they differ from the last ones.

use crate::room::state::State;
use crate::room::state::members::Member;
use crate::room::state::tracks::Track;
use shared::UnixMillis;
use shared::control::{RecordedParticipant, RecordedTrack, RecordingOrder, TrackRef};
use shared::sorted::SortedMap;

pub(crate) fn all(state: &State) -> SortedMap<u64, RecordingOrder> {
    let running = state.recordings.iter().find(|(_, recording)| recording.state.is_running());
    let Some((id, recording)) = running else { return SortedMap::new() };
    let order = |epoch: &u64| RecordingOrder {
        recording: id.clone(),
        key_prefix: recording.key_prefix.clone(),
        started_at: recording.started_at,
        sent_at: UnixMillis::default(),
        trace: recording.trace,
        participants: recorded_participants(state, *epoch),
    };
    let epochs = recording.segments.keys().filter(|epoch| state.assignments.contains(epoch));
    epochs.map(|epoch| (*epoch, order(epoch))).collect()
}

/// All participants in the room, with their tracks on this assignment's node.
fn recorded_participants(state: &State, epoch: u64) -> Vec<RecordedParticipant> {
    let here = |session| state.sessions.get(session).is_some_and(|session| session.epoch == Some(epoch));
    let track = |member: &Member, track: &Track| RecordedTrack {
        id: track.id.clone(),
        track: TrackRef { session: member.session.clone(), mid: track.mid.clone() },
        source: track.source,
        muted: track.muted,
    };
    let seen = state.members.values().filter(|member| !member.grants.hidden);
    let participants = seen.map(|member| RecordedParticipant {
        id: member.id.clone(),
        name: member.name.clone(),
        tracks: match here(&member.session) && !state.is_paused() {
            // A track muted by a moderator is kept from everybody, and from the file.
            true => {
                let heard = member.tracks.iter().filter(|published| !published.silenced);
                heard.map(|published| track(member, published)).collect()
            }
            false => Vec::new(),
        },
    });
    participants.collect()
}

/// Orders that differ from those last sent.
pub(crate) fn changed(
    told_orders: &mut SortedMap<u64, RecordingOrder>,
    state: &State,
) -> Vec<(u64, Option<RecordingOrder>)> {
    let is_same = state.members.changed().is_empty()
        && state.sessions.changed().is_empty()
        && state.assignments.changed().is_empty()
        && state.recordings.changed().is_empty()
        && state.meta.changed().is_empty();
    if is_same {
        return Vec::new();
    }
    let orders = all(state);
    let told = std::mem::replace(told_orders, orders);
    let mut changed = Vec::new();
    for (epoch, order) in told.iter().filter(|(epoch, _)| !told_orders.contains_key(epoch)) {
        // The participant whose departure ended the recording leaves first.
        let participants = recorded_participants(state, *epoch);
        if participants.len() < order.participants.len() {
            changed.push((*epoch, Some(RecordingOrder { participants, ..order.clone() })));
        }
        changed.push((*epoch, None));
    }
    let set = told_orders.iter().filter(|(epoch, order)| told.get(epoch) != Some(order));
    changed.extend(set.map(|(epoch, order)| (*epoch, Some(order.clone()))));
    changed
}
