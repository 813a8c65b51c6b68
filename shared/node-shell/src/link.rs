//! One open control socket: sends and receives text frames, and detects a dead peer.

use futures_util::{SinkExt, StreamExt};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{self, Bytes, Utf8Bytes, error::Error};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Interval of WebSocket pings; the edge's runtime answers them without waking the Durable Object.
const PING_INTERVAL: Duration = Duration::from_secs(5);
/// After this much silence the connection counts as dead, even if TCP considers it open.
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// The same applies if a frame cannot be handed to TCP for this long.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The edge closed it.
    #[error("closed by the edge{}", .0.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default())]
    Closed(Option<String>),
    /// The edge was silent for too long.
    #[error("no message from the edge in time")]
    Silent,
    /// The connection broke.
    #[error(transparent)]
    Socket(Box<Error>),
}

#[derive(Debug)]
pub struct Link {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    heard_at: Instant,
    ping_at: Instant,
}

impl Link {
    pub(crate) fn new(socket: WebSocketStream<MaybeTlsStream<TcpStream>>) -> Self {
        let now = Instant::now();
        Self { socket, heard_at: now, ping_at: now + PING_INTERVAL }
    }

    pub async fn send(&mut self, frame: String) -> Result<(), LinkError> {
        self.write(tungstenite::Message::Text(Utf8Bytes::from(frame))).await
    }

    /// The next text frame. Cancel safe: no frame is lost if the future is dropped.
    pub async fn next(&mut self) -> Result<String, LinkError> {
        loop {
            tokio::select! {
                frame = self.socket.next() => {
                    self.heard_at = Instant::now();
                    match frame {
                        Some(Ok(tungstenite::Message::Text(text))) => return Ok(text.as_str().to_owned()),
                        Some(Ok(tungstenite::Message::Binary(_))) => {
                            tracing::warn!("the edge sent a binary frame");
                        }
                        Some(Ok(tungstenite::Message::Close(close))) => {
                            return Err(LinkError::Closed(close.map(|close| close.to_string())));
                        }
                        // Pongs count as a sign of life; pings are answered by the library.
                        Some(Ok(_)) => {}
                        Some(Err(error)) => return Err(LinkError::Socket(Box::new(error))),
                        None => return Err(LinkError::Closed(None)),
                    }
                }
                () = sleep_until(self.ping_at) => {
                    if self.heard_at.elapsed() >= SILENCE_MAX {
                        return Err(LinkError::Silent);
                    }
                    self.ping_at = Instant::now() + PING_INTERVAL;
                    self.write(tungstenite::Message::Ping(Bytes::new())).await?;
                }
            }
        }
    }

    /// Sends a close frame, without waiting for an answer.
    pub async fn close(mut self) {
        let _ = timeout(SEND_TIMEOUT, self.socket.close(None)).await;
    }

    async fn write(&mut self, message: tungstenite::Message) -> Result<(), LinkError> {
        match timeout(SEND_TIMEOUT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(LinkError::Socket(Box::new(error))),
            Err(_) => Err(LinkError::Silent),
        }
    }
}
