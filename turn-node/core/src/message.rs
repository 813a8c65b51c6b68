//! STUN messages (RFC 8489 §5, §14) with TURN's attributes (RFC 8656 §18), and ChannelData (RFC 8656 §12.4).

mod attribute;
mod writer;

pub use attribute::{Attribute, AttributeType};
pub use writer::{MessageWriter, data_indication_header, data_indication_header_bytes};

use crate::auth::IntegrityKey;
use std::net::SocketAddr;

/// The magic cookie (RFC 8489 §5).
pub const MAGIC_COOKIE: u32 = 0x2112_A442;
pub const HEADER_BYTES: usize = 20;
/// Combined with the CRC of FINGERPRINT (RFC 8489 §14.7).
pub(crate) const FINGERPRINT_XOR: u32 = 0x5354_554e;

/// RFC 8489 §18.2, RFC 8656 §17, RFC 6062 §6.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Binding,
    Allocate,
    /// Extends or ends an allocation.
    Refresh,
    /// Carries data to a peer without a channel.
    Send,
    /// Carries data from a peer without a channel.
    Data,
    /// Installs permissions for peers.
    CreatePermission,
    /// Binds a channel number to a peer.
    ChannelBind,
    /// Opens a TCP connection to a peer (RFC 6062 §4.3).
    Connect,
    /// Makes the client's TCP connection the other end of a peer's (RFC 6062 §4.3).
    ConnectionBind,
    /// Tells the client of a peer's TCP connection (RFC 6062 §4.4).
    ConnectionAttempt,
}

impl Method {
    const fn code(self) -> u16 {
        match self {
            Self::Binding => 0x001,
            Self::Allocate => 0x003,
            Self::Refresh => 0x004,
            Self::Send => 0x006,
            Self::Data => 0x007,
            Self::CreatePermission => 0x008,
            Self::ChannelBind => 0x009,
            Self::Connect => 0x00a,
            Self::ConnectionBind => 0x00b,
            Self::ConnectionAttempt => 0x00c,
        }
    }

    const fn from_code(code: u16) -> Option<Self> {
        match code {
            0x001 => Some(Self::Binding),
            0x003 => Some(Self::Allocate),
            0x004 => Some(Self::Refresh),
            0x006 => Some(Self::Send),
            0x007 => Some(Self::Data),
            0x008 => Some(Self::CreatePermission),
            0x009 => Some(Self::ChannelBind),
            0x00a => Some(Self::Connect),
            0x00b => Some(Self::ConnectionBind),
            0x00c => Some(Self::ConnectionAttempt),
            _ => None,
        }
    }
}

/// RFC 8489 §5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Request,
    Indication,
    Success,
    Error,
}

impl Class {
    const fn bits(self) -> u16 {
        match self {
            Self::Request => 0x000,
            Self::Indication => 0x010,
            Self::Success => 0x100,
            Self::Error => 0x110,
        }
    }
}

/// Matches a response to its request.
pub type TransactionId = [u8; 12];

/// The 14 type bits: method and class interleaved (RFC 8489 §5, figure 3).
pub(crate) const fn type_bits(method: Method, class: Class) -> u16 {
    let code = method.code();
    (code & 0x000f) | (code & 0x0070) << 1 | (code & 0x0f80) << 2 | class.bits()
}

