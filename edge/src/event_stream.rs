//! Server-sent events (WHATWG HTML §9.2): a room's messages to a client that cannot use a WebSocket.
//!
//! The room still sees a WebSocket, opened by the Worker, and hibernates as usual.

use crate::log;
use futures_channel::mpsc;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use shared::limits;
use shared::signal::close_code;
use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;
use worker::js_sys::{Function, Reflect};
use worker::wasm_bindgen::JsCast;
use worker::wasm_bindgen::closure::Closure;
use worker::{
    Delay, Error, Request, Response, ResponseBuilder, Result, WebSocket, WebsocketEvent, wasm_bindgen_futures,
};

/// Events that may wait for a client that reads slowly, and their bytes: some of the largest frames. A client further
/// behind has to resume. An isolate has 128 MB for all of its clients.
const EVENTS_WAITING_MAX: usize = 512;
const BYTES_WAITING_MAX: usize = 2 * limits::OFFER_FRAME_BYTES_MAX;
/// Proxies end an idle response, some after half a minute, and workerd (1.20260730) reports that a client is gone only
/// when something is sent.
const COMMENT_INTERVAL: Duration = Duration::from_secs(5);

/// Answers `request` with the connection's key, followed by the events of the socket in `response`. Returns any other
/// response unchanged.
pub(crate) fn of_socket(request: &Request, response: Response, key: &str) -> Result<Response> {
    if response.status_code() != 101 {
        return Ok(response);
    }
    let socket = response.websocket().ok_or_else(|| Error::RustError("an upgrade without a socket".into()))?;
    let (sender, stream) = mpsc::channel(EVENTS_WAITING_MAX);
    let waiting = Waiting::default();
    let mut events = Events { sender, waiting: waiting.clone() };
    events.send(event("open", key));
    close_with(request, socket.clone())?;
    wasm_bindgen_futures::spawn_local(async move {
        if let Err(error) = relay(&socket, &mut events).await {
            log::line(log::Level::Warn, "event_stream_failed", &[("error", &error)]);
        }
        // It may be closed already.
        drop(socket.close(Some(close_code::NORMAL), Some("")));
    });
    let stream = stream.map(move |event: Vec<u8>| {
        waiting.leaves(event.len());
        Ok::<Vec<u8>, Error>(event)
    });
    ResponseBuilder::new()
        .with_header("Content-Type", "text/event-stream")?
        .with_header("Cache-Control", "no-store, no-transform")?
        // Otherwise nginx would buffer the events.
        .with_header("X-Accel-Buffering", "no")?
        .from_stream(stream)
}

/// Closes the socket as soon as the client is gone. The platform reports that only here, not even on the stream that it
/// no longer reads, and only with the compatibility flag `enable_request_signal`. Tasks of this request may not run any
/// more by then.
fn close_with(request: &Request, socket: WebSocket) -> Result<()> {
    let signal = Reflect::get(request.inner(), &"signal".into())?;
    let listen: Function = Reflect::get(&signal, &"addEventListener".into())?.dyn_into()?;
    // It may be closed already.
    let close = Closure::once_into_js(move || drop(socket.close(Some(close_code::NORMAL), Some(""))));
    listen.call2(&signal, &"abort".into(), &close)?;
    Ok(())
}

/// Forwards frames until either side is gone.
async fn relay(socket: &WebSocket, events: &mut Events) -> Result<()> {
    let mut heard = socket.events()?;
    socket.accept()?;
    loop {
        let said = match select(heard.next(), Delay::from(COMMENT_INTERVAL)).await {
            Either::Left((Some(Ok(WebsocketEvent::Message(message))), _)) => {
                message.text().map(|text| event("message", &text)).unwrap_or_default()
            }
            Either::Left((Some(Ok(WebsocketEvent::Close(close))), _)) => {
                events.send(event("close", &close.code().to_string()));
                return Ok(());
            }
            Either::Left((Some(Err(error)), _)) => return Err(error),
            Either::Left((None, _)) => return Ok(()),
            Either::Right(_) => b":\n\n".to_vec(),
        };
        if !events.send(said) {
            return Ok(());
        }
    }
}

/// The events on their way to a client.
struct Events {
    sender: mpsc::Sender<Vec<u8>>,
    waiting: Waiting,
}

impl Events {
    /// False if the client is gone or too far behind.
    fn send(&mut self, event: Vec<u8>) -> bool {
        self.waiting.admits(event.len()) && self.sender.try_send(event).is_ok()
    }
}

/// The bytes that wait for a client.
#[derive(Clone, Debug, Default)]
struct Waiting(Rc<Cell<usize>>);

impl Waiting {
    fn admits(&self, bytes: usize) -> bool {
        let after = self.0.get().saturating_add(bytes);
        let is_within = after <= BYTES_WAITING_MAX;
        if is_within {
            self.0.set(after);
        }
        is_within
    }

    fn leaves(&self, bytes: usize) {
        self.0.set(self.0.get().saturating_sub(bytes));
    }
}

/// A frame is JSON on one line.
fn event(name: &str, data: &str) -> Vec<u8> {
    format!("event: {name}\ndata: {data}\n\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_that_reads_nothing_keeps_a_megabyte_waiting_and_no_more() {
        let waiting = Waiting::default();
        let frames = (0..1_000).take_while(|_| waiting.admits(limits::SIGNAL_FRAME_BYTES_MAX)).count();
        assert_eq!(frames, 16);
        waiting.leaves(limits::SIGNAL_FRAME_BYTES_MAX);
        assert!(waiting.admits(limits::SIGNAL_FRAME_BYTES_MAX));
        assert!(!waiting.admits(1));
    }

    #[test]
    fn the_largest_frame_reaches_a_client_that_reads() {
        assert!(Waiting::default().admits(event("message", &"x".repeat(limits::OFFER_FRAME_BYTES_MAX)).len()));
    }
}
