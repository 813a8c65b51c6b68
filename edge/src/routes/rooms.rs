//! `/v1/rooms/{room}`: participants join, and nodes connect to assigned rooms.

use super::{Arrival, RouteError, nodes, parse_room};
use crate::auth::AuthError;
use crate::config::Continent;
use crate::internal::{Address, Introduced, Introduction, ResumeClaims};
use crate::refusal::Refusal;
use crate::upgrade::{self, Protocols};
use crate::{auth, log, random, turnstile};
use edge_core::connection_key::Connection;
use edge_core::room::Holder;
use shared::token::{JoinClaims, TicketClaims};
use shared::{ErrorCode, RoomId};
use worker::Response;

/// The generation of every room until it is re-homed.
pub(super) const GENERATION: u32 = 1;

/// `GET /v1/rooms/{room}/socket`: a participant's signaling socket. A refusal is sent on the socket, except in a flood.
pub(super) async fn socket(arrival: &Arrival<'_>, room: &str) -> Result<Response, RouteError> {
    if !upgrade::is_asked_for(&arrival.request) {
        return Err(Refusal::upgrade_required().into());
    }
    let protocols = &arrival.offered;
    let admitted = match parse_room(room) {
        Ok(room) => admit(arrival, &room, protocols, Way::Socket).await?,
        Err(refusal) => {
            turnstile::check_explanation(arrival.address)?;
            Err(refusal.code)
        }
    };
    match admitted {
        Ok(Admitted { response, .. }) => Ok(response),
        Err(code) => Ok(upgrade::refuse(protocols.echo(), code)?),
    }
}

/// The transport of a client's frames.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Socket,
    /// The socket belongs to the Worker.
    Events,
}

pub(super) struct Admitted {
    pub(super) response: Response,
    /// For sending frames; only without a socket of the client's own.
    pub(super) key: Option<String>,
}

/// Admits a client to its room. The inner error is sent to the client.
pub(super) async fn admit(
    arrival: &Arrival<'_>,
    room: &RoomId,
    protocols: &Protocols,
    way: Way,
) -> Result<Result<Admitted, ErrorCode>, RouteError> {
    // A client with a join token may still resume with it; either way the room checks the secret in the frame.
    let is_resuming = protocols.token().is_none() && protocols.resume_secret().is_some();
    let verified = match check_origin(arrival) {
        Err(error) => Err(error),
        Ok(()) if is_resuming => auth::resuming(protocols, room, arrival.env).map(Client::Returns),
        Ok(()) => participant(arrival, protocols, room).await.map(Client::Joins),
    };
    match verified {
        Ok(Client::Joins(claims)) => {
            turnstile::check_join(arrival.address, room, &claims.sub)?;
            arrival.is_accepted.set(true);
            introduce(arrival, room, claims, way).await.map(Ok)
        }
        Ok(Client::Returns(claims)) => {
            turnstile::check_resume(arrival.address, room, &claims.holder)?;
            let admitted = introduce(arrival, room, claims, way).await?;
            // The room opens no socket for an invalid secret.
            match admitted.response.status_code() == ErrorCode::SessionExpired.http_status() {
                true => explain(arrival, ErrorCode::SessionExpired, room),
                false => {
                    arrival.is_accepted.set(true);
                    Ok(Ok(admitted))
                }
            }
        }
        Err(AuthError::Refused(code)) => explain(arrival, code, room),
        Err(error @ AuthError::Secret(_)) => Err(error.into()),
    }
}

/// A client's verified credential.
enum Client {
    Joins(JoinClaims),
    Returns(ResumeClaims),
}

/// Tells the client the reason of its refusal, unless too many clients are being refused.
fn explain(arrival: &Arrival<'_>, code: ErrorCode, room: &RoomId) -> Result<Result<Admitted, ErrorCode>, RouteError> {
    turnstile::check_explanation(arrival.address)?;
    let fields: [(&str, &dyn std::fmt::Display); 4] =
        [("request", &arrival.request_id), ("trace", &arrival.trace.id), ("room", room), ("code", &code)];
    log::line(log::Level::Info, "socket_refused", &fields);
    Ok(Err(code))
}

