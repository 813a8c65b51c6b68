//! `/v1`: the HTTP API for an application's server.
//!
//! Pages may call too, from listed origins: those whose join token grants `record` see and delete recordings. An API key in a page is a mistake.

mod bans;
pub(super) mod body;
mod participants;
mod query;
mod recordings;
mod rooms;
mod tokens;

use super::{Arrival, RouteError};
use crate::auth::{self, AuthError};
use crate::internal::{Address, ApiCall};
use crate::refusal::Refusal;
use edge_core::room::{Answer, Ask};
use query::Query;
use serde::Serialize;
use shared::api::OPENAPI_PATH;
use shared::api::operation::{self, Found, OperationId};
use shared::{ErrorCode, ParticipantId, RoomId};
use worker::{Response, ResponseBuilder, js_sys};

/// What `cargo xtask codegen` made out of the types.
const OPENAPI: &str = include_str!("../../../docs/openapi.json");

struct Call<'a> {
    arrival: Arrival<'a>,
    query: Query,
    /// What stands in the path for its `{names}`.
    names: Vec<String>,
    by: Option<Bearer>,
}

struct Caller {
    /// The key of the rate limit.
    counted: String,
    /// `None` for the application's server.
    by: Option<Bearer>,
}

/// The owner of the join token that a request brought.
struct Bearer {
    participant: ParticipantId,
    /// A guest reaches only the recordings that they started: the room's name may have been others' before or since.
    is_guest: bool,
}

/// Finds the operation, then who asks, then whether they may ask again, then answers.
pub(super) async fn route(arrival: Arrival<'_>, method: &str, path: &str) -> Result<Response, RouteError> {
    // RFC 9110 §9.3.2: HEAD is GET without the content, which the platform leaves out.
    let method = if method == "HEAD" { "GET" } else { method };
    if path == OPENAPI_PATH {
        return document(method);
    }
    let (id, names) = match operation::find(method, path) {
        Found::Operation(id, names) => (id, names),
        Found::OtherMethods(methods) => return Err(Refusal::method_not_allowed(&methods).into()),
        Found::Nothing => return Err(Refusal::no_such_path().into()),
    };
    let names = names.into_iter().map(decode).collect::<Option<Vec<_>>>();
    let Caller { by, .. } = admit(&arrival, id, names.as_deref().and_then(<[_]>::first)).await?;
    let names = names.ok_or_else(Refusal::no_such_path)?;
    let query = Query::of(&arrival.request, id.query())?;
    let call = Call { arrival, query, names, by };
    match id {
        OperationId::CreateToken => tokens::create(call).await,
        OperationId::CreateRoom => rooms::create(call).await,
        OperationId::ListRooms => rooms::list(&call).await,
        OperationId::GetRoom => rooms::get(&call).await,
        OperationId::UpdateRoom => rooms::update(call).await,
        OperationId::CloseRoom => rooms::close(&call).await,
        OperationId::ListParticipants => participants::list(&call).await,
        OperationId::GetParticipant => participants::get(&call).await,
        OperationId::UpdateParticipant => participants::update(call).await,
        OperationId::RemoveParticipant => participants::remove(&call).await,
        OperationId::ListBans => bans::list(&call).await,
        OperationId::CreateBan => bans::create(call).await,
        OperationId::LiftBan => bans::lift(&call).await,
        OperationId::MuteTrack => participants::mute(&call).await,
        OperationId::ListRecordings => recordings::list(&call).await,
        OperationId::StartRecording => recordings::start(&call).await,
        OperationId::GetRecording => recordings::get(&call).await,
        OperationId::StopRecording => recordings::stop(&call).await,
        OperationId::DeleteRecording => recordings::delete(&call).await,
    }
}

/// The methods of a path; none where nothing is there.
pub(super) fn methods(path: &str) -> Vec<&'static str> {
    match operation::find("OPTIONS", path) {
        _ if path == OPENAPI_PATH => vec!["GET"],
        Found::OtherMethods(methods) => methods,
        Found::Operation(..) | Found::Nothing => Vec::new(),
    }
}

fn document(method: &str) -> Result<Response, RouteError> {
    if method != "GET" {
        return Err(Refusal::method_not_allowed(&["GET"]).into());
    }
    let builder = ResponseBuilder::new()
        .with_header("Content-Type", "application/json")?
        .with_header("Cache-Control", "public, max-age=300")?
        .with_header("Access-Control-Allow-Origin", "*")?;
    Ok(builder.fixed(OPENAPI.as_bytes().to_vec()))
}

