//! What a Room object asks a Fleet object, and what it is answered: the only types that travel between two objects of the edge.

use serde::{Deserialize, Serialize};
use shared::rtp_parameters::{Fingerprint, Session};
use shared::{ErrorCode, NodeId, RoomId};
use std::net::SocketAddr;

/// "Which node shall serve this room?"
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceRequest {
    /// The room.
    pub room: RoomId,
    /// The number of the new assignment, higher than all before.
    pub epoch: u64,
    /// Nodes that failed the room: taken only where no other is healthy.
    pub avoid: Vec<NodeId>,
    /// The first session, where one waits: the node opens it before it dials.
    pub session: Option<Session>,
}

/// The answer of a Fleet object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum PlaceAnswer {
    /// A node was told to serve the room.
    Placed(Placement),
    /// No node serves it.
    Failed {
        /// Why.
        code: ErrorCode,
    },
}

/// Which node serves a room, and what clients must know about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The node.
    pub node: NodeId,
    /// Its thread.
    pub shard: u16,
    /// Where clients reach that thread, most wanted first.
    pub candidates: Vec<SocketAddr>,
    /// Digest of the certificate that clients must see.
    pub fingerprint: Fingerprint,
}
