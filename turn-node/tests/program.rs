//! The built program against a stand-in for the edge: it registers, learns about media nodes, survives the loss of the
//! edge, and drains.

use anyhow::{Result, bail};
use load::local_edge::{Caller, LocalEdge};
use load::node::page;
use load::process;
use load::relay::{Answer, Relay, RelayClient, credential};
use shared::control::{FleetToNode, NodeToFleet};
use shared::turn_credential::TurnPolicy;
use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

const PROGRAM: &str = env!("CARGO_BIN_EXE_turn-node");
const PATIENCE: Duration = Duration::from_secs(5);
const TOKEN: &str = "token-of-the-test";

/// A running node with the edge's end of its socket, and a media node that the edge may announce.
struct Fixture {
    edge: LocalEdge,
    relay: Relay,
    media_node: UdpSocket,
}

impl Fixture {
    async fn start(drain_seconds: &'static str) -> Result<Self> {
        let edge = LocalEdge::open().await?;
        let url = edge.url();
        let relay = spawn_blocking(move || {
            let settings = [
                ("TURN_EDGE", url.as_str()),
                ("TURN_NODE_ID", "turn-1"),
                ("TURN_REGION", "local"),
                ("TURN_NODE_TOKEN", TOKEN),
                ("TURN_DRAIN_SECONDS", drain_seconds),
            ];
            Relay::ours(Path::new(PROGRAM), &settings)
        });
        Ok(Self { edge, relay: relay.await??, media_node: UdpSocket::bind("127.0.0.1:0")? })
    }

    /// Accepts the node's registration.
    async fn register(&self) -> Result<Caller> {
        let mut fleet = self.edge.accept().await?;
        assert_eq!((fleet.path.as_str(), fleet.token.as_str()), ("/v1/nodes/socket", TOKEN));
        let NodeToFleet::RegisterTurn(registration) = fleet.next().await? else { bail!("it does not register first") };
        assert_eq!((registration.node.as_str(), registration.region.as_str()), ("turn-1", "local"));
        let url = |transport| format!("turn:{}?transport={transport}", self.relay.address);
        assert_eq!(registration.urls, [url("udp"), url("tcp")]);
        assert!(registration.allocations_max > 1_000);
        fleet.send(&FleetToNode::Registered {}).await?;
        Ok(fleet)
    }

    /// Announces the media node, or none.
    async fn name_media_node(&self, fleet: &mut Caller, named: bool) -> Result<()> {
        let addresses = if named { vec![self.media_node.local_addr()?] } else { vec![] };
        fleet.send(&FleetToNode::SetMediaNodes { addresses }).await?;
        self.expect_page("/metrics", 200, &format!("turn_media_nodes {}\n", u8::from(named))).await
    }

