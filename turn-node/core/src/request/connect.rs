//! Connect (RFC 6062 §5.2): a TCP connection from the relayed address to a peer. The answer waits for the peer.

use super::Refusal;
use crate::allocation::Transport;
use crate::auth::Authenticated;
use crate::connection::Asked;
use crate::message::{AttributeType, Message, MessageWriter};
use crate::server::{FiveTuple, Now, TurnServer, canonical};

pub(crate) fn handle(
    server: &mut TurnServer,
    now: Now,
    from: FiveTuple,
    message: &Message<'_>,
    asked: &Authenticated,
) -> Result<Option<MessageWriter>, Refusal> {
    let id = server.owned(from, &asked.username)?;
    let allocation = server.allocation(id).ok_or(Refusal::ALLOCATION_MISMATCH)?;
    if allocation.transport != Transport::Tcp {
        return Err(Refusal::ALLOCATION_MISMATCH);
    }
    let value = message.value(AttributeType::XOR_PEER_ADDRESS).ok_or(Refusal::BAD_REQUEST)?;
    let peer = canonical(message.xor_address(value).ok_or(Refusal::BAD_REQUEST)?);
    if peer.is_ipv4() != allocation.relayed.is_ipv4() {
        return Err(Refusal::PEER_ADDRESS_FAMILY_MISMATCH);
    }
    if server.connections.has(id, peer) {
        return Err(Refusal::CONNECTION_ALREADY_EXISTS);
    }
    if !server.config.policy.allows_connection(allocation.policy, peer) {
        return Err(Refusal::FORBIDDEN);
    }
    if super::has_expired(asked, now) {
        return Err(Refusal::UNAUTHENTICATED);
    }
    let share = server.connections.admit(now.instant, id, allocation)?;
    let answer =
        Asked { transaction: message.transaction, key: asked.key.clone(), fingerprint: message.has_fingerprint() };
    let connection = server.connections.connecting(now.instant, id, peer, share, answer);
    server.connect(connection, id, peer);
    Ok(None)
}
