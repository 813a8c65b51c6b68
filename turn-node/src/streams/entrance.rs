//! Accepts connections and hands each to the thread of its address.

use super::ACCEPT_PAUSE;
use super::hub::canonical;
use super::places::network;
use anyhow::Context;
use socket2::{SockRef, TcpKeepalive};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::{SocketAddr, TcpStream as StdTcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::mpsc;
use turn_core::limits;

/// Connections that the kernel keeps until they are accepted.
const BACKLOG: u32 = 1_024;
/// A client that is gone without a word is found within this time and three probes.
const KEEPALIVE: Duration = Duration::from_secs(60);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(10);
/// Later than the thread itself closes a client that reads nothing, so that it is counted.
const UNACKNOWLEDGED_TIMEOUT: Duration = limits::STREAM_STALL_TIMEOUT.saturating_mul(2);

/// The listeners' side: one queue for each thread.
#[derive(Clone, Debug)]
pub(crate) struct Entrance {
    threads: Arc<[mpsc::Sender<(StdTcpStream, SocketAddr)>]>,
    dropped: Arc<AtomicU64>,
}

/// A thread's side.
#[derive(Debug)]
pub(crate) struct Arrivals(mpsc::Receiver<(StdTcpStream, SocketAddr)>);

impl Entrance {
    pub(crate) fn new(threads: u16) -> (Self, Vec<Arrivals>) {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..threads).map(|_| mpsc::channel(limits::ARRIVALS_MAX)).map(|(to, from)| (to, Arrivals(from))).unzip();
        (Self { threads: senders.into(), dropped: Arc::default() }, receivers)
    }

    /// Connections that were closed because their thread had no time for them.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Accepts connections for ever.
    pub(crate) async fn serve(self, listener: TcpListener) {
        loop {
            let accepted = listener.accept().await;
            let handed = accepted.and_then(|(stream, from)| self.hand_on(stream, canonical(from)));
            if let Err(error) = handed {
                tracing::warn!(%error, "accepting a connection failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }

    fn hand_on(&self, stream: TcpStream, from: SocketAddr) -> io::Result<()> {
        let stream = stream.into_std()?;
        // A client that is gone already is no mistake of ours.
        let _ = prepare(&stream);
        let thread = self.threads.get(place(from, self.threads.len()));
        if thread.is_none_or(|thread| thread.try_send((stream, from)).is_err()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Arrivals {
    pub(crate) async fn next(&mut self) -> Option<(TcpStream, SocketAddr)> {
        loop {
            let (stream, from) = self.0.recv().await?;
            match TcpStream::from_std(stream) {
                Ok(stream) => return Some((stream, from)),
                Err(error) => tracing::warn!(%error, "a connection cannot be watched"),
            }
        }
    }
}

/// Opens a listener; failing here is failing to start.
pub(crate) fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let open = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    open().with_context(|| format!("listening on TCP {address}"))
}

/// The same thread for all connections of an address.
fn place(from: SocketAddr, threads: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    network(from.ip()).hash(&mut hasher);
    hasher.finish().checked_rem(threads as u64).unwrap_or(0) as usize
}

/// Sets what bounds the time and the memory of a connection in the kernel.
pub(crate) fn prepare<'s>(stream: impl Into<SockRef<'s>>) -> io::Result<()> {
    let socket: SockRef<'s> = stream.into();
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(limits::STREAM_UNSENT_BYTES_MAX)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_TIMEOUT))?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE_INTERVAL))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_thread_and_every_thread_has_addresses() {
        let of = |text: &str| place(text.parse().expect("an address"), 4);
        assert_eq!(of("192.0.2.1:1"), of("192.0.2.1:60000"));
        assert_eq!(of("192.0.2.1:1"), of("[::ffff:192.0.2.1]:1"));
        assert_eq!(of("[2001:db8::1]:1"), of("[2001:db8::ffff:1]:2"));
        let mut counts = [0; 4];
        (0..=255_u8).for_each(|last| counts[place(SocketAddr::from(([192, 0, 2, last], 1)), 4)] += 1);
        assert!(counts.iter().all(|count| (32..=96).contains(count)), "{counts:?}");
    }
}
