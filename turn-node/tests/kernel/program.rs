//! The program for the kernel, packet by packet: what it relays arrives as a socket would have sent it, and all else is
//! the node's.

use anyhow::{Context, Result};
use aya::maps::{Array, HashMap, MapData};
use aya::programs::{TestRun, TestRunOptions, Xdp};
use aya::{Ebpf, include_bytes_aligned};
use std::net::IpAddr;

#[allow(dead_code, reason = "the program has limits that a test does not need")]
#[path = "../../src/kernel/layout.rs"]
mod layout;
use layout::{Address, BURST_NANOS, COST_FRACTION_BITS, Hop, Key, Settings};

// SAFETY: numbers without padding.
unsafe impl aya::Pod for Key {}
// SAFETY: as above.
unsafe impl aya::Pod for Hop {}
// SAFETY: as above.
unsafe impl aya::Pod for Settings {}

const PASS: u32 = 2;
const TX: u32 = 3;
const LISTEN: u16 = 3478;
const RELAYED: u16 = 61_000;
const CHANNEL: u16 = 0x4001;
const NODE_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];
const CLIENT_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 3];
const NANOS_PER_BYTE: u64 = 1_000;

/// One packet, before it is written.
#[derive(Clone)]
struct Packet {
    macs: ([u8; 6], [u8; 6]),
    from: (IpAddr, u16),
    to: (IpAddr, u16),
    hops: u8,
    payload: Vec<u8>,
}

/// Node, client and peer.
fn addresses(is_v6: bool) -> [IpAddr; 3] {
    let addresses = if is_v6 { ["2600::1", "2600::2", "2600::3"] } else { ["8.0.0.1", "8.0.0.2", "8.0.0.3"] };
    addresses.map(|ip| ip.parse().expect("an address"))
}

fn framed(data: &[u8]) -> Vec<u8> {
    [&CHANNEL.to_be_bytes(), &(data.len() as u16).to_be_bytes(), data].concat()
}

fn up(is_v6: bool, data: &[u8]) -> Packet {
    let [node, client, _] = addresses(is_v6);
    let (from, to) = ((client, 4_000), (node, LISTEN));
    Packet { macs: (CLIENT_MAC, NODE_MAC), from, to, hops: 60, payload: framed(data) }
}

/// The same to the peer.
fn upwards(is_v6: bool, data: &[u8]) -> Packet {
    let [node, _, peer] = addresses(is_v6);
    let (from, to) = ((node, RELAYED), (peer, 5_000));
    Packet { macs: (NODE_MAC, PEER_MAC), from, to, hops: 59, payload: data.to_vec() }
}

fn down(is_v6: bool, data: &[u8]) -> Packet {
    let Packet { from, to, payload, .. } = upwards(is_v6, data);
    Packet { macs: (PEER_MAC, NODE_MAC), from: to, to: from, hops: 60, payload }
}

/// The same to the client.
fn downwards(is_v6: bool, data: &[u8]) -> Packet {
    let Packet { from, to, payload, .. } = up(is_v6, data);
    Packet { macs: (NODE_MAC, CLIENT_MAC), from: to, to: from, hops: 59, payload }
}

impl Packet {
    fn write(&self) -> Vec<u8> {
        let (own, other) = self.macs;
        let length = 8 + self.payload.len() as u16;
        let ip = match (self.from.0, self.to.0) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                let total = (20 + length).to_be_bytes();
                let mut ip = [&[0x45, 0xb8, total[0], total[1], 7, 7, 0x40, 0, self.hops, 17, 0, 0][..]].concat();
                ip.extend([from.octets(), to.octets()].concat());
                let sum = checksum(&ip).to_be_bytes();
                ip[10..12].copy_from_slice(&sum);
                ip
            }
            (IpAddr::V6(from), IpAddr::V6(to)) => {
                let length = length.to_be_bytes();
                let head = [0x6b, 0x80, 1, 2, length[0], length[1], 17, self.hops];
                [&head[..], &from.octets(), &to.octets()].concat()
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => panic!("two families"),
        };
        let ends = ip.len() - if self.from.0.is_ipv4() { 8 } else { 32 };
        let numbers = [self.from.1, self.to.1, length, 0].map(u16::to_be_bytes).concat();
        let mut udp = [numbers, self.payload.clone()].concat();
        let sum = checksum(&[&ip[ends..], &[0, 17], &length.to_be_bytes(), &udp].concat());
        udp[6..8].copy_from_slice(&(if sum == 0 { 0xffff } else { sum }).to_be_bytes());
        let kind: [u8; 2] = if self.from.0.is_ipv4() { [8, 0] } else { [0x86, 0xdd] };
        [&other[..], &own, &kind, &ip, &udp].concat()
    }
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// The loaded program, with one flow of each family.
struct Kernel(Ebpf);

