//! The entries of the maps that the program in the kernel and the node share. Also compiled for BPF, so nothing here
//! needs the standard library.

/// Flows, in each direction; the same number for whole nodes as relay ports.
pub(crate) const FLOWS_MAX: u32 = 65_536;
/// Bandwidth budgets, one for each user.
pub(crate) const BUDGETS_MAX: u32 = 65_536;
/// Threads that count their packets apart.
pub(crate) const SHARDS_MAX: u32 = 96;
/// Capacity of a bandwidth budget, and the fixed point of its cost of a byte: those of `turn_core`.
pub(crate) const BURST_NANOS: u64 = 1_000_000_000;
pub(crate) const COST_FRACTION_BITS: u32 = 16;
/// An IP address in words in network order, IPv4 as an IPv4-mapped IPv6 address.
pub(crate) type Address = [u16; 8];

/// Finds a [`Hop`]: a client and its channel, or a peer and the relayed port. All in network order.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) address: Address,
    pub(crate) port: u16,
    /// The channel number, or the relayed port.
    pub(crate) selector: u16,
}

/// One direction of a flow.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hop {
    /// The new destination, in network order.
    pub(crate) address: Address,
    pub(crate) port: u16,
    /// The new source port, in network order.
    pub(crate) source_port: u16,
    /// To clients only, in network order.
    pub(crate) channel: u16,
    pub(crate) shard: u16,
    /// Of the flow: there are the Ethernet addresses of two next hops, learned from its packets and 0 until then, the
    /// peer's at twice this number and the client's above it. The first octet is the lowest.
    pub(crate) neighbours: u32,
    pub(crate) budget: u32,
    /// In nanoseconds since [`Settings::since_ns`]; later packets are the node's.
    pub(crate) until_ns: u64,
    /// Of a byte, in nanoseconds with [`COST_FRACTION_BITS`].
    pub(crate) cost: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// Of the node, towards clients and peers; zeros if packets of this family are the node's.
    pub(crate) v4: Address,
    pub(crate) v6: Address,
    /// The clients' port, in network order.
    pub(crate) port: u16,
    pub(crate) padding: [u16; 3],
    /// On CLOCK_MONOTONIC.
    pub(crate) since_ns: u64,
}