/// A message with valid framing; its attributes are parsed on demand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    pub method: Method,
    pub class: Class,
    pub transaction: TransactionId,
    bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// Parses the header and framing; a FINGERPRINT must be correct if present.
    #[must_use]
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header = bytes.get(..HEADER_BYTES)?;
        let bits = read_u16(header, 0)?;
        let length = usize::from(read_u16(header, 2)?);
        // Padding makes every length a multiple of four (RFC 8489 §5).
        if bits & 0xc000 != 0 || read_u32(header, 4)? != MAGIC_COOKIE || length % 4 != 0 {
            return None;
        }
        if bytes.len() != HEADER_BYTES + length {
            return None;
        }
        let method = Method::from_code((bits & 0x000f) | (bits & 0x00e0) >> 1 | (bits & 0x3e00) >> 2)?;
        let class = match bits & 0x0110 {
            0x000 => Class::Request,
            0x010 => Class::Indication,
            0x100 => Class::Success,
            _ => Class::Error,
        };
        let transaction = header.get(8..HEADER_BYTES)?.try_into().ok()?;
        let message = Self { method, class, transaction, bytes };
        message.framing_is_sound().then_some(message)
    }

    /// Attributes up to MESSAGE-INTEGRITY; those after it are not covered and must be ignored (RFC 8489 §14.5).
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        let mut covered = true;
        self.all_attributes().map_while(move |(_, attribute)| {
            let give = covered;
            covered &= attribute.kind != AttributeType::MESSAGE_INTEGRITY;
            give.then_some(attribute)
        })
    }

    #[must_use]
    pub fn value(&self, kind: AttributeType) -> Option<&'a [u8]> {
        self.attributes().find(|attribute| attribute.kind == kind).map(|attribute| attribute.value)
    }

    /// Reads an address that was written with the message's transaction id (RFC 8489 §14.2).
    #[must_use]
    pub fn xor_address(&self, value: &[u8]) -> Option<SocketAddr> {
        attribute::read_xor_address(value, &self.transaction)
    }

    /// True if the message ends with a FINGERPRINT; its response then must too.
    #[must_use]
    pub fn has_fingerprint(&self) -> bool {
        self.all_attributes().any(|(_, attribute)| attribute.kind == AttributeType::FINGERPRINT)
    }

    /// True if MESSAGE-INTEGRITY (RFC 8489 §14.5) is present and made with `key`.
    #[must_use]
    pub fn is_signed_with(&self, key: &IntegrityKey) -> bool {
        let found = self.all_attributes().find(|(_, attribute)| attribute.kind == AttributeType::MESSAGE_INTEGRITY);
        let Some((at, attribute)) = found else { return false };
        let (Some(type_bytes), Some(rest)) = (self.bytes.get(..2), self.bytes.get(4..at)) else { return false };
        // The length in the header is as if the message ended with this attribute.
        let length = (at + 4 + 20 - HEADER_BYTES) as u16;
        key.verify(&[type_bytes, &length.to_be_bytes(), rest], attribute.value)
    }

    /// All attributes with their offsets, including FINGERPRINT.
    fn all_attributes(&self) -> impl Iterator<Item = (usize, Attribute<'a>)> + use<'a> {
        let bytes = self.bytes;
        let mut at = HEADER_BYTES;
        std::iter::from_fn(move || {
            let attribute = Attribute::parse(bytes.get(at..)?)?;
            let here = at;
            at += 4 + attribute.value.len().next_multiple_of(4);
            Some((here, attribute))
        })
    }

    fn framing_is_sound(&self) -> bool {
        let mut end = HEADER_BYTES;
        for (at, attribute) in self.all_attributes() {
            end = at + 4 + attribute.value.len().next_multiple_of(4);
            if attribute.kind == AttributeType::FINGERPRINT {
                let Some(covered) = self.bytes.get(..at) else { return false };
                let crc = crc32fast::hash(covered) ^ FINGERPRINT_XOR;
                // FINGERPRINT must be the last one (RFC 8489 §14.7).
                return attribute.value == crc.to_be_bytes() && end == self.bytes.len();
            }
        }
        end == self.bytes.len()
    }
}

/// A client's data for the peer of a channel (RFC 8656 §12.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChannelData {
    /// See [`is_channel_number`].
    pub number: u16,
    /// Bytes of data after the header.
    pub length: usize,
}

impl ChannelData {
    /// Two bytes each for the number and the length.
    pub const HEADER_BYTES: usize = 4;

    /// Reads the header; over UDP the data may be padded or not (RFC 8656 §12.5).
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let number = read_u16(bytes, 0)?;
        let length = usize::from(read_u16(bytes, 2)?);
        let sound = is_channel_number(number) && Self::HEADER_BYTES + length <= bytes.len();
        sound.then_some(Self { number, length })
    }
}

/// Returns true for valid channel numbers.
///
/// RFC 8656 §12 ends them at 0x4FFF, RFC 5766 §11 at 0x7FFE. Clients of the older RFC are common (libwebrtc, coturn's),
/// and a first byte of 0x40 to 0x7F means nothing else on this socket, so their numbers are accepted too.
#[must_use]
pub const fn is_channel_number(number: u16) -> bool {
    matches!(number, 0x4000..=0x7ffe)
}

pub(crate) fn read_u16(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

pub(crate) fn read_u32(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests;
