//! Accepts connections, reads the first check of each, and hands it to the shard with the session.

use super::limits;
use super::place::{self, Place, Registry};
use crate::shard::{Command, Shard};
use anyhow::Context;
use media_core::framing;
use media_core::stun::{self, BindingRequest};
use node_shell::streams::{self, ACCEPT_PAUSE, Limits, NoPlace, canonical};
use shared::control::ProbeCredential;
use std::net::{SocketAddr, TcpStream as StdTcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep, timeout};

/// A connection on its way to a shard.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(super) stream: StdTcpStream,
    pub(super) from: SocketAddr,
    /// The bytes that have been read from it.
    pub(super) first: Vec<u8>,
    pub(super) place: Place,
}

/// The reason that a connection reaches no shard: labels of `media_tcp_refused_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The node has too many connections.
    Full,
    /// The client's address has too many.
    Address,
    /// No check yet, and newer connections need the place.
    Evicted,
    /// No check in time.
    Silent,
    /// The first datagram is not a check.
    Broken,
    /// No session has the user fragment.
    Unknown,
}

impl Refusal {
    pub(crate) const ALL: [(Self, &'static str); 6] = [
        (Self::Full, "full"),
        (Self::Address, "address"),
        (Self::Evicted, "evicted"),
        (Self::Silent, "silent"),
        (Self::Broken, "broken"),
        (Self::Unknown, "unknown"),
    ];
}

/// The thread's other end.
#[derive(Debug)]
pub(crate) struct Entrance {
    pub(crate) address: SocketAddr,
    refused: Arc<Refused>,
}

#[derive(Debug, Default)]
struct Refused([AtomicU64; Refusal::ALL.len()]);

/// Connections that no shard has yet.
#[derive(Clone)]
pub(super) struct Lobby {
    registry: Registry,
    shards: Arc<[Shard]>,
    refused: Arc<Refused>,
    /// Time for the first check.
    patience: Duration,
    /// The user fragment of probes; `None` if the node knows its address.
    pub(super) probe: Option<Arc<str>>,
}

impl Entrance {
    /// Starts the thread; returns once it listens.
    pub(crate) fn start(
        address: SocketAddr,
        shards: Arc<[Shard]>,
        probe: Option<&ProbeCredential>,
    ) -> anyhow::Result<Self> {
        let mut lobby = Lobby::new(shards, place::LIMITS, limits::STRANGER_TIMEOUT);
        lobby.probe = probe.map(|credential| credential.ufrag.as_str().into());
        let refused = Arc::clone(&lobby.refused);
        let (listens, listening) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("tcp".to_owned());
        thread.spawn(move || run(lobby, address, &listens)).context("starting the thread for TCP")?;
        let address = listening.recv().context("the thread for TCP has ended")??;
        Ok(Self { address, refused })
    }

