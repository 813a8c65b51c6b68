//! Asks the Fleet object for the TURN nodes of the media node's region.

use crate::room::context::Context;
use crate::room::outbox::Output;
use crate::room::state::assignments::Relay;
use shared::signal::NegotiateReason;
use shared::{ParticipantId, limits};

/// Requests the TURN nodes if the participant's list is older than `fresh_ms`.
pub(crate) fn refresh(cx: &mut Context<'_>, participant: &ParticipantId, fresh_ms: u64) {
    if cx.config.turn_keys.is_none() {
        return;
    }
    let Some(epoch) = cx.state.assignment_of(participant) else { return };
    let is_old = |relay: &Relay| cx.now.since_ms(relay.asked_at) >= fresh_ms;
    let Some(relay) = cx.state.assignments.get(&epoch).map(|assignment| &assignment.relay) else { return };
    let Some(region) = relay.region.clone().filter(|_| is_old(relay)) else { return };
    if let Some(assignment) = cx.state.assignments.get_mut(&epoch) {
        (assignment.relay.asked_at, assignment.relay.is_asked) = (cx.now, true);
    }
    cx.outbox.turn_asks.push(Output::AskTurn { epoch, region });
}

/// True if an offer must wait for the list of TURN nodes: a broken path to a living media node may be due to a lost
/// TURN node, and the client would then try its next path through the same one.
pub(crate) fn awaits(cx: &mut Context<'_>, participant: &ParticipantId, reason: NegotiateReason) -> bool {
    let restarts = matches!(reason, NegotiateReason::IceRestart | NegotiateReason::TransportDead);
    let epoch = cx.state.assignment_of(participant).filter(|epoch| restarts && cx.state.usable() == Some(*epoch));
    let Some(epoch) = epoch else { return false };
    refresh(cx, participant, limits::TURN_NODES_FRESH_MS);
    let is_late = |relay: &Relay| cx.now.since_ms(relay.asked_at) >= limits::TURN_NODES_TIMEOUT_MS;
    let relay = cx.state.assignments.get(&epoch).map(|assignment| &assignment.relay);
    relay.is_some_and(|relay| relay.is_asked && !is_late(relay))
}
