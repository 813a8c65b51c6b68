//! Network address translation with the mappings and filters of RFC 4787, and mappings that get lost.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

/// First outside port.
const FIRST_PORT: u16 = 20_000;

/// The part of the peer's address that a rule depends on (RFC 4787 §4.1 and §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependence {
    EndpointIndependent,
    AddressDependent,
    AddressAndPortDependent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Condition for an inside socket to keep its outside port.
    pub mapping: Dependence,
    /// Condition for a remote end's datagrams to pass.
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
    /// Outside port by inside socket and by the peer's relevant part.
    mappings: BTreeMap<(SocketAddr, Peer), u16>,
    opened: BTreeMap<u16, Opened>,
}

/// The part of a peer's address that a rule depends on.
type Peer = (Option<IpAddr>, Option<u16>);

#[derive(Clone, Debug)]
struct Opened {
    inside: SocketAddr,
    peers: BTreeSet<Peer>,
}

impl Nat {
    /// A NAT without mappings, with this outside address.
    #[must_use]
    pub fn new(kind: Kind, outside: IpAddr) -> Self {
        Self { kind, outside, next_port: FIRST_PORT, mappings: BTreeMap::new(), opened: BTreeMap::new() }
    }

    #[must_use]
    pub fn outside(&self) -> IpAddr {
        self.outside
    }

    /// Forgets every mapping, as after a restart: the same sockets get other ports, and are unreachable until they do.
    pub fn rebind(&mut self) {
        self.mappings.clear();
        self.opened.clear();
    }

    /// The outside address of an outgoing datagram.
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

    /// The inside address of an incoming datagram; `None` if it is blocked.
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

    /// Four answers: does one socket keep its port towards another port, and another host, and may 192.0.2.9 answer
    /// from another port, and another host answer, after a datagram to 192.0.2.9:1?
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
