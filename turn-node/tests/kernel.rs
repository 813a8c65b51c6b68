//! The built program relays in the kernel, over a virtual cable between two network namespaces: what its sockets would
//! relay, and nothing else. Needs root.

#[path = "kernel/program.rs"]
mod program;

use anyhow::{Context, Result};
use load::node::page;
use load::relay::{Answer, Relay, RelayClient, credential};
use load::veth::{SERVER, Veth};
use shared::turn_credential::TurnPolicy;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_turn-node");
const PATIENCE: Duration = Duration::from_secs(5);
/// Longer than a packet takes over the cable.
const SILENCE: Duration = Duration::from_millis(150);
const CHANNEL: u16 = 0x4001;
const SENT: &str = "turn_kernel_datagrams_total{shard=\"0\"}";

struct Fixture {
    relay: Relay,
    veth: Veth,
}

/// A client with a channel to a peer.
struct Pair {
    client: RelayClient,
    peer: UdpSocket,
    relayed: SocketAddr,
    server: SocketAddr,
}

impl Fixture {
    fn start(mode: &str, settings: &[(&str, &str)]) -> Result<Self> {
        let veth = Veth::enter()?;
        let settings = [&[("TURN_XDP", mode), ("TURN_P2P_BYTES_PER_SECOND", "1000000000")], settings].concat();
        let relay = Relay::ours_behind(Path::new(PROGRAM), &veth, &settings)?;
        let fixture = Self { relay, veth };
        fixture.expect(&format!("turn_kernel_relays{{mode=\"{mode}\"}}"), 1)?;
        Ok(fixture)
    }

    fn pair(&self, family: usize) -> Result<Pair> {
        let ip =
            |host: u8| -> IpAddr { format!("{}{host}", ["10.9.0.", "fd09::"][family]).parse().expect("an address") };
        let server = SocketAddr::new(SERVER[family], self.relay.address.port());
        let peer = UdpSocket::bind((ip(3), 0))?;
        peer.set_read_timeout(Some(PATIENCE))?;
        let mut client = RelayClient::at(ip(2), server, credential(TurnPolicy::P2p, "ada", 600)?)?;
        let relayed = client.allocated()?;
        assert_eq!(client.bind(CHANNEL, peer.local_addr()?)?, Answer::Success(None));
        client.socket.set_read_timeout(Some(PATIENCE))?;
        Ok(Pair { client, peer, relayed, server })
    }

    fn metric(&self, name: &str) -> Result<u64> {
        let (_, text) = self.veth.at_server(|| page(self.relay.http, "/metrics"))?;
        let value = text.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
        Ok(value.trim().parse()?)
    }

