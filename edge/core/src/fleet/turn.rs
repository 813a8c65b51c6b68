//! TURN nodes: registration, relay permissions, and the choice for clients.

use super::node::RegistrationError;
use super::{Fleet, Heartbeat};
use crate::SocketId;
use crate::random::{self, Random};
use serde::{Deserialize, Serialize};
use shared::control::{FleetToNode, TurnRegistration};
use shared::signal::close_code;
use shared::sorted::SortedSet;
use shared::{UnixMillis, limits};
use std::net::SocketAddr;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct TurnNode {
    pub(super) registration: TurnRegistration,
    /// The socket on which it registered.
    pub(super) socket: SocketId,
    pub(super) draining: bool,
}

impl TurnNode {
    fn is_healthy(&self, heartbeat: &Heartbeat, now: UnixMillis) -> bool {
        let heard = now < heartbeat.silent_at();
        !self.draining && heard && heartbeat.load.sessions < self.registration.allocations_max
    }

    /// Load in thousandths, by its busiest thread or its allocations, whichever is higher.
    fn load_permille(&self, heartbeat: &Heartbeat) -> u64 {
        let most = u64::from(self.registration.allocations_max.max(1));
        let taken = u64::from(heartbeat.load.sessions).saturating_mul(1000).checked_div(most).unwrap_or(u64::MAX);
        taken.max(u64::from(heartbeat.load.busiest_shard_permille))
    }
}

/// Validates a TURN node's URIs: browsers refuse a whole configuration because of one bad URI.
pub(super) fn check_urls(urls: &[String]) -> Result<(), RegistrationError> {
    let is_turn = |url: &String| {
        let rest = url.strip_prefix("turn:").or_else(|| url.strip_prefix("turns:"));
        url.len() <= limits::TURN_URL_BYTES_MAX
            && rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_graphic()))
    };
    let counted = (1..=limits::TURN_URLS_PER_NODE_MAX).contains(&urls.len());
    if counted && urls.iter().all(is_turn) { Ok(()) } else { Err(RegistrationError::Urls) }
}

impl Fleet {
    pub(super) fn register_turn(&mut self, now: UnixMillis, socket: SocketId, registration: TurnRegistration) {
        let checked = self
            .check_token(socket, &registration.node, &registration.region)
            .and_then(|()| self.check_turn_count(&registration))
            .and_then(|()| check_urls(&registration.urls));
        if let Err(error) = checked {
            self.refuse(now, socket, error);
            return;
        }
        let id = registration.node.clone();
        self.replace(now, socket, &id);
        self.turn_nodes.insert(id, TurnNode { registration, socket, draining: false });
        self.attach(socket, Heartbeat::first(now));
        self.send(socket, FleetToNode::Registered {});
        let addresses = self.told_addresses.iter().copied().collect();
        self.send(socket, FleetToNode::SetMediaNodes { addresses });
    }

    fn check_turn_count(&self, registration: &TurnRegistration) -> Result<(), RegistrationError> {
        let is_new = !self.turn_nodes.contains(&registration.node);
        let full = is_new && self.turn_nodes.len() >= limits::NODES_PER_REGION_MAX;
        if full { Err(RegistrationError::TooManyNodes) } else { Ok(()) }
    }

    /// The URIs of this region's TURN nodes for a client: a few healthy nodes, each the less busy of two random ones.
    pub(super) fn turn_nodes_for_client(&mut self, now: UnixMillis) -> Vec<Vec<String>> {
        let heard = self.turn_nodes.values().filter_map(|node| {
            let heartbeat = self.sockets.get(&node.socket)?.heartbeat.as_ref()?;
            node.is_healthy(heartbeat, now).then(|| (node, node.load_permille(heartbeat)))
        });
        let mut left: Vec<_> = heard.collect();
        let mut nodes = Vec::new();
        for _ in 0..limits::TURN_NODES_PER_CLIENT {
            let Some(node) = take_less_busy(&mut left, &mut self.random) else { break };
            nodes.push(node.registration.urls.clone());
        }
        nodes
    }

    /// Sends the media nodes' addresses to TURN nodes if they have changed.
    pub(super) fn tell_addresses(&mut self) {
        if self.nodes.changed().is_empty() && self.abroad.changed().is_empty() {
            return;
        }
        let addresses = self.addresses();
        if addresses != self.told_addresses {
            let list: Vec<SocketAddr> = addresses.iter().copied().collect();
            self.told_addresses = addresses;
            let sockets: Vec<SocketId> = self.turn_nodes.values().map(|node| node.socket).collect();
            for socket in sockets {
                self.send(socket, FleetToNode::SetMediaNodes { addresses: list.clone() });
            }
        }
    }

    /// The addresses of the media nodes of every region, those of this one first if there are too many.
    pub(super) fn addresses(&self) -> SortedSet<SocketAddr> {
        let mut addresses = self.own_addresses();
        let abroad = self.abroad.values().flat_map(|abroad| abroad.news.media.iter().copied());
        addresses.extend(abroad.take(limits::MEDIA_ADDRESSES_PER_REGION_MAX.saturating_sub(addresses.len())));
        addresses
    }

    /// Every address of every media node of this region, including lost nodes, which may still serve clients.
    pub(super) fn own_addresses(&self) -> SortedSet<SocketAddr> {
        let shards = self.nodes.values().flat_map(|node| node.registration.shards.iter());
        shards.flat_map(|shard| shard.candidates.iter().copied()).collect()
    }

    /// Registers a node on a socket; earlier registrations on the socket or under the same name end.
    pub(super) fn replace(&mut self, now: UnixMillis, socket: SocketId, id: &shared::NodeId) {
        self.forget_node_of(now, socket);
        let media = self.nodes.get(id).map(|node| node.socket);
        let turn = self.turn_nodes.get(id).map(|node| node.socket);
        // The node reconnected before its old socket was seen to be closed.
        for before in media.into_iter().chain(turn).filter(|before| *before != socket) {
            self.close(now, before, close_code::NORMAL);
        }
    }
}

fn take_less_busy<'a>(left: &mut Vec<(&'a TurnNode, u64)>, random: &mut Random) -> Option<&'a TurnNode> {
    let mut pick = || usize::try_from(random::number(random)).unwrap_or(0).checked_rem(left.len());
    let (first, second) = (pick()?, pick()?);
    let load = |index: usize| left.get(index).map(|(_, load)| *load);
    let index = if load(second) < load(first) { second } else { first };
    Some(left.swap_remove(index).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(urls: &[&str], expected: bool) {
        let urls: Vec<String> = urls.iter().map(|url| (*url).to_owned()).collect();
        assert_eq!(check_urls(&urls).is_ok(), expected, "{urls:?}");
    }

    #[test]
    fn only_turn_uris_are_handed_on_to_clients() {
        check(&["turn:192.0.2.1:3478?transport=udp", "turns:turn.example.org:443?transport=tcp"], true);
        check(&[], false);
        check(&["stun:192.0.2.1:3478"], false);
        check(&["turn:"], false);
        check(&["turn:192.0.2.1 3478"], false);
        check(&["turn:192.0.2.1:3478\r\n"], false);
        check(&[&format!("turn:{}", "a".repeat(limits::TURN_URL_BYTES_MAX))], false);
        check(&["turn:192.0.2.1:3478"; limits::TURN_URLS_PER_NODE_MAX + 1], false);
    }
}
