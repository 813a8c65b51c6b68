//! Every limit of a TURN node, with its unit and its reason.

use std::time::Duration;

/// Default and shortest lifetime of an allocation (RFC 8656 §7.2).
pub const LIFETIME_DEFAULT: Duration = Duration::from_secs(600);
/// Longest lifetime that a client can request (RFC 8656 §7.2 recommends an hour).
pub const LIFETIME_MAX: Duration = Duration::from_secs(3600);
/// RFC 8656 §9: must be five minutes.
pub const PERMISSION_LIFETIME: Duration = Duration::from_secs(300);
/// RFC 8656 §12: ten minutes.
pub const CHANNEL_LIFETIME: Duration = Duration::from_secs(600);
/// Lifetime of an unclaimed reserved port (RFC 8656 §7.2: at least 30 s).
pub const RESERVATION_LIFETIME: Duration = Duration::from_secs(30);

/// Allocations of one thread: each has a socket, and file descriptors are limited.
pub const ALLOCATIONS_PER_SHARD_MAX: usize = 8_192;
/// Permitted peers per allocation. A room has few nodes; a peer-to-peer call has few peers with about ten candidates
/// each.
/// One CreatePermission may name all of them, because clients refresh all their permissions in one request.
pub const PERMISSIONS_PER_ALLOCATION_MAX: usize = 64;
/// Channels of an allocation: one for each permitted peer.
pub const CHANNELS_PER_ALLOCATION_MAX: usize = 64;
/// TCP connections between an allocation and its peers (RFC 6062), attempts included.
/// Each also counts as one of the user's and the address's allocations.
pub const CONNECTIONS_PER_ALLOCATION_MAX: usize = 16;
/// TCP connections with peers of all allocations of one thread: each has two sockets.
pub const CONNECTIONS_PER_SHARD_MAX: usize = 1_024;
/// Those of one client address, all of which come to one thread: two addresses together leave half of them to others.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = CONNECTIONS_PER_SHARD_MAX / 4;
/// Time for a peer to accept a connection (RFC 6062 §5.2: at least 30 s).
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Time for a client to bind a peer's connection (RFC 6062 §5.2, §5.3: at least 30 s).
pub const CONNECTION_BIND_TIMEOUT: Duration = Duration::from_secs(30);
/// One client address may hold this part of the relay ports, unless the operator sets a number: of 16,384 ports 4,096,
/// two for each network interface and transport of a thousand people behind one NAT. Two addresses together leave half
/// of the ports to others.
pub const ADDRESS_SHARE_OF_PORTS: u64 = 4;
/// Ports tried before an Allocate fails with 508.
pub const PORT_TRIES_MAX: u8 = 8;

/// Longest message to a client: the largest payload of an IPv4 datagram (65,535 bytes less 20 of IPv4 and 8 of UDP).
pub const MESSAGE_BYTES_MAX: usize = 65_507;

/// TCP and TLS connections of one thread, with and without an allocation.
pub const STREAMS_PER_SHARD_MAX: usize = 4_096;
/// Connections of one thread from one IPv4 address or IPv6 /64: enough for an office of some hundred people behind one
/// address, each with a few network interfaces and both transports.
pub const STREAMS_PER_ADDRESS_MAX: usize = 1_024;
/// Connections without an allocation. A further one evicts the oldest: a client needs a second to allocate, so a crowd
/// of idle connections cannot keep clients out.
pub const STRANGERS_PER_SHARD_MAX: usize = 1_024;
/// Time for a new connection to create an allocation: the TLS handshake and the requests take five round trips.
pub const STRANGER_TIMEOUT: Duration = Duration::from_secs(10);
/// Time between the first and the last byte of a message.
pub const STREAM_MESSAGE_TIMEOUT: Duration = Duration::from_secs(10);
/// Time for which a client may read nothing while data is queued for it.
pub const STREAM_STALL_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest message of a client without an allocation: a request with the longest user name, realm and nonce
/// (RFC 8489 §14.3, §14.9, §14.10: 509, 763 and 763 bytes).
pub const STRANGER_MESSAGE_BYTES_MAX: usize = 4_096;
/// Longest message over a stream: a STUN header, and the longest length that is a multiple of four.
pub const STREAM_MESSAGE_BYTES_MAX: usize = 20 + 65_532;
/// Data queued for a slow client, beyond the kernel's buffer; further data is dropped. At 2.5 Mbit/s it is 0.4 s old,
/// and later media is of little use.
pub const STREAM_QUEUE_BYTES_MAX: usize = 128 * 1024;
/// Additional room in the same queue for answers. A client that sends requests and never reads is closed when it is
/// full.
pub const STREAM_ANSWER_BYTES_MAX: usize = 16 * 1024;
/// Unsent data in the kernel's buffer (TCP_NOTSENT_LOWAT), where it can no longer be dropped.
pub const STREAM_UNSENT_BYTES_MAX: u32 = 32 * 1024;
/// Connections on their way from the listener to their thread; further ones are closed.
pub const ARRIVALS_MAX: usize = 512;
/// Longest certificate chain or key in a file.
pub const TLS_FILE_BYTES_MAX: u64 = 256 * 1024;

/// Error responses per second to one IPv4 address or IPv6 /64 that may be spoofed. A spoofed request of 28 bytes causes
/// a response of about 100, so without a limit the node would amplify floods. At this rate a victim receives less than
/// 200 kbit/s; clients repeat unanswered requests.
pub const UNPROVEN_ERRORS_PER_S: u64 = 200;
/// Burst of error responses: a thousand people behind one address may join at the same time.
pub const UNPROVEN_ERRORS_BURST: u64 = 1_000;
/// Addresses are distinguished by hash in a table of this size (8 bytes each), so a flood takes no memory.
pub const UNPROVEN_TABLE_ENTRIES: usize = 4_096;

const _: () = assert!(PERMISSION_LIFETIME.as_secs() < CHANNEL_LIFETIME.as_secs());
const _: () = assert!(CHANNEL_LIFETIME.as_secs() <= LIFETIME_DEFAULT.as_secs());
const _: () = assert!(CHANNELS_PER_ALLOCATION_MAX <= PERMISSIONS_PER_ALLOCATION_MAX);
const _: () = assert!(MESSAGE_BYTES_MAX <= u16::MAX as usize);
const _: () = assert!(MESSAGE_BYTES_MAX <= STREAM_QUEUE_BYTES_MAX);
const _: () = assert!(STRANGERS_PER_SHARD_MAX < STREAMS_PER_SHARD_MAX);
const _: () = assert!(STREAMS_PER_ADDRESS_MAX <= STREAMS_PER_SHARD_MAX / 4);
