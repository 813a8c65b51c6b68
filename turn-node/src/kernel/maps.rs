//! The maps that the program in the kernel reads.

use super::Place;
use super::layout::{Address, BUDGETS_MAX, BURST_NANOS, COST_FRACTION_BITS, FLOWS_MAX, Hop, Key, SHARDS_MAX, Settings};
use anyhow::{Context, bail};
use aya::Ebpf;
use aya::maps::{Array, HashMap, Map, MapData, MapError, PerCpuArray};
use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};
use turn_core::budget::{self, SharedBudgets};
use turn_core::flow::{Flow, Until};

const _: () = assert!(BURST_NANOS == budget::BURST_NANOS && COST_FRACTION_BITS == budget::FRACTION_BITS);
const _: () = assert!(SHARDS_MAX as usize >= shared::limits::SHARDS_PER_NODE_MAX);

// SAFETY: these are numbers without padding, as the program reads them.
unsafe impl aya::Pod for Key {}
// SAFETY: as above.
unsafe impl aya::Pod for Hop {}
// SAFETY: as above.
unsafe impl aya::Pod for Settings {}

pub(super) struct Maps {
    to_peers: HashMap<MapData, Key, Hop>,
    to_clients: HashMap<MapData, Key, Hop>,
    neighbours: Array<MapData, u64>,
    relayed: PerCpuArray<MapData, u64>,
    /// [`Hop::neighbours`], by the flow's key of its client.
    places: std::collections::HashMap<([u8; 16], u16, u16), u32>,
    free: Vec<u32>,
    since: Instant,
    /// Where clients send to, and what they get their data from.
    port: u16,
}

impl std::fmt::Debug for Maps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Maps")
    }
}

impl Maps {
    /// Writes the settings, and shares the budgets.
    pub(super) fn take(program: &mut Ebpf, place: &Place) -> anyhow::Result<(Self, SharedBudgets)> {
        let mut map = |name| program.take_map(name).with_context(|| format!("the program has no map {name}"));
        let Map::Array(budgets) = map("BUDGETS")? else { bail!("the budgets are no array") };
        let (since, since_ns) = clocks();
        let numbers = share(&budgets)?;
        let mut settings = Array::try_from(map("SETTINGS")?)?;
        let wanted = Settings {
            v4: place.v4.map(words).unwrap_or_default(),
            v6: place.v6.map(words).unwrap_or_default(),
            port: place.port.to_be(),
            padding: [0; 3],
            since_ns,
        };
        settings.set(0, wanted, 0).context("writing the settings")?;
        let maps = Self {
            to_peers: map("TO_PEERS")?.try_into()?,
            to_clients: map("TO_CLIENTS")?.try_into()?,
            neighbours: map("NEIGHBOURS")?.try_into()?,
            relayed: map("RELAYED")?.try_into()?,
            places: std::collections::HashMap::new(),
            free: (0..FLOWS_MAX).rev().collect(),
            since,
            port: place.port,
        };
        Ok((maps, SharedBudgets::new(numbers, since)))
    }

    pub(super) fn switch(&mut self, shard: u16, flow: &Flow, until: Until) -> Result<(), MapError> {
        let Flow { client, channel, relay_port, peer, budget } = *flow;
        let of_client = key(client, channel);
        let of_peer = key(peer, relay_port);
        let place = (octets(client.ip()), client.port(), channel);
        if until == Until::default() {
            let ended = [self.to_peers.remove(&of_client), self.to_clients.remove(&of_peer)];
            self.free.extend(self.places.remove(&place));
            return ended.into_iter().filter(|ended| !is_absent(ended)).collect();
        }
        let neighbours = match self.places.get(&place) {
            Some(known) => *known,
            None => {
                let Some(free) = self.free.pop() else { return Ok(()) };
                self.neighbours.set(2 * free, 0, 0)?;
                self.neighbours.set(2 * free + 1, 0, 0)?;
                self.places.insert(place, free);
                free
            }
        };
        let hop = |to: SocketAddr, source_port: u16, until: Instant| Hop {
            address: words(to.ip()),
            port: to.port().to_be(),
            source_port: source_port.to_be(),
            channel: channel.to_be(),
            shard,
            neighbours,
            budget: budget.index,
            until_ns: u64::try_from(until.saturating_duration_since(self.since).as_nanos()).unwrap_or(u64::MAX),
            cost: budget.nanos_per_byte,
        };
        let port = self.port;
        let to_peer = until.to_peer.map(|until| hop(peer, relay_port, until));
        let to_client = until.to_client.map(|until| hop(client, port, until));
        set(&mut self.to_peers, &of_client, to_peer).and(set(&mut self.to_clients, &of_peer, to_client))
    }

    pub(super) fn relayed(&self, shard: u16) -> u64 {
        let counts = self.relayed.get(&shard.into(), 0);
        counts.map_or(0, |counts| counts.iter().sum())
    }
}

fn set(map: &mut HashMap<MapData, Key, Hop>, key: &Key, hop: Option<Hop>) -> Result<(), MapError> {
    match hop {
        Some(hop) => map.insert(key, hop, 0),
        None => {
            let removed = map.remove(key);
            if is_absent(&removed) { Ok(()) } else { removed }
        }
    }
}

fn is_absent(removed: &Result<(), MapError>) -> bool {
    match removed {
        Err(MapError::KeyNotFound) => true,
        Err(MapError::SyscallError(error)) => error.io_error.raw_os_error() == Some(libc::ENOENT),
        Ok(()) | Err(_) => false,
    }
}

/// One time on the clock of the standard library and on the kernel's.
fn clocks() -> (Instant, u64) {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes this time only.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let since = Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0));
    (Instant::now(), u64::try_from(since.as_nanos()).unwrap_or(0))
}

/// Maps the numbers of the budgets into this process, until it ends.
fn share(budgets: &MapData) -> anyhow::Result<&'static [AtomicU64]> {
    let bytes = BUDGETS_MAX as usize * size_of::<AtomicU64>();
    let (access, descriptor) = (libc::PROT_READ | libc::PROT_WRITE, budgets.fd().as_fd().as_raw_fd());
    // SAFETY: a new mapping, which is as long as the map and never removed. Zeros are numbers.
    unsafe {
        let start = libc::mmap(std::ptr::null_mut(), bytes, access, libc::MAP_SHARED, descriptor, 0);
        if start == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error()).context("sharing the budgets with the kernel");
        }
        Ok(std::slice::from_raw_parts(start.cast(), BUDGETS_MAX as usize))
    }
}

fn key(end: SocketAddr, selector: u16) -> Key {
    Key { address: words(end.ip()), port: end.port().to_be(), selector: selector.to_be() }
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

fn words(ip: IpAddr) -> Address {
    let octets = octets(ip);
    std::array::from_fn(|word| u16::from_ne_bytes([octets[2 * word], octets[2 * word + 1]]))
}
