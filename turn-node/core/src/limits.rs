//! Every bound of a TURN node, with its unit and its reason.

use std::time::Duration;

/// Default and shortest lifetime of an allocation (RFC 8656 §7.2).
pub const LIFETIME_DEFAULT: Duration = Duration::from_secs(600);
/// Longest lifetime that a client can ask for (RFC 8656 §7.2 recommends an hour).
pub const LIFETIME_MAX: Duration = Duration::from_secs(3600);
/// RFC 8656 §9: must be five minutes.
pub const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// RFC 8656 §12: ten minutes.
pub const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);
/// How long a reserved port waits to be claimed (RFC 8656 §7.2: at least 30 s).
pub const RESERVATION_LIFETIME: Duration = Duration::from_secs(30);

/// Allocations of one thread: each has a socket, and file descriptors are limited.
pub const ALLOCATIONS_PER_SHARD_MAX: usize = 8_192;
/// Permitted peers per allocation. A room has few nodes; a peer-to-peer call has few peers with about ten candidates
/// each.
/// One CreatePermission may name all of them, because clients refresh all their permissions in one request.
pub const PERMISSIONS_PER_ALLOCATION_MAX: usize = 64;
/// Channels of an allocation: one for each permitted peer.
pub const CHANNELS_PER_ALLOCATION_MAX: usize = 64;
/// Ports tried before an Allocate fails with 508.
pub const PORT_TRIES_MAX: u8 = 8;

/// Longest message to a client: what fits an IPv4 datagram (65,535 bytes less 20 of IPv4 and 8 of UDP).
pub const MESSAGE_BYTES_MAX: usize = 65_507;

/// Error responses a second to one IPv4 address or IPv6 /64 that has not proven it is there.
/// A spoofed request of 28 bytes draws some 100, so without a limit the node would amplify floods.
/// At this rate a victim receives less than 200 kbit/s; clients repeat requests that stay unanswered.
pub const UNPROVEN_ERRORS_PER_S: u64 = 200;
/// Burst of error responses: a thousand people behind one address may join at the same time.
pub const UNPROVEN_ERRORS_BURST: u64 = 1_000;
/// Addresses are told apart by hash in a table of this size (8 bytes each), so a flood takes no memory.
pub const UNPROVEN_TABLE_ENTRIES: usize = 4_096;

const _: () = assert!(PERMISSION_LIFETIME.as_secs() < CHANNEL_LIFETIME.as_secs());
const _: () = assert!(CHANNEL_LIFETIME.as_secs() <= LIFETIME_DEFAULT.as_secs());
const _: () = assert!(CHANNELS_PER_ALLOCATION_MAX <= PERMISSIONS_PER_ALLOCATION_MAX);
const _: () = assert!(MESSAGE_BYTES_MAX <= u16::MAX as usize);
