//! What a room waits for, and until when; indexed, so that the next deadline is found without a scan.

use super::Room;
use super::allowance::Allowance;
use super::member::{Absence, Restart};
use super::topology::{Assignment, Placing};
use crate::SocketId;
use shared::{ParticipantId, RecordingId, TokenId, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};

/// Something that must happen in time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deadline {
    /// A new client joins or resumes, a new node says hello.
    FirstFrame(SocketId),
    /// A participant without a socket comes back.
    Resume(ParticipantId),
    /// It is known which TURN nodes there are, for an ICE restart.
    Restart(ParticipantId),
    /// A participant without media says `ping`.
    Silence(ParticipantId),
    /// A ban ends by itself.
    Ban(ParticipantId),
    /// Grants that a participant lost in an earlier room come back.
    Standing(ParticipantId),
    /// The address of a guest who left is forgotten.
    Departed(ParticipantId),
    /// A single-use token that was used expires.
    UsedToken(TokenId),
    /// A guest has waited long enough.
    Guest(ParticipantId),
    /// What a participant may say is full again.
    Allowance(ParticipantId),
    /// The Fleet object answers, or it is time to ask it again.
    Placing,
    /// The node of an assignment dials, or dials again.
    Node(u64),
    /// A retiring node has lost all its clients.
    Retired(u64),
    /// A participant enters the empty room.
    EmptyRoom,
    /// The last participant is back from a reload, for the sake of a recording.
    Reload,
    /// A recording begins, ends, or is finished.
    Recording(RecordingId),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Deadlines {
    by_time: BTreeSet<(UnixMillis, Deadline)>,
    times: BTreeMap<Deadline, UnixMillis>,
}

impl Deadlines {
    /// Sets, moves or (with nothing) drops a deadline.
    pub(super) fn set(&mut self, deadline: Deadline, at: Option<UnixMillis>) {
        if let Some(before) = self.times.remove(&deadline) {
            self.by_time.remove(&(before, deadline.clone()));
        }
        if let Some(at) = at {
            self.by_time.insert((at, deadline.clone()));
            self.times.insert(deadline, at);
        }
    }

    pub(super) fn first(&self) -> Option<UnixMillis> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Takes the first deadline that is over.
    pub(super) fn take_due(&mut self, now: UnixMillis) -> Option<Deadline> {
        let (_, deadline) = self.by_time.first().filter(|(at, _)| *at <= now)?.clone();
        self.set(deadline.clone(), None);
        Some(deadline)
    }
}

impl Room {
    /// Sets the deadlines that follow from what this input changed.
    pub(super) fn update_deadlines(&mut self) {
        let members: Vec<ParticipantId> = self.members.changed().iter().cloned().collect();
        for participant in members {
            self.set_member_deadlines(participant);
        }
        self.set_recording_deadlines(&self.recordings.changed().clone());
        for participant in self.bans.changed().clone() {
            self.deadlines.set(Deadline::Ban(participant.clone()), self.ban_deadline(&participant));
        }
        for participant in self.standings.changed().clone() {
            self.deadlines.set(Deadline::Standing(participant.clone()), self.standing_deadline(&participant));
        }
        for participant in self.departed.changed().clone() {
            self.deadlines.set(Deadline::Departed(participant.clone()), self.departed_deadline(&participant));
        }
        for participant in self.guests.changed().clone() {
            self.deadlines.set(Deadline::Guest(participant.clone()), self.guest_deadline(&participant));
        }
        for jti in self.used_tokens.changed().clone() {
            self.deadlines.set(Deadline::UsedToken(jti.clone()), self.used_token_deadline(&jti));
        }
        if !self.meta.changed().is_empty() || !self.assignments.changed().is_empty() {
            let gone = self.assignments.changed().iter().copied();
            let epochs: BTreeSet<u64> = self.assignments.keys().copied().chain(gone).collect();
            self.set_room_deadlines(epochs);
        }
    }

