//! UDP sockets that send and receive many datagrams per system call (recvmmsg with UDP_GRO, sendmmsg with UDP_SEGMENT).
//!
//! The only place with unsafe socket calls, for the shells of the native nodes. It contains no protocol, policy or
//! clock.

mod address;
mod receive;
mod send;

pub use receive::{Datagrams, ReceiveBatch};
pub use send::{PARTS, SendBatch, Sending};

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Once;

/// Buffers a tenth of a second at 300 Mbit/s while the thread is busy. The usual default, a few hundred KB, overflows
/// while one batch is being sent.
const BUFFER_BYTES: libc::c_int = 4 * 1024 * 1024;

#[derive(Debug)]
pub struct Socket {
    socket: UdpSocket,
    is_ipv6: bool,
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.descriptor()
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Calls of recvmmsg that returned messages.
    pub receive_calls: u64,
    /// Datagrams longer than the receive buffer.
    pub truncated: u64,
    pub send_calls: u64,
    /// Datagrams that the kernel refused to send.
    pub send_failures: u64,
    /// Datagrams dropped because the send buffer stayed full.
    pub send_overflows: u64,
    /// Runs that had to be sent one datagram at a time.
    pub segmented_here: u64,
}

impl Socket {
    /// Binds a socket with large buffers; with `shared_port`, several threads may bind the same port and the kernel spreads clients over
    /// them (SO_REUSEPORT).
    pub fn bind(address: SocketAddr, shared_port: bool) -> io::Result<Self> {
        Self::take(if shared_port { bind_shared(address)? } else { UdpSocket::bind(address)? })
    }

    /// Takes over a bound socket.
    pub fn take(socket: UdpSocket) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let fd = socket.as_raw_fd();
        enlarge(fd, libc::SO_RCVBUFFORCE, libc::SO_RCVBUF);
        enlarge(fd, libc::SO_SNDBUFFORCE, libc::SO_SNDBUF);
        // Kernels older than 5.0 lack it and deliver every datagram separately.
        if let Err(error) = set_option(fd, libc::SOL_UDP, libc::UDP_GRO, 1) {
            tracing::debug!(%error, "UDP_GRO is not available");
        }
        let is_ipv6 = socket.local_addr()?.is_ipv6();
        Ok(Self { socket, is_ipv6 })
    }

    pub fn local_address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }

    #[must_use]
    pub fn descriptor(&self) -> RawFd {
        self.socket.as_raw_fd()
    }

    /// Sets or clears the DF bit of the following datagrams (ip(7), IP_MTU_DISCOVER). Linux sets it by default.
    ///
    /// Routers never fragment IPv6, so there the host's own fragmentation is switched off or on (ipv6(7),
    /// IPV6_DONTFRAG).
    pub fn set_dont_fragment(&self, on: bool) {
        let value = if on { libc::IP_PMTUDISC_PROBE } else { libc::IP_PMTUDISC_DONT };
        // IPv4 also goes out through a dual-stack socket.
        let mut set = set_option(self.descriptor(), libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, value);
        if self.is_ipv6 {
            set = set.and(set_option(self.descriptor(), libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG, on.into()));
        }
        if let Err(error) = set {
            tracing::debug!(%error, "cannot set the DF bit");
        }
    }

    /// True if the next datagrams have the DF bit set (IPv4) or are not fragmented (IPv6).
    pub fn dont_fragment(&self) -> io::Result<bool> {
        if self.is_ipv6 {
            return Ok(option(self.descriptor(), libc::IPPROTO_IPV6, libc::IPV6_DONTFRAG)? != 0);
        }
        Ok(option(self.descriptor(), libc::IPPROTO_IP, libc::IP_MTU_DISCOVER)? != libc::IP_PMTUDISC_DONT)
    }

    pub(crate) fn is_ipv6(&self) -> bool {
        self.is_ipv6
    }
}

/// Binds with SO_REUSEPORT, which the standard library cannot set.
fn bind_shared(address: SocketAddr) -> io::Result<UdpSocket> {
    use std::os::fd::FromRawFd;
    let family = if address.is_ipv6() { libc::AF_INET6 } else { libc::AF_INET };
    // SAFETY: a new descriptor, which the socket owns from here on and closes.
    let socket = unsafe {
        let fd = libc::socket(family, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        UdpSocket::from_raw_fd(fd)
    };
    let fd = socket.as_raw_fd();
    set_option(fd, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    let (raw, bytes) = address::RawAddress::new(address, address.is_ipv6()).ok_or(io::ErrorKind::InvalidInput)?;
    // SAFETY: the address is read only during the call and has the length that is told.
    let result = unsafe { libc::bind(fd, (&raw const raw).cast(), bytes) };
    if result == 0 { Ok(socket) } else { Err(io::Error::last_os_error()) }
}

/// Enlarges a buffer, with CAP_NET_ADMIN even beyond the system's limit.
fn enlarge(fd: RawFd, force: libc::c_int, ask: libc::c_int) {
    if set_option(fd, libc::SOL_SOCKET, force, BUFFER_BYTES).is_ok() {
        return;
    }
    let asked = set_option(fd, libc::SOL_SOCKET, ask, BUFFER_BYTES);
    // The kernel doubles what it grants (socket(7)), and caps it silently.
    let granted = option(fd, libc::SOL_SOCKET, ask).unwrap_or(0) / 2;
    if asked.is_err() || granted < BUFFER_BYTES {
        // Logged once, because a TURN node binds a socket for each allocation.
        static TOLD: Once = Once::new();
        TOLD.call_once(|| {
            tracing::warn!(
                granted_bytes = granted,
                wanted_bytes = BUFFER_BYTES,
                "small UDP buffers: raise net.core.rmem_max and net.core.wmem_max, or grant CAP_NET_ADMIN"
            );
        });
    }
}

fn set_option(fd: RawFd, level: libc::c_int, name: libc::c_int, value: libc::c_int) -> io::Result<()> {
    let bytes = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the value is read only during the call and has the length that is told.
    let result = unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), bytes) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn option(fd: RawFd, level: libc::c_int, name: libc::c_int) -> io::Result<libc::c_int> {
    let mut value: libc::c_int = 0;
    let mut bytes = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: both pointers are valid during the call, and no more than `bytes` is written.
    let result = unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &mut bytes) };
    if result == 0 { Ok(value) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests;
