//! Switches ChannelData between two UDP ends (RFC 8656 §12) before the kernel makes a socket's packet of it.
//!
//! The node decides and writes the maps; this program only follows them. Whatever is unusual, unknown, expired or over
//! a budget goes on to the node's sockets.

#![no_std]
#![no_main]
// The target has the instruction, but the standard library does not offer it there.
#![feature(core_intrinsics)]
#![allow(internal_features)]

#[path = "../../src/kernel/layout.rs"]
mod layout;

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS, XDP_TX};
use aya_ebpf::helpers::r#gen::{bpf_check_mtu, bpf_ktime_get_ns, bpf_xdp_adjust_head};
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::{Array, HashMap, PerCpuArray};
use aya_ebpf::programs::XdpContext;
use core::intrinsics::{AtomicOrdering, atomic_cxchg};
use layout::{Address, BUDGETS_MAX, BURST_NANOS, COST_FRACTION_BITS, FLOWS_MAX, Hop, Key, SHARDS_MAX, Settings};

/// Entries are freed only when no packet uses them any more.
const NO_PREALLOC: u32 = 1;
const MMAPABLE: u32 = 1 << 10;

#[map]
static TO_PEERS: HashMap<Key, Hop> = HashMap::with_max_entries(FLOWS_MAX, NO_PREALLOC);
#[map]
static TO_CLIENTS: HashMap<Key, Hop> = HashMap::with_max_entries(FLOWS_MAX, NO_PREALLOC);
#[map]
static NEIGHBOURS: Array<u64> = Array::with_max_entries(2 * FLOWS_MAX, 0);
#[map]
static BUDGETS: Array<u64> = Array::with_max_entries(BUDGETS_MAX, MMAPABLE);
#[map]
static SETTINGS: Array<Settings> = Array::with_max_entries(1, 0);
#[map]
static RELAYED: PerCpuArray<u64> = PerCpuArray::with_max_entries(SHARDS_MAX, 0);

/// Words of an Ethernet header and of a UDP header.
const ETHERNET: usize = 7;
const UDP: usize = 4;
/// Bytes of a UDP header, and of the header before a channel's data.
const UDP_BYTES: u16 = 8;
const CHANNEL_BYTES: u16 = 4;
const V4: usize = 10;
const V6: usize = 20;
const ETHERTYPE_V4: u16 = 0x0800u16.to_be();
const ETHERTYPE_V6: u16 = 0x86ddu16.to_be();
const PROTOCOL_UDP: u16 = 17;
const DONT_FRAGMENT: u16 = 0x4000;
/// Among the neighbours, marks an address as known.
const MAC_KNOWN: u64 = 1 << 63;
/// Attempts to pay while other packets of the same user do.
const PAYMENTS: usize = 4;

#[xdp]
pub fn relay(context: XdpContext) -> u32 {
    let (start, end) = (context.data(), context.data_end());
    if start + 2 * ETHERNET > end {
        return XDP_PASS;
    }
    // SAFETY: the words are within the packet.
    let relayed = match unsafe { (*(start as *const [u16; ETHERNET]))[6] } {
        ETHERTYPE_V4 => relay_ip::<V4>(&context),
        ETHERTYPE_V6 => relay_ip::<V6>(&context),
        _ => None,
    };
    relayed.unwrap_or(XDP_PASS)
}

/// A packet that may belong to a flow. `IP` is the length of the IP header in words.
struct Arrival<const IP: usize> {
    ethernet: [u16; ETHERNET],
    ip: [u16; IP],
    udp: [u16; UDP],
    /// The header before a client's data.
    channel: [u16; 2],
    /// True if it comes from a client.
    up: bool,
    key: Key,
    data_bytes: u16,
}

