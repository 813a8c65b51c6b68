//! Limits of connections, with their units and reasons.

use std::time::Duration;

/// Connections of a node: a session has one for each of the client's network interfaces until one is selected.
pub(super) const CONNECTIONS_MAX: usize = 8_192;
/// Connections from one IPv4 address or IPv6 /64: an office of some hundred people behind one address.
pub(super) const CONNECTIONS_PER_ADDRESS_MAX: usize = 1_024;
/// Connections that have not sent their first check yet. A further one evicts the oldest: a client needs a round trip.
pub(super) const STRANGERS_MAX: usize = 1_024;
/// Time for a connection's first check, and then for a check that its session accepts.
pub(super) const STRANGER_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between the first and the last byte of a datagram.
pub(super) const DATAGRAM_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for which a client may read nothing while data is queued for it.
pub(super) const STALL_TIMEOUT: Duration = Duration::from_secs(20);
/// The kernel gives up later than the shard, so that the reason is counted.
pub(super) const UNACKNOWLEDGED_TIMEOUT: Duration = Duration::from_secs(40);
/// Data queued for a slow client, beyond the kernel's buffer; further media is dropped, as on a full link. At 2.5 Mbit/s
/// it is 0.4 s old, and later media is of little use.
pub(super) const QUEUE_BYTES_MAX: usize = 128 * 1024;
/// Additional room in the same queue for checks and handshakes, without which the client would be lost.
pub(super) const URGENT_BYTES_MAX: usize = 16 * 1024;
/// Unsent data in the kernel's buffer (TCP_NOTSENT_LOWAT), where it can no longer be dropped.
pub(super) const UNSENT_BYTES_MAX: u32 = 32 * 1024;
/// Bytes read from one connection before the others get their turn.
pub(super) const READ_BYTES: usize = 64 * 1024;
/// The edge's message about a session may come after its client's connection, by this much at most.
pub(super) const ROUTE_TIMEOUT: Duration = Duration::from_secs(1);
/// Interval at which the shards' user fragments are searched meanwhile, by the thread that accepts connections: at most
/// [`STRANGERS_MAX`] look-ups for each shard.
pub(super) const ROUTE_INTERVAL: Duration = Duration::from_millis(50);

const _: () = assert!(media_core::framing::DATAGRAM_BYTES_MAX + media_core::framing::HEADER_BYTES <= READ_BYTES);
