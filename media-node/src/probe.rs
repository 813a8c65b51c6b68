//! Carries out a probe of another node, on sockets of its own.

use media_core::control::Input;
use media_core::framing;
use media_core::probe::Probe;
use media_core::stun::{self, BindingSuccess, Request, Role, TransactionId, TransactionIds};
use node_shell::sockets::wait_until;
use shared::control::ProbeCredential;
use shared::limits;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

/// Longer datagrams are no answers to a probe.
const ANSWER_BYTES_MAX: usize = 512;
/// Less than the edge waits for the answer, [`limits::PROBE_TIMEOUT_MS`].
const TCP_TIMEOUT: Duration = Duration::from_secs(8);
const _: () = assert!(TCP_TIMEOUT.as_millis() < limits::PROBE_TIMEOUT_MS as u128);
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
    pub(crate) fn start(
        &self,
        probe: u64,
        addresses: Vec<SocketAddr>,
        tcp: Vec<SocketAddr>,
        credential: ProbeCredential,
    ) {
        let (Ok(place), Ok(seed)) = (Arc::clone(&self.places).try_acquire_owned(), crate::seed::seed()) else {
            tracing::debug!(probe, "too many probes at a time");
            return;
        };
        let is_ipv6 = addresses.iter().any(SocketAddr::is_ipv6);
        let (core, answers) = (Probe::new(Instant::now(), addresses, &credential, seed), self.answers.clone());
        tokio::spawn(async move {
            match tokio::join!(run(core, is_ipv6), over_tcp(tcp, &credential, seed)) {
                (Ok(answered), answered_tcp) => {
                    drop(answers.send(Input::Probed { probe, answered, answered_tcp }).await);
                }
                (Err(error), _) => tracing::warn!(%error, "probing another node failed"),
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
    let mut is_sent = false;
    while let Some(due_at) = probe.poll_timeout() {
        for (to, request) in probe.handle_timeout(Instant::now()) {
            match socket.send_to(&request, to).await {
                Ok(_) => is_sent = true,
                // A host without a route knows nothing about the node at the other end; one whose rules discard the
                // packet (a blackhole, EINVAL) is a firewall.
                Err(error) if !is_sent && error.kind() != std::io::ErrorKind::InvalidInput => return Err(error),
                Err(error) => tracing::debug!(%error, "sending a probe failed"),
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

/// One after the other: a node has a few. Each has its share of the time in which the edge waits for all.
async fn over_tcp(addresses: Vec<SocketAddr>, credential: &ProbeCredential, seed: u64) -> Vec<SocketAddr> {
    let mut answered = Vec::new();
    let addresses = addresses.into_iter().take(limits::CANDIDATES_PER_SHARD_MAX);
    let share = TCP_TIMEOUT / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let mut transactions = TransactionIds::seeded(!seed);
    for (number, address) in addresses.enumerate() {
        let transaction = transactions.next(number as u32);
        match timeout(share, ask(address, credential, transaction)).await {
            Ok(Ok(true)) => answered.push(address),
            outcome => tracing::debug!(%address, ?outcome, "no answer over TCP"),
        }
    }
    answered
}

/// True if the first answer on a connection of its own shows the credential.
async fn ask(address: SocketAddr, credential: &ProbeCredential, transaction: TransactionId) -> std::io::Result<bool> {
    let key = stun::key(&credential.pwd);
    let request = Request {
        transaction,
        receiver_ufrag: &credential.ufrag,
        sender_ufrag: "probe",
        use_candidate: false,
        role: Role::Controlling,
    };
    let request = request.to_vec(&key);
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(&[&framing::header(&request)[..], &request].concat()).await?;
    let mut held = Vec::with_capacity(ANSWER_BYTES_MAX);
    while let Ok(None) = framing::next_datagram(&held, ANSWER_BYTES_MAX) {
        if stream.read_buf(&mut held).await? == 0 {
            return Ok(false);
        }
    }
    let Ok(Some(place)) = framing::next_datagram(&held, ANSWER_BYTES_MAX) else { return Ok(false) };
    let answer = BindingSuccess::parse(held.get(place).unwrap_or_default());
    Ok(answer.is_some_and(|answer| answer.transaction == transaction && answer.is_authentic(&key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_prober_without_a_way_says_nothing() {
        // The kernel refuses broadcasts of sockets that have not asked for them, as it refuses packets without a route.
        let nowhere = vec![SocketAddr::from((Ipv4Addr::BROADCAST, 7000))];
        let credential = ProbeCredential { ufrag: "node".into(), pwd: "secret".into(), over_tcp: true };
        assert!(run(Probe::new(Instant::now(), nowhere, &credential, 1), false).await.is_err());
    }
}
