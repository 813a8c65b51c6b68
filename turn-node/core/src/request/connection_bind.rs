//! ConnectionBind (RFC 6062 §5.4): the client's new connection becomes the other end of a peer's.

use super::Refusal;
use crate::auth::Authenticated;
use crate::connection::ConnectionId;
use crate::message::{AttributeType, Class, Message, MessageWriter, Method};
use crate::server::{FiveTuple, TurnServer};

pub(crate) fn handle(
    server: &mut TurnServer,
    from: FiveTuple,
    message: &Message<'_>,
    asked: &Authenticated,
) -> Result<Option<MessageWriter>, Refusal> {
    // A connection with an allocation of its own carries messages, so it cannot carry bare data.
    if !from.is_stream() || server.by_client.contains_key(&from) {
        return Err(Refusal::BAD_REQUEST);
    }
    let number = message.value(AttributeType::CONNECTION_ID).ok_or(Refusal::BAD_REQUEST)?;
    let number = <[u8; 4]>::try_from(number).map_err(|_| Refusal::BAD_REQUEST)?;
    let id = ConnectionId(u32::from_be_bytes(number));
    let owner = server.connections.waits_for(id).and_then(|allocation| server.allocation(allocation));
    if *owner.ok_or(Refusal::BAD_REQUEST)?.username != *asked.username {
        return Err(Refusal::WRONG_CREDENTIALS);
    }
    server.connections.bind(id);
    let writer = MessageWriter::new(Method::ConnectionBind, Class::Success, message.transaction)
        .with(AttributeType::CONNECTION_ID, &number);
    server.send_finished(from, writer.signed(&asked.key), message.has_fingerprint());
    server.join(id, from);
    Ok(None)
}
