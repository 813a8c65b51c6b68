//! Notes every act of a moderator or of the application, once it is sure to be carried out.

use crate::room::asks::Verb;
use crate::room::state::State;
use crate::room::state::acts::Act;
use shared::signal::{ActInfo, ActKind};
use shared::{ParticipantId, UnixMillis, limits};

/// `by` is `None` for the application's server.
pub(crate) fn note(state: &mut State, now: UnixMillis, by: Option<&ParticipantId>, verb: &Verb) {
    let (act, participant, reason) = described(verb);
    note_act(state, ActInfo { at: now, by: by.cloned(), act, participant: participant.cloned(), reason });
}

pub(crate) fn note_act(state: &mut State, info: ActInfo) {
    let oldest = state.acts.keys().next().copied().filter(|_| state.acts.len() >= limits::ACTS_PER_ROOM_MAX);
    oldest.map(|oldest| state.acts.remove(&oldest));
    let number = state.acts.keys().next_back().map_or(0, |last| last.saturating_add(1));
    state.acts.insert(number, Act(info));
}

fn described(verb: &Verb) -> (ActKind, Option<&ParticipantId>, Option<String>) {
    match verb {
        Verb::Remove { participant, reason, ban: None } => (ActKind::Kick, Some(participant), reason.clone()),
        Verb::Remove { participant, reason, ban: Some(_) } => (ActKind::Ban, Some(participant), reason.clone()),
        Verb::LiftBan { participant } => (ActKind::LiftBan, Some(participant), None),
        Verb::AnswerGuest { participant, admit: true } => (ActKind::AdmitGuest, Some(participant), None),
        Verb::AnswerGuest { participant, admit: false } => (ActKind::RefuseGuest, Some(participant), None),
        Verb::MuteTrack { participant, .. } => (ActKind::MuteTrack, Some(participant), None),
        Verb::UpdateParticipant { participant, .. } => (ActKind::UpdateParticipant, Some(participant), None),
        Verb::UpdateRoom { .. } => (ActKind::UpdateRoom, None, None),
        Verb::Start => (ActKind::StartRoom, None, None),
        Verb::Pause { reason } => (ActKind::PauseRoom, None, reason.clone()),
        Verb::Resume => (ActKind::ResumeRoom, None, None),
        Verb::End { reason } => (ActKind::EndRoom, None, reason.clone()),
    }
}

/// Newest first.
pub(crate) fn infos(state: &State) -> Vec<ActInfo> {
    state.acts.keys().rev().filter_map(|number| state.acts.get(number)).map(|act| act.0.clone()).collect()
}
