//! TCP connections with peers (RFC 6062): opened or accepted, kept for their client, and then joined to its connection.

use super::client::Client;
use super::entrance::prepare;
use super::hub::Hub;
use super::relay::bind;
use crate::shard::now;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use turn_core::{AllocationId, ConnectionId};

/// Bytes that one direction of a joined connection holds.
const BUFFER_BYTES: usize = 16 * 1024;
/// Bytes taken from the user's bandwidth budget at once; the smallest bandwidth allows this many.
const PIECE_BYTES: usize = 1_000;
/// Pause before a direction asks for bandwidth again.
const BANDWIDTH_PAUSE: Duration = Duration::from_millis(20);

#[derive(Debug, Default)]
pub(crate) struct Peers(HashMap<ConnectionId, Peer>);

#[derive(Debug)]
enum Peer {
    /// Being opened; notified to give up.
    Connecting(Rc<Notify>),
    /// Not read from before the client binds it, so the kernel bounds the peer's data.
    Waiting(TcpStream),
    /// Joined to the client's connection; notified to end.
    Joined(Rc<Notify>),
}

impl Peers {
    /// Hands over a connection that waits for its client.
    pub(crate) fn join(&mut self, connection: ConnectionId) -> Option<TcpStream> {
        match self.0.remove(&connection)? {
            Peer::Waiting(stream) => {
                self.0.insert(connection, Peer::Joined(Rc::default()));
                Some(stream)
            }
            other @ (Peer::Connecting(_) | Peer::Joined(_)) => {
                self.0.insert(connection, other);
                None
            }
        }
    }

    pub(crate) fn disconnect(&mut self, connection: ConnectionId) {
        match self.0.remove(&connection) {
            Some(Peer::Connecting(ending) | Peer::Joined(ending)) => ending.notify_one(),
            Some(Peer::Waiting(_)) | None => {}
        }
    }

    fn ending(&self, connection: ConnectionId) -> Option<Rc<Notify>> {
        match self.0.get(&connection)? {
            Peer::Joined(ending) => Some(Rc::clone(ending)),
            Peer::Connecting(_) | Peer::Waiting(_) => None,
        }
    }
}

pub(crate) fn connect(
    hub: &Rc<Hub>,
    peers: &mut Peers,
    connection: ConnectionId,
    relayed: SocketAddr,
    peer: SocketAddr,
) {
    let (hub, ending) = (Rc::clone(hub), Rc::<Notify>::default());
    peers.0.insert(connection, Peer::Connecting(Rc::clone(&ending)));
    tokio::task::spawn_local(async move {
        let opened = tokio::select! {
            biased;
            () = ending.notified() => return,
            opened = open(relayed, peer) => opened,
        };
        let mut state = hub.state();
        state.peers.0.remove(&connection);
        let is_open = opened.is_ok();
        if let Ok(stream) = opened {
            state.peers.0.insert(connection, Peer::Waiting(stream));
        }
        state.server.peer_connected(now(), connection, is_open);
        hub.execute(&mut state);
    });
}

async fn open(relayed: SocketAddr, peer: SocketAddr) -> io::Result<TcpStream> {
    let stream = bind(relayed)?.connect(peer).await?;
    prepare(&stream)?;
    Ok(stream)
}

/// Takes a peer's connection to a relayed address, or closes it.
pub(crate) fn arrived(hub: &Rc<Hub>, allocation: AllocationId, stream: TcpStream, peer: SocketAddr) {
    // A peer that has left already shows at the first read.
    let _ = prepare(&stream);
    let mut state = hub.state();
    if let Some(connection) = state.server.peer_arrived(now(), allocation, peer) {
        state.peers.0.insert(connection, Peer::Waiting(stream));
        hub.execute(&mut state);
    }
}

/// Passes bytes both ways until one end closes or the server ends it. `early` followed the request that joined them.
pub(crate) async fn splice(
    hub: &Rc<Hub>,
    client: &Client,
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    early: &[u8],
    connection: ConnectionId,
    mut peer: TcpStream,
) {
    let ending = hub.state().peers.ending(connection);
    let Some(ending) = ending else { return };
    let answer = client.outgoing.borrow().waiting().to_vec();
    let passing = async {
        stream.write_all(&answer).await?;
        stream.flush().await?;
        spend(hub, connection, early.len()).await;
        peer.write_all(early).await?;
        let (mut from_client, mut to_client) = tokio::io::split(&mut stream);
        let (mut from_peer, mut to_peer) = peer.split();
        let up = pass(hub, connection, &mut from_client, &mut to_peer);
        let down = pass(hub, connection, &mut from_peer, &mut to_client);
        tokio::try_join!(up, down)
    };
    let passed = tokio::select! {
        biased;
        () = ending.notified() => return,
        passed = passing => passed,
    };
    if let Err(error) = passed {
        tracing::debug!(%error, "a connection with a peer broke off");
    }
    let mut state = hub.state();
    state.peers.disconnect(connection);
    state.server.peer_gone(connection);
}

/// Passes bytes one way until the sender closes.
async fn pass(
    hub: &Rc<Hub>,
    connection: ConnectionId,
    from: &mut (impl AsyncRead + Unpin),
    to: &mut (impl AsyncWrite + Unpin),
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        spend(hub, connection, count).await;
        to.write_all(buffer.get(..count).unwrap_or_default()).await?;
        to.flush().await?;
    }
}

/// Waits until the user's bandwidth budget has this many bytes.
async fn spend(hub: &Rc<Hub>, connection: ConnectionId, bytes: usize) {
    let mut left = bytes;
    while left > 0 {
        let piece = left.min(PIECE_BYTES);
        let within = hub.state().server.spend_on(now(), connection, piece);
        if within {
            left -= piece;
        } else {
            tokio::time::sleep(BANDWIDTH_PAUSE).await;
        }
    }
}
