//! `/v1/rooms/{room}/bans`: lists, adds and lifts bans.

use super::{Call, RouteError, body, json, no_content, unexpected};
use crate::refusal::Refusal;
use edge_core::room::{Answer, Ask, Verb};
use shared::ParticipantId;
use shared::api::{BanList, BanRequest};
use shared::signal::BanTerm;
use worker::Response;

/// `GET /v1/rooms/{room}/bans`.
pub(super) async fn list(call: &Call<'_>) -> Result<Response, RouteError> {
    let Answer::Bans { bans } = call.ask(&call.room()?, Ask::Bans).await? else { return Err(unexpected()) };
    json(200, &BanList { bans })
}

/// `PUT /v1/rooms/{room}/bans/{participant}`.
pub(super) async fn create(mut call: Call<'_>) -> Result<Response, RouteError> {
    let (room, participant) = (call.room()?, participant(&call)?);
    let BanRequest { lasts_ms, address, reason } = body::read(&mut call.arrival).await?;
    let verb = Verb::Remove { participant, reason, ban: Some(BanTerm { lasts_ms, address }) };
    call.ask(&room, Ask::Moderate { verb }).await?;
    no_content()
}

/// `DELETE /v1/rooms/{room}/bans/{participant}`.
pub(super) async fn lift(call: &Call<'_>) -> Result<Response, RouteError> {
    let verb = Verb::LiftBan { participant: participant(call)? };
    call.ask(&call.room()?, Ask::Moderate { verb }).await?;
    no_content()
}

fn participant(call: &Call<'_>) -> Result<ParticipantId, Refusal> {
    call.name(1, ParticipantId::parse)
}
