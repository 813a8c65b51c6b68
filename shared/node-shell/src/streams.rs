//! Services over TCP: listening, limits on connections, and bounded queues for clients that read slowly.

mod outgoing;
mod places;

pub use outgoing::Outgoing;
pub use places::{Limits, NoPlace, Places, network};

use anyhow::Context;
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};

/// Pause after a failed accept: descriptors become free when connections end.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Connections that the kernel keeps until they are accepted.
const BACKLOG: u32 = 1_024;
/// A client that vanished is found within this time and three probes.
const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);

pub fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let open = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    open().with_context(|| format!("listening on TCP {address}"))
}

/// Sets the kernel's limits on a connection: the time for which sent data may stay unacknowledged, and the bytes in its
/// buffer that it has not sent yet (TCP_NOTSENT_LOWAT), where they can no longer be dropped.
pub fn prepare<'s>(
    stream: impl Into<SockRef<'s>>,
    unacknowledged_max: Duration,
    unsent_bytes_max: u32,
) -> io::Result<()> {
    let socket: SockRef<'s> = stream.into();
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(unsent_bytes_max)?;
    socket.set_tcp_user_timeout(Some(unacknowledged_max))?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_INTERVAL))
}

/// Converts the mapped address of an IPv4 client on a dual-stack listener.
#[must_use]
pub fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}
