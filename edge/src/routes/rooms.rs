//! `/v1/rooms/{room}`: participants join, and nodes dial the rooms that they were given.

use super::{Arrival, RouteError, nodes, parse_room};
use crate::auth::AuthError;
use crate::config::Continent;
use crate::internal::{Address, Introduced, Introduction, ResumeClaims};
use crate::refusal::Refusal;
use crate::upgrade::{self, Protocols};
use crate::{auth, log, turnstile};
use edge_core::door;
use edge_core::room::Holder;
use shared::token::{JoinClaims, TicketClaims};
use shared::{ErrorCode, RoomId};
use worker::Response;

/// The generation that every room is in until it is re-homed.
pub(super) const GENERATION: u32 = 1;

/// `GET /v1/rooms/{room}/socket`: a participant's signaling socket. A refusal is sent on the socket, except in a flood.
pub(super) async fn socket(arrival: &Arrival<'_>, room: &str) -> Result<Response, RouteError> {
    if !upgrade::is_asked_for(&arrival.request) {
        return Err(Refusal::upgrade_required().into());
    }
    let protocols = Protocols::of(&arrival.request);
    let room = match parse_room(room) {
        Ok(room) => room,
        Err(refusal) => {
            turnstile::check_explanation(address(arrival))?;
            return Ok(upgrade::refuse(protocols.echo(), refusal.code)?);
        }
    };
    // A client with a join token may still resume with it; the room looks at the secret in the frame either way.
    let is_resuming = protocols.token().is_none() && protocols.resume_secret().is_some();
    let verified = match check_origin(arrival) {
        Err(error) => Err(error),
        Ok(()) if is_resuming => auth::resuming(&protocols, &room, arrival.env).map(Client::Returns),
        Ok(()) => participant(arrival, &protocols, &room).map(Client::Joins),
    };
    match verified {
        Ok(Client::Joins(claims)) => {
            turnstile::check_join(address(arrival), &room, &claims.sub)?;
            introduce(arrival, &room, claims).await
        }
        Ok(Client::Returns(claims)) => {
            turnstile::check_resume(address(arrival), &room, &claims.holder)?;
            let response = introduce(arrival, &room, claims).await?;
            // The room opens no socket for a secret that opens nothing.
            match response.status_code() == ErrorCode::SessionExpired.http_status() {
                true => explain(arrival, &protocols, ErrorCode::SessionExpired, &room),
                false => Ok(response),
            }
        }
        Err(AuthError::Refused(code)) => explain(arrival, &protocols, code, &room),
        Err(error @ AuthError::Secret(_)) => Err(error.into()),
    }
}

/// What a client's socket was verified by.
enum Client {
    Joins(JoinClaims),
    Returns(ResumeClaims),
}

/// Refuses a client on the socket that it asked for.
fn explain(
    arrival: &Arrival<'_>,
    protocols: &Protocols,
    code: ErrorCode,
    room: &RoomId,
) -> Result<Response, RouteError> {
    turnstile::check_explanation(address(arrival))?;
    let fields: [(&str, &dyn std::fmt::Display); 3] =
        [("request", &arrival.request_id), ("room", room), ("code", &code)];
    log::line(log::Level::Info, "socket_refused", &fields);
    Ok(upgrade::refuse(protocols.echo(), code)?)
}

fn participant(arrival: &Arrival<'_>, protocols: &Protocols, room: &RoomId) -> Result<JoinClaims, AuthError> {
    let mut claims = auth::participant(protocols, room, arrival.env)?;
    if let Some(guest) = &mut claims.guest {
        guest.from = blind_address(arrival, room)?;
    }
    Ok(claims)
}

/// Hands a client to the room. The platform's limits count the upgrades of all isolates of a location.
async fn introduce<C: Caller>(arrival: &Arrival<'_>, room: &RoomId, claims: C) -> Result<Response, RouteError> {
    let key = format!("{room}:{}", claims.rate_key());
    let of_client = arrival.env.rate_limiter("SOCKET_RATE")?.limit(key).await?;
    if !of_client.success || !arrival.env.rate_limiter("ROOM_RATE")?.limit(C::room_key(room)).await?.success {
        return Err(Refusal::too_many_sockets().into());
    }
    let near = arrival.continent();
    let introduction = Introduction {
        claims,
        continent: near.map(|continent| Continent::code(continent).into()),
        address: address(arrival),
        request_id: arrival.request_id.clone(),
    };
    Ok(Address::room(room, GENERATION, near).introduce(arrival.env, &introduction).await?)
}

/// A client that asks for a socket.
trait Caller: Introduced {
    /// What tells its calls from those of others.
    fn rate_key(&self) -> &str;

    /// What it is counted by with the other clients of the room.
    fn room_key(room: &RoomId) -> String;
}

impl Caller for JoinClaims {
    fn rate_key(&self) -> &str {
        self.sub.as_str()
    }

    fn room_key(room: &RoomId) -> String {
        format!("join:{room}")
    }
}

impl Caller for ResumeClaims {
    fn rate_key(&self) -> &str {
        match &self.holder {
            Holder::Blind(holder) => holder,
            Holder::Unknown => &self.secret,
        }
    }

    fn room_key(room: &RoomId) -> String {
        format!("resume:{room}")
    }
}

/// `GET /v1/rooms/{room}/node`: the socket of a node that was given the room.
pub(super) async fn node(arrival: &Arrival<'_>, room: &str) -> Result<Response, RouteError> {
    nodes::check_upgrade(arrival)?;
    let room = parse_room(room)?;
    let claims: TicketClaims = auth::ticket(&arrival.request, &room, arrival.env)?;
    let request_id = arrival.request_id.clone();
    let introduction = Introduction { claims, continent: None, address: address(arrival), request_id };
    Ok(Address::room(&room, GENERATION, None).introduce(arrival.env, &introduction).await?)
}

fn check_origin(arrival: &Arrival<'_>) -> Result<(), AuthError> {
    if !arrival.is_from_allowed_origin() {
        return Err(AuthError::Refused(ErrorCode::Forbidden));
    }
    Ok(())
}

/// What a room may keep of where a guest comes from.
pub(super) fn blind_address(arrival: &Arrival<'_>, room: &RoomId) -> Result<Option<String>, AuthError> {
    address(arrival).map_or(Ok(None), |address| auth::blind(address, room, arrival.env))
}

fn address(arrival: &Arrival<'_>) -> Option<door::Address> {
    door::Address::parse(&arrival.address()?)
}
