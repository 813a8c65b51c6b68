//! `/v1/tokens`: join tokens.

use super::{Call, RouteError, body, json, refused};
use crate::{auth, clock, random};
use shared::api::{Token, TokenRequest};
use shared::token::JoinClaims;
use shared::{ErrorCode, TemplateName};
use worker::Response;

/// `POST /v1/tokens`.
pub(super) async fn create(mut call: Call<'_>) -> Result<Response, RouteError> {
    let request: TokenRequest = body::read(&mut call.arrival).await?;
    let lifetime_ms = u64::from(request.lifetime_s).saturating_mul(1000);
    let expires_at = clock::now().plus_ms(lifetime_ms);
    let roles = &call.arrival.config.roles;
    let grants = match &request.role {
        // The table as of the join counts; these tell the client what to ask the user for.
        Some(role) => roles.grants(role).ok_or_else(|| refused(ErrorCode::UnknownRole))?,
        None => request.grants,
    };
    let is_known = |name: &TemplateName| call.arrival.config.templates.get(name).is_some();
    if request.template.as_ref().is_some_and(|name| !is_known(name)) {
        return Err(refused(ErrorCode::UnknownTemplate).into());
    }
    let claims = JoinClaims {
        sub: request.participant,
        room: request.room,
        name: request.name,
        grants,
        role: request.role,
        attributes: request.attributes,
        bandwidth: request.bandwidth,
        participants_max: request.participants_max,
        template: request.template,
        jti: if request.single_use { Some(random::token_id()?) } else { None },
        jti_until: None,
        guest: None,
    };
    let token = auth::sign_join(claims, call.arrival.env, lifetime_ms)?;
    json(201, &Token { token, expires_at })
}
