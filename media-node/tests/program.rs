//! The built program against a stand-in for the edge: registers, serves rooms, answers checks, drains.

use anyhow::{Result, bail};
use load::client::{self, Client, Memory};
use load::local_edge::{Caller, LocalEdge};
use load::node::{self, Node};
use load::parameters::ClientNumber;
use load::process;
use media_core::framing;
use shared::RoomId;
use shared::control::{
    Assignment, FleetToNode, Microphones, NodeRegistration, NodeToFleet, NodeToRoom, ProbeCredential, Reach, RoomToNode,
};
use shared::rtp_parameters::Session;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};

const PROGRAM: &str = env!("CARGO_BIN_EXE_media-node");

struct Fixture {
    edge: LocalEdge,
    node: Node,
    fleet: Caller,
    registration: NodeRegistration,
}

impl Fixture {
    async fn start() -> Result<Self> {
        let edge = LocalEdge::open().await?;
        let node = Node::start(Path::new(PROGRAM), &edge, &[("MEDIA_DRAIN_SECONDS", "1")])?;
        let (fleet, registration) = node::register(&edge).await?;
        Ok(Self { edge, node, fleet, registration })
    }

    async fn assign(&mut self, epoch: u64, ticket: &str, session: Option<Session>) -> Result<()> {
        let assignment = Assignment { room: room(), epoch, shard: 0, ticket: ticket.to_owned(), session };
        self.fleet.send(&FleetToNode::Assign(Box::new(assignment))).await
    }

    /// Accepts the room's socket and checks the node's hello.
    async fn room(&self, ticket: &str, epoch: u64) -> Result<Caller> {
        let mut caller = self.edge.accept().await?;
        assert_eq!((caller.path.as_str(), caller.token.as_str()), ("/v1/rooms/standup/node", ticket));
        let hello = NodeToRoom::Hello {
            node: self.registration.node.clone(),
            epoch,
            connected: Vec::new(),
            reports_loudest: true,
        };
        assert_eq!(caller.next::<NodeToRoom>().await?, hello);
        Ok(caller)
    }

    async fn get(&self, path: &'static str) -> Result<(u16, String)> {
        let http = self.node.http();
        tokio::task::spawn_blocking(move || node::page(http, path)).await?
    }

