//! Attributes: type, length, value (RFC 8489 §14), and the encoding of addresses.

use super::{MAGIC_COOKIE, TransactionId, read_u16, read_u32};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute<'a> {
    pub kind: AttributeType,
    /// Without padding.
    pub value: &'a [u8],
}

impl<'a> Attribute<'a> {
    /// Reads the attribute at the start of `bytes`, which must include its padding.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let length = usize::from(read_u16(bytes, 2)?);
        let value = bytes.get(4..4 + length)?;
        bytes.get(4 + length..4 + length.next_multiple_of(4))?;
        Some(Self { kind: AttributeType(read_u16(bytes, 0)?), value })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AttributeType(pub u16);

// The names are the registry's (RFC 8489 §18.3, RFC 8656 §17, RFC 6062 §6.2).
impl AttributeType {
    pub const USERNAME: Self = Self(0x0006);
    pub const MESSAGE_INTEGRITY: Self = Self(0x0008);
    pub const ERROR_CODE: Self = Self(0x0009);
    pub const UNKNOWN_ATTRIBUTES: Self = Self(0x000a);
    pub const CHANNEL_NUMBER: Self = Self(0x000c);
    pub const LIFETIME: Self = Self(0x000d);
    pub const XOR_PEER_ADDRESS: Self = Self(0x0012);
    pub const DATA: Self = Self(0x0013);
    pub const REALM: Self = Self(0x0014);
    pub const NONCE: Self = Self(0x0015);
    pub const XOR_RELAYED_ADDRESS: Self = Self(0x0016);
    pub const REQUESTED_ADDRESS_FAMILY: Self = Self(0x0017);
    pub const EVEN_PORT: Self = Self(0x0018);
    pub const REQUESTED_TRANSPORT: Self = Self(0x0019);
    pub const DONT_FRAGMENT: Self = Self(0x001a);
    pub const XOR_MAPPED_ADDRESS: Self = Self(0x0020);
    pub const RESERVATION_TOKEN: Self = Self(0x0022);
    pub const CONNECTION_ID: Self = Self(0x002a);
    pub const ADDITIONAL_ADDRESS_FAMILY: Self = Self(0x8000);
    pub const ADDRESS_ERROR_CODE: Self = Self(0x8001);
    pub const SOFTWARE: Self = Self(0x8022);
    pub const FINGERPRINT: Self = Self(0x8028);

    /// Comprehension-required: a receiver that does not know the type must refuse the message (RFC 8489 §14).
    #[must_use]
    pub const fn must_be_understood(self) -> bool {
        self.0 < 0x8000
    }
}

/// Writes an address XORed with the magic cookie (RFC 8489 §14.2), so that NATs do not rewrite it.
pub(crate) fn write_xor_address(address: SocketAddr, transaction: &TransactionId, out: &mut Vec<u8>) {
    let port = address.port() ^ (MAGIC_COOKIE >> 16) as u16;
    match address.ip() {
        IpAddr::V4(ip) => {
            out.extend([0, 1]);
            out.extend(port.to_be_bytes());
            out.extend((u32::from(ip) ^ MAGIC_COOKIE).to_be_bytes());
        }
        IpAddr::V6(ip) => {
            out.extend([0, 2]);
            out.extend(port.to_be_bytes());
            out.extend((u128::from(ip) ^ mask_v6(transaction)).to_be_bytes());
        }
    }
}

/// Reads what [`write_xor_address`] writes.
pub(crate) fn read_xor_address(value: &[u8], transaction: &TransactionId) -> Option<SocketAddr> {
    let port = read_u16(value, 2)? ^ (MAGIC_COOKIE >> 16) as u16;
    let ip = match (value.get(1)?, value.len()) {
        (1, 8) => IpAddr::V4(Ipv4Addr::from(read_u32(value, 4)? ^ MAGIC_COOKIE)),
        (2, 20) => {
            let raw = u128::from_be_bytes(value.get(4..20)?.try_into().ok()?);
            IpAddr::V6(Ipv6Addr::from(raw ^ mask_v6(transaction)))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

fn mask_v6(transaction: &TransactionId) -> u128 {
    let low = transaction.iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
    u128::from(MAGIC_COOKIE) << 96 | low
}
