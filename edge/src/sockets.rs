//! The hibernatable WebSockets of one object, by socket number.

use crate::{attachment, clock, log, random, upgrade};
use edge_core::SocketId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::{ErrorCode, UnixMillis, limits, signal};
use std::cell::RefCell;
use std::collections::BTreeMap;
use worker::js_sys::{Date, Function, Reflect};
use worker::wasm_bindgen::{JsCast, JsValue};
use worker::worker_sys::WebSocketRequestResponsePair;
use worker::{Error, Response, Result, State, WebSocket, WebSocketPair};

/// Most sockets of one object. A room's door has lower bounds, a region has fewer nodes; the platform's own bound is 32,768, where
/// accepting fails.
const SOCKETS_MAX: usize = 4_096;
const _: () = assert!(2 * limits::NODES_PER_REGION_MAX < SOCKETS_MAX);

/// Open sockets; rebuilt from the attachments after hibernation.
pub(crate) struct Sockets {
    state: State,
    open: RefCell<BTreeMap<SocketId, WebSocket>>,
}

pub(crate) enum Accepted<A> {
    /// The socket is open and carries this attachment.
    Open(A, Response),
    /// There are too many sockets; this one is refused and closed.
    Full(Response),
}

pub(crate) trait Attached: Serialize + DeserializeOwned {
    /// The number of the socket it is on.
    fn socket(&self) -> SocketId;
}

impl Attached for attachment::Seat {
    fn socket(&self) -> SocketId {
        self.of.socket()
    }
}

impl Attached for edge_core::fleet::Attachment {
    fn socket(&self) -> SocketId {
        self.socket
    }
}

impl Sockets {
    /// No sockets yet; lets the platform answer pings without waking the object.
    pub(crate) fn new(state: State) -> Self {
        let pings = WebSocketRequestResponsePair::new(signal::PING, signal::PONG);
        if let Err(error) = pings.and_then(|pings| state.as_raw().set_websocket_auto_response(&pings)) {
            log::line(log::Level::Error, "auto_response_failed", &[("error", &Error::from(error))]);
        }
        Self { state, open: RefCell::default() }
    }

    /// The attachments of the sockets that outlived the last instance of this object.
    pub(crate) fn wake<A: Attached>(&self) -> Result<Vec<A>> {
        let mut open = self.open.try_borrow_mut().map_err(borrowed)?;
        let mut attachments = Vec::new();
        for socket in self.state.as_raw().get_websockets()? {
            let socket = WebSocket::from(socket);
            if let Some(attachment) = attachment::read::<A>(&socket) {
                open.insert(attachment.socket(), socket);
                attachments.push(attachment);
            }
        }
        Ok(attachments)
    }

    /// Accepts a socket for hibernation, with the attachment that `attach` makes for it.
    pub(crate) fn accept<A: Attached>(
        &self,
        protocol: &str,
        attach: impl FnOnce(SocketId, UnixMillis) -> A,
    ) -> Result<Accepted<A>> {
        let mut open = self.open.try_borrow_mut().map_err(borrowed)?;
        if open.len() >= SOCKETS_MAX {
            return Ok(Accepted::Full(upgrade::refuse(Some(protocol), ErrorCode::RoomFull)?));
        }
        let WebSocketPair { client, server } = WebSocketPair::new()?;
        let attachment = attach(random::socket_id()?, clock::now());
        self.state.as_raw().accept_websocket(server.as_ref())?;
        attachment::write(&server, &attachment)?;
        open.insert(attachment.socket(), server);
        Ok(Accepted::Open(attachment, upgrade::switch(client, Some(protocol))?))
    }

    /// When the platform last answered a ping on a socket; `None` if never.
    pub(crate) fn pinged_at(&self, id: SocketId) -> Result<Option<UnixMillis>> {
        let Some(socket) = self.find(id)? else { return Ok(None) };
        // `worker` does not wrap this method (`getWebSocketAutoResponseTimestamp`): it answers a Date or null.
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
        match self.find(attachment.socket())? {
            Some(socket) => attachment::write(&socket, attachment),
            None => Ok(()),
        }
    }

    /// Sends a frame; returns false if the socket is closed.
    pub(crate) fn send(&self, id: SocketId, text: &str) -> Result<bool> {
        let sent = self.find(id)?.is_some_and(|socket| socket.send_with_str(text).is_ok());
        if !sent {
            self.forget(id)?;
        }
        Ok(sent)
    }

    /// Closes a socket, and has it forgotten by the next instance as well.
    pub(crate) fn close(&self, id: SocketId, code: u16) -> Result<()> {
        let Some(socket) = self.open.try_borrow_mut().map_err(borrowed)?.remove(&id) else { return Ok(()) };
        attachment::clear(&socket)?;
        // It may be closed already, which is what was wanted.
        drop(socket.close(Some(code), Some("")));
        Ok(())
    }

    /// Removes a socket that the peer closed.
    pub(crate) fn forget(&self, id: SocketId) -> Result<()> {
        self.open.try_borrow_mut().map_err(borrowed)?.remove(&id);
        Ok(())
    }

    /// Whether nobody is connected.
    pub(crate) fn is_empty(&self) -> Result<bool> {
        Ok(self.open.try_borrow_mut().map_err(borrowed)?.is_empty())
    }

    fn find(&self, id: SocketId) -> Result<Option<WebSocket>> {
        Ok(self.open.try_borrow_mut().map_err(borrowed)?.get(&id).cloned())
    }
}

/// Answers the peer's close frame.
pub(crate) fn answer_close(socket: &WebSocket) {
    // Where the connection broke there is nobody to answer, and no code to repeat.
    drop(socket.close(Some(signal::close_code::NORMAL), Some("")));
}

fn borrowed(error: std::cell::BorrowMutError) -> Error {
    Error::RustError(error.to_string())
}
