//! Who gets a socket of a room. Every socket counts for its participant, its address and the room, so that nobody can take them all.
//!
//! A socket waits until it has joined or resumed. Few may wait at once, because waiting costs nothing; where they are too many, the one
//! that has waited longest makes way. Nodes have sockets of their own: no crowd of clients keeps one out.

use crate::SocketId;
use serde::{Deserialize, Serialize};
use shared::{ErrorCode, NodeId, ParticipantId, UnixMillis, limits};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Client sockets of one room: everybody's own, and one more each while they reload.
const CLIENT_SOCKETS_MAX: usize = 2 * limits::PARTICIPANTS_PER_ROOM_MAX;
/// Client sockets that wait at once: 500 who join within a second, each of whom needs a round trip and an offer before they speak.
const WAITING_MAX: usize = 512;
/// Of these, those of one address: a school behind one NAT whose pupils all arrive within a second.
const WAITING_PER_ADDRESS_MAX: usize = 128;
/// All client sockets of one address: the largest room may sit behind one NAT, and still leaves nearly half of the sockets to others.
const SOCKETS_PER_ADDRESS_MAX: usize = limits::PARTICIPANTS_PER_ROOM_MAX + WAITING_PER_ADDRESS_MAX;
/// Sockets of one participant: the one that speaks for them, and those that a bad network opened and lost before they spoke; the client's
/// pauses between attempts allow nine within [`limits::FIRST_FRAME_TIMEOUT_MS`].
const SOCKETS_PER_PARTICIPANT_MAX: usize = 10;
/// Whoever has waited for less makes way for nobody: it is the time that a slow phone needs to say who it is.
const WAIT_MS_MIN: u64 = 1_000;
/// Node sockets of one room: the current node's, and those of nodes that serve it no longer or not yet.
const NODE_SOCKETS_MAX: usize = 64;
const SOCKETS_PER_NODE_MAX: usize = 8;

const _: () = assert!(SOCKETS_PER_ADDRESS_MAX < CLIENT_SOCKETS_MAX);
const _: () = assert!(WAITING_PER_ADDRESS_MAX < WAITING_MAX);

/// Where a socket comes from: an IPv4 address, or the /56 that a provider gives to one IPv6 customer. At most 2^53, so that JavaScript can
/// keep it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(u64);

impl Address {
    pub(crate) const fn number(self) -> u64 {
        self.0
    }

    /// Reads what the platform says about a request.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        const CUSTOMER_BITS: u32 = 56;
        const SAFE_INTEGER_BITS: u32 = 53;
        Some(match text.parse::<IpAddr>().ok()?.to_canonical() {
            IpAddr::V4(address) => Self(u64::from(address.to_bits())),
            IpAddr::V6(address) => {
                let prefix = (address.to_bits() >> (u128::BITS - CUSTOMER_BITS)) as u64;
                // Fibonacci hashing; the top bits depend on every bit of the prefix.
                Self(prefix.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (u64::BITS - SAFE_INTEGER_BITS))
            }
        })
    }
}

/// Who stands before the door.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// Somebody with a token for this participant, or with none.
    Client(Option<ParticipantId>),
    /// A node with a ticket.
    Node(NodeId),
}

#[derive(Clone, Debug)]
struct Visitor {
    who: Who,
    address: Option<Address>,
    opened_at: UnixMillis,
    waits: bool,
}

/// The sockets of one room, as far as the door counts them.
#[derive(Clone, Debug, Default)]
pub struct Door {
    visitors: BTreeMap<SocketId, Visitor>,
}

impl Door {
    /// Whether one more socket may open: `Err` says why not, `Ok(Some(_))` names a socket that has to close for it.
    pub fn admit(&self, now: UnixMillis, who: &Who, address: Option<Address>) -> Result<Option<SocketId>, ErrorCode> {
        match who {
            Who::Node(node) => self.admit_node(node),
            Who::Client(participant) => self.admit_client(now, participant.as_ref(), address),
        }
    }

    /// A socket opened, or was open already when the room woke up.
    pub fn opened(&mut self, socket: SocketId, who: Who, address: Option<Address>, opened_at: UnixMillis) {
        self.visitors.insert(socket, Visitor { who, address, opened_at, waits: true });
    }

    /// The socket speaks for a participant or a node from here on.
    pub fn settled(&mut self, socket: SocketId) {
        if let Some(visitor) = self.visitors.get_mut(&socket) {
            visitor.waits = false;
        }
    }