/// Admits callers with an API key, up to the key's rate, and, where the operation allows it, participants whose join
/// token grants `record`. All others are counted by address, so that guessing is slow.
///
/// The platform counts in each location by itself, so that no single object is on the way of all requests.
async fn admit(arrival: &Arrival<'_>, id: OperationId, room: Option<&String>) -> Result<Caller, RouteError> {
    let caller = match id.takes_join_token() && auth::has_bearer(&arrival.request) {
        true => who_may_record(arrival, room)?,
        false => {
            let key = auth::api_key(&arrival.request, arrival.env)?;
            key.map(|id| Caller { counted: format!("key:{id}"), by: None }).ok_or_else(Refusal::bad_api_key)
        }
    };
    let address = || format!("address:{}", arrival.address().unwrap_or_default());
    let counted = caller.as_ref().map_or_else(|_| address(), |caller| caller.counted.clone());
    if !arrival.env.rate_limiter("API_RATE")?.limit(counted).await?.success {
        return Err(Refusal::rate_limited().into());
    }
    caller.map_err(Into::into)
}

/// The participant whose join token comes with the request, if they may record in the room.
fn who_may_record(arrival: &Arrival<'_>, room: Option<&String>) -> Result<Result<Caller, Refusal>, AuthError> {
    let Some(room) = room.and_then(|room| RoomId::parse(room).ok()) else { return Ok(Err(Refusal::no_such_path())) };
    match auth::participant_by_bearer(&arrival.request, &room, arrival.env) {
        Ok(claims) if claims.grants.record => {
            let counted = format!("participant:{room}:{}", claims.sub);
            let by = Bearer { participant: claims.sub, is_guest: claims.guest.is_some() };
            Ok(Ok(Caller { counted, by: Some(by) }))
        }
        Ok(_) => Ok(Err(Refusal::new(ErrorCode::Forbidden, "the token does not grant recording"))),
        Err(AuthError::Refused(code)) => Ok(Err(Refusal::bad_token(code))),
        Err(error @ AuthError::Secret(_)) => Err(error),
    }
}

impl Call<'_> {
    /// The room that the path names.
    fn room(&self) -> Result<RoomId, Refusal> {
        self.name(0, RoomId::parse)
    }

    /// What stands at a place of the path; what cannot be a name is the name of nothing.
    fn name<T, E>(&self, index: usize, parse: impl Fn(&str) -> Result<T, E>) -> Result<T, Refusal> {
        let name = self.names.get(index).and_then(|name| parse(name).ok());
        name.ok_or(Refusal::new(ErrorCode::NotFound, "this is not a valid room name"))
    }

    /// Asks a room; a refusal of the room is one of the request.
    async fn ask(&self, room: &RoomId, ask: Ask) -> Result<Answer, RouteError> {
        ask_room(&self.arrival, room, ask).await
    }
}

pub(super) async fn ask_room(arrival: &Arrival<'_>, room: &RoomId, ask: Ask) -> Result<Answer, RouteError> {
    let near = arrival.continent();
    let continent = near.map(|continent| continent.code().into());
    let call = ApiCall { room: room.clone(), continent, ask };
    let address = Address::room(room, super::rooms::GENERATION, near);
    match address.ask::<Answer>(arrival.env, ApiCall::PATH, &call).await? {
        Answer::Refused { code } => Err(Refusal::new(code, refused(code)).into()),
        answer @ (Answer::Room { .. }
        | Answer::Participants { .. }
        | Answer::Participant { .. }
        | Answer::Bans { .. }
        | Answer::Guest { .. }
        | Answer::Recordings(_)
        | Answer::Done) => Ok(answer),
    }
}

/// What a developer reads where a room says no.
const fn refused(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::UnknownRoom => "the room does not exist",
        ErrorCode::UnknownParticipant => "the room has no participant with this id",
        ErrorCode::UnknownTrack => "the participant has no such track",
        ErrorCode::UnknownBan => "no participant with this id is banned",
        ErrorCode::TooManyBans => "the room has reached its limit of bans: lift some",
        ErrorCode::UnknownRecording => "the room has no recording with this id",
        ErrorCode::RecordingNotOver => "the recording is running or being finished",
        ErrorCode::RoomEmpty => "nobody is in the room",
        ErrorCode::TooManyRecordings => "the room has reached its limit of recordings",
        ErrorCode::RecordingUnavailable => "no storage for recordings is configured",
        ErrorCode::Banned => "the participant is banned from the room",
        ErrorCode::Forbidden => "a moderator took the grant away",
        _ => "the room refused the request",
    }
}

/// A room answered what nobody asked.
fn unexpected() -> RouteError {
    RouteError::Platform(worker::Error::RustError("the room's answer does not match the request".into()))
}

fn json(status: u16, body: &impl Serialize) -> Result<Response, RouteError> {
    Ok(ResponseBuilder::new().with_status(status).with_header("Cache-Control", "no-store")?.from_json(body)?)
}

fn no_content() -> Result<Response, RouteError> {
    Ok(ResponseBuilder::new().with_status(204).empty())
}

/// Undoes percent-encoding; nothing where it is none.
fn decode(text: &str) -> Option<String> {
    js_sys::decode_uri_component(text).ok().map(Into::into)
}
