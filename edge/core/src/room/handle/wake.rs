//! Waking: finds the owners of the open sockets, and repairs a room with unreadable rows by dropping what is broken, so
//! that the affected participants join again.

use crate::room::context::Context;
use crate::room::handle::{assignment, ban, leave, presence, socket};
use crate::room::state::departures::Departures;
use crate::room::state::members::{Absence, Member};
use crate::room::state::messages;
use crate::room::state::meta::Placing;
use crate::room::state::sockets::Attachment;
use shared::signal::LeaveReason;
use shared::{ParticipantId, SessionId};

/// `is_whole` is false if rows were unreadable.
pub(crate) fn wake(cx: &mut Context<'_>, sockets: Vec<Attachment>, is_whole: bool) {
    mend_revisions(cx, is_whole);
    for attachment in sockets {
        socket::opened(cx, attachment);
    }
    recognise_sockets(cx);
    if !cx.state.exists() {
        ban::mark_old(cx.state);
    }
    mend(cx);
}

/// Matches the open sockets with participants and nodes after a sleep, and finds the missing ones.
fn recognise_sockets(cx: &mut Context<'_>) {
    let clients: Vec<_> =
        cx.state.members.values().filter_map(|member| Some((member.socket?, member.id.clone()))).collect();
    for (socket, participant) in clients {
        match cx.state.sockets.contains(&socket) {
            true => cx.state.socket_is_client_of(socket, &participant),
            false => presence::lost(cx, &participant, socket, Absence::lost(cx.now, socket)),
        }
    }
    let nodes: Vec<_> =
        cx.state.assignments.iter().filter_map(|(epoch, assignment)| Some((assignment.socket()?, *epoch))).collect();
    for (socket, epoch) in nodes {
        match cx.state.sockets.contains(&socket) {
            true => cx.state.socket_is_node_of(socket, epoch),
            false => assignment::node_lost(cx, socket),
        }
    }
    if let Some(Placing::Asked { early: Some(early), .. }) = cx.state.meta().and_then(|meta| meta.placing.as_ref()) {
        let socket = early.socket;
        match cx.state.sockets.contains(&socket) {
            true => cx.state.socket_waits(socket),
            false => assignment::node_lost(cx, socket),
        }
    }
}

/// Forgets the revisions of the roster if some of its changes have none, so that clients get the complete one.
fn mend_revisions(cx: &mut Context<'_>, is_whole: bool) {
    let unknown = |member: &&Member| member.revision == 0;
    let unknown: Vec<_> = cx.state.members.values().filter(unknown).map(|member| member.id.clone()).collect();
    let Some(meta) = cx.state.meta() else { return };
    if is_whole && meta.departures.is_some() && unknown.is_empty() {
        return;
    }
    // The time is later than every revision so far, even one that is in no row any more.
    let from = cx.now.0.max(cx.state.roster_revision().saturating_add(1));
    if let Some(meta) = cx.state.meta_mut() {
        meta.departures = Some(Departures::new(from));
    }
    for participant in unknown {
        if let Some(member) = cx.state.members.get_mut(&participant) {
            member.revision = from;
        }
    }
}

fn mend(cx: &mut Context<'_>) {
    let is_lost = cx.state.meta().is_none();
    let whole = |participant: &ParticipantId| {
        cx.state.members.get(participant).is_some_and(|member| {
            let waiting = member.waiting.as_ref().map(|waiting| &waiting.session);
            waiting.into_iter().chain([&member.session]).all(|session| cx.state.sessions.contains(session))
        })
    };
    let broken: Vec<ParticipantId> = cx.state.members.keys().filter(|id| is_lost || !whole(id)).cloned().collect();
    for participant in broken {
        leave::remove(cx, &participant, LeaveReason::TimedOut);
    }
    let needed = |id: &SessionId, participant: &ParticipantId| {
        cx.state.members.get(participant).is_some_and(|member| {
            member.session == *id || member.waiting.as_ref().is_some_and(|waiting| waiting.session == *id)
        })
    };
    let orphans = cx.state.sessions.iter().filter(|(id, session)| !needed(id, &session.participant));
    let orphans: Vec<SessionId> = orphans.map(|(id, _)| id.clone()).collect();
    for session in orphans {
        cx.state.sessions.remove(&session);
    }
    let stray = cx.state.negotiated.keys().filter(|id| !cx.state.sessions.contains(id));
    for session in stray.cloned().collect::<Vec<_>>() {
        cx.state.negotiated.remove(&session);
    }
    if is_lost {
        messages::forget(&mut cx.state.chat);
        let epochs: Vec<u64> = cx.state.assignments.keys().copied().collect();
        epochs.into_iter().for_each(|epoch| assignment::end(cx, epoch));
    } else {
        mend_assignment(cx);
    }
}

/// Without its assignment the room's node is unknown; a new node is assigned and all clients move.
fn mend_assignment(cx: &mut Context<'_>) {
    let current = cx.state.meta().and_then(|meta| meta.current);
    let is_missing = current.is_some_and(|epoch| !cx.state.assignments.contains(&epoch));
    if is_missing && let Some(meta) = cx.state.meta_mut() {
        meta.current = None;
        if !cx.state.members.is_empty() {
            assignment::place(cx, None);
        }
    }
}