    /// A socket is gone.
    pub fn closed(&mut self, socket: SocketId) {
        self.visitors.remove(&socket);
    }

    fn admit_node(&self, node: &NodeId) -> Result<Option<SocketId>, ErrorCode> {
        let of_nodes = self.visitors.values().filter(|visitor| matches!(visitor.who, Who::Node(_)));
        let of_this = self.visitors.values().filter(|visitor| matches!(&visitor.who, Who::Node(of) if of == node));
        match of_nodes.count() >= NODE_SOCKETS_MAX || of_this.count() >= SOCKETS_PER_NODE_MAX {
            true => Err(ErrorCode::RateLimited),
            false => Ok(None),
        }
    }

    fn admit_client(
        &self,
        now: UnixMillis,
        participant: Option<&ParticipantId>,
        address: Option<Address>,
    ) -> Result<Option<SocketId>, ErrorCode> {
        let is_theirs = |visitor: &Visitor| {
            participant.is_some() && matches!(&visitor.who, Who::Client(of) if of.as_ref() == participant)
        };
        // A request without an address is none from outside.
        let is_near = |visitor: &Visitor| address.is_some() && visitor.address == address;
        let clients = || self.clients().map(|(_, visitor)| visitor);
        let waiting = || clients().filter(|visitor| visitor.waits);
        if clients().count() >= CLIENT_SOCKETS_MAX {
            return Err(ErrorCode::RoomFull);
        }
        if clients().filter(|visitor| is_near(visitor)).count() >= SOCKETS_PER_ADDRESS_MAX {
            return Err(ErrorCode::RateLimited);
        }
        if clients().filter(|visitor| is_theirs(visitor)).count() >= SOCKETS_PER_PARTICIPANT_MAX {
            return self.make_way(now, is_theirs);
        }
        if waiting().filter(|visitor| is_near(visitor)).count() >= WAITING_PER_ADDRESS_MAX {
            return self.make_way(now, is_near);
        }
        if waiting().count() >= WAITING_MAX {
            return self.make_way(now, |_| true);
        }
        Ok(None)
    }

    /// The one of these that has waited longest, if that is long enough.
    fn make_way(&self, now: UnixMillis, is_one: impl Fn(&Visitor) -> bool) -> Result<Option<SocketId>, ErrorCode> {
        let waiting = self.clients().filter(|(_, visitor)| visitor.waits && is_one(visitor));
        let first = waiting.min_by_key(|(_, visitor)| visitor.opened_at);
        let first = first.filter(|(_, visitor)| visitor.opened_at.plus_ms(WAIT_MS_MIN) <= now);
        first.map(|(socket, _)| Some(socket)).ok_or(ErrorCode::RateLimited)
    }

