//! The media sessions of participants.

use crate::room::state::State;
use crate::room::state::negotiated::Negotiated;
use crate::room::state::sessions::MediaSession;
use crate::room::state::slots::Slot;
use crate::room::state::tracks::Track;
use shared::rtp_parameters::Fingerprint;
use shared::{ParticipantId, SessionId};

/// Adds a session that waits for a node.
pub(crate) fn open(state: &mut State, id: &SessionId, session: MediaSession, negotiated: Negotiated) {
    state.negotiated.insert(id.clone(), negotiated.into());
    state.sessions.insert(id.clone(), session);
}

/// Gives a session to the node of an assignment.
pub(crate) fn bind(state: &mut State, id: &SessionId, epoch: u64, fingerprint: Fingerprint) {
    if let Some(session) = state.sessions.get_mut(id) {
        session.epoch = Some(epoch);
        session.node_fingerprint = Some(fingerprint);
    }
}

/// Switches the participant to this session and these tracks, and ends the previous session.
pub(crate) fn adopt(state: &mut State, participant: &ParticipantId, session: SessionId, tracks: Vec<Track>) {
    let Some(member) = state.members.get(participant) else { return };
    let offered = state.negotiated(&session).into_iter().flat_map(Negotiated::slots);
    let slots = offered.map(|(mid, kind, number)| {
        let known = member.slots.iter().find(|slot| slot.mid == *mid && slot.kind == kind);
        Slot { mid: mid.clone(), kind, number, playing: known.and_then(|slot| slot.playing.clone()) }
    });
    let slots = slots.collect();
    let Some(member) = state.members.get_mut(participant) else { return };
    let before = std::mem::replace(&mut member.session, session.clone());
    (member.tracks, member.slots) = (tracks, slots);
    if before != session {
        state.sessions.remove(&before);
    }
}
