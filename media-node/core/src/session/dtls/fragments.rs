//! Reassembles unencrypted handshake messages (RFC 6347 §4.2.3). Nothing in them is authentic, so fragments that do not
//! match are kept separate: a sender that forges the client's address can add some.

use std::collections::VecDeque;

/// Longest reassembled message. With a post-quantum key share browsers' ClientHellos have about 1,500 bytes.
pub(super) const MESSAGE_BYTES_MAX: usize = 8_192;
/// Most datagrams of one message.
pub(super) const DATAGRAMS_MAX: usize = 8;
/// Messages whose fragments are kept in parallel: the client's own, and a few strays.
pub(super) const ATTEMPTS_MAX: usize = 4;

pub(super) const CLIENT_HELLO: u8 = 1;
pub(super) const CERTIFICATE: u8 = 11;
pub(super) const CERTIFICATE_VERIFY: u8 = 15;
pub(super) const CLIENT_KEY_EXCHANGE: u8 = 16;

const HANDSHAKE_RECORD: u8 = 22;
/// DTLS 1.3 marks encrypted records by the upper three bits (RFC 9147 §4.1).
const UNIFIED_HEADER: std::ops::RangeInclusive<u8> = 0b0010_0000..=0b0011_1111;

/// One fragment of a handshake message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fragment<'a> {
    pub(super) kind: u8,
    /// The message's number in its flight (RFC 6347 §4.2.2).
    pub(super) sequence: usize,
    message_bytes: usize,
    offset: usize,
    body: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// The first fragment of a datagram that begins with an unencrypted handshake record.
    pub(super) fn first(datagram: &'a [u8]) -> Option<Self> {
        Record::read(&mut Reader(datagram))?.in_clear().and_then(|mut fragments| Self::read(&mut fragments))
    }

    /// All fragments of a datagram's unencrypted handshake records; `None` if a part of it cannot be read.
    pub(super) fn all(datagram: &'a [u8]) -> Option<Vec<Self>> {
        let mut fragments = Vec::new();
        let mut reader = Reader(datagram);
        while reader.0.first().is_some_and(|first| !UNIFIED_HEADER.contains(first)) {
            let Some(mut record) = Record::read(&mut reader)?.in_clear() else { continue };
            while !record.0.is_empty() {
                fragments.push(Self::read(&mut record)?);
            }
        }
        Some(fragments)
    }

    fn read(record: &mut Reader<'a>) -> Option<Self> {
        let kind = u8::try_from(record.number(1)?).ok()?;
        let message_bytes = record.number(3)?;
        let sequence = record.number(2)?;
        let offset = record.number(3)?;
        let body = record.vector(3)?;
        (offset + body.len() <= message_bytes).then_some(Self { kind, sequence, message_bytes, offset, body })
    }
}

struct Record<'a> {
    content: u8,
    epoch: usize,
    body: &'a [u8],
}

impl<'a> Record<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let content = u8::try_from(reader.number(1)?).ok()?;
        let _version = reader.number(2)?;
        let epoch = reader.number(2)?;
        let _sequence = reader.bytes(6)?;
        Some(Self { content, epoch, body: reader.vector(2)? })
    }

    fn in_clear(&self) -> Option<Reader<'a>> {
        (self.content == HANDSHAKE_RECORD && self.epoch == 0).then_some(Reader(self.body))
    }
}

/// Partially received messages of one kind; the newest complete one counts. Each datagram may be lost and sent again.
#[derive(Debug, Default)]
pub(super) struct Attempts(VecDeque<Attempt>);

#[derive(Debug)]
pub(super) struct Attempt {
    message: Vec<u8>,
    /// True for each received byte of the message.
    received: Vec<bool>,
    datagrams: Vec<Vec<u8>>,
}

impl Attempts {
    /// False if the fragment contains nothing new, or its message is empty or too long.
    pub(super) fn push(&mut self, fragment: &Fragment<'_>, datagram: &[u8]) -> bool {
        if !(1..=MESSAGE_BYTES_MAX).contains(&fragment.message_bytes) || fragment.body.is_empty() {
            return false;
        }
        // It may belong to every message that it fits.
        let mut fits = false;
        let mut is_taken = false;
        for attempt in self.0.iter_mut().filter(|attempt| attempt.agrees_with(fragment)) {
            fits = true;
            is_taken |= attempt.take(fragment, datagram);
        }
        if fits {
            return is_taken;
        }
        if self.0.len() >= ATTEMPTS_MAX {
            self.0.pop_front();
        }
        let mut attempt = Attempt::new(fragment.message_bytes);
        let is_taken = attempt.take(fragment, datagram);
        self.0.push_back(attempt);
        is_taken
    }

    pub(super) fn whole(&self) -> Option<&[u8]> {
        self.0.iter().rev().find(|attempt| attempt.is_whole()).map(|attempt| attempt.message.as_slice())
    }

    pub(super) fn take_whole(&mut self) -> Option<Attempt> {
        let index = self.0.iter().rposition(Attempt::is_whole)?;
        self.0.remove(index)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

impl Attempt {
    fn new(message_bytes: usize) -> Self {
        Self { message: vec![0; message_bytes], received: vec![false; message_bytes], datagrams: Vec::new() }
    }

    pub(super) fn message(&self) -> &[u8] {
        &self.message
    }

    /// In order of arrival.
    pub(super) fn datagrams(&self) -> &[Vec<u8>] {
        &self.datagrams
    }

    /// True if a fragment can belong to the same message: with the same length, and the same bytes where they overlap.
    pub(super) fn agrees_with(&self, fragment: &Fragment<'_>) -> bool {
        let message = self.message.iter().zip(&self.received).skip(fragment.offset);
        let is_same = |((known, is_known), new): ((&u8, &bool), &u8)| !is_known || known == new;
        self.message.len() == fragment.message_bytes && message.zip(fragment.body).all(is_same)
    }

    /// Adds a fragment; false if all of it is known already.
    fn take(&mut self, fragment: &Fragment<'_>, datagram: &[u8]) -> bool {
        let range = fragment.offset..fragment.offset + fragment.body.len();
        let (Some(message), Some(received)) = (self.message.get_mut(range.clone()), self.received.get_mut(range))
        else {
            return false;
        };
        if self.datagrams.len() >= DATAGRAMS_MAX || received.iter().all(|received| *received) {
            return false;
        }
        message.copy_from_slice(fragment.body);
        received.fill(true);
        // A datagram may contain several fragments of the message.
        if self.datagrams.last().is_none_or(|last| last != datagram) {
            self.datagrams.push(datagram.to_vec());
        }
        true
    }

    fn is_whole(&self) -> bool {
        self.received.iter().all(|received| *received)
    }
}

/// Reads TLS's presentation language from the front.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A number of up to three bytes.
    pub(super) fn number(&mut self, bytes: usize) -> Option<usize> {
        Some(self.bytes(bytes)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    /// Bytes with their count before them, which takes `length_bytes`.
    pub(super) fn vector(&mut self, length_bytes: usize) -> Option<&'a [u8]> {
        let count = self.number(length_bytes)?;
        self.bytes(count)
    }
}
