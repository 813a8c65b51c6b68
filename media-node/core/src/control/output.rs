//! The orders of a node's control to its shell.

use node_core::line::SocketKey;
use shared::RoomId;
use shared::control::{ProbeCredential, RecordingOrder, RoomToNode, SessionQuality};
use std::net::SocketAddr;

#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a socket to the Fleet object, at this address of the edge.
    DialFleet {
        socket: SocketKey,
        edge: usize,
    },
    /// Open a socket to a room, with its ticket.
    DialRoom {
        socket: SocketKey,
        edge: usize,
        room: RoomId,
        ticket: String,
    },
    Send {
        socket: SocketKey,
        frame: String,
    },
    /// Close a socket, or stop opening it.
    Close {
        socket: SocketKey,
    },
    /// Ask a shard for the connected sessions of a room, after everything it was told; answered by
    /// [`super::Input::Connected`].
    AskConnected {
        socket: SocketKey,
        shard: u16,
        room: RoomId,
    },
    TellShard {
        shard: u16,
        room: RoomId,
        message: RoomToNode,
    },
    /// The recording of a room under this epoch; `None` ends it.
    Record {
        room: RoomId,
        epoch: u64,
        order: Option<RecordingOrder>,
    },
    /// Ask the edge for a new ticket; answered by [`super::Input::Ticket`].
    RenewTicket {
        room: RoomId,
        epoch: u64,
        ticket: String,
    },
    /// Probe another node; answered by [`super::Input::Probed`].
    Probe {
        probe: u64,
        addresses: Vec<SocketAddr>,
        tcp: Vec<SocketAddr>,
        credential: ProbeCredential,
    },
    /// For the Worker.
    Sample(Box<SessionQuality>),
    /// The node may stop.
    Drained,
}