impl Kernel {
    fn load(change: impl Fn(&mut Hop)) -> Result<Self> {
        let mut kernel = Self(Ebpf::load(include_bytes_aligned!("../../src/kernel/relay.o"))?);
        let relay: &mut Xdp = kernel.0.program_mut("relay").context("no program")?.try_into()?;
        relay.load()?;
        let [v4, v6] = [false, true].map(|is_v6| words(addresses(is_v6)[0]));
        let settings = Settings { v4, v6, port: LISTEN.to_be(), padding: [0; 3], since_ns: 0 };
        Array::try_from(kernel.0.map_mut("SETTINGS").context("no map")?)?.set(0, settings, 0)?;
        for (place, is_v6) in [(0, false), (1, true)] {
            let [_, client, peer] = addresses(is_v6);
            let mut insert = |map: &str, (from, port, selector), (to, to_port, source_port)| -> Result<()> {
                let mut hop = Hop {
                    address: words(to),
                    port: u16::to_be(to_port),
                    source_port: u16::to_be(source_port),
                    channel: CHANNEL.to_be(),
                    shard: 0,
                    neighbours: place,
                    budget: 0,
                    until_ns: u64::MAX,
                    cost: NANOS_PER_BYTE << COST_FRACTION_BITS,
                };
                change(&mut hop);
                let key = Key { address: words(from), port: u16::to_be(port), selector: u16::to_be(selector) };
                let map = kernel.0.map_mut(map).context("no map")?;
                Ok(HashMap::<&mut MapData, Key, Hop>::try_from(map)?.insert(key, hop, 0)?)
            };
            insert("TO_PEERS", (client, 4_000, CHANNEL), (peer, 5_000, RELAYED))?;
            insert("TO_CLIENTS", (peer, 5_000, RELAYED), (client, 4_000, LISTEN))?;
        }
        Ok(kernel)
    }

    /// The verdict and the packet afterwards.
    fn run(&self, packet: &[u8]) -> Result<(u32, Vec<u8>)> {
        let relay: &Xdp = self.0.program("relay").context("no program")?.try_into()?;
        let mut out = vec![0; 2_048];
        let mut options = TestRunOptions::new();
        (options.data_in, options.data_out) = (Some(packet), Some(out.as_mut_slice()));
        let result = relay.test_run(options)?;
        out.truncate(result.data_size_out as usize);
        Ok((result.return_value, out))
    }

    /// Shows it the neighbours of both ends.
    fn greeted(self) -> Result<Self> {
        for is_v6 in [false, true] {
            assert_eq!(self.run(&up(is_v6, b"hello").write())?.0, PASS, "the peer's neighbour is unknown");
            assert_eq!(self.run(&down(is_v6, b"hello").write())?.0, TX);
        }
        Ok(self)
    }

    fn budget(&self) -> Result<u64> {
        Ok(Array::<&MapData, u64>::try_from(self.0.map("BUDGETS").context("no map")?)?.get(&0, 0)?)
    }
}

fn words(ip: IpAddr) -> Address {
    let octets = match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    };
    std::array::from_fn(|word| u16::from_ne_bytes([octets[2 * word], octets[2 * word + 1]]))
}

