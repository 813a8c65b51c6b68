//! `/v1/rooms/{room}/participants`: lists, changes, mutes and removes participants.

use super::{Call, RouteError, body, json, no_content, unexpected};
use crate::refusal::Refusal;
use edge_core::room::{Answer, Ask, Verb};
use shared::api::{ParticipantList, ParticipantPatch};
use shared::{ParticipantId, TrackId};
use worker::Response;

/// `GET /v1/rooms/{room}/participants`.
pub(super) async fn list(call: &Call<'_>) -> Result<Response, RouteError> {
    let Answer::Participants { participants } = call.ask(&call.room()?, Ask::Participants).await? else {
        return Err(unexpected());
    };
    json(200, &ParticipantList { participants })
}

/// `GET /v1/rooms/{room}/participants/{participant}`.
pub(super) async fn get(call: &Call<'_>) -> Result<Response, RouteError> {
    let ask = Ask::Participant { participant: participant(call)? };
    shown(call.ask(&call.room()?, ask).await?)
}

/// `PATCH /v1/rooms/{room}/participants/{participant}`.
pub(super) async fn update(mut call: Call<'_>) -> Result<Response, RouteError> {
    let (room, participant) = (call.room()?, participant(&call)?);
    let patch: ParticipantPatch = body::read(&mut call.arrival).await?;
    let verb = Verb::UpdateParticipant { participant, change: patch.into() };
    shown(call.ask(&room, Ask::Moderate { verb }).await?)
}

/// `DELETE /v1/rooms/{room}/participants/{participant}`.
pub(super) async fn remove(call: &Call<'_>) -> Result<Response, RouteError> {
    let verb = Verb::Remove { participant: participant(call)?, reason: call.query.reason()?, ban: None };
    call.ask(&call.room()?, Ask::Moderate { verb }).await?;
    no_content()
}

/// `POST /v1/rooms/{room}/participants/{participant}/tracks/{track}/mute`.
pub(super) async fn mute(call: &Call<'_>) -> Result<Response, RouteError> {
    let (participant, track) = (participant(call)?, call.name(2, TrackId::parse)?);
    let verb = Verb::MuteTrack { participant, track, hold: call.query.is("hold")? };
    call.ask(&call.room()?, Ask::Moderate { verb }).await?;
    no_content()
}

fn participant(call: &Call<'_>) -> Result<ParticipantId, Refusal> {
    call.name(1, ParticipantId::parse)
}

fn shown(answer: Answer) -> Result<Response, RouteError> {
    let Answer::Participant { participant } = answer else { return Err(unexpected()) };
    json(200, &participant)
}
