//! The hibernatable WebSockets of one object, by socket number.

use crate::{attachment, clock, log, upgrade};
use edge_core::{SocketId, room};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::{ErrorCode, UnixMillis, json, limits, signal};
use worker::js_sys::{Date, Function, Reflect};
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::worker_sys::WebSocketRequestResponsePair;
use worker::{Error, Response, Result, State, WebSocket, WebSocketPair, wasm_bindgen};

/// Most sockets of one object. A room's door admits fewer, and a region has fewer nodes; beyond the platform's own
/// limit of 32,768, accepting fails.
const SOCKETS_MAX: usize = 4_096;
const _: () = assert!(2 * limits::NODES_PER_REGION_MAX < SOCKETS_MAX);

#[wasm_bindgen(module = "/src/open_sockets.js")]
extern "C" {
    type OpenSockets;

    #[wasm_bindgen(constructor)]
    fn new() -> OpenSockets;
    #[wasm_bindgen(method)]
    fn add(this: &OpenSockets, number: f64, socket: &JsValue, is_node: bool);
    #[wasm_bindgen(method, catch)]
    fn wake(this: &OpenSockets, state: &JsValue) -> std::result::Result<String, JsValue>;
    #[wasm_bindgen(method, js_name = addWoken)]
    fn add_woken(this: &OpenSockets, numbers: &[f64], are_nodes: &[u8]);
    #[wasm_bindgen(method)]
    fn find(this: &OpenSockets, number: f64) -> JsValue;
    #[wasm_bindgen(method)]
    fn speaker(this: &OpenSockets, socket: &JsValue) -> Option<f64>;
    #[wasm_bindgen(method)]
    fn remove(this: &OpenSockets, number: f64) -> JsValue;
    #[wasm_bindgen(method, getter)]
    fn size(this: &OpenSockets) -> usize;
    #[wasm_bindgen(method, js_name = sendOne)]
    fn send_one(this: &OpenSockets, number: f64, text: &str) -> bool;
    #[wasm_bindgen(method)]
    fn send(this: &OpenSockets, numbers: &[f64], text: &str) -> Vec<f64>;
}

/// The number of a socket without an attachment.
const GIVEN_UP: f64 = -1.0;

/// Open sockets; rebuilt from the attachments after hibernation.
pub(crate) struct Sockets {
    state: State,
    open: OpenSockets,
}

pub(crate) enum Accepted<A> {
    Open(A, Response),
    /// The socket was refused and closed.
    Full(Response),
}

pub(crate) trait Attached: Serialize + DeserializeOwned {
    fn socket(&self) -> SocketId;
    fn is_node(&self) -> bool;
}

impl Attached for attachment::Seat {
    fn socket(&self) -> SocketId {
        self.of.socket()
    }

    fn is_node(&self) -> bool {
        matches!(self.of, room::Attachment::Node { .. })
    }
}

impl Attached for edge_core::fleet::Attachment {
    fn socket(&self) -> SocketId {
        self.socket
    }

    fn is_node(&self) -> bool {
        true
    }
}

/// The sender of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    Client(SocketId),
    Node(SocketId),
}

impl Speaker {
    pub(crate) fn of(attachment: &impl Attached) -> Self {
        let is_node = attachment.is_node();
        if is_node { Self::Node(attachment.socket()) } else { Self::Client(attachment.socket()) }
    }

    pub(crate) const fn socket(self) -> SocketId {
        match self {
            Self::Client(socket) | Self::Node(socket) => socket,
        }
    }
}

impl Sockets {
    /// Starts without sockets; lets the platform answer pings without waking the object.
    pub(crate) fn new(state: State) -> Self {
        let pings = WebSocketRequestResponsePair::new(signal::PING, signal::PONG);
        if let Err(error) = pings.and_then(|pings| state.as_raw().set_websocket_auto_response(&pings)) {
            log::line(log::Level::Error, "auto_response_failed", &[("error", &Error::from(error))]);
        }
        Self { state, open: OpenSockets::new() }
    }

    /// The attachments of the sockets that outlived the previous instance of this object.
    pub(crate) fn wake<A: Attached>(&self) -> Result<Vec<A>> {
        let lines = self.open.wake(self.state.as_raw().as_ref())?;
        let attachments: Vec<Option<A>> = lines.lines().map(|line| json::from_str(line).ok()).collect();
        let numbered = |attachment: &Option<A>| attachment.as_ref().map_or(GIVEN_UP, |of| number(of.socket()));
        let is_node = |attachment: &Option<A>| attachment.as_ref().is_some_and(A::is_node).into();
        let numbers: Vec<f64> = attachments.iter().map(numbered).collect();
        let are_nodes: Vec<u8> = attachments.iter().map(is_node).collect();
        self.open.add_woken(&numbers, &are_nodes);
        Ok(attachments.into_iter().flatten().collect())
    }