async fn participant(arrival: &Arrival<'_>, protocols: &Protocols, room: &RoomId) -> Result<JoinClaims, AuthError> {
    let mut claims = auth::participant(protocols, room, (arrival.env, &arrival.config.issuers)).await?;
    if let Some(guest) = &mut claims.guest {
        guest.from = blind_address(arrival, room)?;
    }
    Ok(claims)
}

/// Hands a client to the room. The platform's rate limits count the upgrades of all isolates in a location.
async fn introduce<C: Caller>(
    arrival: &Arrival<'_>,
    room: &RoomId,
    claims: C,
    way: Way,
) -> Result<Admitted, RouteError> {
    let of_client = format!("{room}:{}", claims.rate_key());
    if !is_below(arrival, "SOCKET_RATE", of_client).await? || !has_room_for(arrival, &C::room_key(room)).await? {
        return Err(Refusal::too_many_sockets().into());
    }
    let connection = match way {
        Way::Socket => None,
        Way::Events => {
            let keys = auth::connection_keys(arrival.env)?;
            Some(keys.make(room, claims.rate_key(), &mut random::source()?).ok_or_else(Refusal::internal)?)
        }
    };
    let (connection, key) = connection.map(|Connection { name, key }| (name, key)).unzip();
    let near = arrival.continent();
    let introduction = Introduction {
        claims,
        continent: near.map(|continent| Continent::code(continent).into()),
        near: near.map(|continent| arrival.config.regions.nearest(continent, room)).unwrap_or_default(),
        address: arrival.address,
        seen: None,
        request_id: arrival.request_id.clone(),
        trace: Some(arrival.trace),
        connection,
    };
    let response = Address::room(room, GENERATION, near).introduce(arrival.env, &introduction).await?;
    Ok(Admitted { response, key })
}

/// True if the platform's limit admits another client of the room. The first upgrades of each address have a separate limit, so
/// that a few busy addresses do not close the room to the others.
pub(super) async fn has_room_for(arrival: &Arrival<'_>, room_key: &str) -> Result<bool, RouteError> {
    let is_first = match arrival.address {
        Some(address) => is_below(arrival, "ADDRESS_RATE", format!("{room_key}:{}", address.number())).await?,
        None => false,
    };
    Ok((is_first && is_below(arrival, "ROOM_RATE", format!("first:{room_key}")).await?)
        || is_below(arrival, "ROOM_RATE", room_key.into()).await?)
}

pub(super) async fn is_below(arrival: &Arrival<'_>, binding: &str, key: String) -> Result<bool, RouteError> {
    Ok(arrival.env.rate_limiter(binding)?.limit(key).await?.success)
}

trait Caller: Introduced {
    /// The key under which the platform counts the caller's upgrades.
    fn rate_key(&self) -> &str;

    /// The key under which the platform counts the room's upgrades.
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

/// `GET /v1/rooms/{room}/node`: the socket of a node to an assigned room.
pub(super) async fn node(arrival: &Arrival<'_>, room: &str) -> Result<Response, RouteError> {
    nodes::check_upgrade(arrival)?;
    let room = parse_room(room)?;
    let claims: TicketClaims = auth::ticket(&arrival.request, &room, arrival.env)?;
    let request_id = arrival.request_id.clone();
    let introduction = Introduction {
        claims,
        continent: None,
        near: Vec::new(),
        address: arrival.address,
        seen: None,
        request_id,
        trace: None,
        connection: None,
    };
    Ok(Address::room(&room, GENERATION, None).introduce(arrival.env, &introduction).await?)
}

fn check_origin(arrival: &Arrival<'_>) -> Result<(), AuthError> {
    if !arrival.is_from_allowed_origin() {
        return Err(AuthError::Refused(ErrorCode::Forbidden));
    }
    Ok(())
}

/// The code for a guest's address that a room may keep.
pub(super) fn blind_address(arrival: &Arrival<'_>, room: &RoomId) -> Result<Option<String>, AuthError> {
    arrival.address.map_or(Ok(None), |address| auth::blind(address, room, arrival.env))
}
