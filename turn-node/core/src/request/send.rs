//! The Send indication (RFC 8656 §11.1, §11.2): data for a peer without a channel. It is never answered.

use crate::allocation::Transport;
use crate::message::{AttributeType, Message};
use crate::output::ToPeer;
use crate::server::{FiveTuple, Now, TurnServer, canonical};
use std::ops::Range;

pub(crate) fn handle(
    server: &mut TurnServer,
    now: Now,
    from: FiveTuple,
    message: &Message<'_>,
    datagram: &[u8],
) -> Option<ToPeer> {
    // RFC 8489 §6.3.2: an indication with an unknown comprehension-required attribute is discarded.
    if !super::unknown_attributes(message).is_empty() {
        server.counters.malformed += 1;
        return None;
    }
    let peer = message.value(AttributeType::XOR_PEER_ADDRESS).and_then(|value| message.xor_address(value));
    let (Some(peer), Some(data)) = (peer.map(canonical), message.value(AttributeType::DATA)) else {
        server.counters.malformed += 1;
        return None;
    };
    let id = server.by_client.get(&from).copied();
    // The policy may have changed since the permission was installed, and a permission names no port.
    // RFC 8656 §11.2: a Send indication does not refresh the permission that it needs.
    let permitted = id.filter(|id| {
        let allocation = server.allocation(*id).filter(|allocation| allocation.is_open() && peer.port() != 0);
        allocation.is_some_and(|allocation| {
            allocation.transport == Transport::Udp
                && allocation.permits(peer.ip(), now.instant)
                && server.config.policy.allows(allocation.policy, peer)
        })
    });
    let Some(id) = permitted else {
        server.counters.not_permitted += 1;
        return None;
    };
    let dont_fragment = message.value(AttributeType::DONT_FRAGMENT).is_some();
    let payload = range_within(datagram, data)?;
    server.spend(id, payload.len(), now).then_some(ToPeer { allocation: id, peer, payload, dont_fragment })
}

/// The position of a datagram's part within it.
fn range_within(datagram: &[u8], part: &[u8]) -> Option<Range<usize>> {
    let start = (part.as_ptr() as usize).checked_sub(datagram.as_ptr() as usize)?;
    (start + part.len() <= datagram.len()).then_some(start..start + part.len())
}
