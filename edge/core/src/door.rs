//! Admits sockets to a room. Every socket counts against limits for its participant, its address and the room, so that
//! no client can take them all.
//!
//! A socket waits until it has joined or resumed. Few sockets may wait at once, because waiting costs a client nothing.
//! If there are too many, the address with the most of them loses one to a newcomer whose address has fewer; among
//! equals, the one that has waited longest. Nodes have separate sockets: no crowd of clients keeps a node out.

use crate::SocketId;
use serde::{Deserialize, Serialize};
use shared::sorted::SortedMap;
use shared::{ErrorCode, NodeId, ParticipantId, UnixMillis, limits};
use std::net::IpAddr;

/// Client sockets of one room: one per participant, and one more each during a reload.
pub const CLIENT_SOCKETS_MAX: usize = 2 * limits::PARTICIPANTS_PER_ROOM_MAX;
/// Client sockets that may wait at once: as many as arrive within [`WAIT_MS_MIN`] at a thousand connections a second,
/// each from another address.
const WAITING_MAX: usize = 1_024;
/// Waiting sockets of one address: a school behind one NAT whose pupils all arrive at once, before the first has
/// joined.
const WAITING_PER_ADDRESS_MAX: usize = 256;
/// Client sockets of one address: the largest room may be behind one NAT, and still leaves nearly half of the sockets
/// to others.
const SOCKETS_PER_ADDRESS_MAX: usize = limits::PARTICIPANTS_PER_ROOM_MAX + WAITING_PER_ADDRESS_MAX;
/// Sockets of one participant: the joined one, and those that a bad network opened and lost before they joined; a
/// client's delays between attempts allow nine within [`limits::FIRST_FRAME_TIMEOUT_MS`].
const SOCKETS_PER_PARTICIPANT_MAX: usize = 10;
/// A socket younger than this is never evicted: a slow phone needs that long to send its join.
const WAIT_MS_MIN: u64 = 1_000;
/// Node sockets of one room: the current node's, and those of earlier and later nodes.
pub const NODE_SOCKETS_MAX: usize = 64;
const SOCKETS_PER_NODE_MAX: usize = 8;

const _: () = assert!(SOCKETS_PER_ADDRESS_MAX < CLIENT_SOCKETS_MAX);
const _: () = assert!(WAITING_PER_ADDRESS_MAX < WAITING_MAX);

/// A client's IPv4 address, or the /56 that a provider assigns to one IPv6 customer. At most 2^53, so that JavaScript
/// can store it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Address(u64);

