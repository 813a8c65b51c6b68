//! One room: participants, grants, negotiated media, and the serving node.
//!
//! Call [`Room::handle_input`], then [`Room::poll_output`] until it is empty, then set an alarm at
//! [`Room::poll_timeout`]. All lasting state is in the rows of [`Output::Store`] and in the sockets' attachments, so a
//! room can sleep after any input.
//!
//! A handler changes the state (`handle` ← `state`), and `publish` derives from the changes what is stored and sent.
//! Each file uses only files further down: `room`, `publish`, `handle`, `context`, `outbox`, `asks`, `state`.

mod asks;
mod context;
#[cfg(test)]
mod cost;
mod handle;
mod outbox;
mod publish;
mod state;

pub use asks::{Answer, Ask, RecordingAnswer, RecordingAsk, RecordingCursor, RecordingListing, Verb};
pub use context::Config;
pub use handle::Input;
pub use outbox::Output;
pub use state::guests::GuestStanding;
pub use state::resume_secrets::{Holder, ResumeKeys};
pub use state::sockets::Attachment;

use crate::SocketId;
use crate::random::Random;
use crate::room::context::Context;
use crate::room::handle::{negotiate, wake};
use crate::room::outbox::Outbox;
use crate::room::publish::Announced;
use crate::room::state::State;
use crate::room::state::deadlines::Deadline;
use crate::room::state::rows::{self, Snapshot};
use crate::storage::{Archive, RestoreError, Row};
use shared::{ParticipantId, RoomId, UnixMillis};
use std::collections::VecDeque;

/// The rows with these keys stay in storage until the room asks its [`Archive`] for them, because waking needs none.
pub const ARCHIVED: &str = rows::NEGOTIATED;

pub struct Room {
    config: Config,
    random: Random,
    state: State,
    outbox: Outbox,
    announced: Announced,
    outputs: VecDeque<Output>,
}

impl Room {
    /// Creates a room that has never had a participant.
    #[must_use]
    pub fn new(id: RoomId, config: Config, random: Random) -> Self {
        Self::with(id, config, random, Snapshot::default(), Box::new(|_| None))
    }

    /// Restores the room from its rows and the attachments of its open sockets; missing sockets count as closed `now`.
    pub fn restore(
        id: RoomId,
        config: Config,
        random: Random,
        now: UnixMillis,
        (rows, archive): (&[Row], Archive),
        sockets: Vec<Attachment>,
    ) -> Result<Self, RestoreError> {
        let (room, unreadable) = Self::salvage(id, config, random, now, (rows, archive), sockets);
        unreadable.into_iter().next().map_or(Ok(room), Err)
    }

    /// Restores the room from its readable rows, and returns the errors of the others. Clients and nodes without a
    /// readable row are refused with `timeout`, and reconnect.
    #[must_use]
    pub fn salvage(
        id: RoomId,
        config: Config,
        random: Random,
        now: UnixMillis,
        (rows, archive): (&[Row], Archive),
        sockets: Vec<Attachment>,
    ) -> (Self, Vec<RestoreError>) {
        let (snapshot, unreadable) = Snapshot::read(rows);
        let mut room = Self::with(id, config, random, snapshot, archive);
        let is_whole = unreadable.is_empty();
        room.work(now, |cx, _| {
            wake::wake(cx, sockets, is_whole);
            true
        });
        (room, unreadable)
    }

    /// True if an unreadable row with this key should be deleted rather than kept for another version.
    #[must_use]
    pub fn is_disposable(key: &str) -> bool {
        rows::is_disposable(key)
    }

    fn with(id: RoomId, config: Config, random: Random, snapshot: Snapshot, archive: Archive) -> Self {
        let state = State::new(id, snapshot, archive);
        let announced = Announced::new(&state);
        Self { config, random, state, outbox: Outbox::default(), announced, outputs: VecDeque::new() }
    }

    /// Takes one input and queues its outputs. Earlier deadlines are handled first, even if the alarm is late.
    pub fn handle_input(&mut self, now: UnixMillis, input: Input) {
        self.work(now, |cx, announced| {
            let mut restarts = Vec::new();
            let mut was_due = false;
            while let Some(deadline) = announced.take_due(cx.state, now) {
                was_due = true;
                match deadline {
                    Deadline::Restart(participant) => restarts.push(participant),
                    deadline => handle::alarm(cx, deadline),
                }
            }
            handle::input(cx, input);
            // Last, because the input may have withdrawn them.
            for participant in restarts {
                negotiate::restart_due(cx, &participant);
            }
            was_due
        });
    }

    /// Handles something, then stores and announces the changes. `handle` returns true if time has changed something too.
    fn work(&mut self, now: UnixMillis, handle: impl FnOnce(&mut Context<'_>, &mut Announced) -> bool) {
        let Self { config, random, state, outbox, announced, outputs } = self;
        let cx = &mut Context { now, config, random, state, outbox };
        let was_due = handle(cx, announced);
        if was_due || !cx.state.is_unchanged() || !cx.outbox.is_only_direct() {
            announced.publish(cx, outputs);
        } else {
            announced.answer(cx, outputs);
        }
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The latest time for [`Input::Deadline`]; an earlier alarm does no harm.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<UnixMillis> {
        self.announced.next_deadline()
    }

    /// True while the room has participants, or waits for one to return.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.state.exists()
    }

    /// The participant whose session a secret opens; asked before a socket without a join token is accepted.
    #[must_use]
    pub fn resumable(&self, now: UnixMillis, secret: &str) -> Option<ParticipantId> {
        self.state.resumable(now, secret)
    }

    /// True if the socket is bound to a participant or a node.
    #[must_use]
    pub fn is_settled(&self, socket: SocketId) -> bool {
        self.state.is_settled(socket)
    }
}
