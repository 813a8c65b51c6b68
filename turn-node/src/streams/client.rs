//! One client's connection as seen by the rest of its thread.

use node_shell::streams::Outgoing;
use std::cell::{Cell, RefCell};
use std::task::Waker;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use turn_core::{ConnectionId, FiveTuple, limits};

/// The node's reasons to close a connection: labels of `turn_connections_closed_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Closing {
    /// No allocation in time.
    Stranger,
    /// No allocation yet, and newer connections need the place.
    Evicted,
    /// A message that was not complete in time.
    SlowMessage,
    /// The client reads nothing.
    Stalled,
    /// The client reads no answers.
    Unread,
    /// The client sent something other than messages.
    Broken,
    /// The TLS handshake failed.
    Handshake,
}

impl Closing {
    pub(crate) const ALL: [(Self, &'static str); 7] = [
        (Self::Stranger, "stranger"),
        (Self::Evicted, "evicted"),
        (Self::SlowMessage, "slow_message"),
        (Self::Stalled, "stalled"),
        (Self::Unread, "unread"),
        (Self::Broken, "broken"),
        (Self::Handshake, "handshake"),
    ];
}

#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) tuple: FiveTuple,
    pub(crate) outgoing: RefCell<Outgoing>,
    /// The peer's connection that the client has bound to this one, until the task takes it.
    pub(crate) joined: RefCell<Option<(ConnectionId, TcpStream)>>,
    /// True once it carries a peer's bytes.
    pub(crate) is_bound: Cell<bool>,
    /// Its number among the connections without an allocation, and its deadline.
    pub(crate) stranger: Cell<Option<(u64, Instant)>>,
    /// Start of the wait for the rest of a message.
    pub(crate) part_since: Cell<Option<Instant>>,
    /// Start of the time in which the client has read nothing although data is queued.
    pub(crate) stalled_since: Cell<Option<Instant>>,
    waker: RefCell<Option<Waker>>,
    is_closing: Cell<bool>,
    closing: Notify,
}

impl Client {
    pub(crate) fn new(tuple: FiveTuple) -> Self {
        Self {
            tuple,
            outgoing: RefCell::default(),
            joined: RefCell::default(),
            is_bound: Cell::default(),
            stranger: Cell::default(),
            part_since: Cell::default(),
            stalled_since: Cell::default(),
            waker: RefCell::default(),
            is_closing: Cell::default(),
            closing: Notify::new(),
        }
    }

    /// Makes the connection's task send queued data.
    pub(crate) fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }

    pub(crate) fn wakes(&self, waker: &Waker) {
        let mut known = self.waker.borrow_mut();
        if !known.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }

    /// Ends the connection's task; false if it is already ending.
    pub(crate) fn close(&self) -> bool {
        self.closing.notify_one();
        !self.is_closing.replace(true)
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing.get()
    }

    pub(crate) async fn closed(&self) {
        self.closing.notified().await;
    }

    /// The exceeded time limit, if any.
    pub(crate) fn overdue(&self, now: Instant) -> Option<Closing> {
        let over = |since: Option<Instant>, limit| since.is_some_and(|at| now.saturating_duration_since(at) >= limit);
        if self.stranger.get().is_some_and(|(_, until)| now >= until) {
            Some(Closing::Stranger)
        } else if over(self.part_since.get(), limits::STREAM_MESSAGE_TIMEOUT) {
            Some(Closing::SlowMessage)
        } else if over(self.stalled_since.get(), limits::STREAM_STALL_TIMEOUT) {
            Some(Closing::Stalled)
        } else {
            None
        }
    }
}
