//! One registered node: its registration, its load, and whether it can take a room.

use super::Heartbeat;
use super::reach::Probing;
use crate::SocketId;
use serde::{Deserialize, Serialize};
use shared::control::{NodeRegistration, ShardInfo};
use shared::sorted::SortedSet;
use shared::{UnixMillis, limits};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Node {
    pub(super) registration: NodeRegistration,
    /// The socket on which it registered.
    pub(super) socket: SocketId,
    pub(super) draining: bool,
    /// Set when the socket closes; afterwards the node gets no rooms, but may still serve its current ones.
    #[serde(default)]
    pub(super) lost_at: Option<UnixMillis>,
    /// `None` if the node knows its own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) probing: Option<Probing>,
    /// The families of its own addresses, if there are two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) families: Vec<Probing>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum RegistrationError {
    #[error("the registration does not match the node or region in the token")]
    NotTheTokens,
    #[error(
        "a node must have 1 to {} distinct shards, each with 1 to {} addresses, and at most {2} for TCP",
        limits::SHARDS_PER_NODE_MAX,
        limits::CANDIDATES_PER_SHARD_MAX,
        limits::CANDIDATES_PER_SHARD_MAX
    )]
    Shards,
    #[error(
        "the node's addresses must be specific, or all unspecified and of the family from which it connects, with a credential for probes: set MEDIA_ADVERTISE"
    )]
    Address,
    #[error(
        "a TURN node must have 1 to {} turn: or turns: URIs of at most {} bytes",
        limits::TURN_URLS_PER_NODE_MAX,
        limits::TURN_URL_BYTES_MAX
    )]
    Urls,
    #[error(
        "the region already has {} nodes or {} node addresses",
        limits::NODES_PER_REGION_MAX,
        limits::MEDIA_ADDRESSES_PER_REGION_MAX
    )]
    TooManyNodes,
}

/// Validates a registration's shards and addresses.
pub(super) fn check_addresses(registration: &NodeRegistration) -> Result<(), RegistrationError> {
    let NodeRegistration { shards, tcp_candidates, .. } = registration;
    let numbers: SortedSet<u16> = shards.iter().map(|shard| shard.shard).collect();
    let reachable = |shard: &ShardInfo| (1..=limits::CANDIDATES_PER_SHARD_MAX).contains(&shard.candidates.len());
    let counted = (1..=limits::SHARDS_PER_NODE_MAX).contains(&shards.len()) && numbers.len() == shards.len();
    let few = tcp_candidates.len() <= limits::CANDIDATES_PER_SHARD_MAX;
    if counted && few && shards.iter().all(reachable) { Ok(()) } else { Err(RegistrationError::Shards) }
}

impl Node {
    /// True if the node can take another room.
    pub(super) fn is_healthy(&self, heartbeat: &Heartbeat, now: UnixMillis) -> bool {
        let rooms = heartbeat.load.rooms.saturating_add(heartbeat.assigned_since);
        let rooms_max = u32::try_from(limits::ROOMS_PER_NODE_MAX).unwrap_or(u32::MAX);
        let heard = now < heartbeat.silent_at();
        let is_reached = self.probing.as_ref().is_none_or(|probing| probing.gets_rooms);
        is_reached
            && !self.draining
            && heard
            && rooms < rooms_max
            && sessions(heartbeat) < self.registration.sessions_max
    }

    /// Load in thousandths, by its busiest thread or its sessions, whichever is higher.
    pub(super) fn load_permille(&self, heartbeat: &Heartbeat) -> u64 {
        let sessions_max = u64::from(self.registration.sessions_max.max(1));
        let taken = u64::from(sessions(heartbeat)).saturating_mul(1000).checked_div(sessions_max).unwrap_or(u64::MAX);
        taken.max(u64::from(heartbeat.load.busiest_shard_permille))
    }

    /// The thread for the next room; threads take turns.
    pub(super) fn next_shard(&self, heartbeat: &Heartbeat) -> Option<&ShardInfo> {
        let shards = &self.registration.shards;
        let index = usize::try_from(heartbeat.assigned).unwrap_or(0).checked_rem(shards.len())?;
        shards.get(index)
    }
}

/// The node's sessions; a room that its load does not include yet counts as one session.
fn sessions(heartbeat: &Heartbeat) -> u32 {
    heartbeat.load.sessions.saturating_add(heartbeat.assigned_since)
}
