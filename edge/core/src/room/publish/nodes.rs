//! Messages to the nodes: sessions, forwards, recording orders, microphones.

use crate::room::publish::forwards::Forwards;
use crate::room::publish::post::Post;
use crate::room::state::State;
use crate::room::state::sessions::MediaSession;
use shared::control::{Forward, Microphones, RecordingOrder, RoomToNode, chunks, divide_welcome};
use shared::sorted::{self, SortedMap, SortedSet};
use shared::token::Bandwidth;
use shared::{SessionId, UnixMillis, limits};

/// The changes of this input for the nodes, each with the epoch of its assignment.
pub(crate) struct Changes {
    /// Assignments whose nodes get the complete state.
    pub(crate) welcomes: SortedSet<u64>,
    pub(crate) sessions: ChangedSessions,
    pub(crate) forwards: Vec<(u64, Forward)>,
    pub(crate) orders: Vec<(u64, Option<RecordingOrder>)>,
    pub(crate) microphones: Vec<(u64, Microphones)>,
}

/// The sessions as last sent to the nodes: the assignment, the version, the limits and the number of tracks of each.
pub(crate) type Sessions = SortedMap<SessionId, (u64, u32, Bandwidth, usize)>;

/// Sessions that nodes must take over or close, each with the epoch of its assignment.
#[derive(Default)]
pub(crate) struct ChangedSessions {
    set: Vec<(u64, SessionId)>,
    closed: Vec<(u64, SessionId)>,
}

/// The state that nodes have, for those that get all of it.
#[derive(Clone, Copy)]
pub(crate) struct Complete<'a> {
    pub(crate) forwards: &'a Forwards,
    pub(crate) orders: &'a SortedMap<u64, RecordingOrder>,
    pub(crate) microphones: &'a SortedMap<u64, Microphones>,
}

/// Recomputes the sessions of all nodes after hibernation.
pub(crate) fn sessions(state: &State) -> Sessions {
    state.sessions.iter().filter_map(|(id, session)| Some((id.clone(), on_node(state, id, session)?))).collect()
}

/// The parts of a session that can change, if a node has it.
fn on_node(state: &State, id: &SessionId, session: &MediaSession) -> Option<(u64, u32, Bandwidth, usize)> {
    let tracks = state.published(id).map_or(0, <[_]>::len);
    session.epoch.map(|epoch| (epoch, session.version, state.bandwidth(&session.participant), tracks))
}

/// The sessions that differ from those last sent, in the order in which their participants joined.
pub(crate) fn changed_sessions(told: &mut Sessions, state: &State) -> ChangedSessions {
    let mut changed = ChangedSessions::default();
    let members = state.members.changed().iter().filter_map(|participant| state.members.get(participant));
    let of_members = members.flat_map(|member| {
        std::iter::once(&member.session).chain(member.waiting.as_ref().map(|waiting| &waiting.session))
    });
    for id in state.sessions.changed().iter().chain(of_members).collect::<SortedSet<_>>() {
        let now = state.sessions.get(id).and_then(|session| on_node(state, id, session));
        let before = match now {
            Some(now) => told.insert(id.clone(), now),
            None => told.remove(id),
        };
        match (before, now) {
            (_, Some((epoch, ..))) if before != now => changed.set.push((epoch, id.clone())),
            (Some((epoch, ..)), None) => changed.closed.push((epoch, id.clone())),
            _ => {}
        }
    }
    sorted::sort_by_key(&mut changed.set, |(_, id)| {
        let session = state.sessions.get(id)?;
        Some(state.members.get(&session.participant)?.order)
    });
    changed
}

pub(crate) fn tell(post: &mut Post<'_>, now: UnixMillis, changes: Changes, complete: Complete<'_>) {
    let Changes { welcomes, sessions: ChangedSessions { set, closed }, forwards, orders, microphones } = changes;
    let mut messages: SortedMap<u64, Vec<RoomToNode>> = SortedMap::new();
    for epoch in &welcomes {
        messages.insert(*epoch, welcome(post.state, now, *epoch, complete));
    }
    let told = |epoch: &u64| !welcomes.contains(epoch);
    for (epoch, id) in set.into_iter().filter(|(epoch, _)| told(epoch)) {
        if let Some(session) = post.state.session_for_node(&id) {
            messages.get_or_default(epoch).push(RoomToNode::SetSession { session });
        }
    }
    for (epoch, session) in closed.into_iter().filter(|(epoch, _)| told(epoch)) {
        messages.get_or_default(epoch).push(RoomToNode::CloseSession { session });
    }
    let mut by_epoch: SortedMap<u64, Vec<Forward>> = SortedMap::new();
    for (epoch, forward) in forwards.into_iter().filter(|(epoch, _)| told(epoch)) {
        by_epoch.get_or_default(epoch).push(forward);
    }
    for (epoch, forwards) in by_epoch {
        let frames = chunks(forwards, limits::FORWARDS_PER_FRAME);
        messages.get_or_default(epoch).extend(frames.map(|forwards| RoomToNode::SetForwards { forwards }));
    }
    for (epoch, microphones) in microphones.into_iter().filter(|(epoch, _)| told(epoch)) {
        messages.get_or_default(epoch).push(RoomToNode::SetMicrophones { microphones });
    }
    for (epoch, messages) in messages {
        post.tell_node(epoch, messages);
    }
    // Sent to nodes that did not just get the complete state.
    for (epoch, recording) in orders.into_iter().filter(|(epoch, _)| told(epoch)) {
        let recording = recording.map(|order| RecordingOrder { sent_at: now, ..order });
        post.tell_node(epoch, [RoomToNode::SetRecording { recording }]);
    }
}

/// The complete state for an assignment's node, split into frames.
fn welcome(state: &State, now: UnixMillis, epoch: u64, complete: Complete<'_>) -> Vec<RoomToNode> {
    let sessions = state.sessions.iter().filter(|(_, session)| session.epoch == Some(epoch));
    let sessions = sessions.filter_map(|(id, _)| state.session_for_node(id)).collect();
    let received = complete.forwards.iter().filter(|(_, received)| received.epoch == epoch);
    let forwards = received.flat_map(|(session, received)| received.forwards(session));
    let order = complete.orders.get(&epoch).map(|order| RecordingOrder { sent_at: now, ..order.clone() });
    let microphones = complete.microphones.get(&epoch).cloned().unwrap_or_default();
    divide_welcome(sessions, forwards.collect(), order, microphones)
}
