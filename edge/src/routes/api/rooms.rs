//! `/v1/rooms`: creates, lists, shows, changes and ends rooms.

use super::super::rooms::GENERATION;
use super::{Call, RouteError, ask_room, body, json, no_content, unexpected};
use crate::directory;
use crate::internal::{Address, ListedInVain};
use crate::refusal::Refusal;
use crate::{log, random};
use edge_core::room::{Answer, Ask, Verb};
use futures_util::future::join_all;
use shared::api::{self, ActList, CallList, PauseRequest, RoomList, RoomPatch, RoomRequest};
use shared::{ErrorCode, RoomId, limits};
use worker::Response;

/// `POST /v1/rooms`.
pub(super) async fn create(mut call: Call<'_>) -> Result<Response, RouteError> {
    let request: RoomRequest = body::read(&mut call.arrival).await?;
    let name = match request.name.clone() {
        Some(name) => name,
        // Letters and digits of a fixed length are always a valid name.
        None => RoomId::parse(&random::id()?).map_err(|_| Refusal::internal())?,
    };
    let template = request.template.clone();
    let Answer::Room { room, made } = call.ask(&name, Ask::Create { change: request.into(), template }).await? else {
        return Err(unexpected());
    };
    json(if made { 201 } else { 200 }, &room)
}

/// `GET /v1/rooms`: the rooms of the directory, each with its own report; a room that does not exist removes its entry.
pub(super) async fn list(call: &Call<'_>) -> Result<Response, RouteError> {
    let limit = call.query.limit(limits::ROOMS_PER_PAGE_DEFAULT, limits::ROOMS_PER_PAGE_MAX)?;
    let (mut shard, mut after) = call.query.cursor()?;
    let only_public = call.query.is("public")?;
    let mut names: Vec<RoomId> = Vec::new();
    while shard < limits::DIRECTORY_SHARDS && names.len() < limit {
        let page = directory::page(call.arrival.env, shard, &after, limit.saturating_sub(names.len())).await?;
        match (page.is_full, page.rooms.last()) {
            (true, Some(last)) => after = last.to_string(),
            (_, _) => (shard, after) = (shard.saturating_add(1), String::new()),
        }
        names.extend(page.rooms);
    }
    let is_wanted = |room: &api::Room| !only_public || room.public;
    let next = (shard < limits::DIRECTORY_SHARDS).then(|| format!("{shard}.{after}"));
    let shown = join_all(names.into_iter().map(|name| shown(call, name))).await;
    json(200, &RoomList { rooms: shown.into_iter().flatten().filter(is_wanted).collect(), next })
}

/// `GET /v1/rooms/{room}`.
pub(super) async fn get(call: &Call<'_>) -> Result<Response, RouteError> {
    room(call.ask(&call.room()?, Ask::Show).await?)
}

/// `PATCH /v1/rooms/{room}`.
pub(super) async fn update(mut call: Call<'_>) -> Result<Response, RouteError> {
    let name = call.room()?;
    let patch: RoomPatch = body::read(&mut call.arrival).await?;
    let verb = Verb::UpdateRoom { change: patch.into() };
    room(call.ask(&name, Ask::Moderate { verb }).await?)
}

/// `DELETE /v1/rooms/{room}`.
pub(super) async fn close(call: &Call<'_>) -> Result<Response, RouteError> {
    let verb = Verb::End { reason: call.query.reason()? };
    call.ask(&call.room()?, Ask::Moderate { verb }).await?;
    no_content()
}

/// `POST /v1/rooms/{room}/start`.
pub(super) async fn start(call: &Call<'_>) -> Result<Response, RouteError> {
    room(call.ask(&call.room()?, Ask::Moderate { verb: Verb::Start }).await?)
}

/// `POST /v1/rooms/{room}/pause`.
pub(super) async fn pause(mut call: Call<'_>) -> Result<Response, RouteError> {
    let name = call.room()?;
    let PauseRequest { reason } = body::read(&mut call.arrival).await?;
    room(call.ask(&name, Ask::Moderate { verb: Verb::Pause { reason } }).await?)
}

/// `POST /v1/rooms/{room}/resume`.
pub(super) async fn resume(call: &Call<'_>) -> Result<Response, RouteError> {
    room(call.ask(&call.room()?, Ask::Moderate { verb: Verb::Resume }).await?)
}

/// `GET /v1/rooms/{room}/calls`.
pub(super) async fn calls(call: &Call<'_>) -> Result<Response, RouteError> {
    let Answer::Calls { calls } = call.ask(&call.room()?, Ask::Calls).await? else { return Err(unexpected()) };
    json(200, &CallList { calls })
}

/// `GET /v1/rooms/{room}/audit`.
pub(super) async fn audit(call: &Call<'_>) -> Result<Response, RouteError> {
    let limit = call.query.limit(limits::ACTS_PER_PAGE_DEFAULT, limits::ACTS_PER_PAGE_MAX)?;
    let ask = Ask::Audit { before: call.query.number_cursor()?, limit };
    let Answer::Audit { acts, next } = call.ask(&call.room()?, ask).await? else { return Err(unexpected()) };
    json(200, &ActList { acts, next: next.map(|next| next.to_string()) })
}

fn room(answer: Answer) -> Result<Response, RouteError> {
    let Answer::Room { room, .. } = answer else { return Err(unexpected()) };
    json(200, &room)
}

/// The room of a listed name. A room that cannot answer is omitted, so that it does not hide the others.
async fn shown(call: &Call<'_>, name: RoomId) -> Option<api::Room> {
    let error = match ask_room(&call.arrival, &name, Ask::Show).await {
        Ok(Answer::Room { room, .. }) => return Some(room),
        Ok(_) => unexpected(),
        Err(RouteError::Refused(refusal)) if refusal.code == ErrorCode::UnknownRoom => {
            log::line(log::Level::Warn, "stale_listing", &[("room", &name)]);
            let told = ListedInVain { room: name.clone() };
            let object = Address::room(&name, GENERATION, None);
            match object.ask::<()>(call.arrival.env, ListedInVain::PATH, &told).await {
                Ok(()) => return None,
                Err(error) => error.into(),
            }
        }
        Err(error) => error,
    };
    let fields: [(&str, &dyn std::fmt::Display); 3] =
        [("room", &name), ("request", &call.arrival.request_id), ("error", &error)];
    log::line(log::Level::Error, "room_not_listed", &fields);
    None
}
