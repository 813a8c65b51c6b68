//! `/v1/tokens`: join tokens.

use super::{Call, RouteError, body, json};
use crate::{auth, clock, random};
use shared::api::{Token, TokenRequest};
use shared::token::JoinClaims;
use worker::Response;

/// `POST /v1/tokens`.
pub(super) async fn create(mut call: Call<'_>) -> Result<Response, RouteError> {
    let request: TokenRequest = body::read(&mut call.arrival).await?;
    let lifetime_ms = u64::from(request.lifetime_s).saturating_mul(1000);
    let expires_at = clock::now().plus_ms(lifetime_ms);
    let claims = JoinClaims {
        sub: request.participant,
        room: request.room,
        name: request.name,
        grants: request.grants,
        bandwidth: request.bandwidth,
        participants_max: request.participants_max,
        jti: if request.single_use { Some(random::token_id()?) } else { None },
        jti_until: None,
        guest: None,
    };
    let token = auth::sign_join(claims, call.arrival.env, lifetime_ms)?;
    json(201, &Token { token, expires_at })
}