    /// Sets every deadline, after a sleep.
    pub(super) fn set_all_deadlines(&mut self) {
        let members: Vec<ParticipantId> = self.members.keys().cloned().collect();
        for participant in members {
            self.set_member_deadlines(participant);
        }
        self.set_room_deadlines(self.assignments.keys().copied().collect());
        self.set_recording_deadlines(&self.recordings.keys().cloned().collect());
        for participant in self.bans.keys().cloned().collect::<Vec<_>>() {
            self.deadlines.set(Deadline::Ban(participant.clone()), self.ban_deadline(&participant));
        }
        for participant in self.standings.keys().cloned().collect::<Vec<_>>() {
            self.deadlines.set(Deadline::Standing(participant.clone()), self.standing_deadline(&participant));
        }
        for participant in self.departed.keys().cloned().collect::<Vec<_>>() {
            self.deadlines.set(Deadline::Departed(participant.clone()), self.departed_deadline(&participant));
        }
        for participant in self.guests.keys().cloned().collect::<Vec<_>>() {
            self.deadlines.set(Deadline::Guest(participant.clone()), self.guest_deadline(&participant));
        }
        for jti in self.used_tokens.keys().cloned().collect::<Vec<_>>() {
            self.deadlines.set(Deadline::UsedToken(jti.clone()), self.used_token_deadline(&jti));
        }
        for participant in self.allowances.keys().cloned().collect::<Vec<_>>() {
            let at = self.allowances.get(&participant).map(Allowance::full_at);
            self.deadlines.set(Deadline::Allowance(participant), at);
        }
    }

    fn set_recording_deadlines(&mut self, changed: &BTreeSet<RecordingId>) {
        for (recording, at) in self.recording_deadlines(changed) {
            self.deadlines.set(Deadline::Recording(recording), at);
        }
    }

    fn set_member_deadlines(&mut self, participant: ParticipantId) {
        let member = self.members.get(&participant);
        let resume = member.and_then(|member| member.absence).map(Absence::ends_at);
        let restart = member.and_then(|member| member.restart.as_ref()).map(Restart::answered_at);
        let silence = member.and_then(Self::silence_deadline);
        self.deadlines.set(Deadline::Restart(participant.clone()), restart);
        self.deadlines.set(Deadline::Silence(participant.clone()), silence);
        self.deadlines.set(Deadline::Standing(participant.clone()), self.standing_deadline(&participant));
        self.deadlines.set(Deadline::Resume(participant), resume);
    }

    fn set_room_deadlines(&mut self, epochs: BTreeSet<u64>) {
        let meta = self.meta.get(&());
        let current = meta.and_then(|meta| meta.current);
        let placing = meta.and_then(|meta| meta.placing.as_ref()).map(Placing::deadline);
        let empty =
            meta.and_then(|meta| meta.empty_since).zip(meta).map(|(at, meta)| at.plus_ms(meta.empty_timeout_ms));
        self.deadlines.set(Deadline::Placing, placing);
        self.deadlines.set(Deadline::EmptyRoom, empty);
        self.deadlines.set(Deadline::Reload, meta.and_then(|meta| meta.reload_until));
        for epoch in epochs {
            let assignment = self.assignments.get(&epoch);
            self.deadlines.set(Deadline::Node(epoch), assignment.and_then(Assignment::node_deadline));
            let superseded = assignment.filter(|_| current != Some(epoch));
            self.deadlines.set(Deadline::Retired(epoch), superseded.and_then(Assignment::retired_deadline));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_comes_first_and_moving_replaces() {
        let mut deadlines = Deadlines::default();
        deadlines.set(Deadline::Placing, Some(UnixMillis(30)));
        deadlines.set(Deadline::EmptyRoom, Some(UnixMillis(20)));
        deadlines.set(Deadline::Placing, Some(UnixMillis(10)));
        deadlines.set(Deadline::Node(1), Some(UnixMillis(5)));
        deadlines.set(Deadline::Node(1), None);
        assert_eq!(deadlines.first(), Some(UnixMillis(10)));
        assert_eq!(deadlines.take_due(UnixMillis(9)), None);
        assert_eq!(deadlines.take_due(UnixMillis(99)), Some(Deadline::Placing));
        assert_eq!(deadlines.take_due(UnixMillis(99)), Some(Deadline::EmptyRoom));
        assert_eq!((deadlines.take_due(UnixMillis(99)), deadlines), (None, Deadlines::default()));
    }
}
