//! The path through TURN: an allocation with a client's credential, and a call through it.

use crate::allocation::{self, Answer};
use crate::stream::{self, StreamError};
use robot::{Arrival, Options};
use shared::signal::IceServer;
use std::time::Duration;
use tokio::time::timeout;

/// A TURN server that has not allocated within this time, retransmissions included (RFC 8489 §6.2.1), is useless.
const ALLOCATE_TIMEOUT: Duration = Duration::from_secs(5);
/// ICE, then DTLS, through one more hop.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest second join, after the first one has shown that everything works.
const JOIN_TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum number of URLs to test: an answer has a few, and each may time out.
const URLS_MAX: usize = 8;

#[derive(Debug, thiserror::Error)]
pub(crate) enum TurnError {
    #[error(
        "the edge returned no TURN server: is a node registered in the region (`turn_registered`), and does the Worker have TURN_KEYS?"
    )]
    NoServer,
    /// The first join succeeded, but the second failed.
    #[error("joining again to test {url}: {problem}")]
    Join { url: String, problem: String },
    /// The server refuses an allocation.
    #[error("{url} {answer}")]
    Allocate {
        url: String,
        /// The answer to a plain request.
        answer: Answer,
    },
    /// The server refuses an allocation over TCP or TLS.
    #[error("{url} {problem}")]
    Stream { url: String, problem: StreamError },
    /// The server allocates an address, but nothing reaches the media node from there.
    #[error(
        "{url} allocates, but does not reach the media node: are TURN_RELAY_PORTS open, and is the node in the same region?"
    )]
    Path { url: String },
}

/// Tries each URL separately and returns the findings. Over UDP, makes a call through the server; over TCP and TLS,
/// which the test client does not support, requests an allocation.
pub(crate) async fn check(options: &Options, servers: &[IceServer]) -> Result<String, TurnError> {
    let each = servers.iter().flat_map(|server| server.urls.iter().map(move |url| (server, url)));
    let all: Vec<_> = each.filter(|(_, url)| !url.starts_with("stun")).take(URLS_MAX).collect();
    if all.is_empty() {
        return Err(TurnError::NoServer);
    }
    for (server, url) in &all {
        if is_udp(url) {
            check_one(options, IceServer { urls: vec![(*url).clone()], ..(*server).clone() }, url).await?;
        } else {
            let asked = stream::ask(server, url).await;
            asked.map_err(|problem| TurnError::Stream { url: (*url).clone(), problem })?;
        }
    }
    Ok(all.iter().map(|(_, url)| url.as_str()).collect::<Vec<_>>().join(", "))
}

/// RFC 7065 §3.1: UDP, unless `turns:` or `?transport=` says otherwise.
fn is_udp(url: &str) -> bool {
    url.starts_with("turn:") && !url.ends_with("?transport=tcp")
}

async fn check_one(options: &Options, server: IceServer, url: &str) -> Result<(), TurnError> {
    let url = url.to_owned();
    let options = Options { relays: vec![server], ..options.clone() };
    let join = async { Arrival::open(&options).await?.join().await };
    let mut admission = match timeout(JOIN_TIMEOUT, join).await {
        Ok(Ok(admission)) => admission,
        Ok(Err(error)) => return Err(TurnError::Join { url, problem: format!("{error:#}") }),
        Err(_) => return Err(TurnError::Join { url, problem: "timed out".into() }),
    };
    if !matches!(timeout(ALLOCATE_TIMEOUT, admission.wait_for_relay()).await, Ok(Ok(()))) {
        let answer = match options.relays.first() {
            Some(server) => allocation::ask(server, &url).await,
            None => Answer::Silence,
        };
        return Err(TurnError::Allocate { url, answer });
    }
    match timeout(CONNECT_TIMEOUT, admission.connect()).await {
        // A failed leave says nothing about the relay; the participant times out.
        Ok(Ok(robot)) => drop(robot.leave().await),
        Ok(Err(_)) | Err(_) => return Err(TurnError::Path { url }),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_udp;

    #[test]
    fn udp_is_what_is_left_unsaid() {
        assert!(is_udp("turn:192.0.2.1:3478") && is_udp("turn:192.0.2.1?transport=udp"));
        assert!(!is_udp("turn:192.0.2.1?transport=tcp") && !is_udp("turns:192.0.2.1"));
    }
}