    /// Polls the page until it has the expected content.
    async fn expect_page(&self, path: &'static str, status: u16, expected: &str) -> Result<()> {
        let (http, deadline) = (self.relay.http, Instant::now() + PATIENCE);
        loop {
            let answer = spawn_blocking(move || page(http, path)).await??;
            if answer.0 == status && answer.1.contains(expected) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("{path} says {answer:?}, not {status} {expected}");
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Binds a channel to the media node, as a client with a credential of the edge.
    async fn reach(&self) -> Result<Answer> {
        let (server, peer) = (self.relay.address, self.media_node.local_addr()?);
        spawn_blocking(move || {
            let mut client = RelayClient::new(server, credential(TurnPolicy::Sfu, "ada", 600)?)?;
            client.allocated()?;
            client.bind(0x4001, peer)
        })
        .await?
    }
}

#[test]
fn says_its_version() {
    let output = std::process::Command::new(PROGRAM).arg("--version").output().expect("it runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("turn-node {}\n", shared::VERSION));
}

#[test]
fn a_host_whose_kernel_cannot_relay_goes_on_without() -> Result<()> {
    // The loopback interface never gets the program.
    let relay = Relay::ours(Path::new(PROGRAM), &[("TURN_XDP", "auto")])?;
    let (_, metrics) = page(relay.http, "/metrics")?;
    for mode in ["native", "generic"] {
        assert!(metrics.contains(&format!("turn_kernel_relays{{mode=\"{mode}\"}} 0\n")), "{metrics}");
    }
    let peer = UdpSocket::bind("127.0.0.1:0")?;
    peer.set_read_timeout(Some(PATIENCE))?;
    let mut client = RelayClient::new(relay.address, credential(TurnPolicy::P2p, "ada", 600)?)?;
    client.allocated()?;
    assert_eq!(client.bind(0x4001, peer.local_addr()?)?, Answer::Success(None));
    client.socket.send_to(&[0x40, 1, 0, 2, b'h', b'i'], relay.address)?;
    assert_eq!(peer.recv(&mut [0; 16])?, 2);
    Ok(())
}

#[test]
fn it_starts_under_its_systemd_unit() -> Result<()> {
    let restricted = std::thread::spawn(|| {
        process::restrict_to_unit(include_str!("../../docs/systemd/turn-node.service"))?;
        Relay::ours(Path::new(PROGRAM), &[])
    });
    let relay = restricted.join().expect("the thread ends")?;
    assert_eq!(page(relay.http, "/healthz")?.0, 200);
    Ok(())
}

// Holds S0-SIG-01, S3-DEP-01.
#[tokio::test]
async fn clients_reach_the_media_nodes_that_the_edge_names_and_no_others() -> Result<()> {
    let fixture = Fixture::start("0").await?;
    fixture.expect_page("/readyz", 503, "not registered").await?;
    fixture.expect_page("/healthz", 200, &format!("ok, version {}\n", shared::VERSION)).await?;
    let mut fleet = fixture.register().await?;
    fixture.expect_page("/readyz", 200, "ready").await?;
    assert_eq!(fixture.reach().await?, Answer::Refused(403));
    fixture.name_media_node(&mut fleet, true).await?;
    assert_eq!(fixture.reach().await?, Answer::Success(None));
    // Its allocations show in its heartbeats.
    let busy = |message| match message {
        NodeToFleet::Heartbeat { load } if load.sessions > 0 => Some(load.sessions),
        _ => None,
    };
    assert_eq!(fleet.wait_for(busy).await?, 2);
    fixture.name_media_node(&mut fleet, false).await?;
    assert_eq!(fixture.reach().await?, Answer::Refused(403));
    Ok(())
}

#[tokio::test]
async fn goes_on_without_the_edge_and_registers_when_it_is_back() -> Result<()> {
    let fixture = Fixture::start("0").await?;
    let mut fleet = fixture.register().await?;
    fixture.name_media_node(&mut fleet, true).await?;
    drop(fleet);
    fixture.expect_page("/readyz", 503, "not registered").await?;
    assert_eq!(fixture.reach().await?, Answer::Success(None));
    let _fleet = fixture.register().await?;
    fixture.expect_page("/readyz", 200, "ready").await
}

#[tokio::test]
async fn drains_until_the_time_is_over_and_takes_nothing_new_meanwhile() -> Result<()> {
    let fixture = Fixture::start("2").await?;
    let mut fleet = fixture.register().await?;
    fixture.name_media_node(&mut fleet, true).await?;
    assert_eq!(fixture.reach().await?, Answer::Success(None));
    fixture.expect_page("/metrics", 200, "turn_allocations{shard=\"0\"} 1\n").await?;
    process::terminate(fixture.relay.pid());
    fleet.wait_for(|message| matches!(message, NodeToFleet::Draining {}).then_some(())).await?;
    fixture.expect_page("/readyz", 503, "draining").await?;
    let server = fixture.relay.address;
    let refused =
        spawn_blocking(move || RelayClient::new(server, credential(TurnPolicy::Sfu, "grace", 600)?)?.allocate());
    assert_eq!(refused.await??, Answer::Refused(508));
    let Fixture { relay, .. } = fixture;
    assert!(spawn_blocking(move || relay.ended(process::END_TIMEOUT)).await??);
    Ok(())
}
