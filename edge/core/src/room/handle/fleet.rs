//! The Fleet object's answers.

use crate::fleet::{PlaceAnswer, Placement, Relays};
use crate::room::context::Context;
use crate::room::handle::{assignment, hello, leave, negotiate, serve};
use crate::room::state::assignments::Assignment;
use crate::room::state::members::Member;
use crate::room::state::meta::{EarlyHello, Placing};
use shared::signal::{EdgeToClient, LeaveReason, close_code};
use shared::{ErrorCode, NodeId, ParticipantId};

pub(crate) fn answered(cx: &mut Context<'_>, epoch: u64, answer: PlaceAnswer) {
    // An answer can be too late: the node connected after all, or another one was requested.
    let asked = |placing: &Placing| matches!(placing, Placing::Asked { epoch: asked, .. } if *asked == epoch);
    if !cx.state.meta().and_then(|meta| meta.placing.as_ref()).is_some_and(asked) {
        return;
    }
    let placing = cx.state.meta_mut().and_then(|meta| meta.placing.take());
    let Some(Placing::Asked { avoid, early, .. }) = placing else { return };
    match answer {
        PlaceAnswer::Placed(placement) => placed(cx, epoch, placement, early),
        PlaceAnswer::Failed { code } => not_placed(cx, code, avoid, early),
    }
}

fn placed(cx: &mut Context<'_>, epoch: u64, placement: Placement, early: Option<EarlyHello>) {
    let before = cx.state.meta_mut().and_then(|meta| meta.current.replace(epoch));
    cx.state.assignments.insert(epoch, Assignment::new(placement, cx.now));
    if let Some(before) = before {
        // A node that announced its stop serves its clients until they have moved, which is possible from here on;
        // any other is presumed dead.
        match cx.state.assignments.get_mut(&before) {
            Some(retired) if retired.retired_at.is_some() => retired.retired_at = Some(cx.now),
            Some(_) | None => assignment::end(cx, before),
        }
    }
    if let Some(early) = early {
        hello::hello(cx, early, epoch);
    }
    serve::serve_waiting(cx, epoch);
    let elsewhere = cx.state.members.values().filter(|member| {
        let session = cx.state.sessions.get(&member.session);
        member.waiting.is_none() && session.is_some_and(|session| session.epoch != Some(epoch))
    });
    let elsewhere: Vec<ParticipantId> = elsewhere.map(|member| member.id.clone()).collect();
    cx.outbox.transport_dead.extend(elsewhere);
}

fn not_placed(cx: &mut Context<'_>, code: ErrorCode, avoid: Vec<NodeId>, early: Option<EarlyHello>) {
    if let Some(early) = early {
        cx.refuse_node(early.socket, ErrorCode::StaleEpoch);
    }
    let waiting = cx.state.members.values().filter(|member| member.waiting.is_some());
    let waiting: Vec<ParticipantId> = waiting.map(|member| member.id.clone()).collect();
    for participant in waiting {
        leave::fail_waiting(cx, &participant, code);
    }
    stay_at_full_node(cx, code);
    if !cx.state.members.is_empty() && cx.state.usable().is_none() {
        assignment::retry_later(cx, avoid);
    }
}

/// No other node has more capacity: the room stays, and newcomers whom its node has refused must go.
fn stay_at_full_node(cx: &mut Context<'_>, code: ErrorCode) {
    let full = assignment::full(cx.state).and_then(|epoch| cx.state.assignments.get_mut(&epoch));
    let Some(assignment) = full else { return };
    assignment.retired_at = None;
    let refused = std::mem::take(&mut assignment.refused);
    let is_refused = |member: &&Member| member.waiting.is_none() && refused.contains(&member.session);
    let members = cx.state.members.values().filter(is_refused);
    let members: Vec<_> = members.map(|member| (member.id.clone(), member.was_connected)).collect();
    for (participant, was_connected) in members {
        if was_connected {
            // A participant of the call who needed another transport tries again.
            cx.outbox.transport_dead.insert(participant);
        } else {
            cx.send_off(&participant, EdgeToClient::Removed { code, reason: None }, close_code::REMOVED);
            leave::remove(cx, &participant, LeaveReason::TimedOut);
        }
    }
}

pub(crate) fn placing_due(cx: &mut Context<'_>) {
    match cx.state.meta().and_then(|meta| meta.placing.clone()) {
        Some(Placing::Asked { epoch, .. }) => {
            answered(cx, epoch, PlaceAnswer::Failed { code: ErrorCode::NoMediaNode });
        }
        Some(Placing::Retry { .. }) if cx.state.members.is_empty() => {
            if let Some(meta) = cx.state.meta_mut() {
                meta.placing = None;
            }
        }
        Some(Placing::Retry { .. }) => assignment::place(cx, None),
        None => {}
    }
}

pub(crate) fn turn_answered(cx: &mut Context<'_>, epoch: u64, relays: Relays) {
    let Some(assignment) = cx.state.assignments.get_mut(&epoch) else { return };
    (assignment.relay.nodes, assignment.relay.is_asked) = (relays, false);
    let waits = |member: &&Member| {
        let restart = member.restart.as_ref().filter(|restart| !restart.alone);
        restart.is_some() && cx.state.assignment_of(&member.id) == Some(epoch)
    };
    let waiting: Vec<ParticipantId> = cx.state.members.values().filter(waits).map(|member| member.id.clone()).collect();
    for participant in waiting {
        negotiate::restart_due(cx, &participant);
    }
}