/// `None` if the packet is the node's.
#[inline(always)]
fn relay_ip<const IP: usize>(context: &XdpContext) -> Option<u32> {
    let settings = SETTINGS.get(0)?;
    let arrival = read::<IP>(context, settings)?;
    let Arrival { ethernet, mut ip, channel, up, data_bytes, .. } = arrival;
    // SAFETY: entries are replaced as a whole, and freed when no packet uses them.
    let hop = unsafe { if up { TO_PEERS.get(&arrival.key) } else { TO_CLIENTS.get(&arrival.key) } }?;
    let next = next_hop(hop, up, &ethernet)?;
    if !up && !fits(context) {
        return None;
    }
    pay(settings, hop, data_bytes)?;

    let new_bytes = if up { UDP_BYTES + data_bytes } else { UDP_BYTES + CHANNEL_BYTES + data_bytes };
    let header = if up { channel } else { [hop.channel, data_bytes.to_be()] };
    let new_udp = readdressed(&arrival, hop, header, new_bytes);
    readdress(&mut ip, &hop.address, new_bytes);
    let new_ethernet = [next[0], next[1], next[2], ethernet[0], ethernet[1], ethernet[2], ethernet[6]];

    let shift = if up { i32::from(CHANNEL_BYTES as i16) } else { -i32::from(CHANNEL_BYTES as i16) };
    // SAFETY: the context is the kernel's.
    if unsafe { bpf_xdp_adjust_head(context.ctx, shift) } != 0 {
        return Some(XDP_DROP);
    }
    let (start, end) = (context.data(), context.data_end());
    let headers = 2 * (ETHERNET + IP + UDP);
    if start + headers + usize::from(CHANNEL_BYTES) > end && !up || start + headers > end {
        return Some(XDP_DROP);
    }
    // SAFETY: all of these are within the packet, which begins at an even address.
    unsafe {
        *(start as *mut [u16; ETHERNET]) = new_ethernet;
        *((start + 2 * ETHERNET) as *mut [u16; IP]) = ip;
        *((start + 2 * (ETHERNET + IP)) as *mut [u16; UDP]) = new_udp;
        if !up {
            *((start + headers) as *mut [u16; 2]) = header;
        }
    }
    if let Some(relayed) = RELAYED.get_ptr_mut(hop.shard.into()) {
        // SAFETY: each processor has a counter of its own.
        unsafe { *relayed += 1 };
    }
    Some(XDP_TX)
}

/// `None` for everything unusual.
#[inline(always)]
fn read<const IP: usize>(context: &XdpContext, settings: &Settings) -> Option<Arrival<IP>> {
    let (start, end) = (context.data(), context.data_end());
    if start + 2 * (ETHERNET + IP + UDP) + usize::from(CHANNEL_BYTES) > end {
        return None;
    }
    // SAFETY: all of these are within the packet, which begins at an even address.
    let (ethernet, ip, udp, channel) = unsafe {
        (
            *(start as *const [u16; ETHERNET]),
            *((start + 2 * ETHERNET) as *const [u16; IP]),
            *((start + 2 * (ETHERNET + IP)) as *const [u16; UDP]),
            *((start + 2 * (ETHERNET + IP + UDP)) as *const [u16; 2]),
        )
    };
    let payload_bytes = usual(&ip)?;
    let (address, to) = addresses(&ip);
    let own = if IP == V4 { &settings.v4 } else { &settings.v6 };
    let [port, destination, udp_length, checksum] = udp;
    let udp_bytes = u16::from_be(udp_length);
    // A group's frame has the lowest bit of its first octet set.
    let to_group = ethernet[0].to_ne_bytes()[0] & 1 == 1;
    if to != *own || to_group || udp_bytes != payload_bytes || (IP == V6 && checksum == 0) {
        return None;
    }
    if start + 2 * (ETHERNET + IP) + usize::from(udp_bytes) > end {
        return None;
    }
    let up = destination == settings.port;
    let (selector, data_bytes) = if up {
        let [number, length] = channel.map(u16::from_be);
        // RFC 8656 §12: numbers from 0x4000 to 0x4fff. Padding is unusual over UDP.
        if number >> 12 != 4 || length == 0 || udp_bytes != UDP_BYTES + CHANNEL_BYTES + length {
            return None;
        }
        (channel[0], length)
    } else {
        (destination, udp_bytes - UDP_BYTES)
    };
    Some(Arrival { ethernet, ip, udp, channel, up, key: Key { address, port, selector }, data_bytes })
}

/// The UDP header of the packet that goes on. By RFC 1624, its checksum changes by the words that leave and the words
/// that come. The length counts twice, because the pseudo header has it too; the node's own address only changes places.
#[inline(always)]
fn readdressed<const IP: usize>(arrival: &Arrival<IP>, hop: &Hop, header: [u16; 2], new_bytes: u16) -> [u16; UDP] {
    let [source, destination, length, checksum] = arrival.udp;
    let new_length = new_bytes.to_be();
    let mut sum = u32::from(!checksum);
    sum += u32::from(!source) + u32::from(!destination) + 2 * u32::from(!length);
    sum += u32::from(hop.source_port) + u32::from(hop.port) + 2 * u32::from(new_length);
    for word in 0..8 {
        sum += u32::from(!arrival.key.address[word]) + u32::from(hop.address[word]);
    }
    for word in header {
        sum += u32::from(if arrival.up { !word } else { word });
    }
    let new_checksum = match (checksum != 0, !fold(sum)) {
        (false, _) => 0,
        (true, 0) => 0xffff,
        (true, sum) => sum,
    };
    [hop.source_port, hop.port, new_length, new_checksum]
}

