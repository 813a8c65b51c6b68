//! Signaling without WebSocket: a stream of events, and a request that is answered on it.

use crate::deployment::Deployment;
use crate::http;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::header::AUTHORIZATION;
use shared::RoomId;
use shared::signal::{PING, PONG};
use std::time::Duration;
use tokio::time::timeout;

/// An event that has not arrived within this time is held back by a proxy; the edge sends a comment every 5 s.
const EVENT_TIMEOUT: Duration = Duration::from_secs(4);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest event that is read: the key, or a short frame.
const EVENT_BYTES_MAX: usize = 16 * 1024;
/// RFC 6455 §7.4.1: the normal end.
const CLOSE_CODE: u16 = 1000;

#[derive(Debug, thiserror::Error)]
pub(crate) enum EventsError {
    #[error("GET …/events: {0}")]
    Open(String),
    #[error("the stream opens, but no event arrives within {EVENT_TIMEOUT:?}: does a proxy buffer text/event-stream?")]
    Buffered,
    #[error("the stream ends early: {0}")]
    Ended(String),
    #[error("POST …/events: {0}")]
    Post(String),
}

/// Opens a stream, and sends a `ping` that must be answered there.
pub(crate) async fn check(deployment: &Deployment, room: &RoomId, token: &str) -> Result<(), EventsError> {
    let url = deployment.page(&format!("/v1/rooms/{room}/events"));
    let request = Request::get(&url).header(AUTHORIZATION, format!("Bearer {token}")).body(Full::default());
    let request = request.map_err(|error| EventsError::Open(error.to_string()))?;
    let sent = timeout(ANSWER_TIMEOUT, http::client().request(request)).await;
    let response = sent
        .map_err(|_| EventsError::Open(format!("no answer within {ANSWER_TIMEOUT:?}")))?
        .map_err(|error| EventsError::Open(http::causes(&error)))?;
    if !response.status().is_success() {
        return Err(EventsError::Open(format!("answered {}", response.status().as_u16())));
    }
    let mut stream = Stream { body: response.into_body(), held: String::new() };
    let key = stream.event("open").await?;
    post(&url, &key, PING).await?;
    let said = stream.event("message").await?;
    // A failed goodbye says nothing: the room notices.
    let _closed = post(&format!("{url}?close={CLOSE_CODE}"), &key, "").await;
    if said == PONG { Ok(()) } else { Err(EventsError::Ended(format!("a ping is answered by {said:.80}"))) }
}

async fn post(url: &str, key: &str, frames: &'static str) -> Result<(), EventsError> {
    let request = Request::post(url).header(AUTHORIZATION, format!("Connection {key}")).body(Full::from(frames));
    let request = request.map_err(|error| EventsError::Post(error.to_string()))?;
    match timeout(ANSWER_TIMEOUT, http::client().request(request)).await {
        Ok(Ok(response)) if response.status().is_success() => Ok(()),
        Ok(Ok(response)) => Err(EventsError::Post(format!("answered {}", response.status().as_u16()))),
        Ok(Err(error)) => Err(EventsError::Post(http::causes(&error))),
        Err(_) => Err(EventsError::Post(format!("no answer within {ANSWER_TIMEOUT:?}"))),
    }
}

struct Stream {
    body: Incoming,
    held: String,
}

impl Stream {
    /// The data of the next event, which must have this name.
    async fn event(&mut self, name: &str) -> Result<String, EventsError> {
        let event = timeout(EVENT_TIMEOUT, self.next()).await.map_err(|_| EventsError::Buffered)??;
        let expected = format!("event: {name}\ndata: ");
        let data = event.strip_prefix(&expected);
        data.map(str::to_owned).ok_or_else(|| EventsError::Ended(format!("{event:.80} is no event {name}")))
    }

    async fn next(&mut self) -> Result<String, EventsError> {
        loop {
            if let Some((event, rest)) = self.held.split_once("\n\n") {
                let event = event.to_owned();
                self.held = rest.to_owned();
                if !event.starts_with(':') {
                    return Ok(event);
                }
                continue;
            }
            if self.held.len() > EVENT_BYTES_MAX {
                return Err(EventsError::Ended("an event is too long".into()));
            }
            let frame = self.body.frame().await.ok_or_else(|| EventsError::Ended("without a close event".into()))?;
            let frame = frame.map_err(|error| EventsError::Ended(http::causes(&error)))?;
            let bytes: Bytes = frame.into_data().unwrap_or_default();
            self.held.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
}
