//! `/v1/nodes`: nodes connect and renew their tickets.

use super::api::body;
use super::{Arrival, RouteError};
use crate::internal::{Address, Introduction};
use crate::refusal::Refusal;
use crate::{auth, upgrade};
use serde::{Deserialize, Serialize};
use shared::control;
use shared::token::NodeClaims;
use shared::{ErrorCode, json, limits};
use std::net::IpAddr;
use worker::Response;

/// `GET /v1/nodes/socket`: a node registers with its region's Fleet object.
pub(super) async fn socket(arrival: &Arrival<'_>) -> Result<Response, RouteError> {
    check_upgrade(arrival)?;
    let claims: NodeClaims = auth::node(&arrival.request, arrival.env)?;
    let Some(continent) = arrival.config.regions.continent(&claims.region) else {
        return Err(Refusal::new(ErrorCode::Forbidden, "the node's region is not one of REGIONS").into());
    };
    let fleet = Address::fleet(&claims.region, Some(continent));
    let request_id = arrival.request_id.clone();
    let seen =
        arrival.address_text().and_then(|address| address.parse::<IpAddr>().ok()).map(|seen| seen.to_canonical());
    let (continent, near, address, connection) = (None, Vec::new(), None, None);
    let introduction = Introduction { claims, continent, near, address, seen, request_id, trace: None, connection };
    Ok(fleet.introduce(arrival.env, &introduction).await?)
}

/// A node's ticket: the old one in the request, the renewed one in the answer.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ticket {
    ticket: String,
}

const TICKET_TOO_LARGE: Refusal = Refusal::new(ErrorCode::BodyTooLarge, "the ticket is too large");

/// `POST /v1/nodes/ticket`: a room may outlive the ticket of its node. The room itself decides whether it still wants
/// the node.
pub(super) async fn ticket(mut arrival: Arrival<'_>) -> Result<Response, RouteError> {
    let node = auth::node(&arrival.request, arrival.env)?;
    let body = body::collect_text(&mut arrival, limits::TOKEN_BYTES_MAX + 256, &TICKET_TOO_LARGE).await?;
    let Ticket { ticket } =
        json::from_str(&body).map_err(|_| Refusal::new(ErrorCode::InvalidMessage, "the body must be {ticket}"))?;
    let ticket = auth::renew_ticket(&node, &ticket, arrival.env)?;
    Ok(Response::from_json(&Ticket { ticket })?)
}

/// Nodes are native programs and see HTTP statuses, so an impossible upgrade fails with one.
pub(super) fn check_upgrade(arrival: &Arrival<'_>) -> Result<(), Refusal> {
    if !upgrade::is_asked_for(&arrival.request) {
        return Err(Refusal::upgrade_required());
    }
    if !upgrade::Protocols::of(&arrival.request).offers(control::SUBPROTOCOL) {
        return Err(Refusal::new(ErrorCode::UnsupportedVersion, "the sub-protocol must be rotunda-node.v1"));
    }
    Ok(())
}
