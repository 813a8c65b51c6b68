//! Finds the session of a datagram: by its first byte, then by path, then by ICE user fragment.

mod parked;

pub use parked::{PARKED_BYTES_MAX, PARKED_FOR, PARKED_REQUESTS_MAX, Parked};

use crate::keys::SessionKey;
use crate::path::Path;
use crate::rtp;
use std::collections::{HashMap, VecDeque};

/// The protocols that share the port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
}

impl Protocol {
    /// Distinguishes the protocols (RFC 7983 §7, RFC 5761 §4).
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

/// A user fragment that a session has from here on, or no session any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UfragChange {
    Claimed(Box<str>),
    Released(Box<str>),
}

/// Maps paths and user fragments to sessions.
#[derive(Debug, Default)]
pub struct Demux {
    by_path: HashMap<Path, SessionKey>,
    by_ufrag: HashMap<Box<str>, SessionKey>,
    /// Until the shell takes them.
    ufrag_changes: VecDeque<UfragChange>,
    /// Checks that arrived before their session.
    pub parked: Parked,
}

impl Demux {
    /// The session that has verified this path.
    pub fn by_path(&self, path: Path) -> Option<SessionKey> {
        self.by_path.get(&path).copied()
    }

    /// The session with this user fragment on the node's side.
    pub fn by_ufrag(&self, ufrag: &str) -> Option<SessionKey> {
        self.by_ufrag.get(ufrag).copied()
    }

    /// Gives a verified path to a session, and returns the session that loses it: behind a NAT, two clients can have
    /// the same address one after the other, and the newer proof counts.
    pub fn claim_path(&mut self, path: Path, session: SessionKey) -> Option<SessionKey> {
        self.by_path.insert(path, session).filter(|before| *before != session)
    }

    /// Releases a session's path, unless another session has it by now.
    pub fn release_path(&mut self, path: Path, session: SessionKey) {
        if self.by_path(path) == Some(session) {
            self.by_path.remove(&path);
        }
    }

    pub fn claim_ufrag(&mut self, ufrag: &str, session: SessionKey) {
        self.by_ufrag.insert(ufrag.into(), session);
        self.ufrag_changes.push_back(UfragChange::Claimed(ufrag.into()));
    }

    /// Releases a session's user fragment, unless another session has it by now.
    pub fn release_ufrag(&mut self, ufrag: &str, session: SessionKey) {
        if self.by_ufrag(ufrag) == Some(session) {
            self.by_ufrag.remove(ufrag);
            self.ufrag_changes.push_back(UfragChange::Released(ufrag.into()));
        }
    }

    pub fn next_ufrag_change(&mut self) -> Option<UfragChange> {
        self.ufrag_changes.pop_front()
    }

    pub fn is_empty(&self) -> bool {
        self.by_path.is_empty() && self.by_ufrag.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_changes_add_up_to_all_user_fragments() {
        let mut demux = Demux::default();
        let [first, second] = [1, 2].map(SessionKey::numbered);
        demux.claim_ufrag("a", first);
        demux.claim_ufrag("b", first);
        demux.claim_ufrag("b", second);
        demux.release_ufrag("b", first);
        demux.release_ufrag("a", first);
        let mut known = std::collections::BTreeSet::new();
        while let Some(change) = demux.next_ufrag_change() {
            match change {
                UfragChange::Claimed(ufrag) => known.insert(ufrag),
                UfragChange::Released(ufrag) => known.remove(&ufrag),
            };
        }
        assert_eq!(known, ["b".into()].into());
        assert_eq!(demux.by_ufrag("b"), Some(second));
    }

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