    /// Accepts a socket for hibernation, with the attachment that `attach` makes for it.
    pub(crate) fn accept<A: Attached>(
        &self,
        protocol: &str,
        attach: impl FnOnce(UnixMillis) -> A,
    ) -> Result<Accepted<A>> {
        if self.open.size() >= SOCKETS_MAX {
            return Ok(Accepted::Full(upgrade::refuse(Some(protocol), ErrorCode::RoomFull)?));
        }
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        let attachment = attach(clock::now());
        self.state.as_raw().accept_websocket(server.as_ref())?;
        attachment::write(&server, &attachment)?;
        self.add(&attachment, &server);
        Ok(Accepted::Open(attachment, upgrade::switch(client, Some(protocol))?))
    }

    /// The time of the platform's last answer to a ping on a socket; `None` if never.
    pub(crate) fn pinged_at(&self, id: SocketId) -> Result<Option<UnixMillis>> {
        let Some(socket) = self.find(id) else { return Ok(None) };
        // `worker` does not wrap this method (`getWebSocketAutoResponseTimestamp`), which returns a Date or null.
        let state: &JsValue = self.state.as_raw().as_ref();
        let method: Function = Reflect::get(state, &"getWebSocketAutoResponseTimestamp".into())?.dyn_into()?;
        let date = method.call1(state, socket.as_ref().as_ref())?;
        let at_ms = date.dyn_ref::<Date>().map(Date::get_time).filter(|ms| ms.is_finite() && *ms >= 0.0);
        // Milliseconds since 1970 fit a double, and so a u64, for 285,000 years.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "checked to be finite and not negative"
        )]
        Ok(at_ms.map(|ms| UnixMillis(ms as u64)))
    }

    /// Replaces the attachment of an open socket.
    pub(crate) fn attach<A: Attached>(&self, attachment: &A) -> Result<()> {
        match self.find(attachment.socket()) {
            Some(socket) => attachment::write(&socket, attachment),
            None => Ok(()),
        }
    }

    /// Sends a frame; returns false if the socket is closed.
    pub(crate) fn send(&self, id: SocketId, text: &str) -> bool {
        self.open.send_one(number(id), text)
    }

    /// Sends one frame to several sockets, and returns those that are closed.
    pub(crate) fn send_all(&self, ids: &[SocketId], text: &str) -> Vec<SocketId> {
        let numbers: Vec<f64> = ids.iter().copied().map(number).collect();
        self.open.send(&numbers, text).into_iter().map(id).collect()
    }

    /// Closes a socket, and clears its attachment so that the next instance ignores it too.
    pub(crate) fn close(&self, id: SocketId, code: u16) -> Result<()> {
        let Some(socket) = socket(self.open.remove(number(id))) else { return Ok(()) };
        attachment::clear(&socket)?;
        // Closing a closed socket fails, with the desired result.
        drop(socket.close(Some(code), Some("")));
        Ok(())
    }

    pub(crate) fn forget(&self, id: SocketId) {
        self.open.remove(number(id));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.open.size() == 0
    }

    pub(crate) fn find(&self, id: SocketId) -> Option<WebSocket> {
        socket(self.open.find(number(id)))
    }

    /// The sender of a frame on this socket; `None` if the object has given the socket up.
    pub(crate) fn speaker<A: Attached>(&self, socket: &WebSocket) -> Option<Speaker> {
        match self.open.speaker(socket.as_ref().as_ref()) {
            Some(number) if number < 0.0 => Some(Speaker::Node(id(-number - 1.0))),
            Some(number) => Some(Speaker::Client(id(number))),
            // After a sleep, only the attachment knows. Reading it costs more than handling most frames.
            None => attachment::read::<A>(socket).map(|attachment| Speaker::of(&attachment)),
        }
    }

    fn add(&self, attachment: &impl Attached, socket: &WebSocket) {
        self.open.add(number(attachment.socket()), socket.as_ref().as_ref(), attachment.is_node());
    }
}

fn socket(found: JsValue) -> Option<WebSocket> {
    (!found.is_undefined()).then(|| WebSocket::from(found.unchecked_into::<worker::web_sys::WebSocket>()))
}

/// At most 2^53, so that JavaScript can count with it.
#[allow(clippy::cast_precision_loss, reason = "at most 2^53")]
const fn number(SocketId(id): SocketId) -> f64 {
    id as f64
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "made by `number`")]
const fn id(number: f64) -> SocketId {
    SocketId(number as u64)
}

pub(crate) fn answer_close(socket: &WebSocket) {
    // A broken connection has no peer to answer and no code to repeat.
    drop(socket.close(Some(signal::close_code::NORMAL), Some("")));
}
