//! Reads Binding requests and success responses.

use aws_lc_rs::{constant_time, hmac};
use std::ops::Range;

pub const HEADER_BYTES: usize = 20;
/// Longest accepted message: browsers send about 120 bytes, RFC 8489 §6.1 allows a path's MTU.
pub const REQUEST_BYTES_MAX: usize = 1_280;
/// Most unknown attributes in a response; the rest follows when the client retries.
pub(super) const UNKNOWN_ATTRIBUTES_MAX: usize = 8;

pub(super) const MAGIC_COOKIE: [u8; 4] = 0x2112_A442_u32.to_be_bytes();
pub(super) const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
pub(super) const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
pub(super) const BINDING_ERROR: [u8; 2] = [0x01, 0x11];
/// RFC 8489 §14.7: distinguishes the CRC-32 from other checksums.
pub(super) const FINGERPRINT_MASK: u32 = 0x5354_554e;
pub(super) const FINGERPRINT_VALUE_BYTES: usize = 4;
pub(super) const INTEGRITY_VALUE_BYTES: usize = 20;

/// Attribute types (RFC 8489 §18.3, RFC 8445 §20.2).
pub(super) mod attribute {
    pub(crate) const USERNAME: u16 = 0x0006;
    pub(crate) const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub(crate) const ERROR_CODE: u16 = 0x0009;
    pub(crate) const UNKNOWN_ATTRIBUTES: u16 = 0x000A;
    pub(crate) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub(crate) const PRIORITY: u16 = 0x0024;
    pub(crate) const USE_CANDIDATE: u16 = 0x0025;
    pub(crate) const FINGERPRINT: u16 = 0x8028;
    pub(crate) const ICE_CONTROLLED: u16 = 0x8029;
    pub(crate) const ICE_CONTROLLING: u16 = 0x802A;
    /// RFC 8489 §14: types below this must be understood.
    pub(crate) const OPTIONAL_FROM: u16 = 0x8000;
}

/// Identifies a request and its response.
pub type TransactionId = [u8; 12];

/// True if a STUN message is the response to one of our checks.
pub fn is_success(message: &[u8]) -> bool {
    message.starts_with(&BINDING_SUCCESS)
}

/// The key of a password (RFC 8489 §9.1.1: short-term credentials).
pub fn key(password: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes())
}

/// The role claimed by a request's sender (RFC 8445 §7.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Decides which pair is used.
    Controlling,
    /// Waits for the other side's decision.
    Controlled,
}

/// A Binding request with a valid FINGERPRINT and an unverified MESSAGE-INTEGRITY.
#[derive(Clone, Copy, Debug)]
pub struct BindingRequest<'a> {
    /// Repeated in the response.
    pub transaction: TransactionId,
    /// First half of USERNAME: the receiver's user fragment.
    pub receiver_ufrag: &'a str,
    /// Second half of USERNAME: the sender's user fragment.
    pub sender_ufrag: &'a str,
    pub use_candidate: bool,
    /// The sender's role, if it claims one.
    pub role: Option<Role>,
    unknown: UnknownAttributes,
    message: &'a [u8],
    integrity_offset: usize,
}

/// Types of unknown comprehension-required attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UnknownAttributes {
    types: [u16; UNKNOWN_ATTRIBUTES_MAX],
    length: usize,
}

impl UnknownAttributes {
    /// In order.
    pub fn types(&self) -> &[u16] {
        self.types.get(..self.length).unwrap_or_default()
    }

    fn add(&mut self, kind: u16) {
        if let Some(free) = self.types.get_mut(self.length) {
            *free = kind;
            self.length += 1;
        }
    }
}

impl<'a> BindingRequest<'a> {
    /// Reads a Binding request with USERNAME, MESSAGE-INTEGRITY and a valid FINGERPRINT; `None` for everything else.
    ///
    /// RFC 8489 §9.1.3 requires a 400 for requests without credentials. A server that answers strangers lends itself to
    /// reflection, and every ICE agent sends credentials (RFC 8445 §7.1.2), so such requests are ignored.
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let transaction = parse_header(message, BINDING_REQUEST)?;
        let found = Found::of(message)?;
        let (receiver_ufrag, sender_ufrag) = found.username?.split_once(':')?;
        found.fingerprint_is_right.then_some(Self {
            transaction,
            receiver_ufrag,
            sender_ufrag,
            use_candidate: found.use_candidate,
            role: found.role,
            unknown: found.unknown,
            message,
            integrity_offset: found.integrity_offset?,
        })
    }

    /// True if the sender knows the password of `key`.
    pub fn is_authentic(&self, key: &hmac::Key) -> bool {
        is_authentic(self.message, self.integrity_offset, key)
    }

    pub fn unknown(&self) -> &UnknownAttributes {
        &self.unknown
    }
}

/// A Binding success response with an unverified MESSAGE-INTEGRITY.
#[derive(Clone, Copy, Debug)]
pub struct BindingSuccess<'a> {
    pub transaction: TransactionId,
    message: &'a [u8],
    integrity_offset: usize,
}

