//! Placement of rooms: the Room object's request, the Fleet object's choice of a node, and its answer.
//!
//! Request and answer are the only types that two Durable Objects exchange.

use super::Heartbeat;
use super::abroad::Relays;
use super::node::Node;
use crate::random::{self, Random};
use serde::{Deserialize, Serialize};
use shared::json::tagged;
use shared::rtp_parameters::{Fingerprint, Session};
use shared::{ErrorCode, NodeId, Region, RoomId, UnixMillis};
use std::net::SocketAddr;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaceRequest {
    pub room: RoomId,
    /// The epoch of the new assignment, higher than all previous ones.
    pub epoch: u64,
    /// Nodes that failed this room; chosen only if no other node is healthy.
    pub avoid: Vec<NodeId>,
    /// The room's own node, if it has no capacity for another session; never chosen.
    #[serde(default)]
    pub full: Option<NodeId>,
    /// The region or continent that the room wishes for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// The first waiting session, if any, which the node opens before it connects to the room.
    pub session: Option<Session>,
}

#[tagged("type")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaceAnswer {
    Placed(Placement),
    Failed { code: ErrorCode },
}

/// The node that serves a room, and its parameters for clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    pub node: NodeId,
    pub shard: u16,
    /// The thread's addresses for clients, most preferred first.
    pub candidates: Vec<SocketAddr>,
    /// The node's addresses for clients over TCP.
    #[serde(default)]
    pub tcp_candidates: Vec<SocketAddr>,
    /// Digest of the node's DTLS certificate.
    pub fingerprint: Fingerprint,
    /// The region, whose Fleet object knows the TURN nodes.
    pub region: Region,
    /// The current TURN nodes of every region.
    #[serde(default)]
    pub relays: Relays,
}

/// The less busy of two random healthy nodes: nearly as good as the least busy node, and simultaneous rooms do not all
/// go to the same node (Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing").
pub(super) fn choose<'a>(
    nodes: impl Iterator<Item = (&'a Node, &'a Heartbeat)>,
    avoid: &[NodeId],
    now: UnixMillis,
    random: &mut Random,
) -> Option<&'a Node> {
    let healthy = nodes.filter(|(node, heartbeat)| node.is_healthy(heartbeat, now));
    let (avoided, wanted): (Vec<_>, Vec<_>) = healthy.partition(|(node, _)| avoid.contains(&node.registration.node));
    let mut left = if wanted.is_empty() { avoided } else { wanted };
    let first = take_random(&mut left, random)?;
    let better = take_random(&mut left, random)
        .filter(|(node, heartbeat)| node.load_permille(heartbeat) < first.0.load_permille(first.1));
    Some(better.unwrap_or(first).0)
}

fn take_random<T>(from: &mut Vec<T>, random: &mut Random) -> Option<T> {
    let number = usize::try_from(random::number(random)).unwrap_or(0);
    let index = number.checked_rem(from.len())?;
    Some(from.swap_remove(index))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SocketId;
    use shared::control::{NodeLoad, NodeRegistration};

    const NOW: UnixMillis = UnixMillis(1_000_000);

    /// `"a:100 b:900! c:5?"`: nodes with their load in thousandths; `!` is draining, `?` silent for long, `#` full.
    fn fleet(text: &str) -> Vec<(Node, Heartbeat)> {
        let node = |word: &str| {
            let (name, load) = word.split_once(':').unwrap();
            let permille = load.trim_end_matches(['!', '?', '#']).parse().unwrap();
            let registration = NodeRegistration {
                node: NodeId::parse(name).unwrap(),
                region: Region::parse("local").unwrap(),
                fingerprint: Fingerprint([0; 32]),
                shards: vec![],
                tcp_candidates: vec![],
                sessions_max: if load.ends_with('#') { 0 } else { 1000 },
                probe: None,
                probe_families: None,
            };
            let heard_at = if load.ends_with('?') { UnixMillis(0) } else { NOW };
            let load_ = NodeLoad { busiest_shard_permille: permille, ..NodeLoad::default() };
            let heartbeat = Heartbeat { heard_at, load: load_, interval_ms: 5_000, assigned: 0, assigned_since: 0 };
            (
                Node {
                    registration,
                    socket: SocketId(0),
                    draining: load.ends_with('!'),
                    lost_at: None,
                    probing: None,
                    families: Vec::new(),
                },
                heartbeat,
            )
        };
        text.split_whitespace().map(node).collect()
    }

    /// The percentage of a thousand choices that went to each node.
    fn shares(text: &str, avoid: &[&str]) -> std::collections::BTreeMap<String, usize> {
        let fleet = fleet(text);
        let avoid: Vec<_> = avoid.iter().map(|name| NodeId::parse(name).unwrap()).collect();
        let mut random = crate::random::tests::seeded(1);
        let mut counts = std::collections::BTreeMap::new();
        for _ in 0..1000 {
            let nodes = fleet.iter().map(|(node, heartbeat)| (node, heartbeat));
            if let Some(node) = choose(nodes, &avoid, NOW, &mut random) {
                *counts.entry(node.registration.node.to_string()).or_insert(0) += 1;
            }
        }
        counts.into_iter().map(|(name, count)| (name, (count + 5) / 10)).collect()
    }

    fn check(text: &str, avoid: &[&str], expected: &[&str]) {
        let names: Vec<String> = shares(text, avoid).into_keys().collect();
        assert_eq!(names, expected, "{text}");
    }

    // Holds S2-MED-09.
    #[test]
    fn takes_the_less_busy_of_two() {
        check("a:100 b:900", &[], &["a"]);
    }

    // Holds S2-MED-09.
    #[test]
    fn spreads_over_all_but_the_busiest() {
        let shares = shares("a:100 b:200 c:300 d:400", &[]);
        assert!(!shares.contains_key("d") && shares["a"] > shares["b"] && shares["b"] > shares["c"], "{shares:?}");
    }

    #[test]
    fn leaves_out_nodes_that_drain_are_silent_or_full() {
        check("a:1! b:1? c:1# d:999", &[], &["d"]);
        check("a:1! b:1? c:1#", &[], &[]);
        check("", &[], &[]);
    }

    #[test]
    fn avoids_nodes_that_failed_unless_there_is_no_other() {
        check("a:1 b:900", &["a"], &["b"]);
        check("a:1", &["a"], &["a"]);
        check("a:1 b:900!", &["a"], &["a"]);
    }
}
