//! TURN over TCP and TLS, through the built program: data, limits, and a changing certificate.

mod connections;
mod limits;
mod tls;
mod trusting;

use anyhow::{Result, bail};
use load::node::page;
use load::relay::{Answer, Relay, credential};
use load::stream::{StreamClient, UDP_PEERS, channel_data};
use shared::turn_credential::TurnPolicy;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_turn-node");
/// Data that has not arrived within this time is lost.
const PATIENCE: Duration = Duration::from_secs(10);
const CHANNEL: u16 = 0x4001;
const SETTINGS: &[(&str, &str)] = &[("TURN_ALLOCATIONS_PER_USER", "1000"), ("TURN_P2P_BYTES_PER_SECOND", "1000000000")];

fn relay(more: &[(&str, &str)]) -> Result<Relay> {
    Relay::ours(Path::new(PROGRAM), &[SETTINGS, more].concat())
}

/// The sum of a metric over all threads, or of its series with this reason.
fn counter(relay: &Relay, name: &str, reason: &str) -> Result<u64> {
    let (_, text) = page(relay.http, "/metrics")?;
    let series = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{')?.split_once("} "));
    let chosen = series.filter(|(labels, _)| reason.is_empty() || labels.contains(&format!("reason=\"{reason}\"")));
    Ok(chosen.map(|(_, value)| value.parse::<u64>()).sum::<Result<_, _>>()?)
}

fn until(what: &str, probe: impl Fn() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !probe()? {
        if Instant::now() > deadline {
            bail!("not in time: {what}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn tcp(server: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A client with a channel to a peer.
struct Pair<S> {
    client: StreamClient<S>,
    peer: UdpSocket,
    relayed: SocketAddr,
}

impl<S: Read + Write> Pair<S> {
    fn new(stream: S) -> Result<Self> {
        let peer = UdpSocket::bind("127.0.0.1:0")?;
        peer.set_read_timeout(Some(PATIENCE))?;
        let mut client = StreamClient::new(stream, credential(TurnPolicy::P2p, "ada", 600)?);
        let relayed = client.allocated(UDP_PEERS)?;
        assert_eq!(client.bind(CHANNEL, peer.local_addr()?)?, Answer::Success(None));
        Ok(Self { client, peer, relayed })
    }

    /// Checks data in both directions.
    fn talks(&mut self, data: &[u8]) -> Result<()> {
        self.client.send(CHANNEL, data)?;
        let mut buffer = vec![0; 70_000];
        let (count, from) = self.peer.recv_from(&mut buffer)?;
        assert_eq!((from, buffer.get(..count)), (self.relayed, Some(data)));
        self.peer.send_to(data, self.relayed)?;
        assert!(self.client.receive(CHANNEL)? == data, "{} bytes come back", data.len());
        Ok(())
    }
}

#[test]
fn data_of_every_length_goes_both_ways_over_tcp() -> Result<()> {
    let relay = relay(&[])?;
    let mut pair = Pair::new(tcp(relay.address)?)?;
    for length in [1, 2, 3, 4, 5, 0, 1_200, 1_201, 20_000, 65_503] {
        pair.talks(&vec![length as u8; length])?;
    }
    Ok(())
}

#[test]
fn messages_are_found_however_the_stream_is_cut() -> Result<()> {
    let relay = relay(&[])?;
    let mut pair = Pair::new(tcp(relay.address)?)?;
    let lengths = [7, 1_200, 0, 3, 9_000, 64];
    let stream: Vec<u8> = lengths.iter().flat_map(|length| channel_data(CHANNEL, &vec![7; *length])).collect();
    for step in [1, 3, 5, 1_000, 4_097, stream.len()] {
        for part in stream.chunks(step) {
            pair.client.stream.write_all(part)?;
        }
        for length in lengths {
            let count = pair.peer.recv(&mut [0; 70_000])?;
            assert_eq!(count, length, "{step} bytes at a time");
        }
    }
    Ok(())
}

#[test]
fn an_allocation_ends_with_its_connection() -> Result<()> {
    let relay = relay(&[])?;
    let pair = Pair::new(tcp(relay.address)?)?;
    let port = pair.relayed.port();
    assert!(UdpSocket::bind(("127.0.0.1", port)).is_err());
    drop(pair.client);
    until("the relayed port is free", || Ok(UdpSocket::bind(("127.0.0.1", port)).is_ok()))
}

#[test]
fn a_user_name_of_another_call_is_refused() -> Result<()> {
    let relay = relay(&[])?;
    let mut client = StreamClient::new(tcp(relay.address)?, credential(TurnPolicy::Sfu, "ada", 600)?);
    client.allocated(UDP_PEERS)?;
    assert_eq!(client.bind(CHANNEL, "127.0.0.1:9".parse()?)?, Answer::Refused(403), "the policy is that of UDP");
    Ok(())
}
