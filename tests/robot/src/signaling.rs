//! The socket to the edge: numbered requests, their answers, and the room's messages.

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use shared::signal::{ClientFrame, ClientToEdge, EdgeToClient, PING, PONG, SUBPROTOCOL, TOKEN_SUBPROTOCOL_PREFIX};
use std::net::IpAddr;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

pub struct Signaling {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    requests: u32,
}

impl Signaling {
    pub async fn connect(url: &str, token: &str) -> anyhow::Result<Self> {
        Self::connect_from(url, token, None).await
    }

    /// With an address, the Worker of a developer's machine takes it for the client's, as if Cloudflare had named it.
    pub async fn connect_from(url: &str, token: &str, address: Option<IpAddr>) -> anyhow::Result<Self> {
        let mut request = url.into_client_request().context("reading the room's URL")?;
        let protocols = format!("{SUBPROTOCOL}, {TOKEN_SUBPROTOCOL_PREFIX}{token}");
        let protocols = HeaderValue::from_str(&protocols).context("the token contains invalid characters")?;
        request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocols);
        if let Some(address) = address {
            let address = HeaderValue::from_str(&address.to_string()).context("an address in a header")?;
            request.headers_mut().insert("CF-Connecting-IP", address);
        }
        let (socket, _) = connect_async(request).await.context("connecting to the edge")?;
        Ok(Self { socket, requests: 0 })
    }

    /// Sends a request; the answer repeats its number in `in_reply_to`.
    pub async fn send(&mut self, message: ClientToEdge) -> anyhow::Result<u32> {
        self.requests += 1;
        let frame = ClientFrame { id: Some(self.requests), message };
        self.socket.send(Message::text(frame.to_json())).await.context("sending to the edge")?;
        Ok(self.requests)
    }

    /// Keeps the socket alive (every [`shared::limits::PING_INTERVAL_MS`]).
    pub async fn ping(&mut self) -> anyhow::Result<()> {
        self.socket.send(Message::text(PING)).await.context("sending to the edge")
    }

    /// The edge's next message; `None` if it closed the socket. Cancel safe.
    pub async fn next(&mut self) -> anyhow::Result<Option<EdgeToClient>> {
        while let Some(message) = self.socket.next().await {
            match message.context("receiving from the edge")? {
                Message::Text(text) if text.as_str() == PONG => {}
                Message::Text(text) => {
                    return serde_json::from_str(&text).context("reading the edge's message").map(Some);
                }
                Message::Close(_) => return Ok(None),
                Message::Binary(_) => bail!("the edge sent a binary frame"),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
        Ok(None)
    }
}