impl<'a> BindingSuccess<'a> {
    /// Reads a success response. RFC 8489 §14.7: a FINGERPRINT is optional, but must be valid.
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let transaction = parse_header(message, BINDING_SUCCESS)?;
        let integrity_offset = Found::of(message)?.integrity_offset?;
        Some(Self { transaction, message, integrity_offset })
    }

    /// True if the sender knows the password of `key`.
    pub fn is_authentic(&self, key: &hmac::Key) -> bool {
        is_authentic(self.message, self.integrity_offset, key)
    }
}

/// True if the MESSAGE-INTEGRITY at this offset was made with `key`.
fn is_authentic(message: &[u8], integrity_offset: usize, key: &hmac::Key) -> bool {
    let value = integrity_offset + 4..integrity_offset + 4 + INTEGRITY_VALUE_BYTES;
    let (Some(kind), Some(covered), Some(tag)) =
        (message.get(..2), message.get(4..integrity_offset), message.get(value.clone()))
    else {
        return false;
    };
    // RFC 8489 §14.5: the HMAC covers the message up to the attribute, with a length as if it ended there.
    let length = (value.end - HEADER_BYTES) as u16;
    let mut context = hmac::Context::with_key(key);
    context.update(kind);
    context.update(&length.to_be_bytes());
    context.update(covered);
    constant_time::verify_slices_are_equal(context.sign().as_ref(), tag).is_ok()
}

/// Checks the header of a message of this kind and returns its transaction.
fn parse_header(message: &[u8], expected: [u8; 2]) -> Option<TransactionId> {
    if message.len() > REQUEST_BYTES_MAX {
        return None;
    }
    let (header, attributes) = message.split_first_chunk::<HEADER_BYTES>()?;
    let (kind, rest) = header.split_first_chunk::<2>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (cookie, transaction) = rest.split_first_chunk::<4>()?;
    let is_expected = *kind == expected && *cookie == MAGIC_COOKIE;
    // RFC 8489 §5: attributes are padded to words, so every length is a multiple of four.
    let is_whole = usize::from(u16::from_be_bytes(*length)) == attributes.len() && attributes.len().is_multiple_of(4);
    (is_expected && is_whole).then(|| transaction.first_chunk().copied())?
}

/// One attribute and its offset.
struct Attribute<'a> {
    kind: u16,
    value: &'a [u8],
    offset: usize,
}

/// Iterates over the attributes of a message.
struct Attributes<'a> {
    message: &'a [u8],
    offset: usize,
}

impl<'a> Attributes<'a> {
    /// The next attribute, `Some(None)` at the end, `None` if it is truncated.
    fn next(&mut self) -> Option<Option<Attribute<'a>>> {
        let rest = self.message.get(self.offset..)?;
        if rest.is_empty() {
            return Some(None);
        }
        let ([k0, k1, l0, l1], rest) = rest.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let padded: Range<usize> = 0..length.next_multiple_of(4);
        let attribute = Attribute {
            kind: u16::from_be_bytes([*k0, *k1]),
            value: rest.get(padded.clone())?.get(..length)?,
            offset: self.offset,
        };
        self.offset += 4 + padded.end;
        Some(Some(attribute))
    }
}

/// The content of the attributes so far.
#[derive(Default)]
struct Found<'a> {
    username: Option<&'a str>,
    use_candidate: bool,
    role: Option<Role>,
    unknown: UnknownAttributes,
    integrity_offset: Option<usize>,
    fingerprint_is_right: bool,
}

impl<'a> Found<'a> {
    /// Parses all attributes; `None` if one makes the message invalid.
    fn of(message: &'a [u8]) -> Option<Self> {
        let mut found = Self::default();
        let mut attributes = Attributes { message, offset: HEADER_BYTES };
        while let Some(attribute) = attributes.next()? {
            found.take(message, attribute)?;
        }
        Some(found)
    }

    /// Adds an attribute; `None` if it makes the message invalid.
    fn take(&mut self, message: &[u8], Attribute { kind, value, offset }: Attribute<'a>) -> Option<()> {
        // RFC 8489 §14.7: FINGERPRINT is the last attribute.
        if self.fingerprint_is_right {
            return None;
        }
        if kind == attribute::FINGERPRINT {
            let covered = message.get(..offset)?;
            self.fingerprint_is_right = value == (crc32fast::hash(covered) ^ FINGERPRINT_MASK).to_be_bytes();
            return self.fingerprint_is_right.then_some(());
        }
        // RFC 8489 §14.5: attributes after MESSAGE-INTEGRITY are not covered and must be ignored.
        if self.integrity_offset.is_some() {
            return Some(());
        }
        match kind {
            attribute::USERNAME => self.username = Some(std::str::from_utf8(value).ok()?),
            attribute::MESSAGE_INTEGRITY if value.len() == INTEGRITY_VALUE_BYTES => {
                self.integrity_offset = Some(offset);
            }
            attribute::MESSAGE_INTEGRITY => return None,
            attribute::USE_CANDIDATE => self.use_candidate = true,
            attribute::ICE_CONTROLLED => self.role = Some(Role::Controlled),
            attribute::ICE_CONTROLLING => self.role = Some(Role::Controlling),
            attribute::PRIORITY | attribute::OPTIONAL_FROM.. => {}
            unknown => self.unknown.add(unknown),
        }
        Some(())
    }
}
