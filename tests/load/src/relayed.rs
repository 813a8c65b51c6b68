//! The load on a TURN server under measurement: clients with a channel each, their packets, and the count of those that
//! arrive.

use crate::clock::Pacer;
use crate::process;
use crate::relay::{Answer, RelayClient, credential};
use anyhow::{Result, bail};
use shared::turn_credential::TurnPolicy;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use udp::{Counters, ReceiveBatch, SendBatch, Socket};

/// The measured server runs on this core, next to the others, which sleep.
pub const SERVER_CORE: usize = 0;
/// Clients and peers run on this one.
pub const CLIENT_CORE: usize = 1;
pub const CLIENTS: usize = 50;
pub const PAYLOAD_BYTES: usize = 1_100;
/// ChannelData's number and length (RFC 8656 §12.4).
pub const HEADER_BYTES: usize = 4;
/// Poll interval of a sink; the sockets' buffers hold hundreds of times as much.
pub const SINK_INTERVAL: Duration = Duration::from_millis(4);
/// Every packet in flight has arrived by then.
pub const ARRIVAL: Duration = Duration::from_millis(50);
/// Settings of our node that let one user be all clients.
pub const SETTINGS: [(&str, &str); 3] =
    [("TURN_LOG", "warn"), ("TURN_ALLOCATIONS_PER_USER", "100"), ("TURN_P2P_BYTES_PER_SECOND", "1000000000")];
const CHANNEL: u16 = 0x4001;
/// For all clients together: 400 each.
const PACKETS_PER_S: u32 = 20_000;
/// More loss than this voids a round: a server that loses packets has less to do.
const LOSS_MAX: f64 = 0.001;

/// A client with a channel to a peer of its own.
#[derive(Debug)]
pub struct Pair {
    pub client: Socket,
    pub peer: Socket,
    pub relayed: SocketAddr,
}

impl Pair {
    /// Allocates at `server`; the client and the peer have these addresses of this host.
    pub fn bind(client: IpAddr, peer: IpAddr, server: SocketAddr) -> Result<Self> {
        let peer = Socket::bind((peer, 0).into(), false)?;
        let mut client = RelayClient::at(client, server, credential(TurnPolicy::P2p, "bench", 3_600)?)?;
        let relayed = client.allocated()?;
        let bound = client.bind(CHANNEL, peer.local_address()?)?;
        if bound != Answer::Success(None) {
            bail!("no channel: {bound:?}");
        }
        Ok(Self { client: Socket::take(client.socket)?, peer, relayed })
    }
}

/// Moves this thread to the clients' core, with precise timers.
pub fn prepare_to_send() -> Result<()> {
    process::pin_to_core(CLIENT_CORE)?;
    process::sleep_precisely();
    if !process::be_prompt() {
        eprintln!("without CAP_SYS_NICE the sender keeps its pace on a quiet machine only");
    }
    Ok(())
}

/// A client's packet; without its first [`HEADER_BYTES`], a peer's.
#[must_use]
pub fn packet() -> Vec<u8> {
    let mut packet = vec![0x55; HEADER_BYTES + PAYLOAD_BYTES];
    packet[..2].copy_from_slice(&CHANNEL.to_be_bytes());
    packet[2..4].copy_from_slice(&(PAYLOAD_BYTES as u16).to_be_bytes());
    packet
}

/// Sends from each of the sockets in turn to its address, until the time is over; returns the number of packets.
pub fn send<'a>(
    ends: impl Iterator<Item = (&'a Socket, SocketAddr)> + Clone,
    packet: &[u8],
    burst: usize,
    time: Duration,
) -> u64 {
    let (mut batch, mut counters) = (SendBatch::default(), Counters::default());
    let mut pacer = Pacer::new(Duration::from_secs(1) * burst as u32 / PACKETS_PER_S);
    let (end, mut sent) = (Instant::now() + time, 0);
    for (socket, to) in ends.cycle() {
        if Instant::now() >= end {
            break;
        }
        let mut sending = batch.sending(socket, &mut counters);
        // One by one, as browsers send: a run would reach the server in one piece.
        (0..burst).for_each(|_| sending.run(to, packet, packet.len()));
        drop(sending);
        sent += burst as u64;
        pacer.wait();
    }
    sent
}

/// Voids a round in which packets were lost or sent too slowly; a smoke test's is not strict.
pub fn check(sent: u64, received: u64, time: Duration, is_strict: bool) -> Result<()> {
    let lost = sent.saturating_sub(received) as f64 / sent.max(1) as f64;
    if received == 0 || received > sent || (is_strict && lost > LOSS_MAX) {
        bail!("{received} of {sent} packets came");
    }
    if is_strict && sent < u64::from(PACKETS_PER_S) * time.as_millis() as u64 / 1_000 * 9 / 10 {
        bail!("only {sent} packets were sent in time");
    }
    Ok(())
}

/// Counts the complete datagrams pending in these sockets.
pub fn count(sockets: &[Socket], bytes: usize, batch: &mut ReceiveBatch, received: &AtomicU64) {
    let mut counters = Counters::default();
    for socket in sockets {
        loop {
            batch.clear();
            if !matches!(batch.fill(socket, 0, usize::MAX, &mut counters), Ok(true)) {
                break;
            }
            batch.for_each(|_, datagram| {
                received.fetch_add(u64::from(datagram.len() == bytes), Relaxed);
            });
            if !batch.is_full() {
                break;
            }
        }
    }
}
