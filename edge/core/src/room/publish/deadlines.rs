//! Keeps the deadlines in step with the state.

use crate::room::state::State;
use crate::room::state::acts::Act;
use crate::room::state::assignments::Assignment;
use crate::room::state::bans::Ban;
use crate::room::state::deadlines::{Deadline, Deadlines};
use crate::room::state::guests::Guest;
use crate::room::state::members::{Absence, Member, Restart};
use crate::room::state::meta::{Gathered, Meta, Placing};
use crate::room::state::recordings::Recording;
use crate::room::state::sockets::Socket;
use shared::signal::CallState;
use shared::sorted::SortedSet;
use shared::{ParticipantId, RecordingId};

/// Updates the deadlines affected by this input's changes.
pub(crate) fn update(deadlines: &mut Deadlines, state: &mut State) {
    update_sockets(deadlines, state);
    let state = &*state;
    for participant in state.members.changed() {
        set_member(deadlines, state, participant);
    }
    for id in state.recordings.changed() {
        set_recording(deadlines, state, id);
    }
    for participant in state.bans.changed() {
        deadlines.set(Deadline::Ban(participant.clone()), state.bans.get(participant).and_then(Ban::deadline));
    }
    for participant in state.standings.changed() {
        deadlines.set(Deadline::Standing(participant.clone()), state.standing_deadline(participant));
    }
    for participant in state.departed.changed() {
        let until = state.departed.get(participant).map(|departed| departed.until);
        deadlines.set(Deadline::Departed(participant.clone()), until);
    }
    for participant in state.guests.changed() {
        deadlines.set(Deadline::Guest(participant.clone()), state.guests.get(participant).map(Guest::deadline));
    }
    for jti in state.used_tokens.changed() {
        deadlines.set(Deadline::UsedToken(jti.clone()), state.used_tokens.get(jti).map(|used| used.until));
    }
    for number in state.acts.changed() {
        deadlines.set(Deadline::Act(*number), state.acts.get(number).map(Act::until));
    }
    for number in state.calls.changed() {
        deadlines.set(Deadline::Call(*number), state.calls.get(number).map(|call| call.until));
    }
    if !state.meta.changed().is_empty() || !state.assignments.changed().is_empty() {
        let gone = state.assignments.changed().iter().copied();
        let epochs: SortedSet<u64> = state.assignments.keys().copied().chain(gone).collect();
        set_room(deadlines, state, epochs);
    }
}

/// Updates the deadlines of new sockets and of those that have identified themselves or closed.
pub(crate) fn update_sockets(deadlines: &mut Deadlines, state: &mut State) {
    for socket in state.sockets.take_changed() {
        deadlines.set(Deadline::FirstFrame(socket), state.sockets.get(&socket).and_then(Socket::deadline));
    }
}

/// Every deadline, after a sleep.
pub(crate) fn all(state: &State) -> Deadlines {
    let mut deadlines = Deadlines::default();
    for participant in state.members.keys() {
        set_member(&mut deadlines, state, participant);
    }
    set_room(&mut deadlines, state, state.assignments.keys().copied().collect());
    for recording in state.recordings.keys() {
        set_recording(&mut deadlines, state, recording);
    }
    for (participant, ban) in state.bans.iter() {
        deadlines.set(Deadline::Ban(participant.clone()), ban.deadline());
    }
    for participant in state.standings.keys() {
        deadlines.set(Deadline::Standing(participant.clone()), state.standing_deadline(participant));
    }
    for (participant, departed) in state.departed.iter() {
        deadlines.set(Deadline::Departed(participant.clone()), Some(departed.until));
    }
    for (participant, guest) in state.guests.iter() {
        deadlines.set(Deadline::Guest(participant.clone()), Some(guest.deadline()));
    }
    for (jti, used) in state.used_tokens.iter() {
        deadlines.set(Deadline::UsedToken(jti.clone()), Some(used.until));
    }
    for (number, act) in state.acts.iter() {
        deadlines.set(Deadline::Act(*number), Some(act.until()));
    }
    for (number, call) in state.calls.iter() {
        deadlines.set(Deadline::Call(*number), Some(call.until));
    }
    for (participant, allowance) in state.allowances.iter() {
        deadlines.set(Deadline::Allowance(participant.clone()), Some(allowance.full_at()));
    }
    deadlines
}

fn set_recording(deadlines: &mut Deadlines, state: &State, recording: &RecordingId) {
    let at = state.recordings.get(recording).and_then(Recording::deadline);
    deadlines.set(Deadline::Recording(recording.clone()), at);
}

fn set_member(deadlines: &mut Deadlines, state: &State, participant: &ParticipantId) {
    let member = state.members.get(participant);
    let resume = member.and_then(|member| member.absence).map(Absence::ends_at);
    let restart = member.and_then(|member| member.restart.as_ref()).map(Restart::answered_at);
    let silence = member.and_then(Member::silence_deadline);
    deadlines.set(Deadline::Restart(participant.clone()), restart);
    deadlines.set(Deadline::Silence(participant.clone()), silence);
    deadlines.set(Deadline::Standing(participant.clone()), state.standing_deadline(participant));
    deadlines.set(Deadline::Resume(participant.clone()), resume);
}

fn set_room(deadlines: &mut Deadlines, state: &State, epochs: SortedSet<u64>) {
    let meta = state.meta();
    let current = meta.and_then(|meta| meta.current);
    let placing = meta.and_then(|meta| meta.placing.as_ref()).map(Placing::deadline);
    let empty = meta.and_then(|meta| meta.empty_since).zip(meta).map(|(at, meta)| at.plus_ms(meta.empty_timeout_ms));
    // A room is kept for its scheduled call.
    let scheduled = meta.filter(|meta| meta.call.state == CallState::Scheduled);
    deadlines.set(Deadline::Placing, placing);
    deadlines.set(Deadline::EmptyRoom, empty.filter(|_| scheduled.is_none()));
    deadlines.set(Deadline::Start, scheduled.and_then(|meta| meta.starts_at));
    deadlines.set(Deadline::Host, meta.and_then(|meta| meta.host.as_ref()?.until));
    deadlines.set(Deadline::Duration, meta.and_then(Meta::ends_at));
    let gathered = meta.and_then(|meta| meta.gathered.as_ref()).map(Gathered::deadline);
    deadlines.set(Deadline::Presence, gathered);
    deadlines.set(Deadline::Direct, meta.and_then(|meta| meta.direct.deadline()));
    deadlines.set(Deadline::Audience, meta.and_then(|meta| meta.audience_due));
    deadlines.set(Deadline::Reload, meta.and_then(|meta| meta.reload_until));
    for epoch in epochs {
        let assignment = state.assignments.get(&epoch);
        deadlines.set(Deadline::Node(epoch), assignment.and_then(Assignment::node_deadline));
        let superseded = assignment.filter(|_| current != Some(epoch));
        deadlines.set(Deadline::Retired(epoch), superseded.and_then(Assignment::retired_deadline));
    }
}
