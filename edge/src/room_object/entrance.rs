//! Admits the sockets of clients and nodes to the room, within the door's limits.

use super::{Awake, Identity, RoomObject, frame};
use crate::attachment::Seat;
use crate::internal::{Introduction, ResumeClaims, Said};
use crate::refusal::Refusal;
use crate::room_object::lines;
use crate::sockets::{Accepted, Speaker};
use crate::{clock, log, random, upgrade};
use edge_core::SocketId;
use edge_core::door::{Address, Door, Who};
use edge_core::room::{Attachment, Input, Room};
use shared::signal::{self, EdgeToClient, close_code};
use shared::token::{JoinClaims, TicketClaims};
use shared::{ErrorCode, ParticipantId, RoomId, UnixMillis, control};
use worker::{Error, Response, Result, WebSocketIncomingMessage};

struct Arrival {
    identity: Identity,
    who: Who,
    address: Option<Address>,
    protocol: &'static str,
    request_id: String,
    connection: Option<String>,
}

impl RoomObject {
    pub(super) async fn client_arrives(&self, introduction: Introduction<JoinClaims>) -> Result<Response> {
        let Introduction { claims, continent, near, address, request_id, trace, connection, .. } = introduction;
        let identity = Identity { room: claims.room.clone(), continent, listed: Some(false) };
        let who = Who::Client(Some(claims.sub.clone()));
        let arrival = Arrival { identity, who, address, protocol: signal::SUBPROTOCOL, request_id, connection };
        self.open(arrival, |socket, opened_at| Attachment::Client { socket, opened_at, claims, near, trace }).await
    }

    /// Admits a client with a resume secret instead of a token, if the secret opens a session.
    pub(super) async fn client_returns(&self, introduction: Introduction<ResumeClaims>) -> Result<Response> {
        let Introduction { claims, address, request_id, trace, near, connection, .. } = introduction;
        // An outdated secret must not wake an empty room.
        let found = self.wake(None)?.then(|| self.resumable(&claims.secret)).flatten();
        let Some((identity, participant)) = found else {
            self.retire().await?;
            // The Worker tells the client, which costs the room no socket.
            return Refusal::new(ErrorCode::SessionExpired, "the secret belongs to no session").response(&request_id);
        };
        let who = Who::Client(Some(participant.clone()));
        let arrival = Arrival { identity, who, address, protocol: signal::SUBPROTOCOL, request_id, connection };
        self.open(arrival, |socket, opened_at| Attachment::Resuming { socket, opened_at, participant, near, trace })
            .await
    }

    fn resumable(&self, secret: &str) -> Option<(Identity, ParticipantId)> {
        let awake = self.awake.try_borrow().ok()?;
        let Awake { room, identity, .. } = awake.as_ref()?;
        Some((identity.clone(), room.resumable(clock::now(), secret)?))
    }

    pub(super) async fn node_arrives(&self, introduction: Introduction<TicketClaims>) -> Result<Response> {
        let Introduction { claims, address, request_id, connection, .. } = introduction;
        let identity = Identity { room: claims.room.clone(), continent: None, listed: Some(false) };
        let who = Who::Node(claims.sub.clone());
        let arrival = Arrival { identity, who, address, protocol: control::SUBPROTOCOL, request_id, connection };
        self.open(arrival, |socket, opened_at| Attachment::Node { socket, opened_at, claims }).await
    }

