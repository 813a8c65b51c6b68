//! The changed rows of one input.

use crate::room::state::State;
use crate::room::state::allowances::Allowance;
use crate::room::state::deadlines::{Deadline, Deadlines};
use crate::room::state::rows::{
    ALLOWANCE, ASSIGNMENT, BAN, CALL, CHAT, DEPARTED, GUEST, MEMBER, META, NEGOTIATED, RECORDING, SESSION, STANDING,
    USED_TOKEN, VERSION,
};
use crate::storage::{Changes, Lazy};
use shared::sorted::SortedMap;
use shared::{ParticipantId, UnixMillis};

/// The allowances in storage.
pub(crate) type StoredAllowances = SortedMap<ParticipantId, Allowance>;

pub(crate) fn take_changes(
    state: &mut State,
    stored: &mut StoredAllowances,
    deadlines: &mut Deadlines,
    now: UnixMillis,
) -> Changes {
    let mut changes = Changes::default();
    for key in state.meta.take_changed() {
        changes.write(META.into(), state.meta.get(&key), VERSION);
    }
    for id in state.assignments.take_changed() {
        changes.write(format!("{ASSIGNMENT}{id}"), state.assignments.get(&id), VERSION);
    }
    for id in state.members.take_changed() {
        changes.write(format!("{MEMBER}{id}"), state.members.get(&id), VERSION);
    }
    for id in state.sessions.take_changed() {
        changes.write(format!("{SESSION}{id}"), state.sessions.get(&id), VERSION);
    }
    for id in state.negotiated.take_changed() {
        changes.write(format!("{NEGOTIATED}{id}"), state.negotiated.get(&id).and_then(Lazy::known), VERSION);
    }
    for id in state.recordings.take_changed() {
        changes.write(format!("{RECORDING}{id}"), state.recordings.get(&id), VERSION);
    }
    for number in state.chat.take_changed() {
        changes.write(format!("{CHAT}{number}"), state.chat.get(&number), VERSION);
    }
    for id in state.bans.take_changed() {
        changes.write(format!("{BAN}{id}"), state.bans.get(&id), VERSION);
    }
    for id in state.standings.take_changed() {
        changes.write(format!("{STANDING}{id}"), state.standings.get(&id), VERSION);
    }
    for id in state.departed.take_changed() {
        changes.write(format!("{DEPARTED}{id}"), state.departed.get(&id), VERSION);
    }
    for id in state.guests.take_changed() {
        changes.write(format!("{GUEST}{id}"), state.guests.get(&id), VERSION);
    }
    for number in state.calls.take_changed() {
        changes.write(format!("{CALL}{number}"), state.calls.get(&number), VERSION);
    }
    for jti in state.used_tokens.take_changed() {
        changes.write(format!("{USED_TOKEN}{jti}"), state.used_tokens.get(&jti), VERSION);
    }
    let Changes { put, delete } = take_allowances(state, stored, deadlines, now);
    changes.put.extend(put);
    changes.delete.extend(delete);
    changes
}

/// The changed rows of an input that has changed no others.
pub(crate) fn take_allowances(
    state: &mut State,
    stored: &mut StoredAllowances,
    deadlines: &mut Deadlines,
    now: UnixMillis,
) -> Changes {
    let mut changes = Changes::default();
    write_allowances(state, stored, deadlines, now, |id, allowance| {
        changes.write(format!("{ALLOWANCE}{id}"), allowance, VERSION);
    });
    changes
}

/// Stores the allowances that must outlive this instance, and schedules their removal once they are full again.
fn write_allowances(
    state: &mut State,
    stored: &mut StoredAllowances,
    deadlines: &mut Deadlines,
    now: UnixMillis,
    mut write: impl FnMut(&ParticipantId, Option<&Allowance>),
) {
    for participant in state.allowances.take_changed() {
        let worth = state.allowances.get(&participant).and_then(|allowance| allowance.worth_storing(now));
        if worth.as_ref() == stored.get(&participant) {
            continue;
        }
        write(&participant, worth.as_ref());
        let full_at = worth.as_ref().map(Allowance::full_at);
        deadlines.set(Deadline::Allowance(participant.clone()), full_at);
        match worth {
            Some(worth) => drop(stored.insert(participant, worth)),
            None => drop(stored.remove(&participant)),
        }
    }
}