    /// Indexed like [`Refusal::ALL`].
    pub(crate) fn refused(&self) -> [u64; Refusal::ALL.len()] {
        self.refused.0.each_ref().map(|count| count.load(Ordering::Relaxed))
    }
}

fn run(lobby: Lobby, address: SocketAddr, listens: &SyncSender<anyhow::Result<SocketAddr>>) {
    let started = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting a runtime");
    let served = started.and_then(|runtime| {
        runtime.block_on(async {
            let listener = streams::listen(address)?;
            // The receiver waits for this.
            let _ = listens.send(Ok(listener.local_addr().context("reading the address for TCP")?));
            lobby.serve(listener).await;
            Ok(())
        })
    });
    if let Err(error) = served {
        let _ = listens.send(Err(error));
    }
}

impl Refused {
    fn count(&self, refusal: Refusal) {
        let place = Refusal::ALL.iter().position(|(known, _)| *known == refusal);
        if let Some(count) = place.and_then(|place| self.0.get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Lobby {
    pub(super) fn new(shards: Arc<[Shard]>, limits: Limits, patience: Duration) -> Self {
        Self { registry: Registry::new(limits), shards, refused: Arc::default(), patience, probe: None }
    }

    pub(super) async fn serve(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, from)) => self.admit(stream, canonical(from)),
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection failed");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    #[cfg(test)]
    pub(super) fn reasons(&self) -> Vec<Refusal> {
        let counts = Refusal::ALL.iter().zip(&self.refused.0);
        let times = |count: &AtomicU64| count.load(Ordering::Relaxed) as usize;
        counts.flat_map(|((reason, _), count)| std::iter::repeat_n(*reason, times(count))).collect()
    }

    fn admit(&self, stream: TcpStream, from: SocketAddr) {
        let place = match self.registry.take(from.ip()) {
            Ok(place) => place,
            Err(NoPlace::Full) => return self.refused.count(Refusal::Full),
            Err(NoPlace::Address) => return self.refused.count(Refusal::Address),
        };
        // The client may have left already, which is not an error.
        let _ = streams::prepare(&stream, limits::UNACKNOWLEDGED_TIMEOUT, limits::UNSENT_BYTES_MAX);
        let stranger = self.registry.add_stranger();
        let lobby = self.clone();
        tokio::spawn(async move {
            let outcome = tokio::select! {
                outcome = timeout(lobby.patience, lobby.greet(stream, from, place)) => {
                    outcome.unwrap_or(Err(Some(Refusal::Silent)))
                }
                () = stranger.evicted() => Err(Some(Refusal::Evicted)),
            };
            if let Err(Some(refusal)) = outcome {
                tracing::debug!(?refusal, "a TCP connection was refused");
                lobby.refused.count(refusal);
            }
        });
    }

    /// `Err(None)` if the client leaves.
    async fn greet(&self, mut stream: TcpStream, from: SocketAddr, place: Place) -> Result<(), Option<Refusal>> {
        let first = first_datagram(&mut stream).await?;
        let ufrag = first_ufrag(&first).ok_or(Refusal::Broken)?;
        let shard = self.find(&ufrag).await.ok_or(Refusal::Unknown)?;
        let stream = stream.into_std().map_err(|_| None)?;
        // A shard that has ended lost the session anyway.
        shard.tell(Command::Connection(Arrival { stream, from, first, place })).await;
        Ok(())
    }

    /// Looks the user fragment up in what the shards have published, so that strangers cost them nothing.
    async fn find(&self, ufrag: &str) -> Option<&Shard> {
        if self.probe.as_deref() == Some(ufrag) {
            return self.shards.first();
        }
        let until = Instant::now() + limits::ROUTE_TIMEOUT;
        loop {
            if let Some(shard) = self.shards.iter().find(|shard| shard.has_ufrag(ufrag)) {
                return Some(shard);
            }
            if Instant::now() >= until {
                return None;
            }
            sleep(limits::ROUTE_INTERVAL).await;
        }
    }
}

/// Reads at least the first datagram.
async fn first_datagram(stream: &mut TcpStream) -> Result<Vec<u8>, Option<Refusal>> {
    let mut held = Vec::with_capacity(2 * stun::REQUEST_BYTES_MAX);
    loop {
        match framing::next_datagram(&held, stun::REQUEST_BYTES_MAX) {
            Ok(Some(_)) => return Ok(held),
            Ok(None) => {}
            Err(framing::TooLong) => return Err(Some(Refusal::Broken)),
        }
        let mut part = [0; stun::REQUEST_BYTES_MAX];
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return Err(None),
            Ok(count) => held.extend_from_slice(part.get(..count).unwrap_or_default()),
        }
    }
}

fn first_ufrag(first: &[u8]) -> Option<Box<str>> {
    let place = framing::next_datagram(first, stun::REQUEST_BYTES_MAX).ok()??;
    Some(BindingRequest::parse(first.get(place)?)?.receiver_ufrag.into())
}
