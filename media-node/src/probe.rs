//! Carries out a probe of another node, on a socket of its own.

use media_core::control::Input;
use media_core::probe::Probe;
use node_shell::sockets::wait_until;
use shared::control::ProbeCredential;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;
use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, mpsc};

/// Longer datagrams are no answers to a probe.
const ANSWER_BYTES_MAX: usize = 512;
/// Probes at a time; the edge asks another node if this one does not answer.
const PROBES_MAX: usize = 4;

#[derive(Clone, Debug)]
pub(crate) struct Probes {
    places: Arc<Semaphore>,
    answers: mpsc::Sender<Input>,
}

impl Probes {
    pub(crate) fn new(answers: mpsc::Sender<Input>) -> Self {
        Self { places: Arc::new(Semaphore::new(PROBES_MAX)), answers }
    }

    /// Starts a probe, unless there are too many.
    pub(crate) fn start(&self, probe: u64, addresses: Vec<SocketAddr>, credential: &ProbeCredential) {
        let (Ok(place), Ok(seed)) = (Arc::clone(&self.places).try_acquire_owned(), crate::seed::seed()) else {
            tracing::debug!(probe, "too many probes at a time");
            return;
        };
        let is_ipv6 = addresses.iter().any(SocketAddr::is_ipv6);
        let (core, answers) = (Probe::new(Instant::now(), addresses, credential, seed), self.answers.clone());
        tokio::spawn(async move {
            match run(core, is_ipv6).await {
                Ok(answered) => drop(answers.send(Input::Probed { probe, answered }).await),
                Err(error) => tracing::warn!(%error, "probing another node failed"),
            }
            drop(place);
        });
    }
}

async fn run(mut probe: Probe, is_ipv6: bool) -> std::io::Result<Vec<SocketAddr>> {
    let socket = match is_ipv6 {
        true => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).await?,
        false => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?,
    };
    let mut buffer = [0; ANSWER_BYTES_MAX];
    while let Some(due_at) = probe.poll_timeout() {
        for (to, request) in probe.handle_timeout(Instant::now()) {
            // An address to which nothing can be sent is one that does not answer.
            if let Err(error) = socket.send_to(&request, to).await {
                tracing::debug!(%error, "sending a probe failed");
            }
        }
        tokio::select! {
            // An ICMP error for one address says nothing about the others.
            received = socket.recv_from(&mut buffer) => if let Ok((length, from)) = received {
                probe.handle_datagram(from, buffer.get(..length).unwrap_or_default());
            },
            () = wait_until(Some(due_at)) => {}
        }
    }
    Ok(probe.answered())
}
