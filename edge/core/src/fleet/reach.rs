//! Media nodes that do not know their public address: they get the one that the edge sees, and no rooms before another
//! node has reached them there. Of nodes that advertise addresses of both families, each family is probed, and clients
//! are told no addresses of one that does not answer.
//!
//! The edge cannot send UDP. A prober believes only answers with the node's credential. A node without an address is
//! probed only where it holds a TCP connection to the edge; one with addresses could direct clients there as well.

use super::node::{Node, RegistrationError};
use super::{Fleet, Output};
use crate::{SocketId, random};
use serde::{Deserialize, Serialize};
use shared::control::{FleetToNode, NodeRegistration, ProbeCredential, Reach};
use shared::json::tagged;
use shared::sorted::SortedSet;
use shared::{NodeId, UnixMillis, limits};
use std::net::{IpAddr, SocketAddr};

/// The state of an address that the edge has seen, or of a family of the node's own addresses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Probing {
    /// Of several of a family, the first.
    address: IpAddr,
    /// True if the node gets rooms, or clients its addresses: it was reached, or no other node can probe it.
    pub(super) gets_rooms: bool,
    /// True if the last probe found ports that do not answer; only a better one opens the node again.
    was_silent: bool,
    step: Step,
    /// Probers that have not answered.
    tried: Vec<NodeId>,
}

#[tagged("step")]
#[derive(Clone, Debug, PartialEq, Eq)]
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

    /// A probing of each family of the node's own addresses, if there are two.
    pub(super) fn of_families(registration: &NodeRegistration, now: UnixMillis, before: &[Self]) -> Vec<Self> {
        let Some(shard) = registration.shards.first().filter(|_| registration.probe_families.is_some()) else {
            return Vec::new();
        };
        let first = |is_ipv6| shard.candidates.iter().map(SocketAddr::ip).find(|ip| ip.is_ipv6() == is_ipv6);
        let (Some(ipv4), Some(ipv6)) = (first(false), first(true)) else { return Vec::new() };
        let probing = |address| {
            let before = before.iter().find(|before| before.address == address);
            let was_silent = before.is_some_and(|before| before.was_silent);
            Self { gets_rooms: !was_silent, ..Self::new(address, now, before) }
        };
        [ipv4, ipv6].map(probing).into()
    }

    /// True for addresses of this probing's family. A node without an address of its own has one family.
    pub(super) fn is_of(&self, address: &SocketAddr) -> bool {
        address.is_ipv6() == self.address.is_ipv6()
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
    if registration.probe_families.as_ref().is_some_and(|credential| !credential.is_valid()) {
        return Err(RegistrationError::Address);
    }
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
        let serving = self.nodes.iter().filter(|(_, node)| node.lost_at.is_none());
        let due = serving.flat_map(|(id, node)| {
            node.probings().filter(|probing| probing.is_due(now)).map(|probing| (id.clone(), probing.address))
        });
        for (id, address) in due.collect::<Vec<_>>() {
            self.probe(now, &id, address);
        }
    }

    fn probe(&mut self, now: UnixMillis, id: &NodeId, address: IpAddr) {
        let of_address = |node: &Node| node.probings().find(|probing| probing.address == address).cloned();
        let Some(mut probing) = self.nodes.get(id).and_then(of_address) else { return };
        if let Step::Asked { prober, .. } = &probing.step {
            probing.tried.push(prober.clone());
        }
        let probers = self.probers(id, &probing);
        let number = random::below(&mut self.random, probers.len() as u64);
        let chosen = usize::try_from(number).ok().and_then(|index| probers.get(index).cloned());
        let Some(node) = self.nodes.get(id) else { return };
        let (is_family, credential) = (node.probing.is_none(), node.probe_credential().cloned());
        let (addresses, tcp) = targets(node, &probing);
        let told = match (chosen.filter(|_| probing.tried.len() < limits::PROBERS_MAX), credential) {
            (Some((prober, socket)), Some(credential)) => {
                let probe = u64::from(random::number(&mut self.random));
                probing.step = Step::Asked { probe, prober, until: now.plus_ms(limits::PROBE_TIMEOUT_MS) };
                self.send(socket, FleetToNode::Probe { probe, addresses, tcp, credential });
                (!probing.gets_rooms && !is_family).then_some(Reach::Probing {})
            }
            _ => {
                let is_news = !probing.gets_rooms;
                probing.step = Step::Later { at: now.plus_ms(limits::PROBE_INTERVAL_MS) };
                (probing.gets_rooms, probing.tried) = (!probing.was_silent, Vec::new());
                match probing.was_silent {
                    true => Some(silent(is_family, addresses, tcp)),
                    false => is_news.then_some(Reach::Unprobed {}),
                }
            }
        };
        self.set_probing(id, probing, told);
    }

    /// The nodes that can probe another: with an address of their own, as the way from a neighbour behind the same NAT
    /// or on the same host tells nothing about firewalls. A family of a node that gets rooms anyway is probed only by
    /// nodes that clients reach over it.
    fn probers(&self, id: &NodeId, probing: &Probing) -> Vec<(NodeId, SocketId)> {
        let is_family = self.nodes.get(id).is_some_and(|node| node.probing.is_none());
        let can = |(other, node): &(&NodeId, &Node)| {
            let addresses = udp_addresses(node);
            let is_elsewhere = addresses.iter().all(|address| address.ip() != probing.address);
            let has_family = !is_family || node.told(&addresses).iter().any(|address| probing.is_of(address));
            let serves = node.lost_at.is_none() && !node.draining;
            *other != id && serves && has_family && is_elsewhere && !probing.tried.contains(other)
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
        let is_asked = |probing: &&Probing| matches!(&probing.step, Step::Asked { probe, prober, .. } if *probe == number && prober == by);
        let asked = self.nodes.iter().find_map(|(id, node)| Some((id, node, node.probings().find(is_asked)?)));
        let Some((id, node, probing)) = asked else { return };
        let (id, is_family, mut probing) = (id.clone(), node.probing.is_none(), probing.clone());
        let (addresses, tcp) = targets(node, &probing);
        let (without_udp, without_tcp) = (
            without(addresses.clone(), answered),
            answered_tcp.map_or_else(Vec::new, |answered| without(tcp, answered)),
        );
        // A node may also have addresses for a network of its own, out of the prober's reach.
        let is_silent = |ip| without_udp.iter().chain(&without_tcp).any(|address| address.ip() == ip);
        let is_reached = addresses.iter().any(|address| !is_silent(address.ip()));
        let is_news = !is_family || probing.was_silent;
        probing.tried = Vec::new();
        (probing.gets_rooms, probing.was_silent) = (is_reached, !is_reached);
        let reach = match is_reached {
            true => {
                probing.step = Step::Reached;
                is_news.then_some(Reach::Reached {})
            }
            false => {
                probing.step = Step::Later { at: now.plus_ms(limits::PROBE_INTERVAL_MS) };
                Some(silent(is_family, without_udp, without_tcp))
            }
        };
        self.set_probing(&id, probing, reach);
    }

    fn set_probing(&mut self, id: &NodeId, probing: Probing, told: Option<Reach>) {
        let Some(node) = self.nodes.get_mut(id) else { return };
        let (socket, address) = (node.socket, probing.address);
        let mut known = node.probing.iter_mut().chain(&mut node.families);
        if let Some(known) = known.find(|known| known.address == address) {
            *known = probing;
        }
        if let Some(reach) = told {
            self.told.push(Output::Send { socket, message: FleetToNode::SetReach { address, reach } });
        }
    }
}

