use super::closing::Closing;
use super::connections::Connections;
use super::entrance::{Arrival, Lobby, Refusal};
use super::limits;
use super::place::{LIMITS, Registry};
use crate::shard::{Command, Shard, tests as shards};
use media_core::framing;
use media_core::path::{Link, Path};
use node_shell::streams::{Limits, NoPlace};
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Two ends of a connection.
fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a listener");
    let client = TcpStream::connect(listener.local_addr().expect("an address")).expect("connects");
    let (node, _) = listener.accept().expect("accepts");
    node.set_nonblocking(true).expect("a socket");
    (client, node)
}

fn framed(datagram: &[u8]) -> Vec<u8> {
    [&framing::header(datagram)[..], datagram].concat()
}

/// A shard's connections, one of them with a client.
struct Stage {
    connections: Connections,
    memory: Box<[u8]>,
    client: TcpStream,
    path: Path,
    start: Instant,
}

impl Stage {
    /// `first` was read by the entrance.
    fn new(first: &[u8]) -> Self {
        let (client, node) = pair();
        let mut connections = Connections::new().expect("an epoll instance");
        assert_eq!(connections.descriptor(), None);
        let from = client.local_addr().expect("an address");
        let place = Registry::new(LIMITS).take(from.ip()).expect("a place");
        let start = Instant::now();
        connections.admit(start, Arrival { stream: node, from, first: first.to_vec(), place });
        assert!(connections.descriptor().is_some());
        let path = Path { address: from, link: Link::Tcp(1.try_into().expect("not zero")) };
        Self { connections, memory: Connections::memory(), client, path, start }
    }

