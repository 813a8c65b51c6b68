//! `/v1/dev`: what only a developer's machine may have. Compiled for development alone.

use super::{Arrival, RouteError};
use crate::auth;
use crate::refusal::Refusal;
use serde::Deserialize;
use shared::token::{Grants, JoinClaims};
use shared::{ErrorCode, ParticipantId, RoomId};
use std::time::Duration;
use worker::{Delay, Response};

/// Long enough for a day of trying things out.
const TOKEN_LIFETIME_MS: u64 = 3_600_000;

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

/// `POST /v1/dev/token`: issues what an application's server would issue, to anybody who asks.
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
    let token = auth::sign_join(claims, arrival.env, TOKEN_LIFETIME_MS)?;
    Ok(Response::from_json(&serde_json::json!({ "token": token }))?)
}

/// `POST /v1/dev/wait`: a request that is not done for a long time.
pub(super) async fn wait() -> Result<Response, RouteError> {
    const LONG: Duration = Duration::from_secs(60);
    Delay::from(LONG).await;
    Ok(Response::empty()?)
}

/// `POST /v1/dev/panic`: the fault that the JavaScript entry is there for.
#[expect(clippy::panic, reason = "the tests prove that a panic is survived, so one must be to be had")]
pub(super) fn panic() -> ! {
    panic!("asked for by a test")
}
