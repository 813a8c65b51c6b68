//! `/v1/nodes`: media nodes dial in.

use super::{Arrival, RouteError};
use crate::internal::{Address, Introduction};
use crate::refusal::Refusal;
use crate::{auth, upgrade};
use shared::ErrorCode;
use shared::control;
use shared::token::NodeClaims;
use worker::Response;

/// `GET /v1/nodes/socket`: a node registers with its region's Fleet object.
pub(super) async fn socket(arrival: &Arrival<'_>) -> Result<Response, RouteError> {
    check_upgrade(arrival)?;
    let claims: NodeClaims = auth::node(&arrival.request, arrival.env)?;
    let Some(continent) = arrival.config.regions.get(&claims.region).copied() else {
        return Err(Refusal::new(ErrorCode::Forbidden, "the node's region is not one of ours").into());
    };
    let address = Address::fleet(&claims.region, Some(continent));
    let introduction = Introduction { claims, continent: None, request_id: arrival.request_id.clone() };
    Ok(address.introduce(arrival.env, &introduction).await?)
}

/// Nodes are native programs and see HTTP statuses, so an upgrade that cannot be served fails as one.
pub(super) fn check_upgrade(arrival: &Arrival<'_>) -> Result<(), Refusal> {
    if !upgrade::is_asked_for(&arrival.request) {
        return Err(Refusal::upgrade_required());
    }
    if !upgrade::Protocols::of(&arrival.request).offers(control::SUBPROTOCOL) {
        return Err(Refusal::new(ErrorCode::UnsupportedVersion, "the sub-protocol spoken here is rotunda-node.v1"));
    }
    Ok(())
}
