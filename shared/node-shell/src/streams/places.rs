//! Counts connections: in total, per address, and those of strangers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};

/// A stranger is a connection whose client has not authenticated yet.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub connections: usize,
    /// Connections from one IPv4 address or IPv6 /64.
    pub per_address: usize,
    pub strangers: usize,
    /// Strangers from one address: a further one evicts the oldest of these.
    pub strangers_per_address: usize,
}

/// `T` is the caller's name for a stranger.
#[derive(Debug)]
pub struct Places<T> {
    limits: Limits,
    taken: usize,
    by_address: HashMap<IpAddr, usize>,
    /// By their number in order of arrival.
    strangers: BTreeMap<u64, Stranger<T>>,
    /// The numbers of an address's strangers.
    strangers_by_address: HashMap<IpAddr, BTreeSet<u64>>,
    arrivals: u64,
}

#[derive(Debug)]
struct Stranger<T> {
    network: IpAddr,
    name: T,
}

/// The limit that a connection exceeds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoPlace {
    Full,
    /// [`Limits::per_address`] is reached.
    Address,
}

impl<T> Places<T> {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            taken: 0,
            by_address: HashMap::new(),
            strangers: BTreeMap::new(),
            strangers_by_address: HashMap::new(),
            arrivals: 0,
        }
    }

    pub fn take(&mut self, address: IpAddr) -> Result<(), NoPlace> {
        if self.taken >= self.limits.connections {
            return Err(NoPlace::Full);
        }
        let count = self.by_address.entry(network(address)).or_default();
        if *count >= self.limits.per_address {
            return Err(NoPlace::Address);
        }
        *count += 1;
        self.taken += 1;
        Ok(())
    }

    pub fn give_back(&mut self, address: IpAddr) {
        self.taken = self.taken.saturating_sub(1);
        let network = network(address);
        if let Some(count) = self.by_address.get_mut(&network) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_address.remove(&network);
            }
        }
    }

    /// Adds a stranger; returns its number, and if there are too many, the name of the one to be closed: the oldest
    /// from its address or of all.
    pub fn add_stranger(&mut self, address: IpAddr, name: T) -> (u64, Option<T>) {
        let network = network(address);
        let neighbours = self.strangers_by_address.get(&network);
        let evicted = match neighbours.filter(|own| own.len() >= self.limits.strangers_per_address) {
            Some(own) => own.first().copied(),
            None if self.strangers.len() < self.limits.strangers => None,
            None => self.strangers.first_key_value().map(|(number, _)| *number),
        };
        let evicted = evicted.and_then(|number| self.remove_stranger(number));
        self.arrivals += 1;
        self.strangers.insert(self.arrivals, Stranger { network, name });
        self.strangers_by_address.entry(network).or_default().insert(self.arrivals);
        (self.arrivals, evicted)
    }

    pub fn remove_stranger(&mut self, number: u64) -> Option<T> {
        let Stranger { network, name } = self.strangers.remove(&number)?;
        if let Some(own) = self.strangers_by_address.get_mut(&network) {
            own.remove(&number);
            if own.is_empty() {
                self.strangers_by_address.remove(&network);
            }
        }
        Some(name)
    }

    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken
    }

    #[must_use]
    pub fn strangers(&self) -> usize {
        self.strangers.len()
    }
}

/// The addresses of one client: an IPv4 address, or an IPv6 /64, all of whose addresses one host may use.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits =
        Limits { connections: 4_096, per_address: 1_024, strangers: 1_024, strangers_per_address: 256 };

    fn address(last: u16) -> IpAddr {
        IpAddr::from([0x2600, 0, 0, last, 0, 0, 0, 7])
    }

    #[test]
    fn one_address_cannot_take_all_places() {
        let mut places = Places::<u32>::new(LIMITS);
        let taken = |places: &mut Places<u32>, from: fn(u16) -> IpAddr| {
            (0..5_000).filter(|n| places.take(from(*n)).is_ok()).count()
        };
        assert_eq!(taken(&mut places, |host| [0x2600, 0, 0, 0, 0, 0, 0, host].into()), LIMITS.per_address);
        assert_eq!(places.take(address(0)), Err(NoPlace::Address));
        let left = LIMITS.connections - LIMITS.per_address;
        assert_eq!(taken(&mut places, |network| address(network + 1)), left);
        assert_eq!(places.take(address(9_999)), Err(NoPlace::Full));
        (0..5_000).for_each(|network| places.give_back(address(network + 1)));
        assert!(places.by_address.len() <= 1, "no address is remembered for nothing");
    }

    #[test]
    fn the_oldest_stranger_makes_room_for_the_newest() {
        let mut places = Places::new(LIMITS);
        let closed: Vec<u32> =
            (0..3_000).filter_map(|link| places.add_stranger(address(link as u16), link).1).collect();
        assert_eq!(closed, (0..3_000 - LIMITS.strangers as u32).collect::<Vec<_>>());
        let (number, _) = places.add_stranger(address(9_000), 9_000);
        assert_eq!(places.remove_stranger(number), Some(9_000));
        assert_eq!(places.strangers(), LIMITS.strangers - 1);
        assert_eq!(places.add_stranger(address(9_001), 9_001).1, None);
        let known = places.strangers_by_address.len();
        assert_eq!(known, LIMITS.strangers, "no address is remembered for nothing");
    }

    #[test]
    fn an_address_that_floods_evicts_its_own_strangers_only() {
        let mut places = Places::new(LIMITS);
        assert_eq!(places.add_stranger(address(1), 0).1, None);
        let host = |n: u32| IpAddr::from([0x2600, 0, 0, 2, 0, 0, 0, n as u16]);
        let closed: Vec<u32> = (1..=5_000).filter_map(|link| places.add_stranger(host(link), link).1).collect();
        let share = LIMITS.strangers_per_address;
        assert_eq!(closed, (1..=5_000 - share as u32).collect::<Vec<_>>());
        assert_eq!(places.strangers(), share + 1);
    }
}
