//! Datagrams at the limits of UDP, through the built program.

use anyhow::Result;
use load::node::page;
use load::relay::{Answer, Relay, RelayClient, credential};
use shared::turn_credential::TurnPolicy;
use std::net::UdpSocket;
use std::path::Path;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_turn-node");
const PATIENCE: Duration = Duration::from_secs(5);
const CHANNEL: [u8; 2] = [0x40, 1];

#[test]
fn empty_and_longest_datagrams_are_relayed_both_ways() -> Result<()> {
    let relay = Relay::ours(Path::new(PROGRAM), &[("TURN_P2P_BYTES_PER_SECOND", "1000000000")])?;
    let peer = UdpSocket::bind("127.0.0.1:0")?;
    peer.set_read_timeout(Some(PATIENCE))?;
    let mut client = RelayClient::new(relay.address, credential(TurnPolicy::P2p, "ada", 600)?)?;
    let relayed = client.allocated()?;
    assert_eq!(client.bind(u16::from_be_bytes(CHANNEL), peer.local_addr()?)?, Answer::Success(None));
    client.socket.set_read_timeout(Some(PATIENCE))?;
    let mut buffer = vec![0; 70_000];
    for length in [0_usize, 1, 0, 1_500, 65_503, 0] {
        let data = vec![7; length];
        let framed = [&CHANNEL[..], &(length as u16).to_be_bytes(), &data].concat();
        client.socket.send_to(&framed, relay.address)?;
        let (received, from) = peer.recv_from(&mut buffer)?;
        assert_eq!((received, from, buffer.get(..received)), (length, relayed, Some(&*data)));
        peer.send_to(&data, relayed)?;
        let received = client.socket.recv(&mut buffer)?;
        assert_eq!(buffer.get(..received), Some(&*framed), "{length} bytes");
    }
    // One more byte does not fit in a message to the client.
    peer.send_to(&[7; 65_504], relayed)?;
    peer.send_to(&[], relayed)?;
    assert_eq!(client.socket.recv(&mut buffer)?, 4, "what follows is relayed");
    // A shard reports once a second.
    let deadline = Instant::now() + PATIENCE;
    for expected in ["turn_relay_ports_taken 1", "turn_drops_total{reason=\"too_long\"} 1"] {
        while !page(relay.http, "/metrics")?.1.lines().any(|line| line == expected) {
            assert!(Instant::now() < deadline, "{expected} is not on the page");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    Ok(())
}
