//! Refresh (RFC 8656 §8).

use super::{FAMILY_IPV4, FAMILY_IPV6, Refusal, allocate};
use crate::auth::Authenticated;
use crate::message::{AttributeType, Class, Message, MessageWriter, Method};
use crate::server::{FiveTuple, Now, TurnServer};
use std::time::Duration;

pub(crate) fn handle(
    server: &mut TurnServer,
    now: Now,
    from: FiveTuple,
    message: &Message<'_>,
    asked: &Authenticated,
) -> Result<Option<MessageWriter>, Refusal> {
    let lifetime = allocate::lifetime(message)?;
    let family = super::family(message, AttributeType::REQUESTED_ADDRESS_FAMILY)?;
    let id = match server.owned(from, &asked.username) {
        Ok(id) => id,
        // RFC 8656 §8.2: ending a missing allocation succeeds, so that a lost answer does no harm.
        Err(Refusal::ALLOCATION_MISMATCH) if lifetime.is_zero() => return Ok(Some(answer(message, lifetime))),
        Err(refusal) => return Err(refusal),
    };
    let relayed_v4 = server.allocation(id).is_some_and(|allocation| allocation.relayed.is_ipv4());
    let own_family = if relayed_v4 { FAMILY_IPV4 } else { FAMILY_IPV6 };
    if family.is_some_and(|family| family != own_family) {
        return Err(Refusal::PEER_ADDRESS_FAMILY_MISMATCH);
    }
    if lifetime.is_zero() {
        server.remove(id);
    } else {
        server.prolong(id, now.instant + lifetime);
        server.review_flows(now, id);
    }
    Ok(Some(answer(message, lifetime)))
}

fn answer(message: &Message<'_>, lifetime: Duration) -> MessageWriter {
    let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
    MessageWriter::new(Method::Refresh, Class::Success, message.transaction)
        .with(AttributeType::LIFETIME, &seconds.to_be_bytes())
}
