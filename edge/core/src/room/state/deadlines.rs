//! A room's deadlines, indexed so that the next one is found without a scan.

use crate::SocketId;
use shared::sorted::{SortedMap, SortedSet};
use shared::{ParticipantId, RecordingId, TokenId, UnixMillis};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Deadline {
    /// A new client must join or resume, a new node must say hello.
    FirstFrame(SocketId),
    /// A participant without a socket must return.
    Resume(ParticipantId),
    /// A pending ICE restart is answered even without a fresh list of TURN nodes.
    Restart(ParticipantId),
    /// A participant without media must send `ping`.
    Silence(ParticipantId),
    /// A temporary ban expires.
    Ban(ParticipantId),
    /// Grants that a participant lost in an earlier room return.
    Standing(ParticipantId),
    /// The address of a departed guest is forgotten.
    Departed(ParticipantId),
    /// A used single-use token expires.
    UsedToken(TokenId),
    /// A guest's wait in the lobby ends.
    Guest(ParticipantId),
    /// A participant's allowance is full again.
    Allowance(ParticipantId),
    /// The Fleet object must answer, or is asked again.
    Placing,
    /// The node of an assignment must connect or reconnect.
    Node(u64),
    /// A retired node must have lost all its clients.
    Retired(u64),
    /// A participant must enter the empty room.
    EmptyRoom,
    /// The scheduled call begins.
    Start,
    /// Another participant takes the place of a host who has left.
    Host,
    /// The call's longest duration is over.
    Duration,
    /// An act in the audit trail is forgotten.
    Act(u64),
    /// A past call is forgotten.
    Call(u64),
    /// Gathered changes to the roster are announced.
    Presence,
    /// The changed size of the audience is announced.
    Audience,
    /// Participants may try again to send their media directly.
    Direct,
    /// The last participant must return from a reload, or the recording ends.
    Reload,
    /// A recording must start, ends, or must be finished.
    Recording(RecordingId),
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deadlines {
    by_time: SortedSet<(UnixMillis, Deadline)>,
    times: SortedMap<Deadline, UnixMillis>,
}

impl Deadlines {
    /// `None` removes the deadline.
    pub(crate) fn set(&mut self, deadline: Deadline, at: Option<UnixMillis>) {
        if let Some(before) = self.times.remove(&deadline) {
            self.by_time.remove(&(before, deadline.clone()));
        }
        if let Some(at) = at {
            self.by_time.insert((at, deadline.clone()));
            self.times.insert(deadline, at);
        }
    }

    pub(crate) fn first(&self) -> Option<UnixMillis> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Removes and returns the first deadline that has passed.
    pub(crate) fn take_due(&mut self, now: UnixMillis) -> Option<Deadline> {
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
