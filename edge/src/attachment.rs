//! A socket's state that survives hibernation: ids and claims only, because workerd keeps at most 2,048 bytes.

use edge_core::door::Address;
use edge_core::room::Attachment;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use shared::json;
use worker::js_sys::JSON;
use worker::wasm_bindgen::JsValue;
use worker::worker_sys::ext::WebSocketExt;
use worker::{Result, WebSocket};

/// A room's socket: its owner and its address.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Seat {
    pub(crate) of: Attachment,
    pub(crate) address: Option<Address>,
}

/// Replaces the attachment of a socket.
pub(crate) fn write(socket: &WebSocket, attachment: &impl Serialize) -> Result<()> {
    // Parsing a text costs less than the calls that would build the object property by property.
    Ok(socket.as_ref().serialize_attachment(JSON::parse(&serde_json::to_string(attachment)?)?)?)
}

/// Reads a socket's attachment; `None` if the object has given the socket up.
pub(crate) fn read<A: DeserializeOwned>(socket: &WebSocket) -> Option<A> {
    let text = JSON::stringify(&socket.as_ref().deserialize_attachment().ok()?).ok()?;
    json::from_str(&text.as_string()?).ok()
}

/// Marks a socket as closed by us: it lingers until the peer answers the close, and must not count as open.
pub(crate) fn clear(socket: &WebSocket) -> Result<()> {
    Ok(socket.as_ref().serialize_attachment(JsValue::NULL)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use edge_core::SocketId;
    use serde_json::Value;
    use shared::token::{Attributes, Bandwidth, Grants, Guest, JoinClaims};
    use shared::trace::Trace;
    use shared::{ParticipantId, Region, RoomId, TemplateName, TokenId, UnixMillis, limits};

    /// Cloudflare: "The maximum size of the serialized value is 2,048 bytes".
    const ATTACHMENT_BYTES_MAX: usize = 2_048;

    /// Upper bound of V8's serialization: a text outside ASCII has two bytes per UTF-16 unit, another text and every
    /// key one per character, each with a header of at most 4; numbers take 9.
    fn serialized_bytes(value: &Value) -> usize {
        let text = |text: &str| 4 + if text.is_ascii() { text.len() } else { 2 * text.encode_utf16().count() };
        match value {
            Value::Null | Value::Bool(_) => 1,
            Value::Number(_) => 9,
            Value::String(value) => text(value),
            Value::Array(values) => 8 + values.iter().map(serialized_bytes).sum::<usize>(),
            Value::Object(fields) => {
                8 + fields.iter().map(|(key, value)| text(key) + serialized_bytes(value)).sum::<usize>()
            }
        }
    }

    #[test]
    fn the_largest_attachment_fits() {
        let claims = JoinClaims {
            sub: ParticipantId::parse(&"p".repeat(ParticipantId::BYTES_MAX)).expect("valid"),
            room: RoomId::parse(&"r".repeat(RoomId::BYTES_MAX)).expect("valid"),
            name: "😀".repeat(limits::NAME_CHARS_MAX),
            grants: Grants::NONE,
            role: None,
            attributes: Attributes::new(),
            bandwidth: Bandwidth { send_bps_max: Some(u32::MAX), receive_bps_max: Some(u32::MAX) },
            participants_max: Some(u32::MAX),
            template: Some(TemplateName::parse(&"t".repeat(TemplateName::BYTES_MAX)).expect("valid")),
            jti: Some(TokenId::parse(&"j".repeat(TokenId::BYTES_MAX)).expect("valid")),
            jti_until: Some(UnixMillis(1 << 53)),
            guest: Some(Guest {
                made: Some(UnixMillis(1 << 53)),
                from: Some("f".repeat(limits::GUEST_ADDRESS_LETTERS)),
            }),
        };
        let near = vec![Region::parse(&"r".repeat(Region::BYTES_MAX)).expect("valid"); limits::TURN_REGIONS_PER_CLIENT];
        let of = Attachment::Client {
            socket: SocketId(1 << 53),
            opened_at: UnixMillis(1 << 53),
            claims,
            near,
            trace: Some(Trace::begin([255; 24])),
        };
        let seat = Seat { of, address: Address::parse("ffff:ffff:ffff:ffff::") };
        let bytes = serialized_bytes(&serde_json::to_value(&seat).expect("json"));
        assert!(bytes <= ATTACHMENT_BYTES_MAX, "{bytes} bytes");
    }
}