/// Bytes after the IP header, if it has no options, extensions or fragments, and is not at its last hop.
#[inline(always)]
fn usual<const IP: usize>(ip: &[u16; IP]) -> Option<u16> {
    if IP == V4 {
        let mut sum = 0;
        for word in ip {
            sum += u32::from(*word);
        }
        let [hops, protocol] = ip[4].to_ne_bytes();
        let is_whole = u16::from_be(ip[3]) & !DONT_FRAGMENT == 0;
        let is_usual = u16::from_be(ip[0]) >> 8 == 0x45 && is_whole && u16::from(protocol) == PROTOCOL_UDP;
        (is_usual && hops > 1 && fold(sum) == 0xffff).then(|| u16::from_be(ip[1]).wrapping_sub(2 * V4 as u16))
    } else {
        let [protocol, hops] = ip[3].to_ne_bytes();
        let is_usual = u16::from_be(ip[0]) >> 12 == 6 && u16::from(protocol) == PROTOCOL_UDP;
        (is_usual && hops > 1).then(|| u16::from_be(ip[2]))
    }
}

/// Source and destination.
#[inline(always)]
fn addresses<const IP: usize>(ip: &[u16; IP]) -> (Address, Address) {
    if IP == V4 {
        ([0, 0, 0, 0, 0, 0xffff, ip[6], ip[7]], [0, 0, 0, 0, 0, 0xffff, ip[8], ip[9]])
    } else {
        let words = |first: usize| -> Address { core::array::from_fn(|word| ip[first + word]) };
        (words(4), words(12))
    }
}

/// The header of the packet that goes on. Hops, traffic class and the DF bit are the incoming packet's (RFC 8656 §14).
#[inline(always)]
fn readdress<const IP: usize>(ip: &mut [u16; IP], to: &Address, payload_bytes: u16) {
    if IP == V4 {
        ip[1] = (payload_bytes + 2 * V4 as u16).to_be();
        let [hops, protocol] = ip[4].to_ne_bytes();
        ip[4] = u16::from_ne_bytes([hops - 1, protocol]);
        ip[6] = ip[8];
        ip[7] = ip[9];
        ip[8] = to[6];
        ip[9] = to[7];
        ip[5] = 0;
        let mut sum = 0;
        for word in ip.iter() {
            sum += u32::from(*word);
        }
        ip[5] = !fold(sum);
    } else {
        ip[2] = payload_bytes.to_be();
        let [protocol, hops] = ip[3].to_ne_bytes();
        ip[3] = u16::from_ne_bytes([protocol, hops - 1]);
        for word in 0..8 {
            ip[4 + word] = ip[12 + word];
            ip[12 + word] = to[word];
        }
    }
}

/// Remembers from which neighbour this end's packets come, and returns the other end's, once it is known.
#[inline(always)]
fn next_hop(hop: &Hop, up: bool, ethernet: &[u16; ETHERNET]) -> Option<[u16; 3]> {
    let from = MAC_KNOWN
        | u64::from(ethernet[3].to_le())
        | u64::from(ethernet[4].to_le()) << 16
        | u64::from(ethernet[5].to_le()) << 32;
    let own = NEIGHBOURS.get_ptr_mut(2 * hop.neighbours + u32::from(up))?;
    let other = *NEIGHBOURS.get(2 * hop.neighbours + u32::from(!up))?;
    // SAFETY: a number of its map, which is written as a whole.
    unsafe {
        if *own != from {
            *own = from;
        }
    }
    (other != 0).then(|| [(other as u16).to_le(), ((other >> 16) as u16).to_le(), ((other >> 32) as u16).to_le()])
}

/// True if the packet can have a channel's header too.
#[inline(always)]
fn fits(context: &XdpContext) -> bool {
    let mut mtu = 0;
    // SAFETY: the context is the kernel's, and the number is written only during the call.
    unsafe { bpf_check_mtu(context.ctx.cast(), 0, &mut mtu, i32::from(CHANNEL_BYTES as i16), 0) == 0 }
}

/// Takes these bytes from the user's budget, as `turn_core` does from the same one.
#[inline(always)]
fn pay(settings: &Settings, hop: &Hop, bytes: u16) -> Option<()> {
    // SAFETY: it takes nothing.
    let now = unsafe { bpf_ktime_get_ns() }.wrapping_sub(settings.since_ns);
    if now >= hop.until_ns {
        return None;
    }
    let cost = u64::from(bytes).wrapping_mul(hop.cost) >> COST_FRACTION_BITS;
    let budget = BUDGETS.get_ptr_mut(hop.budget)?;
    for _ in 0..PAYMENTS {
        // SAFETY: the number is within its map; a word is read as a whole.
        let before = unsafe { budget.read_volatile() };
        let after = if before > now { before } else { now }.wrapping_add(cost);
        if after > now.wrapping_add(BURST_NANOS) {
            return None;
        }
        // SAFETY: the kernel and the node write these numbers only so.
        let (_, is_paid) = unsafe {
            atomic_cxchg::<u64, { AtomicOrdering::SeqCst }, { AtomicOrdering::SeqCst }>(budget, before, after)
        };
        if is_paid {
            return Some(());
        }
    }
    None
}

#[inline(always)]
fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

// `bpf_check_mtu` and others are for programs with this licence only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
