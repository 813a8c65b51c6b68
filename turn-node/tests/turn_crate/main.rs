//! The client of the crate `turn`, which other Rust programs use, against the built program, over UDP and TCP.

mod stream;

use anyhow::{Context, Result};
use load::relay::{REALM, Relay, credential};
use shared::turn_credential::{Credential, TurnPolicy};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use stream::StreamConn;
use tokio::net::UdpSocket;
use tokio::time::timeout;
use turn::client::{Client, ClientConfig};
use webrtc_util::Conn;

const PROGRAM: &str = env!("CARGO_BIN_EXE_turn-node");
/// Data that has not arrived within this time is lost.
const PATIENCE: Duration = Duration::from_secs(5);

async fn client(relay: &Relay, user: Credential) -> Result<Client> {
    client_over(Arc::new(UdpSocket::bind("127.0.0.1:0").await?), relay, user).await
}

async fn client_over(conn: Arc<dyn Conn + Send + Sync>, relay: &Relay, user: Credential) -> Result<Client> {
    let client = Client::new(ClientConfig {
        stun_serv_addr: relay.address.to_string(),
        turn_serv_addr: relay.address.to_string(),
        username: user.username,
        password: user.password,
        realm: REALM.to_owned(),
        software: String::new(),
        rto_in_ms: 0,
        conn,
        vnet: None,
    })
    .await?;
    client.listen().await?;
    Ok(client)
}

async fn receive(conn: &(impl Conn + ?Sized)) -> Result<(Vec<u8>, SocketAddr)> {
    let mut buffer = vec![0; 2_048];
    let (length, from) = timeout(PATIENCE, conn.recv_from(&mut buffer)).await.context("nothing arrives")??;
    buffer.truncate(length);
    Ok((buffer, from))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_crates_client_allocates_binds_and_relays_both_ways() -> Result<()> {
    let relay = Relay::ours(Path::new(PROGRAM), &[])?;
    relays_both_ways(client(&relay, credential(TurnPolicy::P2p, "ada", 600)?).await?).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_crates_client_relays_both_ways_over_tcp() -> Result<()> {
    let relay = Relay::ours(Path::new(PROGRAM), &[])?;
    let conn = Arc::new(StreamConn::open(relay.address).await?);
    relays_both_ways(client_over(conn, &relay, credential(TurnPolicy::P2p, "ada", 600)?).await?).await
}

async fn relays_both_ways(client: Client) -> Result<()> {
    assert!(client.send_binding_request().await?.ip().is_loopback());
    let conn = client.allocate().await?;
    let (relayed, peer) = (conn.local_addr()?, UdpSocket::bind("127.0.0.1:0").await?);
    let peer_address = peer.local_addr()?;
    // The first datagrams go as Send indications while the client binds a channel, the later ones as ChannelData.
    for round in 0..40_u8 {
        conn.send_to(&[round; 100], peer_address).await?;
        assert_eq!(receive(&peer).await?, (vec![round; 100], relayed));
        peer.send_to(&[round, 1], relayed).await?;
        assert_eq!(receive(&conn).await?, (vec![round, 1], peer_address));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    conn.close().await?;
    client.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_crates_client_is_refused_a_peer_outside_the_policy() -> Result<()> {
    let relay = Relay::ours(Path::new(PROGRAM), &[])?;
    let client = client(&relay, credential(TurnPolicy::Sfu, "ada", 600)?).await?;
    let conn = client.allocate().await?;
    let peer = UdpSocket::bind("127.0.0.1:0").await?;
    let sent = conn.send_to(b"x", peer.local_addr()?).await;
    assert!(sent.is_err_and(|error| error.to_string().contains("403")), "CreatePermission is refused");
    client.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_crates_client_is_refused_with_an_expired_credential() -> Result<()> {
    let relay = Relay::ours(Path::new(PROGRAM), &[])?;
    let client = client(&relay, credential(TurnPolicy::P2p, "ada", -1)?).await?;
    assert!(client.allocate().await.is_err());
    client.close().await?;
    Ok(())
}
