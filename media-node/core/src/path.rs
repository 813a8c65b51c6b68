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
