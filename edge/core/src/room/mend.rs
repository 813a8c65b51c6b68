//! Repairs a room with unreadable rows: drops them, so that the affected participants join again.

use super::snapshot::{self, Snapshot};
use super::{Attachment, Config, Room};
use crate::random::Random;
use crate::storage::{RestoreError, Row};
use shared::signal::LeaveReason;
use shared::{ParticipantId, RoomId, SessionId, UnixMillis};

impl Room {
    /// Restores the room from its readable rows, and returns the errors of the others. Clients and nodes without a
    /// readable row are refused with `timeout`, and reconnect.
    #[must_use]
    pub fn salvage(
        id: RoomId,
        config: Config,
        random: Random,
        now: UnixMillis,
        rows: &[Row],
        sockets: Vec<Attachment>,
    ) -> (Self, Vec<RestoreError>) {
        let (snapshot, unreadable) = Snapshot::read(rows);
        let mut room = Self::with(id, config, random, snapshot);
        room.wake(now, sockets);
        room.mend(now);
        room.finish(now);
        (room, unreadable)
    }

    /// Whether an unreadable row of this key is to be deleted rather than kept for another version.
    #[must_use]
    pub fn is_disposable(key: &str) -> bool {
        snapshot::is_disposable(key)
    }

    fn mend(&mut self, now: UnixMillis) {
        let is_lost = self.meta().is_none();
        let whole = |participant: &ParticipantId| {
            self.members.get(participant).is_some_and(|member| {
                let waiting = member.waiting.as_ref().map(|waiting| &waiting.session);
                waiting.into_iter().chain([&member.session]).all(|session| self.sessions.contains(session))
            })
        };
        let broken: Vec<ParticipantId> = self.members.keys().filter(|id| is_lost || !whole(id)).cloned().collect();
        for participant in broken {
            self.remove_member(&participant, LeaveReason::TimedOut);
        }
        let needed = |id: &SessionId, participant: &ParticipantId| {
            self.members.get(participant).is_some_and(|member| {
                member.session == *id || member.waiting.as_ref().is_some_and(|waiting| waiting.session == *id)
            })
        };
        let orphans = self.sessions.iter().filter(|(id, session)| !needed(id, &session.participant));
        let orphans: Vec<SessionId> = orphans.map(|(id, _)| id.clone()).collect();
        for session in orphans {
            self.close_session(&session);
        }
        if is_lost {
            self.forget_chat();
            let epochs: Vec<u64> = self.assignments.keys().copied().collect();
            epochs.into_iter().for_each(|epoch| self.end_assignment(epoch));
        } else {
            self.mend_assignment(now);
        }
    }

    /// Without its assignment the room's node is unknown; a new node is assigned and all clients move.
    fn mend_assignment(&mut self, now: UnixMillis) {
        let current = self.meta().and_then(|meta| meta.current);
        let is_missing = current.is_some_and(|epoch| !self.assignments.contains(&epoch));
        if is_missing && let Some(meta) = self.meta_mut() {
            meta.current = None;
            if !self.members.is_empty() {
                self.place(now, None);
            }
        }
    }
}
