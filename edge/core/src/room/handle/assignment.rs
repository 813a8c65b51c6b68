//! The nodes that serve the room, from the request for one to its release.
//!
//! An assignment is one epoch of one node. Each session names its assignment, so a room can span several; new sessions
//! go to the current one. It is replaced when its node is silent, lost or about to stop, or when its clients report it
//! dead; clients then move by making a new offer.

use crate::fleet::PlaceRequest;
use crate::room::context::Context;
use crate::room::state::State;
use crate::room::state::assignments::{Assignment, Link};
use crate::room::state::members::Member;
use crate::room::state::meta::{EarlyHello, Placing};
use crate::room::state::sessions::MediaState;
use crate::{SocketId, random};
use shared::control::RoomToNode;
use shared::signal::close_code;
use shared::{NodeId, SessionId, limits};

/// Without an available node, the request to the Fleet object is repeated after at most this time, and at least half of
/// it: many rooms may miss the same node, and must not come at once.
const PLACE_RETRY_MS: u64 = 5_000;
/// After this many nodes in a row that never connected, the room waits up to [`PLACE_RETRY_MS`] before its next request.
const SILENT_NODES_MAX: u32 = 3;
/// Nodes that a request names as failed; the oldest is forgotten first.
const AVOID_MAX: usize = 8;

/// Requests a new assignment, unless a request is pending.
pub(crate) fn place(cx: &mut Context<'_>, failed: Option<NodeId>) {
    let Some(meta) = cx.state.meta_mut() else { return };
    let mut avoid = match meta.placing.take() {
        asked @ Some(Placing::Asked { .. }) => {
            meta.placing = asked;
            return;
        }
        Some(Placing::Retry { avoid, .. }) => avoid,
        None => Vec::new(),
    };
    if let Some(failed) = failed {
        avoid.retain(|node| *node != failed);
        avoid.push(failed);
    }
    if avoid.len() > AVOID_MAX {
        avoid.remove(0);
    }
    // The time in it keeps epochs rising although an empty room forgets everything.
    meta.epoch = meta.epoch.saturating_add(1).max(cx.now.0);
    let epoch = meta.epoch;
    meta.placing = Some(Placing::Asked { epoch, since: cx.now, avoid: avoid.clone(), early: None });
    let full = full(cx.state).and_then(|epoch| Some(cx.state.assignments.get(&epoch)?.node.clone()));
    let session = first_waiting(cx.state).and_then(|id| cx.state.session_for_node(&id));
    let region = cx.state.meta().and_then(|meta| meta.rules.region.clone());
    cx.outbox.asks.push(PlaceRequest { room: cx.state.id.clone(), epoch, avoid, full, region, session });
}

/// The current assignment, if its node has refused a session.
pub(crate) fn full(state: &State) -> Option<u64> {
    let current = state.meta()?.current?;
    state.assignments.get(&current).filter(|assignment| !assignment.refused.is_empty()).map(|_| current)
}

/// The session that has waited longest for a node.
fn first_waiting(state: &State) -> Option<SessionId> {
    let waiting = state.members.values().filter_map(|member| Some((member.order, member.waiting.as_ref()?)));
    waiting.min_by_key(|(order, _)| *order).map(|(_, waiting)| waiting.session.clone())
}

pub(crate) fn retry_later(cx: &mut Context<'_>, avoid: Vec<NodeId>) {
    let early_ms = random::below(cx.random, PLACE_RETRY_MS / 2);
    if let Some(meta) = cx.state.meta_mut() {
        meta.placing = Some(Placing::Retry { at: cx.now.plus_ms(PLACE_RETRY_MS.saturating_sub(early_ms)), avoid });
    }
}

/// Handles a node that did not connect in time.
pub(crate) fn node_due(cx: &mut Context<'_>, epoch: u64) {
    let Some(assignment) = cx.state.assignments.get(&epoch) else { return };
    let (node, dialing) = (assignment.node.clone(), matches!(assignment.link, Link::Dialing { .. }));
    let is_current = cx.state.meta().and_then(|meta| meta.current) == Some(epoch);
    if !is_current || cx.state.members.is_empty() {
        end(cx, epoch);
    } else if dialing && count_silent_node(cx.state) > SILENT_NODES_MAX {
        end(cx, epoch);
        retry_later(cx, vec![node]);
    } else {
        if let Some(assignment) = cx.state.assignments.get_mut(&epoch) {
            assignment.link = Link::Silent;
        }
        place(cx, Some(node));
    }
}

