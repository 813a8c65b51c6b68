//! CreatePermission (RFC 8656 §10): several peers at once, all or none.

use super::Refusal;
use crate::allocation::Full;
use crate::auth::Authenticated;
use crate::limits;
use crate::message::{AttributeType, Class, Message, MessageWriter, Method};
use crate::server::{FiveTuple, Now, TurnServer, canonical};
use std::net::IpAddr;

pub(crate) fn handle(
    server: &mut TurnServer,
    now: Now,
    from: FiveTuple,
    message: &Message<'_>,
    asked: &Authenticated,
) -> Result<Option<MessageWriter>, Refusal> {
    let id = server.owned(from, &asked.username)?;
    let peers = peers(message)?;
    let allocation = server.allocation(id).ok_or(Refusal::ALLOCATION_MISMATCH)?;
    for peer in &peers {
        if peer.is_ipv4() != allocation.relayed.is_ipv4() {
            return Err(Refusal::PEER_ADDRESS_FAMILY_MISMATCH);
        }
        if !server.config.policy.allows_address(allocation.policy, *peer) {
            return Err(Refusal::FORBIDDEN);
        }
    }
    let has_new = || peers.iter().any(|peer| !allocation.permits(*peer, now.instant));
    if super::has_expired(asked, now) && has_new() {
        return Err(Refusal::UNAUTHENTICATED);
    }
    let allocation = server.allocation_mut(id).ok_or(Refusal::ALLOCATION_MISMATCH)?;
    allocation.permit(&peers, now.instant).map_err(|Full| Refusal::INSUFFICIENT_CAPACITY)?;
    server.review_flows(now, id);
    Ok(Some(MessageWriter::new(Method::CreatePermission, Class::Success, message.transaction)))
}

/// The peers' addresses, each once; ports do not count here (RFC 8656 §10.2).
fn peers(message: &Message<'_>) -> Result<Vec<IpAddr>, Refusal> {
    let mut peers = Vec::new();
    for attribute in message.attributes().filter(|attribute| attribute.kind == AttributeType::XOR_PEER_ADDRESS) {
        let peer = message.xor_address(attribute.value).ok_or(Refusal::BAD_REQUEST)?;
        let ip = canonical(peer).ip();
        if peers.contains(&ip) {
            continue;
        }
        if peers.len() >= limits::PERMISSIONS_PER_ALLOCATION_MAX {
            return Err(Refusal::INSUFFICIENT_CAPACITY);
        }
        peers.push(ip);
    }
    if peers.is_empty() { Err(Refusal::BAD_REQUEST) } else { Ok(peers) }
}
