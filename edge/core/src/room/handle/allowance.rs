//! Spends participants' allowances.

use crate::room::state::State;
use crate::room::state::allowances::Allowance;
use shared::{ParticipantId, limits};

/// Maximum number of stored allowances; the fullest is dropped first.
const ALLOWANCES_MAX: usize = 4 * limits::PARTICIPANTS_PER_ROOM_MAX;

/// Takes tokens from a participant's allowance; returns false if too few are left.
pub(crate) fn spend(state: &mut State, participant: &ParticipantId, take: impl FnOnce(&mut Allowance) -> bool) -> bool {
    if !state.allowances.contains(participant) {
        if state.allowances.len() >= ALLOWANCES_MAX {
            forget_fullest(state);
        }
        state.allowances.insert(participant.clone(), Allowance::default());
    }
    state.allowances.get_mut(participant).is_some_and(take)
}

fn forget_fullest(state: &mut State) {
    let fullest = state.allowances.iter().min_by_key(|(_, allowance)| allowance.full_at());
    if let Some(fullest) = fullest.map(|(participant, _)| participant.clone()) {
        state.allowances.remove(&fullest);
    }
}
