//! One served room, as its node's control knows it.

use node_core::line::Line;
use shared::control::{NodeToRoom, RoomToNode, WelcomeParts};
use shared::{SessionId, limits};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// A room without sessions for this long is left. The Room object normally releases its node earlier; this is for one
/// that could not. Leaving a room that still wants this node would delay its next participant.
const EMPTY_TIMEOUT: Duration = Duration::from_millis(2 * limits::EMPTY_ROOM_LIFETIME_MS);
/// Messages that may wait for the hello: each session connects once and closes once, during a move possibly twice.
const HELD_MAX: usize = 4 * limits::PARTICIPANTS_PER_ROOM_MAX;

#[derive(Debug)]
pub(super) struct Served {
    pub(super) epoch: u64,
    pub(super) shard: u16,
    pub(super) line: Line,
    pub(super) number: u64,
    /// The newest ticket, for the next socket.
    pub(super) ticket: String,
    /// Parts of the current socket's welcome.
    pub(super) parts: WelcomeParts,
    pub(super) sessions: Sessions,
    /// The shard has lost the room's sessions, so the room has to leave this node.
    pub(super) is_lost: bool,
    /// Messages that wait for the hello; `None` before the socket is open, and after the hello.
    held: Option<Vec<NodeToRoom>>,
}

impl Served {
    pub(super) fn new(now: Instant, epoch: u64, shard: u16, number: u64, line: Line, ticket: String) -> Self {
        Self {
            epoch,
            shard,
            line,
            number,
            ticket,
            parts: WelcomeParts::default(),
            sessions: Sessions::new(now),
            is_lost: false,
            held: None,
        }
    }

    /// A new socket begins with nothing. The room gets its time to say which sessions it has from here on, however long
    /// it was out of reach.
    pub(super) fn handle_opened(&mut self, now: Instant) {
        self.sessions.empty_since = now;
        self.parts = WelcomeParts::default();
        self.held = Some(Vec::new());
    }

    /// True between the socket's opening and the hello.
    pub(super) fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// Everything that waited for the hello; `None` if no hello is due.
    pub(super) fn take_held(&mut self) -> Option<Vec<NodeToRoom>> {
        self.held.take()
    }

    /// Returns the message unless it waits for the hello.
    pub(super) fn hold(&mut self, message: NodeToRoom) -> Option<NodeToRoom> {
        match &mut self.held {
            Some(held) if held.len() < HELD_MAX => held.push(message),
            Some(_) => tracing::warn!("a message to a room is lost: too many wait for its hello"),
            None => return Some(message),
        }
        None
    }

    /// The socket is lost.
    pub(super) fn back_off(&mut self, now: Instant) {
        self.line.back_off(now);
        self.held = None;
    }
}

/// The room's open sessions on this node, to know when it is empty.
#[derive(Debug)]
pub(super) struct Sessions {
    open: BTreeSet<SessionId>,
    /// Start of the time without sessions.
    empty_since: Instant,
}

impl Sessions {
    fn new(now: Instant) -> Self {
        Self { open: BTreeSet::new(), empty_since: now }
    }

    pub(super) fn note(&mut self, message: &RoomToNode, now: Instant) {
        match message {
            RoomToNode::Welcome { sessions, .. } => {
                self.open = sessions.iter().map(|session| session.session.clone()).collect();
            }
            RoomToNode::SetSession { session } => {
                self.open.insert(session.session.clone());
            }
            RoomToNode::CloseSession { session } => {
                self.open.remove(session);
            }
            RoomToNode::WelcomePart { .. }
            | RoomToNode::SetForwards { .. }
            | RoomToNode::SetRecording { .. }
            | RoomToNode::SetMicrophones { .. }
            | RoomToNode::Release {}
            | RoomToNode::Refused { .. }
            | RoomToNode::Error { .. } => return,
        }
        self.empty_since = now;
    }

    /// The time to leave the room, if nothing happens before.
    pub(super) fn empty_at(&self) -> Option<Instant> {
        self.open.is_empty().then(|| self.empty_since + EMPTY_TIMEOUT)
    }
}