    /// A shard reports once a second.
    fn expect(&self, name: &str, expected: u64) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let value = self.metric(name)?;
            if value == expected {
                return Ok(());
            }
            assert!(Instant::now() < deadline, "{name} is {value}, not {expected}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Pair {
    /// Sends data to the peer, as in the channel.
    fn up(&self, data: &[u8]) -> Result<()> {
        let framed = [&CHANNEL.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat();
        self.client.socket.send_to(&framed, self.server)?;
        Ok(())
    }

    fn down(&self, data: &[u8]) -> Result<()> {
        self.peer.send_to(data, self.relayed)?;
        Ok(())
    }

    fn comes_up(&self, data: &[u8]) -> Result<()> {
        let mut buffer = [0; 2_048];
        let (length, from) = self.peer.recv_from(&mut buffer).context("from the client")?;
        assert_eq!((from, &buffer[..length]), (self.relayed, data));
        Ok(())
    }

    fn comes_down(&self, data: &[u8]) -> Result<()> {
        let mut buffer = [0; 2_048];
        let (length, from) = self.client.socket.recv_from(&mut buffer).context("from the peer")?;
        let header = [CHANNEL.to_be_bytes(), (data.len() as u16).to_be_bytes()].concat();
        assert_eq!((from, &buffer[..length]), (self.server, &*[&header, data].concat()));
        Ok(())
    }

    /// Relays one packet in each direction: from then on, the kernel knows both neighbours.
    fn greet(&self) -> Result<()> {
        self.up(b"hello")?;
        self.comes_up(b"hello")?;
        self.down(b"hello, you")?;
        self.comes_down(b"hello, you")
    }

    fn is_silent(&self) -> Result<bool> {
        self.peer.set_read_timeout(Some(SILENCE))?;
        self.client.socket.set_read_timeout(Some(SILENCE))?;
        Ok(self.peer.recv(&mut [0; 2_048]).is_err() && self.client.socket.recv(&mut [0; 2_048]).is_err())
    }
}

/// Everything but quotas, in both families.
fn relays(mode: &str) -> Result<()> {
    let fixture = Fixture::start(mode, &[])?;
    let mut relayed = 0;
    for family in [0, 1] {
        let pair = fixture.pair(family)?;
        pair.greet()?;
        // The first packet went through the sockets: the peer's neighbour was not known yet.
        relayed += 1;
        // Of every length modulo four; the longest fits the cable only without the channel's header.
        let longest = [1_472, 1_452][family];
        for length in [1, 2, 3, 4, 5, 31, 1_100, 1_199, longest - 4] {
            let data: Vec<u8> = (0..length).map(|place| (place * 7 + length) as u8).collect();
            pair.up(&data)?;
            pair.comes_up(&data)?;
            pair.down(&data)?;
            pair.comes_down(&data)?;
            // From peers, less than a channel's header is unusual, and goes through the sockets.
            relayed += if length < 4 { 1 } else { 2 };
        }
        let data = vec![0x80; longest];
        pair.down(&data)?;
        pair.comes_down(&data)?;
        fixture.expect(SENT, relayed)?;
        // Strangers and unknown channels are the server's, which drops them.
        let stranger = UdpSocket::bind((["10.9.0.4", "fd09::4"][family], 0))?;
        stranger.send_to(b"I am a stranger", pair.relayed)?;
        pair.client.socket.send_to(&[0x40, 2, 0, 1, 0], pair.server)?;
        assert!(pair.is_silent()?);
        fixture.expect("turn_drops_total{reason=\"peer_not_permitted\"}", family as u64 + 1)?;
        fixture.expect("turn_drops_total{reason=\"not_permitted\"}", family as u64 + 1)?;
    }
    // Denied peers get no channel, and so nothing in the kernel.
    let mut pair = fixture.pair(0)?;
    assert_eq!(pair.client.bind(CHANNEL + 1, "10.8.0.1:7".parse()?)?, Answer::Refused(403));
    pair.greet()?;
    relayed += 1;
    // An end comes at once.
    assert_eq!(pair.client.refresh(0)?, Answer::Success(None));
    pair.up(b"after the end")?;
    pair.down(b"after the end")?;
    assert!(pair.is_silent()?);
    fixture.expect(SENT, relayed)?;
    // A killed node leaves nothing behind.
    let pair = fixture.pair(0)?;
    pair.greet()?;
    let Fixture { relay, veth } = fixture;
    relay.kill()?;
    pair.up(b"the node is dead")?;
    pair.down(b"the node is dead")?;
    assert!(pair.is_silent()?);
    drop(veth);
    Ok(())
}

#[test]
fn native() -> Result<()> {
    relays("native")
}

#[test]
fn generic() -> Result<()> {
    relays("generic")
}

/// As many packets pass within a moment as the same user's would through sockets.
#[test]
fn the_bandwidth_of_a_user_is_the_same() -> Result<()> {
    const BYTES: usize = 1_000;
    let fixture = Fixture::start("generic", &[("TURN_P2P_BYTES_PER_SECOND", "100000")])?;
    let (pair, other) = (fixture.pair(0)?, fixture.pair(1)?);
    pair.greet()?;
    other.greet()?;
    let start = Instant::now();
    for _ in 0..100 {
        pair.up(&[1; BYTES])?;
        // Of the same user.
        other.down(&[2; BYTES])?;
    }
    pair.peer.set_read_timeout(Some(SILENCE))?;
    other.client.socket.set_read_timeout(Some(SILENCE))?;
    let count = |socket: &UdpSocket| (0..).take_while(|_| socket.recv(&mut [0; 2_048]).is_ok()).count();
    let received = count(&pair.peer) + count(&other.client.socket);
    let most = 100 + (start.elapsed().as_secs_f64() * 100.0) as usize + 1;
    assert!((98..=most).contains(&received), "{received} of at most {most}");
    // The server judged the others.
    fixture.expect("turn_drops_total{reason=\"over_quota\"}", 200 - received as u64)
}