fn count_silent_node(state: &mut State) -> u32 {
    state.meta_mut().map_or(0, |meta| {
        meta.silent_nodes = meta.silent_nodes.saturating_add(1);
        meta.silent_nodes
    })
}

/// The node's clients move, and keep their media until then.
fn retire(cx: &mut Context<'_>, epoch: u64) {
    let is_current = cx.state.meta().and_then(|meta| meta.current) == Some(epoch);
    let Some(assignment) = cx.state.assignments.get_mut(&epoch) else { return };
    if assignment.retired_at.is_some() {
        return;
    }
    assignment.retired_at = Some(cx.now);
    let node = assignment.node.clone();
    if is_current && !cx.state.members.is_empty() {
        place(cx, Some(node));
    }
}

/// Retires a node that has no capacity for a session. The room moves as a whole, because nodes do not forward to each
/// other.
pub(crate) fn session_refused(cx: &mut Context<'_>, epoch: u64, session: &SessionId) {
    let Some(assignment) = cx.state.assignments.get_mut(&epoch) else { return };
    if assignment.retired_at.is_none() || !assignment.refused.is_empty() {
        assignment.refused.insert(session.clone());
    }
    retire(cx, epoch);
}

/// Retires a node that is about to stop, full or not.
pub(crate) fn drains(cx: &mut Context<'_>, epoch: u64) {
    if let Some(assignment) = cx.state.assignments.get_mut(&epoch) {
        assignment.refused.clear();
    }
    retire(cx, epoch);
}

/// Releases retired nodes that no longer serve any client.
pub(crate) fn end_left(cx: &mut Context<'_>) {
    let retired = |(epoch, assignment): &(&u64, &Assignment)| {
        assignment.retired_at.is_some() && !cx.state.sessions.values().any(|session| session.epoch == Some(**epoch))
    };
    let left: Vec<u64> = cx.state.assignments.iter().filter(retired).map(|(epoch, _)| *epoch).collect();
    for epoch in left {
        end(cx, epoch);
    }
}

/// Releases a retired node whose time is over, unless no other node can serve its clients.
pub(crate) fn retired_due(cx: &mut Context<'_>, epoch: u64) {
    if cx.state.meta().and_then(|meta| meta.current) != Some(epoch) {
        end(cx, epoch);
    }
}

/// Sends `release` to the node if it is connected.
pub(crate) fn end(cx: &mut Context<'_>, epoch: u64) {
    let Some(assignment) = cx.state.assignments.remove(&epoch) else { return };
    if let Some(socket) = assignment.socket() {
        cx.outbox.send_node(socket, RoomToNode::Release {});
        cx.close_node(socket, close_code::NORMAL);
    }
    if let Some(meta) = cx.state.meta_mut()
        && meta.current == Some(epoch)
    {
        meta.current = None;
    }
}

/// A killed node's socket closes at once, long before its clients can be sure; one that only lost the edge goes on.
fn tell_node_away(cx: &mut Context<'_>, epoch: u64) {
    let is_served = |member: &&Member| {
        let session = cx.state.sessions.get(&member.session);
        session.is_some_and(|session| session.epoch == Some(epoch) && session.media != MediaState::Ended)
    };
    let served = cx.state.members.values().filter(|member| member.socket.is_some()).filter(is_served);
    cx.outbox.node_away.extend(served.map(|member| member.id.clone()));
}

pub(crate) fn node_lost(cx: &mut Context<'_>, socket: SocketId) {
    let of_socket = cx.state.assignments.iter().find(|(_, assignment)| assignment.socket() == Some(socket));
    if let Some(epoch) = of_socket.map(|(epoch, _)| *epoch) {
        if let Some(assignment) = cx.state.assignments.get_mut(&epoch) {
            let early_ms = random::below(cx.random, limits::NODE_LOST_SPREAD_MS);
            assignment.link = Link::Lost { since: cx.now, early_ms };
        }
        if cx.state.meta().and_then(|meta| meta.current) == Some(epoch) {
            tell_node_away(cx, epoch);
        } else {
            end(cx, epoch);
        }
    }
    let is_early = |early: &Option<EarlyHello>| early.as_ref().is_some_and(|early| early.socket == socket);
    if matches!(cx.state.meta().map(|meta| &meta.placing), Some(Some(Placing::Asked { early, .. })) if is_early(early))
        && let Some(meta) = cx.state.meta_mut()
        && let Some(Placing::Asked { early, .. }) = &mut meta.placing
    {
        *early = None;
    }
}
