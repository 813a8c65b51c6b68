//! Accepts connections and hands each to the thread of its address.

use node_shell::streams::{ACCEPT_PAUSE, canonical, network};
use socket2::SockRef;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::net::{SocketAddr, TcpStream as StdTcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use turn_core::limits;

/// Later than the thread itself closes a stalled client, so that it is counted.
const UNACKNOWLEDGED_TIMEOUT: Duration = limits::STREAM_STALL_TIMEOUT.saturating_mul(2);

/// The listeners' side: one queue for each thread.
#[derive(Clone, Debug)]
pub(crate) struct Entrance {
    threads: Arc<[mpsc::Sender<(StdTcpStream, SocketAddr)>]>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
pub(crate) struct Arrivals(mpsc::Receiver<(StdTcpStream, SocketAddr)>);

impl Entrance {
    pub(crate) fn new(threads: u16) -> (Self, Vec<Arrivals>) {
        let (senders, receivers): (Vec<_>, Vec<_>) =
            (0..threads).map(|_| mpsc::channel(limits::ARRIVALS_MAX)).map(|(to, from)| (to, Arrivals(from))).unzip();
        (Self { threads: senders.into(), dropped: Arc::default() }, receivers)
    }

    /// Connections closed because their thread's queue was full.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

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
        // The client may have left already, which is not an error.
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

/// The same thread for all connections of an address.
fn place(from: SocketAddr, threads: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    network(from.ip()).hash(&mut hasher);
    hasher.finish().checked_rem(threads as u64).unwrap_or(0) as usize
}

/// Sets the kernel's limits on a connection's time and memory.
pub(crate) fn prepare<'s>(stream: impl Into<SockRef<'s>>) -> io::Result<()> {
    node_shell::streams::prepare(stream, UNACKNOWLEDGED_TIMEOUT, limits::STREAM_UNSENT_BYTES_MAX)
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
