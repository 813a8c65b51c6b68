//! Network address translation with the mappings and filters of RFC 4787, and mappings that get lost.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// First port of the outside.
const FIRST_PORT: u16 = 20_000;

/// What a rule looks at (RFC 4787 §4.1 and §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependence {
    EndpointIndependent,
    AddressDependent,
    AddressAndPortDependent,
}

/// One kind of NAT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// When one inside socket keeps its outside port.
    pub mapping: Dependence,
    /// The remote end whose datagrams are let in.
    pub filtering: Dependence,
}

impl Kind {
    pub const FULL_CONE: Self =
        Self { mapping: Dependence::EndpointIndependent, filtering: Dependence::EndpointIndependent };
    pub const ADDRESS_RESTRICTED: Self =
        Self { mapping: Dependence::EndpointIndependent, filtering: Dependence::AddressDependent };
    pub const PORT_RESTRICTED: Self =
        Self { mapping: Dependence::EndpointIndependent, filtering: Dependence::AddressAndPortDependent };
    pub const SYMMETRIC: Self =
        Self { mapping: Dependence::AddressAndPortDependent, filtering: Dependence::AddressAndPortDependent };
    pub const ALL: [Self; 4] = [Self::FULL_CONE, Self::ADDRESS_RESTRICTED, Self::PORT_RESTRICTED, Self::SYMMETRIC];
}

/// The NAT in front of one host.
#[derive(Clone, Debug)]
pub struct Nat {
    kind: Kind,
    outside: IpAddr,
    next_port: u16,
    /// Outside port by inside socket, and by as much of the peer as the mapping depends on.
    mappings: BTreeMap<(SocketAddr, Peer), u16>,
    opened: BTreeMap<u16, Opened>,
}

/// As much of a peer as a rule looks at.
type Peer = (Option<IpAddr>, Option<u16>);

#[derive(Clone, Debug)]
struct Opened {
    inside: SocketAddr,
    /// The peers it was used towards.
    peers: BTreeSet<Peer>,
}

impl Nat {
    /// A NAT without mappings, whose address outside is this one.
    #[must_use]
    pub fn new(kind: Kind, outside: IpAddr) -> Self {
        Self { kind, outside, next_port: FIRST_PORT, mappings: BTreeMap::new(), opened: BTreeMap::new() }
    }

    /// Its address outside.
    #[must_use]
    pub fn outside(&self) -> IpAddr {
        self.outside
    }

    /// Forgets every mapping, as after a restart: the same sockets get other ports, and nobody can come in until they do.
    pub fn rebind(&mut self) {
        self.mappings.clear();
        self.opened.clear();
    }

    /// The outside address of a datagram that leaves.
    pub(super) fn leave(&mut self, from: SocketAddr, to: SocketAddr) -> SocketAddr {
        let key = (from, self.kind.mapping.of(to));
        let next_port = &mut self.next_port;
        let port = *self.mappings.entry(key).or_insert_with(|| {
            *next_port += 1;
            *next_port
        });
        let opened = self.opened.entry(port).or_insert_with(|| Opened { inside: from, peers: BTreeSet::new() });
        opened.peers.insert(self.kind.filtering.of(to));
        SocketAddr::new(self.outside, port)
    }

    /// The inside address of a datagram that comes, if it may come in.
    pub(super) fn enter(&self, from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        let opened = self.opened.get(&to.port())?;
        opened.peers.contains(&self.kind.filtering.of(from)).then_some(opened.inside)
    }
}

impl Dependence {
    fn of(self, peer: SocketAddr) -> Peer {
        match self {
            Self::EndpointIndependent => (None, None),
            Self::AddressDependent => (Some(peer.ip()), None),
            Self::AddressAndPortDependent => (Some(peer.ip()), Some(peer.port())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(host: u8, port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, host], port))
    }

    /// Whether one socket keeps its port towards another port and another host, and who may answer once only
    /// 192.0.2.9:1 was spoken to: its other port, another host.
    fn behaviour(kind: Kind) -> [bool; 4] {
        let mut nat = Nat::new(kind, address(1, 0).ip());
        let inside = SocketAddr::from(([10, 0, 0, 1], 5_000));
        let outside = nat.leave(inside, address(9, 1));
        assert_eq!(nat.enter(address(9, 1), outside), Some(inside));
        assert_eq!(nat.leave(inside, address(9, 1)), outside);
        let enters = [address(9, 2), address(8, 1)].map(|from| nat.enter(from, outside).is_some());
        let keeps = [address(9, 2), address(8, 1)].map(|to| nat.leave(inside, to) == outside);
        [keeps[0], keeps[1], enters[0], enters[1]]
    }

    #[test]
    fn kinds_map_and_filter_as_rfc_4787_says() {
        assert_eq!(behaviour(Kind::FULL_CONE), [true, true, true, true]);
        assert_eq!(behaviour(Kind::ADDRESS_RESTRICTED), [true, true, true, false]);
        assert_eq!(behaviour(Kind::PORT_RESTRICTED), [true, true, false, false]);
        assert_eq!(behaviour(Kind::SYMMETRIC), [false, false, false, false]);
        let kind = Kind { mapping: Dependence::AddressDependent, filtering: Dependence::AddressDependent };
        assert_eq!(behaviour(kind), [true, false, true, false]);
    }

    #[test]
    fn a_rebind_gives_another_port_and_closes_the_old_one() {
        let mut nat = Nat::new(Kind::FULL_CONE, address(1, 0).ip());
        let inside = SocketAddr::from(([10, 0, 0, 1], 5_000));
        let before = nat.leave(inside, address(9, 1));
        nat.rebind();
        assert_eq!(nat.enter(address(9, 1), before), None);
        let after = nat.leave(inside, address(9, 1));
        assert_ne!(before, after);
        assert_eq!((nat.enter(address(9, 1), before), nat.enter(address(9, 1), after)), (None, Some(inside)));
    }
}
