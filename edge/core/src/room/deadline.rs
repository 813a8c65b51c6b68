//! What a room waits for, and until when; indexed, so that the next deadline is found without a scan.

use crate::SocketId;
use shared::{ParticipantId, RecordingId, UnixMillis};
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
    /// What a participant may say is full again.
    Allowance(ParticipantId),
    /// The Fleet object answers, or it is time to ask it again.
    Placing,
    /// The node of an assignment dials, or dials again.
    Node(u64),
    /// A retiring node has lost all its clients.
    Retired(u64),
    /// Somebody enters the empty room.
    EmptyRoom,
    /// The last participant is back from a reload, for the sake of a recording.
    Reload,
    /// A recording begins, ends, or is finished.
    Recording(RecordingId),
}

/// All deadlines of a room.
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
