//! An assignment: one epoch of one node that serves the room.

use crate::SocketId;
use crate::fleet::{Placement, Relays};
use serde::{Deserialize, Serialize};
use shared::json::tagged;
use shared::rtp_parameters::Fingerprint;
use shared::sorted::SortedSet;
use shared::{NodeId, Region, SessionId, UnixMillis, limits};
use std::net::SocketAddr;

/// Clients of a node that is about to stop have this long to move.
const RETIRED_TIMEOUT_MS: u64 = 30_000;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Assignment {
    pub(crate) node: NodeId,
    pub(crate) shard: u16,
    pub(crate) candidates: Vec<SocketAddr>,
    #[serde(default)]
    pub(crate) tcp_candidates: Vec<SocketAddr>,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) link: Link,
    /// The TURN servers for clients that cannot reach the node directly.
    #[serde(default)]
    pub(crate) relay: Relay,
    /// Set once its clients were told to move.
    pub(crate) retired_at: Option<UnixMillis>,
    /// Sessions for which the node had no capacity. While there are any, the room asks for a node with more.
    #[serde(default)]
    pub(crate) refused: SortedSet<SessionId>,
    /// True if the node says who should be heard; `None` until it has connected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reports_loudest: Option<bool>,
}

#[tagged("state")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// The assignment was sent to the node.
    Dialing { since: UnixMillis },
    /// The node has sent `hello`.
    Connected { socket: SocketId },
    /// Its socket is closed; media may still flow.
    Lost {
        since: UnixMillis,
        /// The part of the time to reconnect that this room does not wait.
        #[serde(default)]
        early_ms: u64,
    },
    /// It did not connect in time, so another node is being requested; if it connects first, it is accepted.
    Silent,
}

impl Assignment {
    pub(crate) fn new(placement: Placement, now: UnixMillis) -> Self {
        let relay = Relay::new(&placement, now);
        let Placement { node, shard, candidates, tcp_candidates, fingerprint, .. } = placement;
        let (link, retired_at, refused, reports_loudest) = (Link::Dialing { since: now }, None, SortedSet::new(), None);
        Self { node, shard, candidates, tcp_candidates, fingerprint, relay, link, retired_at, refused, reports_loudest }
    }

    pub(crate) const fn socket(&self) -> Option<SocketId> {
        match self.link {
            Link::Connected { socket } => Some(socket),
            Link::Dialing { .. } | Link::Lost { .. } | Link::Silent => None,
        }
    }

    pub(crate) const fn node_deadline(&self) -> Option<UnixMillis> {
        match self.link {
            Link::Dialing { since } => Some(since.plus_ms(limits::NODE_DIAL_TIMEOUT_MS)),
            Link::Lost { since, early_ms } => {
                Some(since.plus_ms(limits::NODE_LOST_TIMEOUT_MS.saturating_sub(early_ms)))
            }
            Link::Connected { .. } | Link::Silent => None,
        }
    }

    pub(crate) fn retired_deadline(&self) -> Option<UnixMillis> {
        self.retired_at.map(|at| at.plus_ms(RETIRED_TIMEOUT_MS))
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Relay {
    /// The node's region, whose Fleet object is asked.
    pub(crate) region: Option<Region>,
    #[serde(default)]
    pub(crate) nodes: Relays,
    pub(crate) asked_at: UnixMillis,
    pub(crate) is_asked: bool,
}

impl Relay {
    pub(crate) fn new(placement: &Placement, now: UnixMillis) -> Self {
        Self { region: Some(placement.region.clone()), nodes: placement.relays.clone(), asked_at: now, is_asked: false }
    }

    /// The TURN URIs for a participant near these regions: nodes of the first two with any, the media node's region last.
    pub(crate) fn urls_near(&self, near: &[Region]) -> Vec<String> {
        let mut regions: Vec<&Region> = near.iter().chain(&self.region).collect();
        let mut seen = SortedSet::new();
        regions.retain(|region| seen.insert(*region));
        let nodes = regions.into_iter().filter_map(|region| self.nodes.get(region)).filter(|nodes| !nodes.is_empty());
        let found: Vec<_> = nodes.take(limits::TURN_REGIONS_PER_CLIENT).collect();
        let of_each = limits::TURN_NODES_PER_CLIENT.checked_div(found.len()).unwrap_or(0);
        found.into_iter().flat_map(|nodes| nodes.iter().take(of_each)).flatten().cloned().collect()
    }
}
