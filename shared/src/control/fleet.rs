//! Messages between a node and its region's Fleet object: registration, load, assignments.

use crate::error_code::ErrorCode;
use crate::ids::{NodeId, Region, RoomId};
use crate::json::tagged;
use crate::limits;
use crate::rtp_parameters::{Fingerprint, Session};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, SocketAddr};

/// Messages from a node to the Fleet object.
#[tagged("type")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeToFleet {
    /// The first frame, with the node's identity and addresses. Answered by `registered` or `refused`.
    Register(NodeRegistration),
    /// The first frame of a TURN node. Answered by `registered`, then `set_media_nodes`, or by `refused`.
    RegisterTurn(TurnRegistration),
    /// Sent every 5 s.
    Heartbeat { load: NodeLoad },
    /// The node is about to stop and accepts no new rooms.
    Draining {},
    /// The answer to `probe`.
    Probed {
        /// The number in the order.
        probe: u64,
        answered: Vec<SocketAddr>,
        /// Those that answered over TCP; `None` from a node that probes UDP alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        answered_tcp: Option<Vec<SocketAddr>>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRegistration {
    pub node: NodeId,
    pub region: Region,
    /// Digest of the node's DTLS certificate.
    pub fingerprint: Fingerprint,
    /// Its threads with their addresses.
    pub shards: Vec<ShardInfo>,
    /// The addresses for clients over TCP (RFC 6544, passive), the same for all threads; empty if it serves none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tcp_candidates: Vec<SocketAddr>,
    pub sessions_max: u32,
    /// Present if the node does not know its public address: in all of its addresses the edge replaces the unspecified
    /// IP address by the one it sees, has another node probe them with this credential, and tells the outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<ProbeCredential>,
    /// Present if the node knows its addresses: if they are of two families, the edge has each family probed with this
    /// credential, and tells clients no addresses of one that does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_families: Option<ProbeCredential>,
}

/// A short-term credential (RFC 8489 §9.1) that a node's threads accept without a session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeCredential {
    /// At most [`limits::PROBE_CREDENTIAL_BYTES_MAX`] letters and digits, as the password.
    pub ufrag: String,
    pub pwd: String,
    /// True if the node accepts it over TCP too; older ones do not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub over_tcp: bool,
}

impl std::fmt::Debug for ProbeCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProbeCredential").finish_non_exhaustive()
    }
}

impl ProbeCredential {
    /// True if both halves can be part of a Binding request.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        let is_text = |text: &String| {
            (1..=limits::PROBE_CREDENTIAL_BYTES_MAX).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        is_text(&self.ufrag) && is_text(&self.pwd)
    }
}

/// The state of the address that the edge sees.
#[tagged("state")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Another node is probing the addresses; until it is done, the node gets no rooms.
    Probing {},
    /// All addresses have answered.
    Reached {},
    /// Some addresses have not answered; they are probed again, and until all do, the node gets no rooms.
    Silent {
        addresses: Vec<SocketAddr>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tcp: Vec<SocketAddr>,
    },
    /// No other node of the region can probe, so the node gets rooms.
    Unprobed {},
    /// Some of the node's addresses of one family have not answered. The node gets rooms, and clients are told its
    /// addresses of the other family; if neither family answers, those of both.
    FamilySilent {
        addresses: Vec<SocketAddr>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tcp: Vec<SocketAddr>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TurnRegistration {
    pub node: NodeId,
    pub region: Region,
    /// `turn:` and `turns:` URIs for clients (RFC 7065), most preferred first.
    pub urls: Vec<String>,
    pub allocations_max: u32,
}

/// One thread of a node, with its own UDP port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardInfo {
    pub shard: u16,
    /// The addresses for clients, most preferred first.
    pub candidates: Vec<SocketAddr>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeLoad {
    pub rooms: u32,
    /// Sessions in all rooms; for a TURN node, its allocations.
    pub sessions: u32,
    pub packets_out_per_s: u32,
    /// Load of the busiest thread in the last second, in thousandths.
    pub busiest_shard_permille: u16,
    /// `None` until the first readings, and on systems other than Linux.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<HostLoad>,
}

/// Use of the resources of a node's host, by all of its programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostLoad {
    /// Of all cores, in thousandths.
    pub cpu_permille: u16,
    /// Of the memory, in thousandths; memory that the kernel would free on demand counts as free.
    pub memory_permille: u16,
    /// On all interfaces except loopback.
    pub network_in_bps: u64,
    pub network_out_bps: u64,
    /// Of the file system that holds the recordings' spool; of a TURN node, the root file system.
    pub disk_permille: u16,
}

/// Messages from the Fleet object to a node.
#[tagged("type")]
#[allow(clippy::large_enum_variant, reason = "one at a time, and small on wasm32")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FleetToNode {
    /// The registration succeeded.
    Registered {},
    /// The edge will not serve this socket and is about to close it.
    Refused { code: ErrorCode },
    /// Assigns a room to the node, which opens the first session immediately and then connects to the room.
    Assign(Box<Assignment>),
    /// To a TURN node: from now on, `sfu` credentials may reach these addresses only.
    SetMediaNodes {
        /// Every address on which a media node of the region serves clients.
        addresses: Vec<SocketAddr>,
    },
    /// To a media node: send Binding requests to these addresses of another, and tell which answer.
    Probe {
        probe: u64,
        addresses: Vec<SocketAddr>,
        /// Send the requests to these over TCP (RFC 6544).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        tcp: Vec<SocketAddr>,
        credential: ProbeCredential,
    },
    /// To a media node with a credential for probes: the address that the edge sees, or one of its own of the family that
    /// was probed, and whether clients can reach it. Sent after `registered` and after every change.
    SetReach { address: IpAddr, reach: Reach },
    /// From now on, send a heartbeat at this interval.
    SetHeartbeat { interval_ms: u64 },
    /// The edge could not parse a frame.
    Error { code: ErrorCode, message: String },
}

/// The assignment of one room to one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    pub room: RoomId,
    /// The assignment's number; a higher one supersedes it.
    pub epoch: u64,
    /// The thread that serves the room; its address is already in the client's SDP answer.
    pub shard: u16,
    /// Bearer token for the node's socket to the room.
    pub ticket: String,
    /// The session of the first participant, so that a cold join does not wait. `None` when a room with clients moves,
    /// because its clients have not made their new offers yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<Session>,
}