    fn after(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    fn link(&self) -> std::num::NonZeroU32 {
        let Link::Tcp(number) = self.path.link else { panic!("a connection") };
        number
    }

    /// The datagrams that have arrived; what the client sends is there at once on the loopback interface.
    fn received(&mut self, now: Instant) -> Vec<Vec<u8>> {
        let mut received = Vec::new();
        self.connections.poll(now);
        while self.connections.readable() > 0 {
            let Some(read) = self.connections.read(&mut self.memory) else { continue };
            assert_eq!(read.path, self.path);
            let mut stream = &self.memory[..read.bytes];
            while let Ok(Some(place)) = framing::next_datagram(stream, framing::DATAGRAM_BYTES_MAX) {
                received.push(stream[place.clone()].to_vec());
                stream = &stream[place.end..];
            }
            let rest = stream.to_vec();
            match framing::next_datagram(&rest, framing::DATAGRAM_BYTES_MAX) {
                Ok(_) => self.connections.keep(now, read, &rest),
                Err(framing::TooLong) => self.connections.refuse(read),
            }
        }
        received
    }

    fn closed(&self) -> Vec<(Closing, u64)> {
        let all = Closing::ALL.iter().zip(self.connections.report().closed);
        all.map(|((why, _), count)| (*why, count)).filter(|(_, count)| *count > 0).collect()
    }

    /// True if the node's end is closed; reads what was sent before.
    fn client_is_off(&mut self) -> bool {
        self.client.set_read_timeout(Some(Duration::from_secs(5))).expect("a socket");
        let mut rest = Vec::new();
        match self.client.read_to_end(&mut rest) {
            Ok(_) => true,
            Err(error) => error.kind() == ErrorKind::ConnectionReset,
        }
    }
}

#[test]
fn datagrams_arrive_however_they_are_cut() {
    let mut stage = Stage::new(&[framed(b"first"), framed(b"second")[..3].to_vec()].concat());
    let start = stage.start;
    assert_eq!(stage.received(start), [b"first".to_vec()]);
    stage.client.write_all(&framed(b"second")[3..]).expect("sends");
    assert_eq!(stage.received(start), [b"second".to_vec()]);
    let datagrams: Vec<Vec<u8>> = (0..200_u8).map(|number| vec![number; 1_000 + usize::from(number)]).collect();
    let stream: Vec<u8> = datagrams.iter().flat_map(|datagram| framed(datagram)).collect();
    let mut received = Vec::new();
    for part in stream.chunks(7_001) {
        stage.client.write_all(part).expect("sends");
        received.extend(stage.received(start));
    }
    assert_eq!(received, datagrams);
    assert_eq!(stage.connections.report().open, 1);
}

#[test]
fn a_slow_reader_loses_media_and_holds_nobody_up() {
    let mut stage = Stage::new(&[]);
    let (start, link) = (stage.start, stage.link());
    // An RTP packet, by its first byte.
    let packet = |number: u32| [&[0x80, 96][..], &number.to_be_bytes(), &[7; 1_194]].concat();
    let started = Instant::now();
    for number in 0..20_000 {
        stage.connections.queue(link, &packet(number), 1_200);
        stage.connections.flush(start);
    }
    assert!(started.elapsed() < Duration::from_secs(5), "nothing waits for the client");
    let dropped = stage.connections.report().slow_reader;
    assert!(dropped > 10_000, "{dropped}");
    // A check still has room where media has none.
    let check = [&[0, 1][..], &[9; 1_000]].concat();
    stage.connections.queue(link, &check, check.len());
    assert_eq!(stage.connections.report().slow_reader, dropped);
    // The client's stream is whole and in order, and ends with the check.
    stage.client.set_nonblocking(true).expect("a socket");
    let mut stream = Vec::new();
    let mut part = [0; 65_536];
    while !stream.ends_with(&check) {
        assert!(started.elapsed() < Duration::from_secs(10), "the check does not arrive");
        match stage.client.read(&mut part) {
            Ok(count) => stream.extend_from_slice(&part[..count]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        stage.connections.poll(start);
    }
    let (mut rest, mut numbers) = (&stream[..stream.len() - check.len() - framing::HEADER_BYTES], Vec::new());
    while let Ok(Some(place)) = framing::next_datagram(rest, 1_200) {
        let datagram = &rest[place.clone()];
        assert_eq!(datagram.len(), 1_200);
        numbers.push(u32::from_be_bytes(datagram[2..6].try_into().expect("four bytes")));
        rest = &rest[place.end..];
    }
    assert!(rest.is_empty() && numbers.is_sorted() && numbers.len() as u64 == 20_000 - dropped);
    stage.connections.queue(link, &packet(1), 1_200);
    assert_eq!(stage.connections.report().slow_reader, dropped, "there is room again");
}

#[test]
fn a_client_that_reads_nothing_is_closed() {
    let mut stage = Stage::new(&[]);
    let (start, link) = (stage.start, stage.link());
    for _ in 0..10_000 {
        stage.connections.queue(link, &[0x80; 1_200], 1_200);
        stage.connections.flush(start);
    }
    stage.connections.sweep(stage.after(19), |_| true);
    assert_eq!(stage.closed(), []);
    stage.connections.sweep(stage.after(20), |_| true);
    assert_eq!(stage.closed(), [(Closing::Stalled, 1)]);
    assert_eq!((stage.connections.next_ended(), stage.connections.report().open), (Some(stage.path), 0));
    assert!(stage.client_is_off());
}

#[test]
fn a_datagram_that_does_not_end_closes_its_connection() {
    let mut stage = Stage::new(&[0, 20]);
    for second in 0..10 {
        let now = stage.after(second);
        // A byte now and then is no progress.
        stage.client.write_all(b"x").expect("sends");
        assert_eq!(stage.received(now), [] as [Vec<u8>; 0]);
        stage.connections.sweep(now, |_| true);
        assert_eq!(stage.closed(), []);
    }
    stage.connections.sweep(stage.after(10), |_| true);
    assert_eq!(stage.closed(), [(Closing::SlowDatagram, 1)]);
    assert!(stage.client_is_off());
}

#[test]
fn a_slow_client_whose_datagrams_end_is_served() {
    let mut stage = Stage::new(&[]);
    for second in 0..60 {
        let now = stage.after(second);
        stage.client.write_all(&[&framed(b"whole"), &[0][..]].concat()[usize::from(second > 0)..]).expect("sends");
        assert_eq!(stage.received(now), [b"whole".to_vec()]);
        stage.connections.sweep(now, |_| true);
    }
    assert_eq!(stage.closed(), []);
}

#[test]
fn a_connection_without_a_session_is_closed() {
    let mut stage = Stage::new(&framed(b"a check that no session accepts"));
    let path = stage.path;
    stage.connections.sweep(stage.after(9), |of| of != path);
    assert_eq!(stage.closed(), []);
    stage.connections.sweep(stage.after(9), |_| true);
    // Its session ends later.
    stage.connections.sweep(stage.after(60), |_| false);
    stage.connections.sweep(stage.after(69), |_| false);
    assert_eq!(stage.closed(), []);
    stage.connections.sweep(stage.after(70), |_| false);
    assert_eq!(stage.closed(), [(Closing::Stranger, 1)]);
    assert!(stage.client_is_off());
}

#[test]
fn a_datagram_that_is_too_long_closes_its_connection_at_once() {
    let mut stage = Stage::new(&[]);
    let start = stage.start;
    stage.client.write_all(&[0x10, 1]).expect("sends");
    stage.received(start);
    assert_eq!(stage.closed(), [(Closing::Broken, 1)]);
    assert!(stage.client_is_off());
}

#[test]
fn a_client_that_leaves_is_noticed() {
    let mut stage = Stage::new(&framed(b"hello"));
    let start = stage.start;
    stage.client.write_all(&framed(b"goodbye")).expect("sends");
    stage.client.shutdown(std::net::Shutdown::Both).expect("closes");
    assert_eq!(stage.received(start), [b"hello".to_vec(), b"goodbye".to_vec()]);
    assert_eq!((stage.connections.next_ended(), stage.closed()), (Some(stage.path), vec![]));
    assert_eq!((stage.connections.descriptor(), stage.connections.readable()), (None, 0));
    // A late packet goes nowhere.
    stage.connections.queue(stage.link(), b"late", 4);
    stage.connections.flush(start);
}

#[test]
fn places_are_bounded_and_given_back() {
    let registry = Registry::new(LIMITS);
    let take = |last: u32| registry.take(Ipv4Addr::from(0x0a00_0000 + last).into());
    let of_one: Vec<_> = (0..2_000).filter_map(|_| take(0).ok()).collect();
    assert_eq!((of_one.len(), take(0).err()), (limits::CONNECTIONS_PER_ADDRESS_MAX, Some(NoPlace::Address)));
    let all: Vec<_> = (1..10_000).filter_map(|last| take(last).ok()).collect();
    assert_eq!(of_one.len() + all.len(), limits::CONNECTIONS_MAX);
    assert_eq!(take(20_000).err(), Some(NoPlace::Full));
    drop(of_one);
    assert!(take(0).is_ok());
}

/// Connects to a lobby without shards, sends this, and returns the reasons for refusals.
async fn refused(bytes: &[u8], patience: Duration) -> Vec<Refusal> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a listener");
    let address: SocketAddr = listener.local_addr().expect("an address");
    let lobby = Lobby::new(Arc::new([]), LIMITS, patience);
    let serving = tokio::spawn(lobby.clone().serve(listener));
    let mut client = tokio::net::TcpStream::connect(address).await.expect("connects");
    tokio::io::AsyncWriteExt::write_all(&mut client, bytes).await.expect("sends");
    assert_eq!(tokio::io::AsyncReadExt::read(&mut client, &mut [0]).await.unwrap_or(0), 0, "is closed");
    while lobby.reasons().is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    serving.abort();
    lobby.reasons()
}

#[tokio::test]
async fn strangers_that_send_no_check_are_closed() {
    let check = media_core::stun::Request {
        transaction: [7; 12],
        receiver_ufrag: "nobody",
        sender_ufrag: "somebody",
        use_candidate: true,
        role: media_core::stun::Role::Controlling,
    };
    let check = framed(&check.to_vec(&media_core::stun::key("secret")));
    let short = Duration::from_millis(100);
    let long = limits::STRANGER_TIMEOUT;
    assert_eq!(refused(b"", short).await, [Refusal::Silent], "half-open");
    assert_eq!(refused(&check[..30], short).await, [Refusal::Silent], "and never more");
    assert_eq!(refused(b"GET / HTTP/1.1\r\n\r\n", long).await, [Refusal::Broken]);
    assert_eq!(refused(&framed(b"not a check"), long).await, [Refusal::Broken]);
    assert_eq!(refused(&check, long).await, [Refusal::Unknown]);
}

#[tokio::test]
async fn half_open_connections_make_room_for_new_ones_and_one_address_has_a_share() {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a listener");
    let address: SocketAddr = listener.local_addr().expect("an address");
    let limits = Limits { connections: 100, per_address: 5, strangers: 2 };
    let lobby = Lobby::new(Arc::new([]), limits, limits::STRANGER_TIMEOUT);
    let serving = tokio::spawn(lobby.clone().serve(listener));
    let mut clients = Vec::new();
    let mut evicted = 0;
    for _ in 0..20 {
        clients.push(tokio::net::TcpStream::connect(address).await.expect("connects"));
        if clients.len() > limits.strangers {
            let mut oldest = clients.remove(0);
            assert_eq!(tokio::io::AsyncReadExt::read(&mut oldest, &mut [0]).await.unwrap_or(0), 0, "is closed");
            evicted += 1;
        }
    }
    assert_eq!(lobby.reasons(), vec![Refusal::Evicted; evicted]);
    serving.abort();
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a listener");
    let address: SocketAddr = listener.local_addr().expect("an address");
    let lobby = Lobby::new(Arc::new([]), Limits { strangers: 100, ..limits }, limits::STRANGER_TIMEOUT);
    let serving = tokio::spawn(lobby.clone().serve(listener));
    for _ in 0..limits.per_address {
        clients.push(tokio::net::TcpStream::connect(address).await.expect("connects"));
    }
    let mut further = tokio::net::TcpStream::connect(address).await.expect("connects");
    assert_eq!(tokio::io::AsyncReadExt::read(&mut further, &mut [0]).await.unwrap_or(0), 0, "is closed");
    assert_eq!(lobby.reasons(), [Refusal::Address]);
    serving.abort();
}

/// A check for this user fragment, as it is sent over a connection.
fn check_for(receiver_ufrag: &str) -> Vec<u8> {
    let check = media_core::stun::Request {
        transaction: [7; 12],
        receiver_ufrag,
        sender_ufrag: "somebody",
        use_candidate: true,
        role: media_core::stun::Role::Controlling,
    };
    framed(&check.to_vec(&media_core::stun::key("secret")))
}

/// Waits for the shard's next report, and returns its numbers of commands and of connections.
async fn next_report(shard: &Shard) -> (u64, u64) {
    let asked = Instant::now();
    while shard.report().at.is_none_or(|at| at < asked) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let report = shard.report();
    (report.commands, report.streams.accepted)
}

#[tokio::test]
async fn a_flood_of_strangers_asks_the_shards_nothing() {
    const STRANGERS: usize = 300;
    let shards: Arc<[Shard]> = Arc::new([shards::shard()]);
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a listener");
    let address: SocketAddr = listener.local_addr().expect("an address");
    let lobby = Lobby::new(Arc::clone(&shards), LIMITS, limits::STRANGER_TIMEOUT);
    let serving = tokio::spawn(lobby.clone().serve(listener));
    let connect = async |ufrag: &str| {
        let mut client = tokio::net::TcpStream::connect(address).await.expect("connects");
        tokio::io::AsyncWriteExt::write_all(&mut client, &check_for(ufrag)).await.expect("sends");
        client
    };
    let mut clients = Vec::new();
    for number in 0..STRANGERS {
        clients.push(connect(&format!("stranger{number}")).await);
    }
    while lobby.reasons().len() < STRANGERS {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(lobby.reasons(), vec![Refusal::Unknown; STRANGERS]);
    assert_eq!(next_report(&shards[0]).await, (0, 0));
    shards[0].tell(shards::open_session()).await;
    while !shards[0].has_ufrag("node") {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    clients.push(connect("node").await);
    while next_report(&shards[0]).await != (2, 1) {
        assert_eq!(lobby.reasons().len(), STRANGERS, "a client with a session is no stranger");
    }
    serving.abort();
    shards[0].tell(Command::Stop).await;
}
