//! Counts connections: in total, per address, and those of strangers.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};

/// A stranger is a connection whose client has not authenticated yet.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub connections: usize,
    /// Connections from one IPv4 address or IPv6 /64.
    pub per_address: usize,
    pub strangers: usize,
}

/// `T` is the caller's name for a stranger.
#[derive(Debug)]
pub struct Places<T> {
    limits: Limits,
    taken: usize,
    by_address: HashMap<IpAddr, usize>,
    /// By their number in order of arrival.
    strangers: BTreeMap<u64, T>,
    arrivals: u64,
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
        Self { limits, taken: 0, by_address: HashMap::new(), strangers: BTreeMap::new(), arrivals: 0 }
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

    /// Adds a stranger; returns its number, and the oldest one's name, to be closed, if there are too many.
    pub fn add_stranger(&mut self, name: T) -> (u64, Option<T>) {
        let oldest = if self.strangers.len() >= self.limits.strangers { self.strangers.pop_first() } else { None };
        self.arrivals += 1;
        self.strangers.insert(self.arrivals, name);
        (self.arrivals, oldest.map(|(_, name)| name))
    }

    pub fn remove_stranger(&mut self, number: u64) {
        self.strangers.remove(&number);
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

    const LIMITS: Limits = Limits { connections: 4_096, per_address: 1_024, strangers: 1_024 };

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
        let closed: Vec<u32> = (0..3_000).filter_map(|link| places.add_stranger(link).1).collect();
        assert_eq!(closed, (0..3_000 - LIMITS.strangers as u32).collect::<Vec<_>>());
        let (number, _) = places.add_stranger(9_000);
        places.remove_stranger(number);
        assert_eq!(places.strangers(), LIMITS.strangers - 1);
        assert_eq!(places.add_stranger(9_001).1, None);
    }
}