    /// Accepts a socket, if the door lets it in.
    async fn open(
        &self,
        arrival: Arrival,
        attach: impl FnOnce(SocketId, UnixMillis) -> Attachment,
    ) -> Result<Response> {
        let Arrival { identity, who, address, protocol, request_id, connection } = arrival;
        let room = identity.room.clone();
        self.wake(Some(identity))?;
        match self.ask_door(|door| door.admit(clock::now(), &who, address))? {
            Ok(None) => {}
            Ok(Some(displaced)) => self.displace(displaced).await?,
            Err(code) => {
                refused(&room, code, &request_id);
                return upgrade::refuse(Some(protocol), code);
            }
        }
        let id = connection.as_deref().map_or_else(random::socket_id, |name| Ok(SocketId::of_connection(name)))?;
        match self.shell.sockets.accept(protocol, |at| Seat { of: attach(id, at), address })? {
            Accepted::Full(response) => Ok(response),
            Accepted::Open(Seat { of, .. }, response) => {
                lines::opened(&room, &of, &request_id);
                let (socket, opened_at) = (of.socket(), clock::now());
                self.ask_door(|door| door.opened(socket, who, address, opened_at))?;
                self.survive(Some(socket), Input::SocketOpened(of)).await;
                Ok(response)
            }
        }
    }

    /// Handles the frames of a client without WebSocket; false if its connection is closed.
    pub(super) async fn client_says(&self, said: Said) -> Result<bool> {
        let Said { connection, frames, close } = said;
        if !self.wake(None)? {
            return Ok(false);
        }
        let socket = SocketId::of_connection(&connection);
        let going_away = close.is_some_and(|code| close_code::is_page_gone(usize::from(code)));
        if self.shell.sockets.find(socket).is_none() {
            if going_away {
                // The client's goodbye has arrived after the loss of its connection.
                self.survive(None, Input::SocketClosed { socket, going_away }).await;
            }
            return Ok(false);
        }
        // The platform only answers pings that come on the socket itself. One answer is enough for all of a request.
        if frames.iter().any(|text| text == signal::PING) {
            self.shell.sockets.send(socket, signal::PONG);
            self.survive(None, Input::Heard { socket, at: Some(clock::now()) }).await;
        }
        for text in frames.into_iter().filter(|text| text != signal::PING) {
            self.survive(Some(socket), frame(Speaker::Client(socket), &WebSocketIncomingMessage::String(text))).await;
        }
        if close.is_some() {
            self.shell.sockets.close(socket, close_code::NORMAL)?;
            self.survive(None, Input::SocketClosed { socket, going_away }).await;
        }
        Ok(true)
    }

    /// Closes a socket that has not joined, to make room for another one.
    async fn displace(&self, socket: SocketId) -> Result<()> {
        self.shell.sockets.send(socket, &EdgeToClient::Refused { code: ErrorCode::Timeout }.to_json());
        self.shell.sockets.close(socket, close_code::POLICY)?;
        self.survive(None, Input::SocketClosed { socket, going_away: false }).await;
        Ok(())
    }

    /// Asks the door, restoring the room first if necessary.
    fn ask_door<T>(&self, ask: impl FnOnce(&mut Door) -> T) -> Result<T> {
        self.wake(None)?;
        let mut awake = self.awake.try_borrow_mut().map_err(|error| Error::RustError(error.to_string()))?;
        let asleep = || Error::RustError("the room hibernated".into());
        awake.as_mut().map(|Awake { door, .. }| ask(door)).ok_or_else(asleep)
    }
}

/// The door of a room that has just woken up.
pub(super) fn door(room: &Room, seats: Vec<Seat>) -> Door {
    let mut door = Door::default();
    for Seat { of, address } in seats {
        let (socket, who, opened_at) = match of {
            Attachment::Client { socket, opened_at, claims, .. } => (socket, Who::Client(Some(claims.sub)), opened_at),
            Attachment::Resuming { socket, opened_at, participant, .. } => {
                (socket, Who::Client(Some(participant)), opened_at)
            }
            Attachment::Node { socket, opened_at, claims } => (socket, Who::Node(claims.sub), opened_at),
        };
        door.opened(socket, who, address, opened_at);
        if room.is_settled(socket) {
            door.settled(socket);
        }
    }
    door
}

fn refused(room: &RoomId, code: ErrorCode, request_id: &str) {
    let fields: [(&str, &dyn std::fmt::Display); 3] = [("request", &request_id), ("room", room), ("code", &code)];
    log::line(log::Level::Info, "socket_refused", &fields);
}
