//! The built program under pressure: floods, dense packets, and unreachable destinations.

use anyhow::{Context, Result};
use load::clock::Pacer;
use load::node::counter;
use load::relay::{Answer, Relay, RelayClient, credential};
use shared::turn_credential::TurnPolicy;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_turn-node");
/// Data that has not arrived within this time is lost.
const PATIENCE: Duration = Duration::from_secs(2);
const SETTINGS: &[(&str, &str)] = &[("TURN_ALLOCATIONS_PER_USER", "100"), ("TURN_P2P_BYTES_PER_SECOND", "1000000000")];
const CHANNEL: u16 = 0x4001;
/// A broadcast address: the kernel refuses to send there.
const FORBIDDEN: &str = "127.255.255.255:9";

/// A flood would disturb tests that measure time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A client with a channel to a peer.
struct Pair {
    client: RelayClient,
    server: SocketAddr,
    peer: UdpSocket,
    relayed: SocketAddr,
}

impl Pair {
    fn new(relay: &Relay) -> Result<Self> {
        let peer = UdpSocket::bind("127.0.0.1:0")?;
        peer.set_read_timeout(Some(PATIENCE))?;
        let mut client = RelayClient::new(relay.address, credential(TurnPolicy::P2p, "ada", 600)?)?;
        let relayed = client.allocated()?;
        assert_eq!(client.bind(CHANNEL, peer.local_addr()?)?, Answer::Success(None));
        client.socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Self { client, server: relay.address, peer, relayed })
    }

    /// Sends a number to the other side through a channel.
    fn send(&self, channel: u16, number: u32) -> Result<()> {
        let [high, low] = channel.to_be_bytes();
        let packet = [&[high, low, 0, 4][..], &number.to_be_bytes()].concat();
        self.client.socket.send_to(&packet, self.server)?;
        Ok(())
    }

    fn peer_hears(&self, number: u32) -> Result<bool> {
        let mut buffer = [0; 64];
        let length = self.peer.recv(&mut buffer).with_context(|| format!("number {number} at the peer"))?;
        Ok(buffer.get(..length) == Some(&number.to_be_bytes()))
    }

    fn client_hears(&self, number: u32) -> Result<bool> {
        self.peer.send_to(&number.to_be_bytes(), self.relayed)?;
        let mut buffer = [0; 64];
        let length = self.client.socket.recv(&mut buffer).with_context(|| format!("number {number} at the client"))?;
        Ok(buffer.get(4..length) == Some(&number.to_be_bytes()))
    }
}

#[test]
fn a_client_that_floods_does_not_silence_the_others_peers() -> Result<()> {
    let _alone = alone();
    let relay = Relay::ours(Path::new(PROGRAM), SETTINGS)?;
    let (quiet, loud) = (Pair::new(&relay)?, Pair::new(&relay)?);
    let enough = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    // The test is about full buffers.
                    let _ = loud.send(CHANNEL, 0);
                }
            });
        }
        let heard: Result<Vec<bool>> = (0..100).map(|number| quiet.client_hears(number)).collect();
        enough.store(true, Ordering::Relaxed);
        assert!(heard?.into_iter().all(|heard| heard));
        // The node works through the flooded socket, and then relays all clients' data again, even if late.
        let deadline = Instant::now() + 5 * PATIENCE;
        quiet.peer.set_read_timeout(Some(Duration::from_millis(100)))?;
        loop {
            quiet.send(CHANNEL, 1)?;
            if quiet.peer.recv(&mut [0; 64]).is_ok() {
                break;
            }
            assert!(Instant::now() < deadline, "nobody is heard after the flood");
        }
        Ok(())
    })
}

#[test]
fn packets_that_follow_each_other_closely_gather_and_all_arrive() -> Result<()> {
    let _alone = alone();
    let relay = Relay::ours(Path::new(PROGRAM), SETTINGS)?;
    let pairs = (0..5).map(|_| Pair::new(&relay)).collect::<Result<Vec<_>>>()?;
    let before = counter(relay.http, "turn_lingers_total")?;
    let mut pacer = Pacer::new(Duration::from_micros(50));
    let deadline = Instant::now() + 10 * PATIENCE;
    // Each round fits into a peer's buffer.
    for round in 0.. {
        let numbers = round * 100..(round + 1) * 100;
        for number in numbers.clone() {
            for pair in &pairs {
                pair.send(CHANNEL, number)?;
                pacer.wait();
            }
        }
        for pair in &pairs {
            for number in numbers.clone() {
                assert!(pair.peer_hears(number)?, "packet {number}");
            }
            assert!(pair.client_hears(round)?);
        }
        if counter(relay.http, "turn_lingers_total")? > before {
            break;
        }
        // On a busy machine, packets bunch up for a while.
        assert!(Instant::now() < deadline, "packets were never left to gather");
    }
    Ok(())
}

#[test]
fn destinations_that_cannot_be_reached_harm_nobody() -> Result<()> {
    const CLOSED: u16 = 0x4002;
    const REFUSED: u16 = 0x4003;
    let _alone = alone();
    let relay = Relay::ours(Path::new(PROGRAM), SETTINGS)?;
    let (mut pair, gone) = (Pair::new(&relay)?, Pair::new(&relay)?);
    // Nobody listens on this port any more: the host answers with ICMP's "port unreachable".
    let closed = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
    assert_eq!(pair.client.bind(CLOSED, closed)?, Answer::Success(None));
    assert_eq!(pair.client.bind(REFUSED, FORBIDDEN.parse()?)?, Answer::Success(None));
    // A client that vanished, whose peer continues.
    let Pair { client, peer, relayed, .. } = gone;
    drop(client);
    for number in 0..200 {
        peer.send_to(b"anybody?", relayed)?;
        pair.send(CLOSED, number)?;
        pair.send(REFUSED, number)?;
        pair.send(CHANNEL, number)?;
        assert!(pair.peer_hears(number)?, "packet {number} to the peer");
        assert!(pair.client_hears(number)?, "packet {number} to the client");
    }
    let deadline = Instant::now() + PATIENCE;
    while counter(relay.http, "turn_udp_send_failures_total")? < 200 {
        assert!(Instant::now() < deadline, "what the kernel refused is not counted");
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}
