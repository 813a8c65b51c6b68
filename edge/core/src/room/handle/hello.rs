//! A node connects and lists its connected sessions.

use crate::room::context::Context;
use crate::room::handle::serve;
use crate::room::state::State;
use crate::room::state::assignments::Link;
use crate::room::state::meta::{EarlyHello, Placing};
use crate::room::state::sessions::MediaState;
use shared::signal::close_code;
use shared::{ErrorCode, SessionId};

/// Handles `hello`: a node has connected and lists its connected sessions.
pub(crate) fn hello(cx: &mut Context<'_>, hello: EarlyHello, epoch: u64) {
    let assigned = cx.state.assignments.get(&epoch).is_some_and(|assignment| assignment.node == hello.node);
    if !assigned {
        early_hello(cx, hello, epoch);
        return;
    }
    let EarlyHello { socket, connected, reports_loudest, .. } = hello;
    let mut before = None;
    if let Some(assignment) = cx.state.assignments.get_mut(&epoch) {
        before = assignment.socket().filter(|before| *before != socket);
        assignment.link = Link::Connected { socket };
        assignment.reports_loudest = Some(reports_loudest);
    }
    if let Some(before) = before {
        cx.close_node(before, close_code::NORMAL);
    }
    cx.state.socket_is_node_of(socket, epoch);
    reconcile(cx.state, epoch, &connected);
    cx.outbox.welcomes.insert(epoch);
    let is_current = cx.state.meta().and_then(|meta| meta.current) == Some(epoch);
    if is_current && cx.state.assignments.get(&epoch).is_some_and(|assignment| assignment.retired_at.is_none()) {
        heard_current(cx, epoch);
    }
}

/// The current node connected after all, so no other node is needed.
fn heard_current(cx: &mut Context<'_>, epoch: u64) {
    if cx.state.meta().is_none_or(|meta| meta.silent_nodes == 0 && meta.placing.is_none()) {
        return;
    }
    let Some(meta) = cx.state.meta_mut() else { return };
    meta.silent_nodes = 0;
    let placing = meta.placing.take();
    if let Some(Placing::Asked { early: Some(early), .. }) = placing {
        cx.refuse_node(early.socket, ErrorCode::StaleEpoch);
    }
    serve::serve_waiting(cx, epoch);
}

/// A node can connect before the Fleet object's answer about it arrives.
fn early_hello(cx: &mut Context<'_>, hello: EarlyHello, epoch: u64) {
    let socket = hello.socket;
    let asked = matches!(cx.state.meta().and_then(|meta| meta.placing.as_ref()), Some(Placing::Asked { epoch: asked, .. }) if *asked == epoch);
    if !asked {
        cx.refuse_node(socket, ErrorCode::StaleEpoch);
        return;
    }
    let mut before = None;
    if let Some(Placing::Asked { early, .. }) = cx.state.meta_mut().and_then(|meta| meta.placing.as_mut()) {
        before = early.replace(hello).map(|before| before.socket).filter(|before| *before != socket);
    }
    cx.state.socket_waits(socket);
    if let Some(before) = before {
        cx.refuse_node(before, ErrorCode::StaleEpoch);
    }
}

/// Takes over the node's list of connected sessions.
fn reconcile(state: &mut State, epoch: u64, connected: &[SessionId]) {
    let of_node = state.sessions.iter().filter(|(_, session)| session.epoch == Some(epoch));
    let states: Vec<_> = of_node.map(|(id, session)| (id.clone(), session.media)).collect();
    for (id, media) in states {
        match (media, connected.contains(&id)) {
            (MediaState::New | MediaState::Ended, true) => session_is(state, &id, epoch, MediaState::Up),
            (MediaState::Up, false) => session_is(state, &id, epoch, MediaState::New),
            (MediaState::Up, true) | (MediaState::New | MediaState::Ended, false) => {}
        }
    }
}

pub(crate) fn session_is(state: &mut State, id: &SessionId, epoch: u64, media: MediaState) {
    let known = state.sessions.get(id).filter(|session| session.epoch == Some(epoch) && session.media != media);
    let Some(participant) = known.map(|session| session.participant.clone()) else { return };
    if let Some(session) = state.sessions.get_mut(id) {
        session.media = media;
    }
    if media == MediaState::Up
        && state.members.get(&participant).is_some_and(|member| member.session == *id)
        && let Some(member) = state.members.get_mut(&participant)
    {
        member.was_connected = true;
    }
}
