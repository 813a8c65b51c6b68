//! Writes Binding requests (a client's half, for tests and load) and the responses.

use super::read::{
    BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, BindingRequest, FINGERPRINT_MASK, FINGERPRINT_VALUE_BYTES,
    HEADER_BYTES, INTEGRITY_VALUE_BYTES, MAGIC_COOKIE, Role, TransactionId, attribute,
};
use aws_lc_rs::hmac;
use std::net::{IpAddr, SocketAddr};

/// The content of a client's Binding request.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Chosen by the client, repeated in the response.
    pub transaction: TransactionId,
    /// User fragment of the receiver.
    pub receiver_ufrag: &'a str,
    /// User fragment of the sender.
    pub sender_ufrag: &'a str,
    pub use_candidate: bool,
    /// The sender's claimed role.
    pub role: Role,
}

impl Request<'_> {
    /// Authenticated with the receiver's password.
    pub fn to_vec(&self, key: &hmac::Key) -> Vec<u8> {
        let mut writer = Writer::new(BINDING_REQUEST, &self.transaction);
        writer.attribute(attribute::USERNAME, format!("{}:{}", self.receiver_ufrag, self.sender_ufrag).as_bytes());
        let role = match self.role {
            Role::Controlling => attribute::ICE_CONTROLLING,
            Role::Controlled => attribute::ICE_CONTROLLED,
        };
        // A tie-breaker matters only between two full agents (RFC 8445 §7.3.1.1).
        writer.attribute(role, &[0; 8]);
        // RFC 8445 §5.1.2.1: a peer-reflexive candidate's priority.
        writer.attribute(attribute::PRIORITY, &0x6E00_01FF_u32.to_be_bytes());
        if self.use_candidate {
            writer.attribute(attribute::USE_CANDIDATE, &[]);
        }
        writer.finish(key)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// The request was accepted.
    Success {
        /// The client's address as seen by the node.
        mapped: SocketAddr,
    },
    /// RFC 8445 §7.3.1.1: the sender must take the other role.
    RoleConflict,
    /// RFC 8489 §6.3.1: the request had unknown comprehension-required attributes.
    UnknownAttribute,
}

impl Response {
    /// The response to `request`, authenticated with our password.
    pub fn to_vec(self, request: &BindingRequest<'_>, key: &hmac::Key) -> Vec<u8> {
        match self {
            Self::Success { mapped } => {
                let mut writer = Writer::new(BINDING_SUCCESS, &request.transaction);
                writer.xor_mapped_address(mapped, &request.transaction);
                writer.finish(key)
            }
            Self::RoleConflict => {
                let mut writer = Writer::new(BINDING_ERROR, &request.transaction);
                writer.error_code(487, "Role Conflict");
                writer.finish(key)
            }
            Self::UnknownAttribute => {
                let mut writer = Writer::new(BINDING_ERROR, &request.transaction);
                writer.error_code(420, "Unknown Attribute");
                let types: Vec<u8> = request.unknown().types().iter().flat_map(|kind| kind.to_be_bytes()).collect();
                writer.attribute(attribute::UNKNOWN_ATTRIBUTES, &types);
                writer.finish(key)
            }
        }
    }
}

/// A message under construction. Its length field is updated after each attribute.
pub(super) struct Writer {
    message: Vec<u8>,
}

impl Writer {
    pub(super) fn new(kind: [u8; 2], transaction: &TransactionId) -> Self {
        let mut message = Vec::with_capacity(128);
        message.extend(kind);
        message.extend([0, 0]);
        message.extend(MAGIC_COOKIE);
        message.extend(transaction);
        Self { message }
    }

    pub(super) fn attribute(&mut self, kind: u16, value: &[u8]) {
        self.set_length_with(4 + value.len().next_multiple_of(4));
        self.message.extend(kind.to_be_bytes());
        self.message.extend((value.len() as u16).to_be_bytes());
        self.message.extend(value);
        self.message.resize(self.message.len().next_multiple_of(4), 0);
    }

    /// Sets the length field as if `more` bytes followed, which both checksums cover.
    fn set_length_with(&mut self, more: usize) {
        let length = (self.message.len() - HEADER_BYTES + more) as u16;
        if let Some(field) = self.message.get_mut(2..4) {
            field.copy_from_slice(&length.to_be_bytes());
        }
    }

    fn error_code(&mut self, code: u16, reason: &str) {
        // RFC 8489 §14.8: hundreds and the rest in separate bytes.
        let mut value = vec![0, 0, (code / 100) as u8, (code % 100) as u8];
        value.extend(reason.as_bytes());
        self.attribute(attribute::ERROR_CODE, &value);
    }

    /// RFC 8489 §14.2: the address, hidden from middleboxes that rewrite addresses in payloads.
    fn xor_mapped_address(&mut self, mapped: SocketAddr, transaction: &TransactionId) {
        let mask = MAGIC_COOKIE.iter().chain(transaction);
        let family = if mapped.is_ipv4() { 1 } else { 2 };
        let mut value = vec![0, family];
        value.extend(mapped.port().to_be_bytes().iter().zip(&MAGIC_COOKIE).map(|(byte, mask)| byte ^ mask));
        match mapped.ip() {
            IpAddr::V4(ip) => value.extend(ip.octets().iter().zip(mask).map(|(byte, mask)| byte ^ mask)),
            IpAddr::V6(ip) => value.extend(ip.octets().iter().zip(mask).map(|(byte, mask)| byte ^ mask)),
        }
        self.attribute(attribute::XOR_MAPPED_ADDRESS, &value);
    }

    /// Adds MESSAGE-INTEGRITY and FINGERPRINT.
    pub(super) fn finish(mut self, key: &hmac::Key) -> Vec<u8> {
        self.set_length_with(4 + INTEGRITY_VALUE_BYTES);
        let tag = hmac::sign(key, &self.message);
        self.attribute(attribute::MESSAGE_INTEGRITY, tag.as_ref());
        self.set_length_with(4 + FINGERPRINT_VALUE_BYTES);
        let checksum = crc32fast::hash(&self.message) ^ FINGERPRINT_MASK;
        self.attribute(attribute::FINGERPRINT, &checksum.to_be_bytes());
        self.message
    }
}
