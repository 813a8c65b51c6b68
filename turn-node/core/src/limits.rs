//! Every bound of a TURN node, with its unit and its reason.

use std::time::Duration;

/// Default and least life of an allocation (RFC 8656 §3.2).
pub const LIFETIME_DEFAULT: Duration = Duration::from_secs(600);
/// Longest life that a client can ask for (RFC 8656 §7.2 recommends an hour).
pub const LIFETIME_MAX: Duration = Duration::from_secs(3600);
/// Life of a permission (RFC 8656 §9: must be five minutes).
pub const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// Life of a channel (RFC 8656 §12: ten minutes).
pub const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);
/// How long a reserved port waits for its owner (RFC 8656 §7.2: at least 30 s).
pub const RESERVATION_LIFETIME: Duration = Duration::from_secs(30);

/// Allocations of one thread: each has a socket, and file descriptors end somewhere.
pub const ALLOCATIONS_PER_SHARD_MAX: usize = 8_192;
/// Peers an allocation may hear: a room has few nodes, a peer-to-peer call few peers with few addresses.
pub const PERMISSIONS_PER_ALLOCATION_MAX: usize = 64;
/// Channels of an allocation.
pub const CHANNELS_PER_ALLOCATION_MAX: usize = 64;
/// Peers in one CreatePermission request.
pub const PEERS_PER_REQUEST_MAX: usize = 16;
/// Ports that are tried before an Allocate fails with 508.
pub const PORT_TRIES_MAX: u8 = 8;
/// Reserved ports at once.
pub const RESERVATIONS_MAX: usize = 1_024;

/// Largest datagram that is relayed: Ethernet's 1,500 bytes and some, so that no data is cut.
pub const DATAGRAM_BYTES_MAX: usize = 2_048;

const _: () = assert!(PERMISSION_LIFETIME.as_secs() < CHANNEL_LIFETIME.as_secs());
const _: () = assert!(CHANNEL_LIFETIME.as_secs() <= LIFETIME_DEFAULT.as_secs());
