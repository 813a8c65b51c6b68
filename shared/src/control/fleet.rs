//! Messages between a node and its region's Fleet object: registration, load, assignments.

use crate::error_code::ErrorCode;
use crate::ids::{NodeId, Region, RoomId};
use crate::rtp_parameters::{Fingerprint, Session};
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;

/// What a node tells the Fleet object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NodeToFleet {
    /// The first frame: who the node is and where it can be reached. Answered by `registered` or `refused`.
    Register(NodeRegistration),
    /// The first frame of a TURN node. Answered by `registered`, then `set_media_nodes`, or by `refused`.
    RegisterTurn(TurnRegistration),
    /// Sent every 5 s.
    Heartbeat { load: NodeLoad },
    /// The node is about to stop and takes no new rooms.
    Draining {},
}

/// A media node's registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRegistration {
    pub node: NodeId,
    pub region: Region,
    /// Digest of the certificate that it shows to clients.
    pub fingerprint: Fingerprint,
    /// Its threads with their addresses.
    pub shards: Vec<ShardInfo>,
    /// Its capacity.
    pub sessions_max: u32,
}

/// A TURN node's registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnRegistration {
    pub node: NodeId,
    pub region: Region,
    /// Where clients reach it: `turn:` and `turns:` URIs (RFC 7065), most wanted first.
    pub urls: Vec<String>,
    /// Its capacity.
    pub allocations_max: u32,
}

/// One thread of a node with a UDP port of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardInfo {
    pub shard: u16,
    /// Where clients can reach it, most wanted first.
    pub candidates: Vec<SocketAddr>,
}

/// How busy a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLoad {
    pub rooms: u32,
    /// Sessions in all of them; of a TURN node, its allocations.
    pub sessions: u32,
    /// Packets it sent in the last second.
    pub packets_out_per_s: u32,
    /// Load of its busiest thread in the last second, in thousandths.
    pub busiest_shard_permille: u16,
}

/// What the Fleet object tells a node.
#[allow(clippy::large_enum_variant, reason = "one at a time, and small on wasm32")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FleetToNode {
    /// The registration succeeded.
    Registered {},
    /// The edge will not serve this socket and closes it next.
    Refused { code: ErrorCode },
    /// The node serves this room from now on: it opens the first session at once, then dials the room.
    Assign(Box<Assignment>),
    /// For a TURN node: the only addresses that `sfu` credentials may reach from now on.
    SetMediaNodes {
        /// Every address on which a media node serves clients.
        addresses: Vec<SocketAddr>,
    },
    /// A frame could not be read.
    Error { code: ErrorCode, message: String },
}

/// One room given to one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    pub room: RoomId,
    /// The assignment's number; a higher one supersedes it.
    pub epoch: u64,
    /// The thread that serves it; the answer to the client already names its address.
    pub shard: u16,
    /// Bearer token with which the node dials the room.
    pub ticket: String,
    /// The session of the first participant, so that a cold join does not wait. `None` when a room with clients moves: they have yet to offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
}
