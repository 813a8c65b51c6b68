//! Media nodes that do not know their public address: they get the one that the edge sees, and no rooms before another
//! node has reached them there.
//!
//! The edge cannot send UDP. A probe goes only to the address from which its receiver holds a TCP connection to the
//! edge, so a node can direct no traffic at others; and a prober believes only answers with the node's credential.

use super::node::{Node, RegistrationError};
use super::{Fleet, Output};
use crate::{SocketId, random};
use serde::{Deserialize, Serialize};
use shared::control::{FleetToNode, NodeRegistration, Reach};
use shared::{NodeId, UnixMillis, limits};
use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

/// The state of an address that the edge has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Probing {
    address: IpAddr,
    /// True if the node gets rooms: it was reached, or no other node can probe it.
    pub(super) gets_rooms: bool,
    /// True if the last probe found ports that do not answer; only a better one opens the node again.
    was_silent: bool,
    step: Step,
    /// Probers that have not answered.
    tried: Vec<NodeId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
enum Step {
    Asked {
        probe: u64,
        prober: NodeId,
        until: UnixMillis,
    },
    Reached,
    /// Silent or unprobed; it is probed again.
    Later {
        at: UnixMillis,
    },
}

impl Probing {
    /// A node that registers again at the same address is as reachable as it was, until it has been probed again.
    pub(super) fn new(address: IpAddr, now: UnixMillis, before: Option<&Self>) -> Self {
        let before = before.filter(|before| before.address == address);
        let gets_rooms = before.is_some_and(|before| before.gets_rooms);
        let was_silent = before.is_some_and(|before| before.was_silent);
        Self { address, gets_rooms, was_silent, step: Step::Later { at: now }, tried: Vec::new() }
    }

    pub(super) const fn deadline(&self) -> Option<UnixMillis> {
        match self.step {
            Step::Asked { until: at, .. } | Step::Later { at } => Some(at),
            Step::Reached => None,
        }
    }

    fn is_due(&self, now: UnixMillis) -> bool {
        self.deadline().is_some_and(|at| at <= now)
    }
}

/// Replaces the unspecified addresses of a node that does not know its own by `seen`.
pub(super) fn with_address(
    registration: NodeRegistration,
    seen: Option<IpAddr>,
) -> Result<(NodeRegistration, Option<IpAddr>), RegistrationError> {
    let NodeRegistration { shards, tcp_candidates, probe, .. } = &registration;
    let mut addresses = shards.iter().flat_map(|shard| &shard.candidates).chain(tcp_candidates);
    let Some(credential) = probe else {
        let is_unknown = addresses.any(|address| address.ip().is_unspecified());
        return if is_unknown { Err(RegistrationError::Address) } else { Ok((registration, None)) };
    };
    let seen = seen.filter(|_| credential.is_valid()).ok_or(RegistrationError::Address)?;
    // A socket for IPv6 also receives IPv4 (RFC 3493 §5.3), but not the other way round.
    let fits = |address: &SocketAddr| address.ip().is_unspecified() && (address.is_ipv6() || seen.is_ipv4());
    if !addresses.all(fits) {
        return Err(RegistrationError::Address);
    }
    let mut registration = registration;
    let candidates = registration.shards.iter_mut().flat_map(|shard| &mut shard.candidates);
    for address in candidates.chain(&mut registration.tcp_candidates) {
        address.set_ip(seen);
    }
    Ok((registration, Some(seen)))
}

impl Fleet {
    /// Begins the probes that are due, and gives up those that were not answered.
    pub(super) fn probe_due(&mut self, now: UnixMillis) {
        let is_due = |node: &Node| node.lost_at.is_none() && node.probing.as_ref().is_some_and(|it| it.is_due(now));
        let due: Vec<NodeId> = self.nodes.iter().filter(|(_, node)| is_due(node)).map(|(id, _)| id.clone()).collect();
        for id in due {
            self.probe(now, &id);
        }
    }

