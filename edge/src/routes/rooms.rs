//! `/v1/rooms/{room}`: participants join, and nodes dial the rooms that they were given.

use super::{Arrival, RouteError, nodes, parse_room};
use crate::auth::AuthError;
use crate::config::{Continent, origin_is_allowed};
use crate::internal::{Address, Introduced, Introduction};
use crate::refusal::Refusal;
use crate::upgrade::{self, Protocols};
use crate::{auth, log};
use shared::token::TicketClaims;
use shared::{ErrorCode, RoomId};
use worker::Response;

/// The generation that every room is in until it is re-homed.
pub(super) const GENERATION: u32 = 1;

/// `GET /v1/rooms/{room}/socket`: a participant's signaling socket. Whoever is refused is told so on the socket.
pub(super) async fn socket(arrival: &Arrival<'_>, room: &str) -> Result<Response, RouteError> {
    if !upgrade::is_asked_for(&arrival.request) {
        return Err(Refusal::upgrade_required().into());
    }
    let protocols = Protocols::of(&arrival.request);
    let room = match parse_room(room) {
        Ok(room) => room,
        Err(refusal) => return Ok(upgrade::refuse(protocols.echo(), refusal.code)?),
    };
    // Who has a join token may still resume with it; the room looks at the secret in the frame either way.
    let is_resuming = protocols.token().is_none() && protocols.resume_secret().is_some();
    let introduced = match check_origin(arrival) {
        Err(error) => Err(error),
        Ok(()) if is_resuming => match auth::resuming(&protocols, &room, arrival.env) {
            Ok(claims) => Ok(introduce(arrival, &room, claims).await?),
            Err(error) => Err(error),
        },
        Ok(()) => match auth::participant(&protocols, &room, arrival.env) {
            Ok(claims) => Ok(introduce(arrival, &room, claims).await?),
            Err(error) => Err(error),
        },
    };
    match introduced {
        Ok(response) => Ok(response),
        Err(AuthError::Refused(code)) => {
            let fields: [(&str, &dyn std::fmt::Display); 3] =
                [("request", &arrival.request_id), ("room", &room), ("code", &code)];
            log::line(log::Level::Info, "socket_refused", &fields);
            Ok(upgrade::refuse(protocols.echo(), code)?)
        }
        Err(error @ AuthError::Secret(_)) => Err(error.into()),
    }
}

async fn introduce<C: Introduced>(arrival: &Arrival<'_>, room: &RoomId, claims: C) -> Result<Response, RouteError> {
    let near = arrival.continent();
    let introduction = Introduction {
        claims,
        continent: near.map(|continent| Continent::code(continent).into()),
        request_id: arrival.request_id.clone(),
    };
    Ok(Address::room(room, GENERATION, near).introduce(arrival.env, &introduction).await?)
}

/// `GET /v1/rooms/{room}/node`: the socket of a node that was given the room.
pub(super) async fn node(arrival: &Arrival<'_>, room: &str) -> Result<Response, RouteError> {
    nodes::check_upgrade(arrival)?;
    let room = parse_room(room)?;
    let claims: TicketClaims = auth::ticket(&arrival.request, &room, arrival.env)?;
    let introduction = Introduction { claims, continent: None, request_id: arrival.request_id.clone() };
    Ok(Address::room(&room, GENERATION, None).introduce(arrival.env, &introduction).await?)
}

fn check_origin(arrival: &Arrival<'_>) -> Result<(), AuthError> {
    let headers = arrival.request.headers();
    let origin = headers.get("Origin").ok().flatten();
    let host = headers.get("Host").ok().flatten().unwrap_or_default();
    if !origin_is_allowed(&arrival.config.origins, origin.as_deref(), &host) {
        return Err(AuthError::Refused(ErrorCode::Forbidden));
    }
    Ok(())
}
