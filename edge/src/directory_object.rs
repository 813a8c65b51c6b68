//! DirectoryObject: one shard of the directory, with room names in SQLite.

use crate::directory::{PATH, Page, Request};
use crate::internal::question;
use crate::refusal::Refusal;
use crate::store::Store;
use edge_core::storage::{Changes, Row};
use shared::RoomId;
use worker::{DurableObject, Env, Error, Response, Result, Socket, State, WebSocket, WebSocketIncomingMessage};
use worker::{durable_object, wasm_bindgen};

#[durable_object]
pub struct DirectoryObject {
    store: Store,
}

impl DurableObject for DirectoryObject {
    fn new(state: State, _env: Env) -> Self {
        Self { store: Store::new(state.storage()) }
    }

    async fn fetch(&self, mut request: worker::Request) -> Result<Response> {
        match request.path().as_str() {
            PATH => Response::from_json(&self.answer(question(&mut request).await?)?),
            _ => Refusal::no_such_path().response("internal"),
        }
    }

    async fn websocket_message(&self, _socket: WebSocket, _message: WebSocketIncomingMessage) -> Result<()> {
        Err(no_sockets())
    }

    async fn websocket_close(&self, _socket: WebSocket, _code: usize, _reason: String, _clean: bool) -> Result<()> {
        Err(no_sockets())
    }

    async fn websocket_error(&self, _socket: WebSocket, _error: Error) -> Result<()> {
        Err(no_sockets())
    }

    async fn alarm(&self) -> Result<Response> {
        Err(Error::RustError("the directory does not use alarms".into()))
    }

    async fn connect(&self, _socket: Socket) -> Result<()> {
        Err(no_sockets())
    }
}

impl DirectoryObject {
    fn answer(&self, request: Request) -> Result<Page> {
        match request {
            Request::Set { room, exists: true } => {
                let row = Row { key: room.to_string(), value: String::new() };
                self.store.write(Changes { put: vec![row], delete: Vec::new() })?;
                Ok(Page::default())
            }
            Request::Set { room, exists: false } => {
                self.store.write(Changes { put: Vec::new(), delete: vec![room.to_string()] })?;
                Ok(Page::default())
            }
            Request::Page { after, limit } => {
                let rows = self.store.rows_after(&after, limit)?;
                let is_full = rows.len() >= limit;
                let rooms = rows.into_iter().filter_map(|row| RoomId::parse(&row.key).ok()).collect();
                Ok(Page { rooms, is_full })
            }
        }
    }
}

fn no_sockets() -> Error {
    Error::RustError("the directory has no sockets".into())
}