    /// Polls the page until it has the expected content: the shard updates its counters twice a second.
    async fn expect_page(&self, path: &'static str, status: u16, expected: &str) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            let page = self.get(path).await?;
            if page.0 == status && page.1.contains(expected) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{path} says {page:?}, not {status} {expected}");
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

fn room() -> RoomId {
    RoomId::parse("standup").expect("a room")
}

/// Sessions alone.
fn welcome(sessions: Vec<Session>) -> RoomToNode {
    RoomToNode::Welcome { sessions, forwards: Vec::new(), recording: None, microphones: Microphones::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_registers_under_its_systemd_unit() -> Result<()> {
    let edge = Arc::new(LocalEdge::open().await?);
    let (at, runtime) = (Arc::clone(&edge), tokio::runtime::Handle::current());
    let restricted = std::thread::spawn(move || {
        let _runtime = runtime.enter();
        process::restrict_to_unit(include_str!("../../docs/systemd/media-node.service"))?;
        Node::start(Path::new(PROGRAM), &at, &[])
    });
    let _node = restricted.join().expect("the thread ends")?;
    node::register(&edge).await?;
    Ok(())
}

#[tokio::test]
async fn a_client_connects_to_a_shard_and_the_room_hears_of_it() -> Result<()> {
    let mut fixture = Fixture::start().await?;
    let (number, identity) = (ClientNumber(1), client::identity()?);
    let address = fixture.registration.shards[0].candidates[0];
    let fingerprint = fixture.registration.fingerprint;
    fixture.assign(7, "ticket-7", Some(number.subscriber(identity.fingerprint()))).await?;
    let mut room = fixture.room("ticket-7", 7).await?;
    room.send(&RoomToNode::Welcome {
        sessions: vec![number.subscriber(identity.fingerprint())],
        forwards: Vec::new(),
        recording: None,
        microphones: Microphones::default(),
    })
    .await?;
    let connecting = tokio::task::spawn_blocking(move || {
        let mut clients = [Client::new(number, address, &identity, fingerprint)?];
        client::connect(&mut clients, &identity, &mut Memory::default())
    });
    let said = room.next::<NodeToRoom>().await?;
    assert_eq!(said, NodeToRoom::SessionConnected { session: number.session() });
    connecting.await??;
    fixture.expect_page("/metrics", 200, "media_sessions_connected_total{shard=\"0\"} 1\n").await?;
    fixture.expect_page("/metrics", 200, "media_sessions{shard=\"0\"} 1\n").await?;

    room.send(&RoomToNode::Release {}).await?;
    fixture.expect_page("/metrics", 200, "media_sessions{shard=\"0\"} 0\n").await?;
    assert!(room.next::<NodeToRoom>().await.is_err(), "the node closes the socket");
    assert!(fixture.node.terminate().await?);
    Ok(())
}

/// Carries a client's datagrams over TCP (RFC 4571), so that a client for UDP uses a TCP candidate; returns the address
/// for the client.
fn over_tcp(node: SocketAddr) -> Result<SocketAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = socket.local_addr()?;
    let mut up = TcpStream::connect(node)?;
    let mut down = up.try_clone()?;
    let back = socket.try_clone()?;
    let (tell, client) = std::sync::mpsc::channel();
    // The threads end with the sockets of the node and of the test's process.
    std::thread::spawn(move || -> Result<()> {
        let mut datagram = [0; 2_048];
        loop {
            let (bytes, from) = socket.recv_from(&mut datagram)?;
            tell.send(from)?;
            up.write_all(&framing::header(&datagram[..bytes]))?;
            up.write_all(&datagram[..bytes])?;
        }
    });
    std::thread::spawn(move || -> Result<()> {
        let mut held = Vec::new();
        let to = client.recv()?;
        loop {
            let mut part = [0; 2_048];
            let bytes = down.read(&mut part)?;
            if bytes == 0 {
                return Ok(());
            }
            held.extend_from_slice(&part[..bytes]);
            while let Ok(Some(place)) = framing::next_datagram(&held, 2_048) {
                back.send_to(&held[place.clone()], to)?;
                held.drain(..place.end);
            }
        }
    });
    Ok(address)
}

#[tokio::test]
async fn a_client_over_tcp_finds_the_shard_of_its_session() -> Result<()> {
    let settings = [("MEDIA_SHARDS", "3"), ("MEDIA_TCP_LISTEN", "127.0.0.1:0"), ("MEDIA_DRAIN_SECONDS", "1")];
    let edge = LocalEdge::open().await?;
    let node = Node::start(Path::new(PROGRAM), &edge, &settings)?;
    let (fleet, registration) = node::register(&edge).await?;
    let mut fixture = Fixture { edge, node, fleet, registration };
    let (number, identity) = (ClientNumber(1), client::identity()?);
    let fingerprint = fixture.registration.fingerprint;
    let session = number.subscriber(identity.fingerprint());
    let [tcp] = fixture.registration.tcp_candidates[..] else { bail!("one TCP candidate") };
    // The client is quicker than the edge's message about it.
    let connecting = tokio::task::spawn_blocking(move || {
        let mut clients = [Client::new(number, over_tcp(tcp)?, &identity, fingerprint)?];
        client::connect(&mut clients, &identity, &mut Memory::default())
    });
    sleep(Duration::from_millis(200)).await;
    let assignment = Assignment { room: room(), epoch: 7, shard: 2, ticket: "ticket-7".to_owned(), session: None };
    fixture.fleet.send(&FleetToNode::Assign(Box::new(assignment))).await?;
    let mut room = fixture.room("ticket-7", 7).await?;
    room.send(&welcome(vec![session])).await?;
    let said = room.next::<NodeToRoom>().await?;
    assert_eq!(said, NodeToRoom::SessionConnected { session: number.session() });
    connecting.await??;
    fixture.expect_page("/metrics", 200, "media_tcp_connections{shard=\"2\"} 1\n").await?;
    fixture.expect_page("/metrics", 200, "media_sessions_connected_total{shard=\"2\"} 1\n").await?;
    for shard in 0..3 {
        let none = format!("media_udp_receive_calls_total{{shard=\"{shard}\"}} 0\n");
        fixture.expect_page("/metrics", 200, &none).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_client_with_ipv6_alone_connects_over_udp_and_over_tcp() -> Result<()> {
    let edge = LocalEdge::open().await?;
    let node = Node::start(Path::new(PROGRAM), &edge, &[("MEDIA_LISTEN", "[::1]:0"), ("MEDIA_TCP_LISTEN", "[::1]:0")])?;
    let (fleet, registration) = node::register(&edge).await?;
    let mut fixture = Fixture { edge, node, fleet, registration };
    let identity = client::identity()?;
    let fingerprint = fixture.registration.fingerprint;
    let numbers = [ClientNumber(1), ClientNumber(2)];
    let sessions = numbers.map(|number| number.subscriber(identity.fingerprint())).to_vec();
    fixture.assign(7, "ticket-7", None).await?;
    let mut room = fixture.room("ticket-7", 7).await?;
    room.send(&RoomToNode::Welcome {
        sessions,
        forwards: Vec::new(),
        recording: None,
        microphones: Microphones::default(),
    })
    .await?;
    let (udp, tcp) = (fixture.registration.shards[0].candidates[0], fixture.registration.tcp_candidates[0]);
    assert!(udp.is_ipv6() && tcp.is_ipv6());
    let connecting = tokio::task::spawn_blocking(move || {
        let of = |number, address| Client::new(number, address, &identity, fingerprint);
        let mut clients = [of(numbers[0], udp)?, of(numbers[1], over_tcp(tcp)?)?];
        client::connect(&mut clients, &identity, &mut Memory::default())
    });
    let mut connected = Vec::new();
    for _ in numbers {
        connected.push(room.next::<NodeToRoom>().await?);
    }
    for number in numbers {
        assert!(connected.contains(&NodeToRoom::SessionConnected { session: number.session() }), "{connected:?}");
    }
    connecting.await??;
    Ok(())
}

#[tokio::test]
async fn without_an_address_for_tcp_there_is_no_candidate() -> Result<()> {
    let edge = LocalEdge::open().await?;
    let _node = Node::start(Path::new(PROGRAM), &edge, &[])?;
    let (_fleet, registration) = node::register(&edge).await?;
    assert_eq!(registration.tcp_candidates, []);
    Ok(())
}

// Holds S1-DB-03.
#[tokio::test]
async fn heartbeats_and_metrics_contain_the_use_of_the_host() -> Result<()> {
    let mut fixture = Fixture::start().await?;
    let said = |message| match message {
        NodeToFleet::Heartbeat { load } => load.host,
        _ => None,
    };
    let host = fixture.fleet.wait_for(said).await?;
    assert!((1..=1_000).contains(&host.memory_permille) && (1..=1_000).contains(&host.disk_permille), "{host:?}");
    assert!(host.cpu_permille <= 1_000, "{host:?}");
    for name in ["cpu_permille", "memory_permille", "network_in_bps", "network_out_bps", "disk_permille"] {
        fixture.expect_page("/metrics", 200, &format!("\nmedia_host_{name} ")).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_lost_room_socket_is_dialled_again_and_an_old_epoch_is_refused() -> Result<()> {
    let mut fixture = Fixture::start().await?;
    let session = ClientNumber(1).subscriber(client::identity()?.fingerprint());
    fixture.assign(7, "ticket-7", Some(session.clone())).await?;
    drop(fixture.room("ticket-7", 7).await?);
    let mut room = fixture.room("ticket-7", 7).await?;
    room.send(&welcome(vec![session.clone()])).await?;
    fixture.expect_page("/metrics", 200, "media_sessions{shard=\"0\"} 1\n").await?;

    fixture.assign(6, "ticket-6", Some(session.clone())).await?;
    fixture.assign(8, "ticket-8", None).await?;
    let mut room = fixture.room("ticket-8", 8).await?;
    fixture.expect_page("/metrics", 200, "media_sessions{shard=\"0\"} 1\n").await?;
    room.send(&RoomToNode::Refused { code: shared::ErrorCode::StaleEpoch }).await?;
    fixture.expect_page("/metrics", 200, "media_sessions{shard=\"0\"} 0\n").await?;

    fixture.assign(9, "ticket-9", Some(session)).await?;
    let path = fixture.edge.refuse(401, r#"{"code":"token_expired","message":"…","request_id":"r"}"#).await?;
    assert_eq!(path, "/v1/rooms/standup/node");
    fixture.expect_page("/metrics", 200, "media_sessions{shard=\"0\"} 0\n").await?;
    Ok(())
}

#[tokio::test]
async fn a_welcome_in_parts_counts_once_it_is_whole() -> Result<()> {
    let mut fixture = Fixture::start().await?;
    let fingerprint = client::identity()?.fingerprint();
    let [one, two, three] = [1, 2, 3].map(|number| ClientNumber(number).subscriber(fingerprint));
    let part = |session: &Session| RoomToNode::WelcomePart { sessions: vec![session.clone()], forwards: Vec::new() };
    let last = |sessions: &[&Session]| {
        let sessions = sessions.iter().map(|session| (*session).clone()).collect();
        welcome(sessions)
    };
    fixture.assign(7, "ticket-7", None).await?;
    let mut room = fixture.room("ticket-7", 7).await?;
    room.send(&last(&[&one])).await?;
    fixture.expect_page("/metrics", 200, "media_sessions{shard=\"0\"} 1\n").await?;
    drop(room);
    // The second socket is lost in the middle of its welcome: none of it takes effect, then or later.
    let mut room = fixture.room("ticket-7", 7).await?;
    room.send(&part(&two)).await?;
    drop(room);
    let mut room = fixture.room("ticket-7", 7).await?;
    fixture.expect_page("/metrics", 200, "media_sessions{shard=\"0\"} 1\n").await?;
    room.send(&part(&one)).await?;
    room.send(&last(&[&three])).await?;
    fixture.expect_page("/metrics", 200, "media_sessions{shard=\"0\"} 2\n").await?;
    room.send(&last(&[&three])).await?;
    fixture.expect_page("/metrics", 200, "media_sessions{shard=\"0\"} 1\n").await?;
    Ok(())
}

/// A node that was not told its address.
#[tokio::test]
async fn a_node_without_an_address_answers_probes_and_says_why_it_gets_no_rooms() -> Result<()> {
    let edge = LocalEdge::open().await?;
    let settings = [
        ("MEDIA_LISTEN", "0.0.0.0:0"),
        ("MEDIA_TCP_LISTEN", "0.0.0.0:0"),
        ("MEDIA_SHARDS", "2"),
        ("MEDIA_DRAIN_SECONDS", "1"),
    ];
    let node = Node::start(Path::new(PROGRAM), &edge, &settings)?;
    let (fleet, registration) = node::register(&edge).await?;
    let mut fixture = Fixture { edge, node, fleet, registration };
    let credential = fixture.registration.probe.clone().expect("a credential");
    assert!(credential.is_valid());
    let candidates = fixture.registration.shards.iter().flat_map(|shard| shard.candidates.clone());
    let candidates: Vec<SocketAddr> = candidates.collect();
    assert!(candidates.iter().all(|candidate| candidate.ip().is_unspecified()), "{candidates:?}");

    let address = Ipv4Addr::LOCALHOST.into();
    let set = |reach| FleetToNode::SetReach { address, reach };
    fixture.fleet.send(&set(Reach::Probing {})).await?;
    fixture.expect_page("/readyz", 503, "another node is probing 127.0.0.1").await?;
    // It probes itself in the place of another; nobody answers on the third port.
    let silent = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let own: Vec<SocketAddr> = candidates.iter().map(|candidate| SocketAddr::new(address, candidate.port())).collect();
    let addresses = [&own[..], &[silent.local_addr()?]].concat();
    let over_tcp: Vec<SocketAddr> = fixture
        .registration
        .tcp_candidates
        .iter()
        .map(|candidate| SocketAddr::new(address, candidate.port()))
        .collect();
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let tcp = [&over_tcp[..], &[closed]].concat();
    for (credential, expected, expected_tcp) in [
        (credential.clone(), own.clone(), over_tcp.clone()),
        (ProbeCredential { pwd: "guessed".into(), ..credential.clone() }, Vec::new(), Vec::new()),
        (ProbeCredential { ufrag: "guessed".into(), ..credential }, Vec::new(), Vec::new()),
    ] {
        let order = FleetToNode::Probe { probe: 17, addresses: addresses.clone(), tcp: tcp.clone(), credential };
        fixture.fleet.send(&order).await?;
        let probed = |said| match said {
            NodeToFleet::Probed { probe, answered, answered_tcp } => Some((probe, answered, answered_tcp)),
            _ => None,
        };
        assert_eq!(fixture.fleet.wait_for(probed).await?, (17, expected, Some(expected_tcp)));
    }
    assert_eq!(over_tcp.len(), 1);
    fixture.fleet.send(&set(Reach::Silent { addresses: own.clone(), tcp: Vec::new() })).await?;
    let reason =
        format!("UDP port {} at 127.0.0.1, the address that the edge sees, and 1 more, did not", own[0].port());
    fixture.expect_page("/readyz", 503, &reason).await?;
    fixture.expect_page("/healthz", 200, &format!("not ready: {reason}")).await?;
    fixture.fleet.send(&set(Reach::Reached {})).await?;
    fixture.expect_page("/readyz", 200, "ready").await?;
    assert!(!fixture.get("/healthz").await?.1.contains("not ready"));
    fixture.fleet.send(&set(Reach::Unprobed {})).await?;
    fixture.expect_page("/readyz", 200, "ready").await?;
    assert!(fixture.node.terminate().await?);
    Ok(())
}

#[tokio::test]
async fn is_ready_while_registered_and_registers_again() -> Result<()> {
    let Fixture { edge, node, fleet, registration } = Fixture::start().await?;
    assert_eq!(
        (registration.node.to_string(), registration.region.to_string()),
        (node::NODE.into(), node::REGION.into())
    );
    let mut fixture = Fixture { edge, node, fleet, registration };
    fixture.expect_page("/healthz", 200, &format!("ok, version {}\n", shared::VERSION)).await?;
    fixture.expect_page("/readyz", 200, "ready").await?;
    fixture.fleet.wait_for(|message| matches!(message, NodeToFleet::Heartbeat { .. }).then_some(())).await?;
    let (lost, edge) = (fixture.fleet, fixture.edge);
    drop(lost);
    let (fleet, registration) = node::register(&edge).await?;
    let fixture = Fixture { edge, fleet, registration, node: fixture.node };
    fixture.expect_page("/readyz", 200, "ready").await?;
    assert_eq!(fixture.get("/nothing").await?.0, 404);
    Ok(())
}

#[test]
fn says_its_version() {
    let output = std::process::Command::new(PROGRAM).arg("--version").output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("media-node {}\n", shared::VERSION));
}

// Holds S3-SM-03, S3-DEP-15.
#[tokio::test]
async fn drains_on_sigterm_until_the_deadline() -> Result<()> {
    let mut fixture = Fixture::start().await?;
    let session = ClientNumber(1).subscriber(client::identity()?.fingerprint());
    fixture.assign(7, "ticket-7", Some(session.clone())).await?;
    let mut room = fixture.room("ticket-7", 7).await?;
    room.send(&welcome(vec![session])).await?;
    fixture.expect_page("/metrics", 200, "media_sessions{shard=\"0\"} 1\n").await?;
    load::process::terminate(fixture.node.pid()?);
    fixture.fleet.wait_for(|message| matches!(message, NodeToFleet::Draining {}).then_some(())).await?;
    room.wait_for(|message| matches!(message, NodeToRoom::Draining {}).then_some(())).await?;
    fixture.expect_page("/readyz", 503, "draining").await?;
    assert!(fixture.node.ended().await?, "ends well after its deadline");
    Ok(())
}

#[tokio::test]
async fn a_second_signal_ends_at_once() -> Result<()> {
    let mut fixture = Fixture::start().await?;
    let session = ClientNumber(1).subscriber(client::identity()?.fingerprint());
    fixture.assign(7, "ticket-7", Some(session.clone())).await?;
    let mut room = fixture.room("ticket-7", 7).await?;
    room.send(&welcome(vec![session])).await?;
    fixture.expect_page("/metrics", 200, "media_sessions{shard=\"0\"} 1\n").await?;
    let pid = fixture.node.pid()?;
    load::process::terminate(pid);
    room.wait_for(|message| matches!(message, NodeToRoom::Draining {}).then_some(())).await?;
    let asked = Instant::now();
    load::process::terminate(pid);
    assert!(fixture.node.ended().await?);
    assert!(asked.elapsed() < Duration::from_millis(900), "{:?}", asked.elapsed());
    Ok(())
}

#[tokio::test]
async fn tells_all_mistakes_in_its_settings_and_no_secret() -> Result<()> {
    let output = tokio::process::Command::new(PROGRAM)
        .env_clear()
        .envs([("MEDIA_NODE_TOKEN", "hunter2 hunter3"), ("MEDIA_LISTEN", "nowhere"), ("MEDIA_TYPO", "x")])
        .output()
        .await?;
    let text = String::from_utf8(output.stderr)?;
    assert!(!output.status.success());
    for expected in ["MEDIA_TYPO", "--edge", "--listen", "--node-token: not a token"] {
        assert!(text.contains(expected), "{expected} is not in {text}");
    }
    assert!(!text.contains("hunter"), "{text}");
    Ok(())
}

/// A node that is told an address which it does not serve.
#[tokio::test]
async fn a_silent_family_is_found_by_a_probe_and_the_node_stays_ready() -> Result<()> {
    let edge = LocalEdge::open().await?;
    let settings = [
        ("MEDIA_LISTEN", "[::1]:0"),
        ("MEDIA_TCP_LISTEN", "[::1]:0"),
        ("MEDIA_ADVERTISE", "127.0.0.1,::1"),
        ("MEDIA_DRAIN_SECONDS", "1"),
    ];
    let node = Node::start(Path::new(PROGRAM), &edge, &settings)?;
    let (fleet, registration) = node::register(&edge).await?;
    let mut fixture = Fixture { edge, node, fleet, registration };
    let NodeRegistration { probe, probe_families, shards, tcp_candidates, .. } = fixture.registration.clone();
    let credential = probe_families.expect("a credential");
    assert!(probe.is_none() && credential.is_valid() && credential.over_tcp);
    let udp: Vec<SocketAddr> = shards.iter().flat_map(|shard| shard.candidates.clone()).collect();
    let of = |addresses: &[SocketAddr], is_ipv6| -> Vec<SocketAddr> {
        addresses.iter().filter(|address| address.is_ipv6() == is_ipv6).copied().collect()
    };
    // It probes itself in the place of another.
    for is_ipv6 in [false, true] {
        let (addresses, tcp) = (of(&udp, is_ipv6), of(&tcp_candidates, is_ipv6));
        assert!(!addresses.is_empty() && tcp.len() == 1, "{addresses:?} {tcp:?}");
        let expected = if is_ipv6 { (addresses.clone(), Some(tcp.clone())) } else { (Vec::new(), Some(Vec::new())) };
        let credential = credential.clone();
        fixture.fleet.send(&FleetToNode::Probe { probe: 17, addresses, tcp, credential }).await?;
        let probed = |said| match said {
            NodeToFleet::Probed { answered, answered_tcp, .. } => Some((answered, answered_tcp)),
            _ => None,
        };
        assert_eq!(fixture.fleet.wait_for(probed).await?, expected);
    }
    let reach = Reach::FamilySilent { addresses: of(&udp, false), tcp: Vec::new() };
    fixture.fleet.send(&FleetToNode::SetReach { address: Ipv4Addr::LOCALHOST.into(), reach }).await?;
    fixture.expect_page("/readyz", 200, "ready").await?;
    Ok(())
}
