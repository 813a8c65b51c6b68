//! The nodes of one region: who is there, how busy, and which of them serves a room.
//!
//! [`Fleet::handle_input`], then [`Fleet::poll_output`] until it is empty, then an alarm at [`Fleet::poll_timeout`].

mod placement;

pub use placement::{PlaceAnswer, PlaceRequest, Placement};

use crate::SocketId;
use crate::random::Random;
use crate::storage::{Changes, RestoreError, Row};
use serde::{Deserialize, Serialize};
use shared::control::{ControlError, FleetToNode, NodeLoad, NodeToFleet};
use shared::token::{Key, NodeClaims};
use shared::{Region, UnixMillis};
use std::collections::VecDeque;

/// What the shell tells the fleet.
#[derive(Clone, Debug)]
pub enum Input {
    /// A node with a valid token dialled; the attachment is on its socket already.
    SocketOpened(Attachment),
    /// A frame of a node.
    Frame {
        /// Whose.
        socket: SocketId,
        /// What `Message::parse` made of it.
        frame: Result<NodeToFleet, ControlError>,
    },
    /// A socket is gone, or a send to it failed.
    SocketClosed {
        /// Which.
        socket: SocketId,
    },
    /// A Room object asks; answered by [`Output::Answer`] within this input.
    Place {
        /// The shell's number for this call.
        request: u64,
        /// What it asks.
        ask: PlaceRequest,
    },
    /// The alarm went off.
    Deadline,
}

/// What the shell shall do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write, before anything else of this input.
    Store(Changes),
    /// Replace the attachment of the socket `attachment.socket`.
    Attach(Attachment),
    /// Send to a node.
    Send {
        /// To whom.
        socket: SocketId,
        /// What.
        message: FleetToNode,
    },
    /// Close a socket; no [`Input::SocketClosed`] is needed for it.
    Close {
        /// Which.
        socket: SocketId,
        /// The WebSocket close code.
        code: u16,
    },
    /// Answer a Room object.
    Answer {
        /// The number of its call.
        request: u64,
        /// The answer.
        answer: PlaceAnswer,
    },
}

/// What a node's socket carries through hibernation (under 1 KiB of JSON).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// The socket.
    pub socket: SocketId,
    /// When it was opened.
    pub opened_at: UnixMillis,
    /// What its token says.
    pub claims: NodeClaims,
    /// The node's last heartbeat; nothing before it registered.
    pub heartbeat: Option<Heartbeat>,
}

/// The part of a node's state that changes all the time: too often for storage, and worth nothing without the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// When the node was heard last.
    pub heard_at: UnixMillis,
    /// How busy it said it is.
    pub load: NodeLoad,
    /// Rooms given to it since it was registered: the next one goes to the shard after the last.
    pub assigned: u32,
    /// How many of them it could not yet count in `load`.
    pub assigned_since: u32,
}

/// The nodes of one region.
pub struct Fleet {
    region: Region,
    key: Key,
    random: Random,
    outputs: VecDeque<Output>,
}

impl Fleet {
    /// A region without nodes; `key` signs the tickets with which nodes dial rooms.
    #[must_use]
    pub fn new(region: Region, key: Key, random: Random) -> Self {
        Self { region, key, random, outputs: VecDeque::new() }
    }

    /// The fleet as it was, out of its rows and the attachments of its open sockets.
    pub fn restore(
        region: Region,
        key: Key,
        random: Random,
        _now: UnixMillis,
        _rows: &[Row],
        _sockets: Vec<Attachment>,
    ) -> Result<Self, RestoreError> {
        Ok(Self::new(region, key, random))
    }

    /// Takes one input; its outputs are queued.
    pub fn handle_input(&mut self, _now: UnixMillis, _input: Input) {
        let _ = (&self.region, &self.key, &mut self.random);
    }

    /// What to do next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Input::Deadline`] is due at the latest; an alarm that goes off earlier does no harm.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<UnixMillis> {
        None
    }
}
