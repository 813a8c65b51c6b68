//! One room: who is in it, who may do what, what was negotiated, which node serves it.
//!
//! [`Room::handle_input`], then [`Room::poll_output`] until it is empty, then an alarm at [`Room::poll_timeout`]. Everything that matters is in
//! the rows that [`Output::Store`] hands out and in the attachments of the sockets, so that a room can sleep after any input.

use crate::SocketId;
use crate::fleet::{PlaceAnswer, PlaceRequest};
use crate::random::Random;
use crate::storage::{Changes, RestoreError, Row};
use serde::{Deserialize, Serialize};
use shared::control::{ControlError, NodeToRoom, RoomToNode};
use shared::signal::{ClientFrame, EdgeToClient, FrameError, IceServer};
use shared::token::{JoinClaims, TicketClaims};
use shared::{RoomId, UnixMillis};
use std::collections::VecDeque;

/// What the shell tells a room.
#[derive(Clone, Debug)]
pub enum Input {
    /// A client or a node with a valid token for this room dialled; the attachment is on its socket already.
    SocketOpened(Attachment),
    /// A frame of a client.
    ClientFrame {
        /// Whose.
        socket: SocketId,
        /// What `ClientFrame::parse` made of it; a binary frame is `FrameError::Malformed`.
        frame: Result<ClientFrame, FrameError>,
    },
    /// A frame of a node.
    NodeFrame {
        /// Whose.
        socket: SocketId,
        /// What `Message::parse` made of it.
        frame: Result<NodeToRoom, ControlError>,
    },
    /// A client's or a node's socket is gone, or a send to it failed.
    SocketClosed {
        /// Which.
        socket: SocketId,
    },
    /// The answer to [`Output::AskFleet`]; a call that failed is `PlaceAnswer::Failed` with `Internal`.
    FleetAnswered {
        /// The epoch that was asked for.
        epoch: u64,
        /// The answer.
        answer: PlaceAnswer,
    },
    /// The alarm went off.
    Deadline,
}

/// What the shell shall do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Write, before anything else of this input.
    Store(Changes),
    /// Send to a client.
    SendClient {
        /// To whom.
        socket: SocketId,
        /// What.
        message: EdgeToClient,
    },
    /// Close a client's socket; no [`Input::SocketClosed`] is needed for it.
    CloseClient {
        /// Which.
        socket: SocketId,
        /// The WebSocket close code.
        code: u16,
    },
    /// Send to a node.
    SendNode {
        /// To whom.
        socket: SocketId,
        /// What.
        message: RoomToNode,
    },
    /// Close a node's socket; no [`Input::SocketClosed`] is needed for it.
    CloseNode {
        /// Which.
        socket: SocketId,
        /// The WebSocket close code.
        code: u16,
    },
    /// Ask the region's Fleet object; answered by [`Input::FleetAnswered`]. The room does not wait: further inputs may come first.
    AskFleet(PlaceRequest),
}

/// What a socket carries through hibernation (under 2 KiB of JSON); it never changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Attachment {
    /// A client.
    Client {
        /// The socket.
        socket: SocketId,
        /// When it was opened.
        opened_at: UnixMillis,
        /// What its token says.
        claims: JoinClaims,
    },
    /// A node.
    Node {
        /// The socket.
        socket: SocketId,
        /// When it was opened.
        opened_at: UnixMillis,
        /// What its ticket says.
        claims: TicketClaims,
    },
}

impl Attachment {
    /// Which socket it is on.
    #[must_use]
    pub const fn socket(&self) -> SocketId {
        match self {
            Self::Client { socket, .. } | Self::Node { socket, .. } => *socket,
        }
    }
}

/// What a room is told by its deployment; not stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// STUN and TURN servers for the clients.
    pub ice_servers: Vec<IceServer>,
}

/// One room.
pub struct Room {
    id: RoomId,
    config: Config,
    random: Random,
    outputs: VecDeque<Output>,
}

impl Room {
    /// A room in which nobody has ever been.
    #[must_use]
    pub fn new(id: RoomId, config: Config, random: Random) -> Self {
        Self { id, config, random, outputs: VecDeque::new() }
    }

    /// The room as it was, out of its rows and the attachments of its open sockets; sockets that are gone count as closed `now`.
    pub fn restore(
        id: RoomId,
        config: Config,
        random: Random,
        _now: UnixMillis,
        _rows: &[Row],
        _sockets: Vec<Attachment>,
    ) -> Result<Self, RestoreError> {
        Ok(Self::new(id, config, random))
    }

    /// Takes one input; its outputs are queued.
    pub fn handle_input(&mut self, _now: UnixMillis, _input: Input) {
        let _ = (&self.id, &self.config, &mut self.random);
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