impl Node {
    pub(super) fn probings(&self) -> impl Iterator<Item = &Probing> {
        self.probing.iter().chain(&self.families)
    }

    fn probe_credential(&self) -> Option<&ProbeCredential> {
        self.registration.probe.as_ref().or(self.registration.probe_families.as_ref())
    }

    /// Those of the node's own addresses that clients are told: not those of a family that does not answer, unless
    /// neither does. Then the fault is rather the probers'.
    pub(super) fn told(&self, addresses: &[SocketAddr]) -> Vec<SocketAddr> {
        if self.families.iter().all(|family| !family.gets_rooms) {
            return addresses.to_vec();
        }
        let is_silent =
            |address: &SocketAddr| self.families.iter().any(|family| family.is_of(address) && !family.gets_rooms);
        addresses.iter().filter(|address| !is_silent(address)).copied().collect()
    }
}

fn silent(is_family: bool, addresses: Vec<SocketAddr>, tcp: Vec<SocketAddr>) -> Reach {
    if is_family { Reach::FamilySilent { addresses, tcp } } else { Reach::Silent { addresses, tcp } }
}

/// The node's addresses to probe over UDP and over TCP; over TCP only if the node says that it answers there.
fn targets(node: &Node, probing: &Probing) -> (Vec<SocketAddr>, Vec<SocketAddr>) {
    let of_family =
        |addresses: Vec<SocketAddr>| addresses.into_iter().filter(|address| probing.is_of(address)).collect();
    let answers_tcp = node.probe_credential().is_some_and(|credential| credential.over_tcp);
    let tcp = if answers_tcp { node.registration.tcp_candidates.clone() } else { Vec::new() };
    (of_family(udp_addresses(node)), of_family(tcp))
}

fn without(mut addresses: Vec<SocketAddr>, answered: &[SocketAddr]) -> Vec<SocketAddr> {
    let answered: SortedSet<&SocketAddr> = answered.iter().collect();
    addresses.retain(|address| !answered.contains(address));
    addresses
}

fn udp_addresses(node: &Node) -> Vec<SocketAddr> {
    node.registration.shards.iter().flat_map(|shard| shard.candidates.iter().copied()).collect()
}
