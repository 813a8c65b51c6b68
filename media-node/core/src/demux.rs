//! Finds the session of a datagram: by its first byte, then by address, then by ICE user fragment.

mod parked;

pub use parked::{PARKED_BYTES_MAX, PARKED_FOR, PARKED_REQUESTS_MAX, Parked};

use crate::keys::SessionKey;
use crate::rtp;
use std::collections::HashMap;
use std::net::SocketAddr;

/// The protocols that share the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
}

impl Protocol {
    /// Tells the protocols apart (RFC 7983 §7, RFC 5761 §4).
    pub fn of(datagram: &[u8]) -> Option<Self> {
        match datagram.first()? {
            0..=3 => Some(Self::Stun),
            20..=63 => Some(Self::Dtls),
            128..=191 if rtp::is_rtcp(datagram) => Some(Self::Rtcp),
            128..=191 => Some(Self::Rtp),
            _ => None,
        }
    }
}

/// Which session an address or a user fragment belongs to.
#[derive(Debug, Default)]
pub struct Demux {
    by_address: HashMap<SocketAddr, SessionKey>,
    by_ufrag: HashMap<Box<str>, SessionKey>,
    /// Checks that came before their session.
    pub parked: Parked,
}

impl Demux {
    /// The session that has verified this address.
    pub fn by_address(&self, address: SocketAddr) -> Option<SessionKey> {
        self.by_address.get(&address).copied()
    }

    /// The session with this user fragment on our side.
    pub fn by_ufrag(&self, ufrag: &str) -> Option<SessionKey> {
        self.by_ufrag.get(ufrag).copied()
    }

    /// Gives the address to a session that has verified it, and says which other session loses it: behind a NAT, two
    /// clients can have the same address one after the other, and the newer proof counts.
    pub fn claim_address(&mut self, address: SocketAddr, session: SessionKey) -> Option<SessionKey> {
        self.by_address.insert(address, session).filter(|before| *before != session)
    }

    /// Takes an address from a session, unless another one has it by now.
    pub fn release_address(&mut self, address: SocketAddr, session: SessionKey) {
        if self.by_address(address) == Some(session) {
            self.by_address.remove(&address);
        }
    }

    pub fn claim_ufrag(&mut self, ufrag: &str, session: SessionKey) {
        self.by_ufrag.insert(ufrag.into(), session);
    }

    /// Forgets a session's user fragment, unless another one has it by now.
    pub fn release_ufrag(&mut self, ufrag: &str, session: SessionKey) {
        if self.by_ufrag(ufrag) == Some(session) {
            self.by_ufrag.remove(ufrag);
        }
    }

    /// Whether no address and no user fragment is known.
    pub fn is_empty(&self) -> bool {
        self.by_address.is_empty() && self.by_ufrag.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_byte_tells_the_protocol() {
        let of = |first: u8| Protocol::of(&[first, 96]);
        for (range, protocol) in [
            (0..=3, Some(Protocol::Stun)),
            (4..=19, None),
            (20..=63, Some(Protocol::Dtls)),
            (64..=127, None),
            (128..=191, Some(Protocol::Rtp)),
            (192..=255, None),
        ] {
            for first in range {
                assert_eq!(of(first), protocol, "{first}");
            }
        }
        assert_eq!(Protocol::of(&[0x80, 200]), Some(Protocol::Rtcp));
        assert_eq!(Protocol::of(&[]), None);
    }
}
