//! A connectivity check over TCP (RFC 6544) to each of the media node's passive candidates.

use crate::candidates::{self, Credentials};
use media_core::framing;
use media_core::stun::{self, BindingSuccess, Request, Role};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Timeout of each step; a slower connection is useless for a call.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub(crate) enum TcpError {
    #[error("{0} cannot be connected to ({1}): does its firewall allow inbound TCP to MEDIA_TCP_LISTEN?")]
    Connect(SocketAddr, String),
    #[error("{0} accepts a connection, but answers no check ({1}): does another program or a proxy listen there?")]
    Check(SocketAddr, String),
    #[error("the answer or the offer contains no ICE credentials")]
    Credentials,
}

/// The candidates that answered: one of each address family is enough, as clients choose among them.
pub(crate) async fn check(offer: &str, answer: &str) -> Result<Vec<SocketAddr>, TcpError> {
    let found = candidates::tcp(answer);
    let (client, node) = Credentials::of(offer).zip(Credentials::of(answer)).ok_or(TcpError::Credentials)?;
    let mut problem = None;
    let mut answered = Vec::new();
    for address in &found {
        match ask(*address, &client, &node).await {
            Ok(()) => answered.push(*address),
            Err(error) => problem = Some(error),
        }
    }
    match problem {
        Some(problem) if answered.is_empty() => Err(problem),
        Some(_) | None => Ok(answered),
    }
}

async fn ask(address: SocketAddr, client: &Credentials<'_>, node: &Credentials<'_>) -> Result<(), TcpError> {
    let connected = within(TcpStream::connect(address)).await;
    let stream = connected.map_err(|error| TcpError::Connect(address, error.to_string()))?;
    talk(stream, client, node).await.map_err(|error| TcpError::Check(address, error.to_string()))
}

async fn talk(mut stream: TcpStream, client: &Credentials<'_>, node: &Credentials<'_>) -> io::Result<()> {
    let key = stun::key(node.pwd);
    let request = Request {
        transaction: *b"doctor 00001",
        receiver_ufrag: node.ufrag,
        sender_ufrag: client.ufrag,
        use_candidate: false,
        role: Role::Controlling,
    };
    let check = request.to_vec(&key);
    within(stream.write_all(&[&framing::header(&check)[..], &check].concat())).await?;
    let mut held = Vec::new();
    loop {
        let found = framing::next_datagram(&held, framing::DATAGRAM_BYTES_MAX);
        let Some(place) = found.map_err(|_| io::Error::other("its answer is not framed"))? else {
            let mut part = [0; 2_048];
            let count = within(stream.read(&mut part)).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            held.extend_from_slice(part.get(..count).unwrap_or_default());
            continue;
        };
        let datagram: Vec<u8> = held.drain(..place.end).skip(framing::HEADER_BYTES).collect();
        // The node's own checks may come first.
        if let Some(success) = BindingSuccess::parse(&datagram).filter(|said| said.transaction == request.transaction) {
            return if success.is_authentic(&key) { Ok(()) } else { Err(io::Error::other("its answer is forged")) };
        }
    }
}

async fn within<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(STEP_TIMEOUT, step).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
