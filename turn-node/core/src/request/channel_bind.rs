//! ChannelBind (RFC 8656 §12.1, §12.2).

use super::Refusal;
use crate::allocation::{BindError, Transport};
use crate::auth::Authenticated;
use crate::message::{AttributeType, Class, Message, MessageWriter, Method, is_channel_number};
use crate::server::{FiveTuple, Now, TurnServer, canonical};

pub(crate) fn handle(
    server: &mut TurnServer,
    now: Now,
    from: FiveTuple,
    message: &Message<'_>,
    asked: &Authenticated,
) -> Result<Option<MessageWriter>, Refusal> {
    let id = server.owned(from, &asked.username)?;
    let number = match message.value(AttributeType::CHANNEL_NUMBER) {
        Some([high, low, _, _]) => u16::from_be_bytes([*high, *low]),
        Some(_) | None => return Err(Refusal::BAD_REQUEST),
    };
    let value = message.value(AttributeType::XOR_PEER_ADDRESS).ok_or(Refusal::BAD_REQUEST)?;
    let peer = canonical(message.xor_address(value).ok_or(Refusal::BAD_REQUEST)?);
    if !is_channel_number(number) {
        return Err(Refusal::BAD_REQUEST);
    }
    let allocation = server.allocation(id).ok_or(Refusal::ALLOCATION_MISMATCH)?;
    // RFC 6062 §4: an allocation for TCP has connections and no channels.
    if allocation.transport != Transport::Udp {
        return Err(Refusal::FORBIDDEN);
    }
    if peer.is_ipv4() != allocation.relayed.is_ipv4() {
        return Err(Refusal::PEER_ADDRESS_FAMILY_MISMATCH);
    }
    if !server.config.policy.allows(allocation.policy, peer) {
        return Err(Refusal::FORBIDDEN);
    }
    if super::has_expired(asked, now) && !allocation.permits(peer.ip(), now.instant) {
        return Err(Refusal::UNAUTHENTICATED);
    }
    let allocation = server.allocation_mut(id).ok_or(Refusal::ALLOCATION_MISMATCH)?;
    allocation.bind(number, peer, now.instant).map_err(|error| match error {
        BindError::Taken => Refusal::BAD_REQUEST,
        BindError::Full => Refusal::INSUFFICIENT_CAPACITY,
    })?;
    server.review_flows(now, id);
    Ok(Some(MessageWriter::new(Method::ChannelBind, Class::Success, message.transaction)))
}
