//! The methods, one file each: read them alongside RFC 8656 and RFC 6062.

pub(crate) mod allocate;
pub(crate) mod channel_bind;
pub(crate) mod connect;
pub(crate) mod connection_bind;
pub(crate) mod create_permission;
pub(crate) mod refresh;
pub(crate) mod send;

use crate::auth::Authenticated;
use crate::message::{AttributeType, Message};
use crate::server::Now;

/// An error response (RFC 8656 §19, RFC 6062 §6.3, RFC 8489 §14.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
}

impl Refusal {
    pub(crate) const BAD_REQUEST: Self = Self { code: 400, reason: "Bad Request" };
    pub(crate) const UNAUTHENTICATED: Self = Self { code: 401, reason: "Unauthenticated" };
    pub(crate) const FORBIDDEN: Self = Self { code: 403, reason: "Forbidden" };
    pub(crate) const ALLOCATION_MISMATCH: Self = Self { code: 437, reason: "Allocation Mismatch" };
    pub(crate) const ADDRESS_FAMILY_NOT_SUPPORTED: Self = Self { code: 440, reason: "Address Family not Supported" };
    pub(crate) const WRONG_CREDENTIALS: Self = Self { code: 441, reason: "Wrong Credentials" };
    pub(crate) const UNSUPPORTED_TRANSPORT: Self = Self { code: 442, reason: "Unsupported Transport Protocol" };
    pub(crate) const PEER_ADDRESS_FAMILY_MISMATCH: Self = Self { code: 443, reason: "Peer Address Family Mismatch" };
    pub(crate) const CONNECTION_ALREADY_EXISTS: Self = Self { code: 446, reason: "Connection Already Exists" };
    pub(crate) const CONNECTION_FAILED: Self = Self { code: 447, reason: "Connection Timeout or Failure" };
    pub(crate) const ALLOCATION_QUOTA_REACHED: Self = Self { code: 486, reason: "Allocation Quota Reached" };
    pub(crate) const INSUFFICIENT_CAPACITY: Self = Self { code: 508, reason: "Insufficient Capacity" };
}

/// Comprehension-required types that the server does not know, as the value of UNKNOWN-ATTRIBUTES (RFC 8489 §6.3.1).
pub(crate) fn unknown_attributes(message: &Message<'_>) -> Vec<u8> {
    const KNOWN: &[AttributeType] = &[
        AttributeType::USERNAME,
        AttributeType::MESSAGE_INTEGRITY,
        AttributeType::CHANNEL_NUMBER,
        AttributeType::LIFETIME,
        AttributeType::XOR_PEER_ADDRESS,
        AttributeType::DATA,
        AttributeType::REALM,
        AttributeType::NONCE,
        AttributeType::REQUESTED_ADDRESS_FAMILY,
        AttributeType::EVEN_PORT,
        AttributeType::REQUESTED_TRANSPORT,
        AttributeType::DONT_FRAGMENT,
        AttributeType::RESERVATION_TOKEN,
        AttributeType::CONNECTION_ID,
    ];
    let unknown = message.attributes().map(|attribute| attribute.kind);
    let unknown = unknown.filter(|kind| kind.must_be_understood() && !KNOWN.contains(kind));
    unknown.flat_map(|kind| kind.0.to_be_bytes()).collect()
}

/// IPv4 in REQUESTED-ADDRESS-FAMILY and ADDITIONAL-ADDRESS-FAMILY (RFC 8656 §18.6).
pub(crate) const FAMILY_IPV4: u8 = 1;
/// IPv6 in the same attributes.
pub(crate) const FAMILY_IPV6: u8 = 2;

/// The family of such an attribute, if it is there: one byte and three reserved ones.
pub(crate) fn family(message: &Message<'_>, kind: AttributeType) -> Result<Option<u8>, Refusal> {
    match message.value(kind) {
        None => Ok(None),
        Some([family, _, _, _]) => Ok(Some(*family)),
        Some(_) => Err(Refusal::BAD_REQUEST),
    }
}

/// An expired credential creates nothing new but can refresh existing state, so that its call continues.
pub(crate) fn has_expired(asked: &Authenticated, now: Now) -> bool {
    asked.user.expires_at.0 <= now.unix.0
}
