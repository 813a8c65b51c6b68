//! State that follows from other state after every input.

use crate::room::context::Context;
use crate::room::handle::{assignment, host, mute, progress};
use crate::room::state::State;
use crate::room::state::assignments::Assignment;
use crate::room::state::recordings::Segment;
use shared::{ParticipantId, UnixMillis, limits};

pub(crate) fn settle(cx: &mut Context<'_>) {
    host::settle(cx);
    mute::settle(cx);
    note_spotlight(cx.state);
    assignment::end_left(cx);
    forget_negotiated(cx.state);
    note_emptiness(cx.state, cx.now);
    note_audience(cx.state, cx.now);
    note_segments(cx.state);
    note_silence(cx.state, cx.now);
    progress::settle(cx);
}

/// Removes participants who have left from the spotlight.
fn note_spotlight(state: &mut State) {
    let members = &state.members;
    let Some(meta) = state.meta() else { return };
    let present: Vec<_> = meta.spotlight.iter().filter(|participant| members.contains(participant)).cloned().collect();
    if present.len() != meta.spotlight.len()
        && let Some(meta) = state.meta_mut()
    {
        meta.spotlight = present;
    }
}

/// The negotiated parameters of a session end with it.
fn forget_negotiated(state: &mut State) {
    for session in state.sessions.changed() {
        if !state.sessions.contains(session) {
            state.negotiated.remove(session);
        }
    }
}

/// Records the time at which the room became empty, and ends a recording that no participant will return to.
fn note_emptiness(state: &mut State, now: UnixMillis) {
    if !state.members.is_empty() {
        return;
    }
    if state.meta().is_some_and(|meta| meta.empty_since.is_none())
        && let Some(meta) = state.meta_mut()
    {
        meta.empty_since = Some(now);
    }
    let reload_until = state.meta().and_then(|meta| meta.reload_until);
    if reload_until.is_none_or(|until| until <= now) {
        state.end_recording(now);
    }
}

/// Lists participants of the audience who have become noticed, and updates the told size of the audience after a moment.
fn note_audience(state: &mut State, now: UnixMillis) {
    let due = state.meta().and_then(|meta| meta.audience_due);
    let is_due = due.is_some_and(|due| due <= now);
    if state.members.changed().is_empty() && !is_due {
        return;
    }
    let is_noticed =
        |id: &&ParticipantId| state.members.get(id).is_some_and(|member| member.audience && member.is_noticed());
    for participant in state.members.changed().iter().filter(is_noticed).cloned().collect::<Vec<_>>() {
        if let Some(member) = state.members.get_mut(&participant) {
            member.audience = false;
        }
    }
    let size = state.members.values().filter(|member| member.audience && !member.grants.hidden).count();
    let size = u32::try_from(size).unwrap_or(u32::MAX);
    let is_news = state.meta().is_some_and(|meta| meta.audience != size);
    if (is_due || is_news && due.is_none())
        && let Some(meta) = state.meta_mut()
    {
        meta.audience_due = (!is_due).then(|| now.plus_ms(limits::AUDIENCE_GATHERED_MS));
        if is_due {
            meta.audience = size;
        }
    }
}

/// Adds a segment for every assignment under which a recording runs, and notes which nodes are sent its order.
pub(crate) fn note_segments(state: &mut State) {
    let Some(id) = state.running_recording() else { return };
    let Some(recording) = state.recordings.get(&id) else { return };
    let is_connected = |assignment: &Assignment| assignment.socket().is_some();
    let new = state.assignments.iter().filter(|(epoch, _)| !recording.segments.contains_key(epoch));
    let segment = |assignment: &Assignment| Segment {
        node: assignment.node.clone(),
        is_ordered: is_connected(assignment),
        is_sealed: false,
        is_used: false,
    };
    let room_left = limits::SEGMENTS_PER_RECORDING_MAX.saturating_sub(recording.segments.len());
    let new: Vec<_> = new.map(|(epoch, assignment)| (*epoch, segment(assignment))).take(room_left).collect();
    let waiting = recording.segments.iter().filter(|(_, segment)| !segment.is_ordered);
    let ordered: Vec<u64> = waiting
        .map(|(epoch, _)| *epoch)
        .filter(|epoch| state.assignments.get(epoch).is_some_and(is_connected))
        .collect();
    if new.is_empty() && ordered.is_empty() {
        return;
    }
    if let Some(recording) = state.recordings.get_mut(&id) {
        recording.segments.extend(new);
        for epoch in ordered {
            if let Some(segment) = recording.segments.get_mut(&epoch) {
                segment.is_ordered = true;
            }
        }
    }
}

/// Tracks since when nothing of a participant's media has reached a node.
pub(crate) fn note_silence(state: &mut State, now: UnixMillis) {
    for participant in state.touched_members() {
        let Some(member) = state.members.get(&participant) else { continue };
        let silent = member.socket.is_some() && !state.is_flowing(member);
        if silent != member.silent_since.is_some()
            && let Some(member) = state.members.get_mut(&participant)
        {
            member.silent_since = silent.then_some(now);
        }
    }
}
