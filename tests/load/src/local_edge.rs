//! A stand-in for the edge's two kinds of objects: accepts the sockets that a node opens, and speaks its protocol.

use anyhow::{Context, Result, anyhow, bail};
use futures_util::{SinkExt, StreamExt};
use shared::control::{Message, SUBPROTOCOL};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async, tungstenite};

/// A node that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub struct LocalEdge {
    listener: TcpListener,
    address: SocketAddr,
}

#[derive(Debug)]
pub struct Caller {
    pub path: String,
    pub token: String,
    socket: WebSocketStream<TcpStream>,
}

impl LocalEdge {
    /// Listens on a free port of the loopback interface.
    pub async fn open() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listening for control sockets")?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    /// The URL for a node's settings.
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    pub async fn accept(&self) -> Result<Caller> {
        let (stream, _) =
            timeout(PATIENCE, self.listener.accept()).await.context("nobody dials")?.context("accepting")?;
        let (mut path, mut token) = (String::new(), String::new());
        // The library determines the error's size.
        #[expect(clippy::result_large_err)]
        let check = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            path = request.uri().path().to_owned();
            let bearer = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
            token = bearer.and_then(|bearer| bearer.strip_prefix("Bearer ")).unwrap_or_default().to_owned();
            response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
            Ok(response)
        };
        let socket = accept_hdr_async(stream, check).await.context("upgrading a control socket")?;
        Ok(Caller { path, token, socket })
    }

    /// Refuses the next socket with an HTTP status and a JSON body, and returns the path it dialed.
    pub async fn refuse(&self, status: u16, body: &str) -> Result<String> {
        let (stream, _) =
            timeout(PATIENCE, self.listener.accept()).await.context("nobody dials")?.context("accepting")?;
        let mut path = String::new();
        // The library determines the error's size.
        #[expect(clippy::result_large_err)]
        let refuse = |request: &Request, _: Response| -> Result<Response, ErrorResponse> {
            path = request.uri().path().to_owned();
            let mut response = ErrorResponse::new(Some(body.to_owned()));
            *response.status_mut() = status.try_into().unwrap_or_default();
            Err(response)
        };
        match accept_hdr_async(stream, refuse).await {
            Ok(_) => bail!("the refused socket was opened"),
            Err(_) => Ok(path),
        }
    }
}

impl Caller {
    pub async fn send<M: Message>(&mut self, message: &M) -> Result<()> {
        Ok(self.socket.send(tungstenite::Message::text(message.to_json())).await?)
    }

    pub async fn next<M: Message>(&mut self) -> Result<M> {
        loop {
            let frame = timeout(PATIENCE, self.socket.next()).await.context("the node is silent")?;
            match frame.ok_or_else(|| anyhow!("the node closed its socket"))?? {
                tungstenite::Message::Text(text) => return Ok(M::parse(&text)?),
                tungstenite::Message::Close(_) => bail!("the node closes its socket"),
                // The library answers pings.
                _ => {}
            }
        }
    }

    /// Returns the first non-empty result of `wanted`; skips all other messages.
    pub async fn wait_for<M: Message, T>(&mut self, wanted: impl Fn(M) -> Option<T>) -> Result<T> {
        let search = async {
            loop {
                if let Some(found) = wanted(self.next().await?) {
                    return Ok(found);
                }
            }
        };
        timeout(PATIENCE, search).await.context("the node says other things")?
    }

    /// Reads until the socket ends, so that heartbeats and pings do not pile up.
    pub async fn drain(mut self) {
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}
