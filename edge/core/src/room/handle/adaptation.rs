//! A node's reports for clients: which layers are in use, which slots the downlink limits, and which video the client
//! cannot decode.

use crate::room::context::Context;
use crate::room::state::sessions::Limits;
use shared::rtp_parameters::Flow;
use shared::signal::VideoLimit;
use shared::{Mid, ParticipantId, SessionId};

/// Handles the layers of a published track that are in use.
pub(crate) fn layers_wanted(cx: &mut Context<'_>, id: &SessionId, epoch: u64, mid: &Mid, rids: &[String]) {
    let Some(session) = cx.state.sessions.get(id).filter(|session| session.epoch == Some(epoch)) else { return };
    let Some(negotiated) = cx.state.negotiated(id) else { return };
    let published = negotiated.sections().find(|section| section.mid == *mid && section.flow == Flow::ClientToNode);
    let encodings = published.map_or(&[][..], |section| &section.encodings);
    let layers: Vec<String> = encodings.iter().filter_map(|encoding| encoding.rid.clone()).collect();
    let wanted: Vec<String> = layers.iter().filter(|rid| rids.contains(rid)).cloned().collect();
    if layers.is_empty() || session.layers.get(mid) == Some(&wanted) {
        return;
    }
    cx.outbox.layers.insert((session.participant.clone(), mid.clone()));
    if let Some(session) = cx.state.sessions.get_mut(id) {
        session.layers.insert(mid.clone(), wanted);
    }
}

/// Handles the complete list of slots whose video exceeds the client's downlink.
pub(crate) fn video_limited(cx: &mut Context<'_>, id: &SessionId, epoch: u64, mut limits: Limits) {
    let Some(session) = cx.state.sessions.get(id).filter(|session| session.epoch == Some(epoch)) else { return };
    let Some(negotiated) = cx.state.negotiated(id) else { return };
    let is_slot = |limit: &VideoLimit| negotiated.slots().any(|(mid, _, _)| *mid == limit.mid);
    limits.slots.retain(is_slot);
    if session.limits.slots == limits.slots {
        return;
    }
    cx.outbox.limits.insert(session.participant.clone());
    if let Some(session) = cx.state.sessions.get_mut(id) {
        session.limits = limits;
    }
}

/// Handles the complete list of slots whose video codec the client cannot decode.
pub(crate) fn video_undecodable(cx: &mut Context<'_>, id: &SessionId, epoch: u64, mids: &[Mid]) {
    let Some(session) = cx.state.sessions.get(id).filter(|session| session.epoch == Some(epoch)) else { return };
    let Some(negotiated) = cx.state.negotiated(id) else { return };
    let slots = negotiated.slots().map(|(mid, _, _)| mid);
    let undecodable: Vec<_> = slots.filter(|mid| mids.contains(mid)).cloned().collect();
    if session.undecodable == undecodable {
        return;
    }
    cx.outbox.undecodable.insert(session.participant.clone());
    if let Some(session) = cx.state.sessions.get_mut(id) {
        session.undecodable = undecodable;
    }
}

/// Repeats the reports that a resumed client may have missed.
pub(crate) fn repeat_adaptation(cx: &mut Context<'_>, participant: &ParticipantId) {
    let session = cx.state.members.get(participant).and_then(|member| cx.state.sessions.get(&member.session));
    let Some(session) = session else { return };
    cx.outbox.layers.extend(session.layers.keys().map(|mid| (participant.clone(), mid.clone())));
    if !session.limits.slots.is_empty() {
        cx.outbox.limits.insert(participant.clone());
    }
    if !session.undecodable.is_empty() {
        cx.outbox.undecodable.insert(participant.clone());
    }
}