impl Address {
    #[must_use]
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Reads the client address that the platform reports for a request.
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Who {
    /// A caller with a token for this participant, or without one.
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

/// The counted sockets of one room.
#[derive(Clone, Debug, Default)]
pub struct Door {
    visitors: SortedMap<SocketId, Visitor>,
}

/// Numbers of client sockets: of the room, and of a newcomer's participant and address.
#[derive(Default)]
struct Crowd {
    clients: usize,
    theirs: usize,
    near: usize,
    waiting: usize,
    waiting_near: usize,
}

impl Door {
    /// Admits one more socket. `Ok(Some(_))` is a socket that must be closed for it; `Err` is the reason for a refusal.
    pub fn admit(&self, now: UnixMillis, who: &Who, address: Option<Address>) -> Result<Option<SocketId>, ErrorCode> {
        match who {
            Who::Node(node) => self.admit_node(node),
            Who::Client(participant) => self.admit_client(now, participant.as_ref(), address),
        }
    }

    /// Counts a new socket, or one that was open when the room woke up.
    pub fn opened(&mut self, socket: SocketId, who: Who, address: Option<Address>, opened_at: UnixMillis) {
        self.visitors.insert(socket, Visitor { who, address, opened_at, waits: true });
    }

    /// Ends a socket's waiting: it has joined or resumed, or belongs to a node.
    pub fn settled(&mut self, socket: SocketId) {
        if let Some(visitor) = self.visitors.get_mut(&socket) {
            visitor.waits = false;
        }
    }

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
        // A request without an address did not come through the platform.
        let is_near = |visitor: &Visitor| address.is_some() && visitor.address == address;
        let crowd = self.crowd(is_theirs, is_near);
        if crowd.near >= SOCKETS_PER_ADDRESS_MAX {
            return Err(ErrorCode::RateLimited);
        }
        if crowd.theirs >= SOCKETS_PER_PARTICIPANT_MAX {
            return self.make_way(now, is_theirs);
        }
        if crowd.waiting_near >= WAITING_PER_ADDRESS_MAX {
            return self.make_way(now, is_near);
        }
        if crowd.waiting >= WAITING_MAX || crowd.clients >= CLIENT_SOCKETS_MAX {
            if crowd.waiting == 0 {
                return Err(ErrorCode::RoomFull);
            }
            return self.make_fair_way(now, crowd.waiting_near);
        }
        Ok(None)
    }

    fn crowd(&self, is_theirs: impl Fn(&Visitor) -> bool, is_near: impl Fn(&Visitor) -> bool) -> Crowd {
        let mut crowd = Crowd::default();
        for (_, visitor) in self.clients() {
            let near = is_near(visitor);
            for (count, is_counted) in [
                (&mut crowd.clients, true),
                (&mut crowd.theirs, is_theirs(visitor)),
                (&mut crowd.near, near),
                (&mut crowd.waiting, visitor.waits),
                (&mut crowd.waiting_near, near && visitor.waits),
            ] {
                *count = count.saturating_add(usize::from(is_counted));
            }
        }
        crowd
    }

    /// Returns the socket that makes way for a newcomer whose address has `near` waiting sockets: one of the address
    /// with the most, otherwise the one that has waited longest of all. Spares sockets that have just opened, unless
    /// their address has more than the newcomer's.
    fn make_fair_way(&self, now: UnixMillis, near: usize) -> Result<Option<SocketId>, ErrorCode> {
        let mut by_address: SortedMap<Option<Address>, usize> = SortedMap::new();
        for (_, visitor) in self.clients().filter(|(_, visitor)| visitor.waits) {
            let count = by_address.get_or_default(visitor.address);
            *count = count.saturating_add(1);
        }
        let most = by_address.into_iter().max_by_key(|(_, count)| *count);
        let most = most.filter(|(_, count)| *count > near.saturating_add(1)).map(|(address, _)| address);
        let is_of_most = |visitor: &Visitor| most == Some(visitor.address);
        let patient = self.make_way(now, is_of_most).or_else(|_| self.make_way(now, |_| true));
        patient.or_else(|code| self.longest(is_of_most).map(|(socket, _)| Some(socket)).ok_or(code))
    }

    /// The matching socket that has waited longest; an error if it has waited less than [`WAIT_MS_MIN`].
    fn make_way(&self, now: UnixMillis, is_one: impl Fn(&Visitor) -> bool) -> Result<Option<SocketId>, ErrorCode> {
        let first = self.longest(is_one).filter(|(_, opened_at)| opened_at.plus_ms(WAIT_MS_MIN) <= now);
        first.map(|(socket, _)| Some(socket)).ok_or(ErrorCode::RateLimited)
    }

    /// The matching socket that has waited longest, with the time at which it opened.
    fn longest(&self, is_one: impl Fn(&Visitor) -> bool) -> Option<(SocketId, UnixMillis)> {
        let waiting = self.clients().filter(|(_, visitor)| visitor.waits && is_one(visitor));
        waiting.map(|(socket, visitor)| (socket, visitor.opened_at)).min_by_key(|(_, opened_at)| *opened_at)
    }

    fn clients(&self) -> impl Iterator<Item = (SocketId, &Visitor)> {
        let clients = self.visitors.iter().filter(|(_, visitor)| matches!(visitor.who, Who::Client(_)));
        clients.map(|(socket, visitor)| (*socket, visitor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

    struct Street {
        door: Door,
        now: UnixMillis,
        sockets: u64,
    }

    impl Street {
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
        let mut street = Street::new();
        let opened = (0..2_000).filter(|_| street.client("eve", "192.0.2.1").is_ok()).count();
        assert_eq!(opened, SOCKETS_PER_PARTICIPANT_MAX);
        assert_eq!(street.join("ada", "192.0.2.1"), Ok(None), "the same address");
        assert_eq!(street.join("bob", "192.0.2.2"), Ok(None));
    }

    #[test]
    fn a_participant_who_lost_ten_sockets_to_a_bad_network_gets_another() {
        let mut street = Street::new();
        for _ in 0..SOCKETS_PER_PARTICIPANT_MAX {
            street.client("ada", "192.0.2.1").expect("room");
        }
        assert_eq!(street.client("ada", "192.0.2.1"), Err(ErrorCode::RateLimited));
        street.now = NOW.plus_ms(WAIT_MS_MIN);
        assert_eq!(street.client("ada", "192.0.2.1"), Ok(Some(SocketId(1))));
    }

    #[test]
    fn a_flood_of_many_tokens_leaves_time_to_join() {
        let mut street = Street::new();
        // A thousand sockets a second that never join, of so many participants that only the address counts.
        for number in 0..5_000_u64 {
            street.now = NOW.plus_ms(number);
            let _ = street.client(&format!("eve-{}", number % 500), "192.0.2.1");
            if number % 500 == 499 {
                assert!(street.join(&format!("ada-{number}"), "198.51.100.1").is_ok(), "at {number} ms");
            }
        }
    }

    #[test]
    fn the_address_with_the_most_waiting_sockets_gives_one_up() {
        let mut street = Street::new();
        let prefix = |number: usize| format!("2001:db8:0:{:x}00::1", number % 9);
        let few = WAITING_MAX - 8 * WAITING_PER_ADDRESS_MAX.min(WAITING_MAX / 8 - 1);
        for number in 0..few {
            street.client(&format!("bob-{number}"), &prefix(8)).expect("room");
        }
        let crowd: Vec<usize> = (few..WAITING_MAX).collect();
        for number in crowd {
            street.client(&format!("eve-{number}"), &prefix(number % 8)).expect("room");
        }
        let of_crowd = few as u64 + 1..=few as u64 + 8;
        let displaced = street.client("ada", "198.51.100.1").expect("room").expect("one makes way");
        assert!(of_crowd.contains(&displaced.0), "the first of a crowded address, not {displaced:?}");
        assert_eq!(street.client("bob", &prefix(8)).map(|displaced| displaced.is_some()), Ok(true));
        let next = street.client("eve", &prefix(1));
        assert_eq!(next, Err(ErrorCode::RateLimited), "an address with the most has to wait");
        street.now = NOW.plus_ms(WAIT_MS_MIN);
        assert!(matches!(street.client("eve", &prefix(1)), Ok(Some(_))));
    }

    // A legitimate client needs a moment to join; it must not be displaced meanwhile.
    #[test]
    fn a_thousand_connections_a_second_from_any_number_of_addresses_keep_nobody_out() {
        for addresses in [1, 8, 9, 100, 1_000, 3_000] {
            let address = |number: u64| {
                let number = number % addresses;
                format!("2001:db8:{:x}:{:x}00::1", number / 250, number % 250)
            };
            let mut street = Street::new();
            let mut good = BTreeMap::new();
            for number in 0..2_500_u64 {
                street.now = NOW.plus_ms(number);
                let displaced = street.client(&format!("eve-{number}"), &address(number)).ok().flatten();
                assert!(displaced.is_none_or(|socket| !good.contains_key(&socket)), "{addresses} addresses: {number}");
                if number % 100 == 99 {
                    let admitted = street.client(&format!("ada-{number}"), &format!("198.51.100.{}", number / 400));
                    let displaced = admitted.unwrap_or_else(|code| panic!("{addresses} addresses, {number}: {code}"));
                    assert!(displaced.is_none_or(|socket| !good.contains_key(&socket)), "{addresses} addresses");
                    good.insert(SocketId(street.sockets), street.now);
                }
                let spoke = |at: &UnixMillis| at.plus_ms(WAIT_MS_MIN * 9 / 10) <= street.now;
                if let Some(socket) = good.iter().find(|(_, at)| spoke(at)).map(|(socket, _)| *socket) {
                    good.remove(&socket);
                    street.door.settled(socket);
                    street.door.closed(socket);
                }
            }
        }
    }

    #[test]
    fn waiting_sockets_make_way_in_a_room_whose_sockets_are_all_taken() {
        let mut street = Street::new();
        for number in 0..CLIENT_SOCKETS_MAX - 900 {
            let address = format!("10.0.{}.{}", number / 250, number % 250);
            assert_eq!(street.join(&format!("p{number}"), &address), Ok(None));
        }
        for number in 0..900 {
            assert_eq!(street.client(&format!("eve-{number}"), &format!("192.0.2.{}", number % 9)), Ok(None));
        }
        assert!(matches!(street.join("ada", "198.51.100.1"), Ok(Some(_))));
    }

    #[test]
    fn the_largest_room_fits_behind_one_nat() {
        let mut street = Street::new();
        for number in 0..limits::PARTICIPANTS_PER_ROOM_MAX {
            assert_eq!(street.join(&format!("p{number}"), "192.0.2.1"), Ok(None), "{number}");
        }
        for number in 0..WAITING_PER_ADDRESS_MAX {
            assert_eq!(street.client(&format!("p{number}"), "192.0.2.1"), Ok(None), "a reload of {number}");
        }
        assert_eq!(street.client("eve", "192.0.2.1"), Err(ErrorCode::RateLimited));
        assert_eq!(street.join("bob", "192.0.2.2"), Ok(None));
    }

    #[test]
    fn a_crowd_of_clients_keeps_no_node_out() {
        let mut street = Street::new();
        let mut full = Ok(None);
        for number in 0..=CLIENT_SOCKETS_MAX {
            full = street.join(&format!("p{number}"), &format!("10.0.{}.{}", number / 250, number % 250));
        }
        assert_eq!(full, Err(ErrorCode::RoomFull));
        let node = || Who::Node(NodeId::parse("n1").expect("valid"));
        assert_eq!(street.come(node(), "192.0.2.9"), Ok(None));
        for _ in 1..SOCKETS_PER_NODE_MAX {
            street.come(node(), "192.0.2.9").expect("room");
        }
        assert_eq!(street.come(node(), "192.0.2.9"), Err(ErrorCode::RateLimited));
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
