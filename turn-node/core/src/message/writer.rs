//! Writes messages: attributes in order, integrity and fingerprint last.

use super::attribute::write_xor_address;
use super::{AttributeType, Class, FINGERPRINT_XOR, HEADER_BYTES, MAGIC_COOKIE, Method, TransactionId, type_bits};
use crate::auth::IntegrityKey;
use std::net::SocketAddr;

#[derive(Debug)]
pub struct MessageWriter {
    bytes: Vec<u8>,
    transaction: TransactionId,
}

impl MessageWriter {
    #[must_use]
    pub fn new(method: Method, class: Class, transaction: TransactionId) -> Self {
        let mut bytes = Vec::with_capacity(192);
        bytes.extend(type_bits(method, class).to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(MAGIC_COOKIE.to_be_bytes());
        bytes.extend(transaction);
        Self { bytes, transaction }
    }

    /// Adds an attribute; a value beyond 65,535 bytes cannot be written and is omitted.
    #[must_use]
    pub fn with(mut self, kind: AttributeType, value: &[u8]) -> Self {
        if let Ok(length) = u16::try_from(value.len()) {
            self.bytes.extend(kind.0.to_be_bytes());
            self.bytes.extend(length.to_be_bytes());
            self.bytes.extend_from_slice(value);
            self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        }
        self
    }

    /// Adds an address (RFC 8489 §14.2).
    #[must_use]
    pub fn with_address(self, kind: AttributeType, address: SocketAddr) -> Self {
        let mut value = Vec::with_capacity(20);
        write_xor_address(address, &self.transaction, &mut value);
        self.with(kind, &value)
    }

    /// Adds ERROR-CODE (RFC 8489 §14.8).
    #[must_use]
    pub fn with_error(self, code: u16, reason: &str) -> Self {
        let mut value = vec![0, 0, (code / 100) as u8, (code % 100) as u8];
        value.extend_from_slice(reason.as_bytes());
        self.with(AttributeType::ERROR_CODE, &value)
    }

    /// Adds MESSAGE-INTEGRITY; only FINGERPRINT may follow.
    #[must_use]
    pub fn signed(mut self, key: &IntegrityKey) -> Self {
        self.set_length(24);
        let tag = key.sign(&self.bytes);
        self.with(AttributeType::MESSAGE_INTEGRITY, &tag)
    }

    /// Adds FINGERPRINT, the last attribute.
    #[must_use]
    pub fn fingerprinted(mut self) -> Self {
        self.set_length(8);
        let crc = crc32fast::hash(&self.bytes) ^ FINGERPRINT_XOR;
        self.with(AttributeType::FINGERPRINT, &crc.to_be_bytes())
    }

    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        self.set_length(0);
        self.bytes
    }

    /// Sets the length field as if `more` bytes followed.
    fn set_length(&mut self, more: usize) {
        let length = u16::try_from(self.bytes.len() - HEADER_BYTES + more).unwrap_or(u16::MAX);
        if let Some(field) = self.bytes.get_mut(2..4) {
            field.copy_from_slice(&length.to_be_bytes());
        }
    }
}

/// Length of [`data_indication_header`]: the STUN header, XOR-PEER-ADDRESS, and the head of DATA.
#[must_use]
pub const fn data_indication_header_bytes(peer: SocketAddr) -> usize {
    HEADER_BYTES + 4 + address_bytes(peer) as usize + 4
}

/// The part of a Data indication (RFC 8656 §11.3) before the data, which zeros must pad to four bytes. The whole
/// message has at most 65,535 bytes.
pub fn data_indication_header(peer: SocketAddr, transaction: TransactionId, data_bytes: u16, out: &mut Vec<u8>) {
    out.clear();
    out.extend(type_bits(Method::Data, Class::Indication).to_be_bytes());
    let length = data_indication_header_bytes(peer) - HEADER_BYTES + usize::from(data_bytes).next_multiple_of(4);
    out.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    out.extend(MAGIC_COOKIE.to_be_bytes());
    out.extend(transaction);
    out.extend(AttributeType::XOR_PEER_ADDRESS.0.to_be_bytes());
    out.extend(address_bytes(peer).to_be_bytes());
    write_xor_address(peer, &transaction, out);
    out.extend(AttributeType::DATA.0.to_be_bytes());
    out.extend(data_bytes.to_be_bytes());
}

/// Length of an address attribute's value (RFC 8489 §14.2).
const fn address_bytes(address: SocketAddr) -> u16 {
    if address.is_ipv4() { 8 } else { 20 }
}
