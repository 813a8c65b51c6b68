//! Which connections a thread takes: limits for all, for each address, and for those without an allocation.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use turn_core::limits;

/// The places of one thread's connections.
#[derive(Debug, Default)]
pub(crate) struct Places {
    taken: usize,
    by_address: HashMap<IpAddr, usize>,
    /// Connections without an allocation, by their number in order of arrival; the values are their links.
    strangers: BTreeMap<u64, u32>,
    arrivals: u64,
}

/// A limit that keeps a connection out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    Full,
    /// [`limits::STREAMS_PER_ADDRESS_MAX`] is reached.
    Address,
}

impl Places {
    pub(crate) fn take(&mut self, address: IpAddr) -> Result<(), NoPlace> {
        if self.taken >= limits::STREAMS_PER_SHARD_MAX {
            return Err(NoPlace::Full);
        }
        let count = self.by_address.entry(network(address)).or_default();
        if *count >= limits::STREAMS_PER_ADDRESS_MAX {
            return Err(NoPlace::Address);
        }
        *count += 1;
        self.taken += 1;
        Ok(())
    }

    pub(crate) fn give_back(&mut self, address: IpAddr) {
        self.taken = self.taken.saturating_sub(1);
        let network = network(address);
        if let Some(count) = self.by_address.get_mut(&network) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.by_address.remove(&network);
            }
        }
    }

    /// Notes that a connection has no allocation; returns its number, and the link to close if there are too many.
    pub(crate) fn add_stranger(&mut self, link: u32) -> (u64, Option<u32>) {
        let oldest =
            if self.strangers.len() >= limits::STRANGERS_PER_SHARD_MAX { self.strangers.pop_first() } else { None };
        self.arrivals += 1;
        self.strangers.insert(self.arrivals, link);
        (self.arrivals, oldest.map(|(_, link)| link))
    }

    pub(crate) fn remove_stranger(&mut self, number: u64) {
        self.strangers.remove(&number);
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    pub(crate) fn strangers(&self) -> usize {
        self.strangers.len()
    }
}

/// What belongs to one client: an IPv4 address, or an IPv6 /64, all of whose addresses a host may use.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(ip) => ip.into(),
        IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(last: u16) -> IpAddr {
        IpAddr::from([0x2600, 0, 0, last, 0, 0, 0, 7])
    }

    #[test]
    fn one_address_cannot_take_all_places() {
        let mut places = Places::default();
        let taken =
            |places: &mut Places, from: fn(u16) -> IpAddr| (0..5_000).filter(|n| places.take(from(*n)).is_ok()).count();
        assert_eq!(taken(&mut places, |host| [0x2600, 0, 0, 0, 0, 0, 0, host].into()), limits::STREAMS_PER_ADDRESS_MAX);
        assert_eq!(places.take(address(0)), Err(NoPlace::Address));
        let left = limits::STREAMS_PER_SHARD_MAX - limits::STREAMS_PER_ADDRESS_MAX;
        assert_eq!(taken(&mut places, |network| address(network + 1)), left);
        assert_eq!(places.take(address(9_999)), Err(NoPlace::Full));
        (0..5_000).for_each(|network| places.give_back(address(network + 1)));
        assert!(places.by_address.len() <= 1, "no address is remembered for nothing");
    }

    #[test]
    fn the_oldest_stranger_makes_room_for_the_newest() {
        let mut places = Places::default();
        let closed: Vec<u32> = (0..3_000).filter_map(|link| places.add_stranger(link).1).collect();
        assert_eq!(closed, (0..3_000 - limits::STRANGERS_PER_SHARD_MAX as u32).collect::<Vec<_>>());
        let (number, _) = places.add_stranger(9_000);
        places.remove_stranger(number);
        assert_eq!(places.strangers(), limits::STRANGERS_PER_SHARD_MAX - 1);
        assert_eq!(places.add_stranger(9_001).1, None);
    }
}
