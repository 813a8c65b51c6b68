//! Between a node and its region's Fleet object: who is there, how busy, and who shall serve which room.

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
    /// Sent every 5 s: how busy the node is.
    Heartbeat {
        /// How busy.
        load: NodeLoad,
    },
    /// The node is about to stop: no new rooms, please.
    Draining {},
}

/// Who a node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRegistration {
    /// Its id, the same as in its token.
    pub node: NodeId,
    /// Its region, the same as in its token.
    pub region: Region,
    /// Digest of the certificate that it shows to clients.
    pub fingerprint: Fingerprint,
    /// Its threads with their addresses.
    pub shards: Vec<ShardInfo>,
    /// Sessions that it takes at most.
    pub sessions_max: u32,
}

/// Who a TURN node is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnRegistration {
    /// Its id, the same as in its token.
    pub node: NodeId,
    /// Its region, the same as in its token.
    pub region: Region,
    /// Where clients reach it: `turn:` and `turns:` URIs (RFC 7065), most wanted first.
    pub urls: Vec<String>,
    /// Allocations that it takes at most.
    pub allocations_max: u32,
}

/// One thread of a node with a UDP port of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardInfo {
    /// Which.
    pub shard: u16,
    /// Where clients can reach it, most wanted first.
    pub candidates: Vec<SocketAddr>,
}

/// How busy a node is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLoad {
    /// Rooms it serves.
    pub rooms: u32,
    /// Sessions in all of them; of a TURN node, its allocations.
    pub sessions: u32,
    /// Packets it sent in the last second.
    pub packets_out_per_s: u32,
    /// Thousandths of its busiest thread's time that were used in the last second.
    pub busiest_shard_permille: u16,
}

/// What the Fleet object tells a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FleetToNode {
    /// The node may be given rooms.
    Registered {},
    /// The socket will not be served; it is closed next.
    Refused {
        /// Why.
        code: ErrorCode,
    },
    /// The node serves this room from here on: open its first session at once, then dial the room.
    Assign(Box<Assignment>),
    /// To a TURN node: all addresses of the region's media nodes, which are all that `sfu` credentials reach from here on.
    SetMediaNodes {
        /// Every address on which a media node serves clients.
        addresses: Vec<SocketAddr>,
    },
    /// A frame could not be read.
    Error {
        /// Why, for programs.
        code: ErrorCode,
        /// Why, for developers.
        message: String,
    },
}

/// One room given to one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The room.
    pub room: RoomId,
    /// The assignment's number; a higher one ends this.
    pub epoch: u64,
    /// The thread that serves it: its address is in the answer already.
    pub shard: u16,
    /// Bearer token with which the node dials the room.
    pub ticket: String,
    /// The first session, so that a cold join waits for nothing; nothing where a room with clients moves, as they have yet to offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
}
