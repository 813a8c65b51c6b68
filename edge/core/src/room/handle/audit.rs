//! Notes every act of a moderator or of the application, once it is sure to be carried out.

use crate::room::asks::{Answer, Verb};
use crate::room::context::{Caller, Context};
use crate::room::state::State;
use crate::room::state::acts::Act;
use shared::signal::{ActInfo, ActKind};
use shared::{ParticipantId, RoleName, UnixMillis, limits};

/// Notes a verb; `by` is `None` for the application's server.
pub(crate) fn note(state: &mut State, now: UnixMillis, by: Option<&ParticipantId>, verb: &Verb) {
    let (act, participant, reason) = described(verb);
    let role = match verb {
        Verb::UpdateParticipant { change, .. } => change.role.clone(),
        _ => None,
    };
    keep(state, ActInfo { at: now, by: by.cloned(), act, participant: participant.cloned(), role, reason });
}

/// Notes a moderator's act that is no verb of the application.
pub(crate) fn note_act(cx: &mut Context<'_>, caller: &Caller, act: ActKind, participant: Option<&ParticipantId>) {
    let (by, participant) = (Some(caller.participant.clone()), participant.cloned());
    keep(cx.state, ActInfo { at: cx.now, by, act, participant, role: None, reason: None });
}

/// Notes that a host was succeeded, which nobody did.
pub(crate) fn note_succession(state: &mut State, now: UnixMillis, participant: &ParticipantId, role: &RoleName) {
    let (participant, role) = (Some(participant.clone()), Some(role.clone()));
    keep(state, ActInfo { at: now, by: None, act: ActKind::SucceedHost, participant, role, reason: None });
}

fn keep(state: &mut State, info: ActInfo) {
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
        Verb::MuteTrack { participant, hold: false, .. } => (ActKind::MuteTrack, Some(participant), None),
        Verb::MuteTrack { participant, hold: true, .. } => (ActKind::HoldTrack, Some(participant), None),
        Verb::UpdateParticipant { participant, .. } => (ActKind::UpdateParticipant, Some(participant), None),
        Verb::UpdateRoom { .. } => (ActKind::UpdateRoom, None, None),
        Verb::Start => (ActKind::StartRoom, None, None),
        Verb::Pause { reason } => (ActKind::PauseRoom, None, reason.clone()),
        Verb::Resume => (ActKind::ResumeRoom, None, None),
        Verb::End { reason } => (ActKind::EndRoom, None, reason.clone()),
    }
}

/// A page of the trail, newest first.
pub(crate) fn page(state: &State, before: Option<u64>, limit: usize) -> Answer {
    let is_older = |number: &&u64| before.is_none_or(|before| **number < before);
    let mut numbers = state.acts.keys().rev().filter(is_older);
    let shown: Vec<u64> = numbers.by_ref().take(limit).copied().collect();
    let next = numbers.next().and(shown.last().copied());
    let acts = shown.iter().filter_map(|number| state.acts.get(number)).map(|act| act.0.clone()).collect();
    Answer::Audit { acts, next }
}