#[test]
fn packets_arrive_as_a_socket_would_send_them() -> Result<()> {
    let kernel = Kernel::load(|_| {})?.greeted()?;
    for is_v6 in [false, true] {
        for length in 4..70 {
            let data: Vec<u8> = (0..length).map(|place| (place * 91 + length) as u8).collect();
            assert_eq!(kernel.run(&up(is_v6, &data).write())?, (TX, upwards(is_v6, &data).write()), "{length} up");
            assert_eq!(
                kernel.run(&down(is_v6, &data).write())?,
                (TX, downwards(is_v6, &data).write()),
                "{length} down"
            );
        }
    }
    // A checksum of zero would say that there is none.
    let is_zero = |data: &[u8; 4]| upwards(false, data).write()[40..42] == [0xff, 0xff];
    let mut data = (0..=u16::MAX).map(|n| [n.to_be_bytes(), [0, 1]].concat().try_into().expect("four bytes"));
    let data = data.find(is_zero).expect("some data has this sum");
    assert_eq!(kernel.run(&up(false, &data).write())?, (TX, upwards(false, &data).write()));
    // IPv4 may do without a checksum, and then the peer gets none.
    let (mut bare, mut wanted) = (up(false, b"bare").write(), upwards(false, b"bare").write());
    bare[40..42].fill(0);
    wanted[40..42].fill(0);
    assert_eq!(kernel.run(&bare)?, (TX, wanted));
    Ok(())
}

#[test]
fn unusual_packets_are_the_nodes() -> Result<()> {
    let kernel = Kernel::load(|_| {})?.greeted()?;
    /// Writes the IPv4 header's checksum again.
    fn again(packet: &mut [u8]) {
        packet[24..26].fill(0);
        let sum = checksum(&packet[14..34]).to_be_bytes();
        packet[24..26].copy_from_slice(&sum);
    }
    type Change = fn(&mut Vec<u8>);
    let unusual: [(&str, bool, Change); 12] = [
        ("to a group", false, |packet| packet[0] |= 1),
        ("neither IPv4 nor IPv6", false, |packet| packet[12] = 0x81),
        ("with options", false, |packet| (packet[14], _) = (0x46, again(packet))),
        ("a fragment", false, |packet| {
            packet[20] = 0x20;
            again(packet);
        }),
        ("at its last hop", false, |packet| {
            packet[22] = 1;
            again(packet);
        }),
        ("with a broken header", false, |packet| packet[25] ^= 1),
        ("of TCP", true, |packet| packet[20] = 6),
        ("without the checksum of IPv6", true, |packet| packet[60..62].fill(0)),
        ("to another address", true, |packet| packet[53] ^= 9),
        ("longer than it says", false, |packet| packet[45] += 1),
        ("of another channel", false, |packet| packet[43] += 1),
        ("cut off", false, |packet| packet.truncate(50)),
    ];
    for (name, is_v6, change) in unusual {
        let mut packet = up(is_v6, b"some data").write();
        assert_eq!(kernel.run(&packet)?.0, TX);
        change(&mut packet);
        assert_eq!(kernel.run(&packet)?, (PASS, packet.clone()), "{name}");
    }
    let padded = Packet { payload: [framed(b"odd"), vec![0]].concat(), ..up(false, b"") };
    assert_eq!(kernel.run(&padded.write())?.0, PASS, "padded");
    assert_eq!(kernel.run(&up(true, b"").write())?.0, PASS, "empty");
    Ok(())
}

#[test]
fn a_flow_ends_on_the_kernels_own_clock() -> Result<()> {
    let kernel = Kernel::load(|hop| hop.until_ns = 1)?;
    let packets = [up(false, b"late"), down(false, b"late"), up(true, b"late"), down(true, b"late")];
    let verdicts = || packets.iter().map(|packet| Ok(kernel.run(&packet.write())?.0)).collect::<Result<Vec<_>>>();
    verdicts()?;
    assert_eq!(verdicts()?, [PASS; 4], "once the neighbours are known");
    assert_eq!(kernel.budget()?, 0, "and takes nothing from the user");
    Ok(())
}

#[test]
fn both_directions_spend_from_the_users_budget() -> Result<()> {
    // Two thirds of a second each.
    let kernel = Kernel::load(|hop| hop.cost = (BURST_NANOS / 1_500) << COST_FRACTION_BITS)?.greeted()?;
    let before = kernel.budget()?;
    assert_eq!(kernel.run(&up(false, &[1; 1_000]).write())?.0, TX);
    let after = kernel.budget()?;
    assert!((600_000_000..=700_000_000).contains(&(after - before)), "{before} {after}");
    assert_eq!(kernel.run(&down(true, &[1; 1_000]).write())?.0, PASS, "the node judges what is over it");
    assert_eq!(kernel.budget()?, after);
    Ok(())
}
