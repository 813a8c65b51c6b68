//! The identity of a client's end: its address, and the socket that reaches it.

use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::num::NonZeroU32;

/// A transport path as seen by a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path {
    /// The client's address, or that of its NAT.
    pub address: SocketAddr,
    pub link: Link,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// The shard's only UDP socket.
    Udp,
    /// One of the shard's TCP connections. Its number is never used again, so a late packet cannot reach another client.
    Tcp(NonZeroU32),
}

impl Path {
    /// True if both probably lead over the same networks: only a port differs, as after a NAT has forgotten its mapping,
    /// or the connection.
    #[must_use]
    pub fn shares_route(self, other: Self) -> bool {
        let is_same_kind = matches!((self.link, other.link), (Link::Udp, Link::Udp) | (Link::Tcp(_), Link::Tcp(_)));
        is_same_kind && self.address.ip() == other.address.ip()
    }
}

impl From<SocketAddr> for Path {
    fn from(address: SocketAddr) -> Self {
        Self { address, link: Link::Udp }
    }
}

/// Paths rarely differ in their link alone, so a look-up hashes no more than an address.
impl Hash for Path {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_is_shared_as_long_as_only_a_port_or_the_connection_differs() {
        let path = |host: u8, port: u16, connection: Option<u32>| Path {
            address: SocketAddr::from(([192, 0, 2, host], port)),
            link: connection.and_then(NonZeroU32::new).map_or(Link::Udp, Link::Tcp),
        };
        let check =
            |one: Path, other: Path, is_shared| assert_eq!(one.shares_route(other), is_shared, "{one:?} {other:?}");
        check(path(1, 1, None), path(1, 2, None), true);
        check(path(1, 1, Some(1)), path(1, 2, Some(2)), true);
        check(path(1, 1, None), path(2, 1, None), false);
        check(path(1, 1, None), path(1, 1, Some(1)), false);
        check(path(1, 1, Some(1)), path(1, 1, None), false);
    }
}