    fn probe(&mut self, now: UnixMillis, id: &NodeId) {
        let Some(mut probing) = self.nodes.get(id).and_then(|node| node.probing.clone()) else { return };
        if let Step::Asked { prober, .. } = &probing.step {
            probing.tried.push(prober.clone());
        }
        let probers = self.probers(id, &probing);
        let number = random::below(&mut self.random, probers.len() as u64);
        let chosen = usize::try_from(number).ok().and_then(|index| probers.get(index).cloned());
        let Some(node) = self.nodes.get(id) else { return };
        let credential = node.registration.probe.clone();
        let (addresses, tcp) = (udp_addresses(node), node.registration.tcp_candidates.clone());
        let told = match (chosen.filter(|_| probing.tried.len() < limits::PROBERS_MAX), credential) {
            (Some((prober, socket)), Some(credential)) => {
                let probe = u64::from(random::number(&mut self.random));
                probing.step = Step::Asked { probe, prober, until: now.plus_ms(limits::PROBE_TIMEOUT_MS) };
                self.send(socket, FleetToNode::Probe { probe, addresses, tcp, credential });
                (!probing.gets_rooms).then_some(Reach::Probing {})
            }
            _ => {
                let is_news = !probing.gets_rooms;
                probing.step = Step::Later { at: now.plus_ms(limits::PROBE_INTERVAL_MS) };
                (probing.gets_rooms, probing.tried) = (!probing.was_silent, Vec::new());
                match probing.was_silent {
                    true => Some(Reach::Silent { addresses, tcp }),
                    false => is_news.then_some(Reach::Unprobed {}),
                }
            }
        };
        self.set_probing(id, probing, told);
    }

    /// The nodes that can probe another: with an address of their own, as the way from a neighbour behind the same NAT
    /// or on the same host tells nothing about firewalls.
    fn probers(&self, id: &NodeId, probing: &Probing) -> Vec<(NodeId, SocketId)> {
        let can = |(other, node): &(&NodeId, &Node)| {
            let is_elsewhere = udp_addresses(node).iter().all(|address| address.ip() != probing.address);
            let serves = node.lost_at.is_none() && !node.draining;
            *other != id && serves && is_elsewhere && !probing.tried.contains(other)
        };
        self.nodes.iter().filter(can).map(|(id, node)| (id.clone(), node.socket)).collect()
    }

    /// Handles a prober's answer; an older node says nothing about TCP.
    pub(super) fn probed(
        &mut self,
        now: UnixMillis,
        socket: SocketId,
        number: u64,
        answered: &[SocketAddr],
        answered_tcp: Option<&[SocketAddr]>,
    ) {
        let Some(by) = self.sockets.get(&socket).map(|attachment| &attachment.claims.sub) else { return };
        let is_asked = |node: &Node| {
            let step = node.probing.as_ref().map(|probing| &probing.step);
            matches!(step, Some(Step::Asked { probe, prober, .. }) if *probe == number && prober == by)
        };
        let Some((id, node)) = self.nodes.iter().find(|(_, node)| is_asked(node)) else { return };
        let id = id.clone();
        let silent = without(udp_addresses(node), answered);
        let tcp = answered_tcp.map_or_else(Vec::new, |tcp| without(node.registration.tcp_candidates.clone(), tcp));
        let is_reached = silent.is_empty() && tcp.is_empty();
        let Some(mut probing) = node.probing.clone() else { return };
        probing.tried = Vec::new();
        (probing.gets_rooms, probing.was_silent) = (is_reached, !is_reached);
        let reach = match is_reached {
            true => {
                probing.step = Step::Reached;
                Reach::Reached {}
            }
            false => {
                probing.step = Step::Later { at: now.plus_ms(limits::PROBE_INTERVAL_MS) };
                Reach::Silent { addresses: silent, tcp }
            }
        };
        self.set_probing(&id, probing, Some(reach));
    }

    fn set_probing(&mut self, id: &NodeId, probing: Probing, told: Option<Reach>) {
        let Some(node) = self.nodes.get_mut(id) else { return };
        let (socket, address) = (node.socket, probing.address);
        node.probing = Some(probing);
        if let Some(reach) = told {
            self.told.push(Output::Send { socket, message: FleetToNode::SetReach { address, reach } });
        }
    }
}

fn without(mut addresses: Vec<SocketAddr>, answered: &[SocketAddr]) -> Vec<SocketAddr> {
    let answered: BTreeSet<&SocketAddr> = answered.iter().collect();
    addresses.retain(|address| !answered.contains(address));
    addresses
}

fn udp_addresses(node: &Node) -> Vec<SocketAddr> {
    node.registration.shards.iter().flat_map(|shard| shard.candidates.iter().copied()).collect()
}
