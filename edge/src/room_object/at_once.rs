//! Frames that are handled within the call that brings them: nearly all. A promise costs as much as the frame.

use super::{RoomObject, Work, frame};
use crate::attachment::Seat;
use worker::wasm_bindgen::prelude::wasm_bindgen;
use worker::{WebSocket, WebSocketIncomingMessage, wasm_bindgen};

#[wasm_bindgen(wasm_bindgen_futures = ::worker::wasm_bindgen_futures, js_sys = ::worker::js_sys)]
impl RoomObject {
    /// Handles a text frame. Returns false if something has to be awaited for it, by [`RoomObject::finish`].
    #[wasm_bindgen(js_name = hear)]
    pub fn hear(&self, socket: worker::web_sys::WebSocket, text: String) -> bool {
        let Some(speaker) = self.shell.sockets.speaker::<Seat>(&WebSocket::from(socket)) else { return true };
        let mut work = Work::of(frame(speaker, &WebSocketIncomingMessage::String(text)));
        match self.advance(&mut work) {
            Ok(false) => true,
            Ok(true) if self.is_complete(&work) => true,
            Ok(true) => {
                if let Ok(mut unfinished) = self.unfinished.try_borrow_mut() {
                    unfinished.push_back((speaker.socket(), work));
                }
                false
            }
            Err(error) => {
                self.fail(&error);
                self.close_failed(speaker.socket());
                true
            }
        }
    }

    #[wasm_bindgen(js_name = finish)]
    pub async fn finish(&self) {
        let next = || self.unfinished.try_borrow_mut().ok().and_then(|mut unfinished| unfinished.pop_front());
        while let Some((socket, mut work)) = next() {
            if let Err(error) = self.complete(&mut work).await {
                self.fail(&error);
                self.close_failed(socket);
            }
        }
    }
}
