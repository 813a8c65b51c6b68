//! `POST /v1/dev/token`: a join token for anybody who asks. Compiled for development alone.

use super::{Arrival, RouteError};
use crate::auth;
use crate::refusal::Refusal;
use serde::Deserialize;
use shared::token::{Grants, JoinClaims};
use shared::{ErrorCode, ParticipantId, RoomId};
use worker::Response;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    room: RoomId,
    participant: ParticipantId,
    #[serde(default)]
    name: String,
    #[serde(default)]
    grants: Grants,
    #[serde(default)]
    participants_max: Option<u32>,
}

/// Issues what an application's server would issue.
pub(super) async fn token(mut arrival: Arrival<'_>) -> Result<Response, RouteError> {
    let body = arrival.request.text().await?;
    let wish: Wish = serde_json::from_str(&body)
        .map_err(|_| Refusal::new(ErrorCode::InvalidMessage, "expected {room, participant, name?, grants?}"))?;
    let claims = JoinClaims {
        sub: wish.participant,
        room: wish.room,
        name: wish.name,
        grants: wish.grants,
        participants_max: wish.participants_max,
    };
    let token = auth::sign_join(claims, arrival.env)?;
    Ok(Response::from_json(&serde_json::json!({ "token": token }))?)
}
