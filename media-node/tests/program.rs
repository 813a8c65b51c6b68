//! The built program against a stand-in for the edge: registers, serves rooms, answers checks, drains.

use anyhow::{Result, bail};
use load::client::{self, Client, Memory};
use load::local_edge::{Caller, LocalEdge};
use load::node::{self, Node};
use load::parameters::ClientNumber;
use shared::RoomId;
use shared::control::{Assignment, FleetToNode, NodeRegistration, NodeToFleet, NodeToRoom, RoomToNode};
use shared::rtp_parameters::Session;
use std::path::Path;
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

    /// Accepts the room's socket and checks how the node introduces itself.
    async fn room(&self, ticket: &str, epoch: u64) -> Result<Caller> {
        let mut caller = self.edge.accept().await?;
        assert_eq!((caller.path.as_str(), caller.token.as_str()), ("/v1/rooms/standup/node", ticket));
        let hello = NodeToRoom::Hello { node: self.registration.node.clone(), epoch, connected: Vec::new() };
        assert_eq!(caller.next::<NodeToRoom>().await?, hello);
        Ok(caller)
    }

    async fn get(&self, path: &'static str) -> Result<(u16, String)> {
        let http = self.node.http();
        tokio::task::spawn_blocking(move || node::page(http, path)).await?
    }

    /// Asks until the page says what is expected: the shard writes its counters twice a second.
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

#[tokio::test]
async fn a_lost_room_socket_is_dialled_again_and_an_old_epoch_is_refused() -> Result<()> {
    let mut fixture = Fixture::start().await?;
    let session = ClientNumber(1).subscriber(client::identity()?.fingerprint());
    fixture.assign(7, "ticket-7", Some(session.clone())).await?;
    drop(fixture.room("ticket-7", 7).await?);
    let mut room = fixture.room("ticket-7", 7).await?;
    room.send(&RoomToNode::Welcome { sessions: vec![session.clone()], forwards: Vec::new(), recording: None }).await?;
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
        RoomToNode::Welcome { sessions, forwards: Vec::new(), recording: None }
    };
    fixture.assign(7, "ticket-7", None).await?;
    let mut room = fixture.room("ticket-7", 7).await?;
    room.send(&last(&[&one])).await?;
    fixture.expect_page("/metrics", 200, "media_sessions{shard=\"0\"} 1\n").await?;
    drop(room);
    // The second socket is lost in the middle of its welcome: nothing of it is carried out, then or later.
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

#[tokio::test]
async fn is_ready_while_registered_and_registers_again() -> Result<()> {
    let Fixture { edge, node, fleet, registration } = Fixture::start().await?;
    assert_eq!(
        (registration.node.to_string(), registration.region.to_string()),
        (node::NODE.into(), node::REGION.into())
    );
    let mut fixture = Fixture { edge, node, fleet, registration };
    fixture.expect_page("/healthz", 200, "ok").await?;
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

// Holds S3-SM-03, S3-DEP-15.
#[tokio::test]
async fn drains_on_sigterm_until_the_deadline() -> Result<()> {
    let mut fixture = Fixture::start().await?;
    let session = ClientNumber(1).subscriber(client::identity()?.fingerprint());
    fixture.assign(7, "ticket-7", Some(session.clone())).await?;
    let mut room = fixture.room("ticket-7", 7).await?;
    room.send(&RoomToNode::Welcome { sessions: vec![session], forwards: Vec::new(), recording: None }).await?;
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
    room.send(&RoomToNode::Welcome { sessions: vec![session], forwards: Vec::new(), recording: None }).await?;
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