    fn clients(&self) -> impl Iterator<Item = (SocketId, &Visitor)> {
        let clients = self.visitors.iter().filter(|(_, visitor)| matches!(visitor.who, Who::Client(_)));
        clients.map(|(socket, visitor)| (*socket, visitor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    struct Crowd {
        door: Door,
        now: UnixMillis,
        sockets: u64,
    }

    impl Crowd {
        fn new() -> Self {
            Self { door: Door::default(), now: NOW, sockets: 0 }
        }

        /// Opens a socket as the shell does.
        fn come(&mut self, who: Who, address: &str) -> Result<Option<SocketId>, ErrorCode> {
            let address = Address::parse(address);
            let displaced = self.door.admit(self.now, &who, address)?;
            if let Some(displaced) = displaced {
                self.door.closed(displaced);
            }
            self.sockets += 1;
            self.door.opened(SocketId(self.sockets), who, address, self.now);
            Ok(displaced)
        }

        fn client(&mut self, participant: &str, address: &str) -> Result<Option<SocketId>, ErrorCode> {
            self.come(client(participant), address)
        }

        /// Opens a socket that joins at once.
        fn join(&mut self, participant: &str, address: &str) -> Result<Option<SocketId>, ErrorCode> {
            let displaced = self.client(participant, address)?;
            self.door.settled(SocketId(self.sockets));
            Ok(displaced)
        }
    }

    fn client(participant: &str) -> Who {
        Who::Client(Some(ParticipantId::parse(participant).expect("valid")))
    }

    #[test]
    fn one_token_takes_ten_sockets_and_no_more() {
        let mut crowd = Crowd::new();
        let opened = (0..2_000).filter(|_| crowd.client("eve", "192.0.2.1").is_ok()).count();
        assert_eq!(opened, SOCKETS_PER_PARTICIPANT_MAX);
        assert_eq!(crowd.join("ada", "192.0.2.1"), Ok(None), "the same address");
        assert_eq!(crowd.join("bob", "192.0.2.2"), Ok(None));
    }

    #[test]
    fn whoever_lost_ten_sockets_to_a_bad_network_gets_another_one() {
        let mut crowd = Crowd::new();
        for _ in 0..SOCKETS_PER_PARTICIPANT_MAX {
            crowd.client("ada", "192.0.2.1").expect("room");
        }
        assert_eq!(crowd.client("ada", "192.0.2.1"), Err(ErrorCode::RateLimited));
        crowd.now = NOW.plus_ms(WAIT_MS_MIN);
        assert_eq!(crowd.client("ada", "192.0.2.1"), Ok(Some(SocketId(1))));
    }

    #[test]
    fn a_flood_of_many_tokens_leaves_time_to_join() {
        let mut crowd = Crowd::new();
        // A thousand sockets a second that never speak, of so many participants that only the address counts.
        for number in 0..5_000_u64 {
            crowd.now = NOW.plus_ms(number);
            let _ = crowd.client(&format!("eve-{}", number % 500), "192.0.2.1");
            if number % 500 == 499 {
                assert!(crowd.join(&format!("ada-{number}"), "198.51.100.1").is_ok(), "at {number} ms");
            }
        }
    }

    #[test]
    fn addresses_together_cannot_fill_the_waiting_room() {
        let mut crowd = Crowd::new();
        for number in 0..WAITING_MAX {
            crowd.client(&format!("eve-{number}"), &format!("192.0.2.{}", number % 8)).expect("room");
        }
        assert_eq!(crowd.client("ada", "198.51.100.1"), Err(ErrorCode::RateLimited));
        crowd.now = NOW.plus_ms(WAIT_MS_MIN);
        assert_eq!(crowd.join("ada", "198.51.100.1"), Ok(Some(SocketId(1))));
    }

    #[test]
    fn the_largest_room_fits_behind_one_nat() {
        let mut crowd = Crowd::new();
        for number in 0..limits::PARTICIPANTS_PER_ROOM_MAX {
            assert_eq!(crowd.join(&format!("p{number}"), "192.0.2.1"), Ok(None), "{number}");
        }
        for number in 0..WAITING_PER_ADDRESS_MAX {
            assert_eq!(crowd.client(&format!("p{number}"), "192.0.2.1"), Ok(None), "a reload of {number}");
        }
        assert_eq!(crowd.client("eve", "192.0.2.1"), Err(ErrorCode::RateLimited));
        assert_eq!(crowd.join("bob", "192.0.2.2"), Ok(None));
    }

    #[test]
    fn a_crowd_of_clients_keeps_no_node_out() {
        let mut crowd = Crowd::new();
        let mut full = Ok(None);
        for number in 0..=CLIENT_SOCKETS_MAX {
            full = crowd.join(&format!("p{number}"), &format!("10.0.{}.{}", number / 250, number % 250));
        }
        assert_eq!(full, Err(ErrorCode::RoomFull));
        let node = || Who::Node(NodeId::parse("n1").expect("valid"));
        assert_eq!(crowd.come(node(), "192.0.2.9"), Ok(None));
        for _ in 1..SOCKETS_PER_NODE_MAX {
            crowd.come(node(), "192.0.2.9").expect("room");
        }
        assert_eq!(crowd.come(node(), "192.0.2.9"), Err(ErrorCode::RateLimited));
    }

    #[test]
    fn an_ipv6_customer_is_one_address() {
        let address = |text| Address::parse(text).expect(text);
        assert_eq!(address("2001:db8:1:200::1"), address("2001:db8:1:2ff:ffff::9"));
        assert_ne!(address("2001:db8:1:200::1"), address("2001:db8:1:300::1"));
        assert_eq!(address("::ffff:192.0.2.1"), address("192.0.2.1"));
        assert!(address("2001:db8:1:200::1").0 < 1 << 53);
        assert_eq!(Address::parse("not an address"), None);
    }
}
