//! The first look at a ClientHello (RFC 6347 §4.2): which SRTP profiles does the client list, and in which order?
//!
//! The DTLS library's 1.3 server takes the client's first profile, and Chromium lists AES-CM first, which costs five times as
//! much per packet as AES-GCM. Its 1.2 server prefers GCM. So the version is chosen by the list.

use std::collections::VecDeque;

/// Longest ClientHello that is put together. With a post-quantum key share browsers send about 1,500 bytes.
const MESSAGE_BYTES_MAX: usize = 8_192;
/// Most datagrams it may come in.
const DATAGRAMS_MAX: usize = 8;
/// Messages whose pieces are kept beside each other: the client's own, and a few strays.
const ATTEMPTS_MAX: usize = 4;

const HANDSHAKE_RECORD: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const EXTENSION_USE_SRTP: usize = 14;
const EXTENSION_SUPPORTED_VERSIONS: usize = 43;
const DTLS_1_2: u16 = 0xFEFD;
const AES128_CM_SHA1_80: u16 = 0x0001;
const AEAD_AES_128_GCM: u16 = 0x0007;
const AEAD_AES_256_GCM: u16 = 0x0008;

/// Which versions a handshake is run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Only DTLS 1.2.
    Dtls12,
    /// DTLS 1.3 where the client speaks it.
    Any,
}

/// What matters to us in a ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The first SRTP profile of the client's list that we speak is AES-GCM.
    pub prefers_gcm: bool,
    /// It lists an SRTP profile that we speak.
    pub has_profile: bool,
    /// It speaks DTLS 1.2.
    pub speaks_dtls_12: bool,
}

impl Offer {
    /// The version that makes the library choose AES-GCM, if anything does; nothing without a common profile.
    pub fn version(self) -> Option<Version> {
        let choice = if self.prefers_gcm || !self.speaks_dtls_12 { Version::Any } else { Version::Dtls12 };
        self.has_profile.then_some(choice)
    }
}

/// ClientHellos that are being put together, of which the newest whole one counts. Browsers' come in two datagrams, and each may
/// be lost and sent again; nothing in them is authentic, so pieces that do not fit together are kept apart.
#[derive(Debug, Default)]
pub struct ClientHello {
    attempts: VecDeque<Attempt>,
}

#[derive(Debug)]
struct Attempt {
    message: Vec<u8>,
    /// For each byte of the message whether it has come.
    received: Vec<bool>,
    datagrams: Vec<Vec<u8>>,
}

impl ClientHello {
    /// Takes a datagram. False if it is no part of a ClientHello or brings nothing new.
    pub fn push(&mut self, datagram: &[u8]) -> bool {
        let Some(fragment) = Fragment::parse(datagram) else { return false };
        if fragment.offset + fragment.body.len() > fragment.message_bytes {
            return false;
        }
        // It may be of each message that it fits into.
        let mut fits = false;
        let mut is_taken = false;
        for attempt in self.attempts.iter_mut().filter(|attempt| attempt.agrees_with(&fragment)) {
            fits = true;
            is_taken |= attempt.take(&fragment, datagram);
        }
        if fits {
            return is_taken;
        }
        if self.attempts.len() >= ATTEMPTS_MAX {
            self.attempts.pop_front();
        }
        let mut attempt = Attempt::new(fragment.message_bytes);
        let is_taken = attempt.take(&fragment, datagram);
        self.attempts.push_back(attempt);
        is_taken
    }

    /// What the client offers, once a message is whole. A message that makes no sense offers nothing.
    pub fn offer(&self) -> Option<Offer> {
        let whole = self.attempts.iter().rev().find(|attempt| attempt.is_whole())?;
        let nothing = Offer { prefers_gcm: false, has_profile: false, speaks_dtls_12: false };
        Some(parse_offer(&whole.message).unwrap_or(nothing))
    }

    /// The datagrams that the whole message came in, in the order they came.
    pub fn into_datagrams(self) -> Vec<Vec<u8>> {
        let whole = self.attempts.into_iter().rev().find(Attempt::is_whole);
        whole.map(|attempt| attempt.datagrams).unwrap_or_default()
    }
}

impl Attempt {
    fn new(message_bytes: usize) -> Self {
        Self { message: vec![0; message_bytes], received: vec![false; message_bytes], datagrams: Vec::new() }
    }

    /// Whether a fragment can be of the same message: as long, and the same where both say something.
    fn agrees_with(&self, fragment: &Fragment<'_>) -> bool {
        let message = self.message.iter().zip(&self.received).skip(fragment.offset);
        let is_same = |((known, is_known), new): ((&u8, &bool), &u8)| !is_known || known == new;
        self.message.len() == fragment.message_bytes && message.zip(fragment.body).all(is_same)
    }

    /// Takes a fragment, unless all of it is there already.
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
        self.datagrams.push(datagram.to_vec());
        true
    }

    fn is_whole(&self) -> bool {
        self.received.iter().all(|received| *received)
    }
}

struct Fragment<'a> {
    message_bytes: usize,
    offset: usize,
    body: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// Reads the first record of a datagram, if it is a plain one with a piece of a ClientHello.
    fn parse(datagram: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(datagram);
        let content = reader.number(1)?;
        let _version = reader.number(2)?;
        let epoch = reader.number(2)?;
        let _sequence = reader.bytes(6)?;
        let mut record = Reader(reader.vector(2)?);
        let kind = record.number(1)?;
        let message_bytes = record.number(3)?;
        let _message_sequence = record.number(2)?;
        let offset = record.number(3)?;
        let body = record.vector(3)?;
        let is_hello = content == usize::from(HANDSHAKE_RECORD) && epoch == 0 && kind == usize::from(CLIENT_HELLO);
        let is_sane = (1..=MESSAGE_BYTES_MAX).contains(&message_bytes) && !body.is_empty();
        (is_hello && is_sane).then_some(Self { message_bytes, offset, body })
    }
}

/// Walks a whole ClientHello (RFC 6347 §4.2.1, RFC 5246 §7.4.1.2).
fn parse_offer(message: &[u8]) -> Option<Offer> {
    let mut reader = Reader(message);
    let _version_and_random = reader.bytes(2 + 32)?;
    let _session = reader.vector(1)?;
    let _cookie = reader.vector(1)?;
    let _cipher_suites = reader.vector(2)?;
    let _compression = reader.vector(1)?;
    let mut extensions = Reader(reader.vector(2)?);
    let mut offer = Offer { prefers_gcm: false, has_profile: false, speaks_dtls_12: true };
    while !extensions.0.is_empty() {
        let kind = extensions.number(2)?;
        let mut body = Reader(extensions.vector(2)?);
        match kind {
            EXTENSION_USE_SRTP => {
                let first = numbers(body.vector(2)?).find(|profile| is_spoken(*profile));
                offer.has_profile = first.is_some();
                offer.prefers_gcm = first.is_some_and(|profile| profile != AES128_CM_SHA1_80);
            }
            EXTENSION_SUPPORTED_VERSIONS => {
                offer.speaks_dtls_12 = numbers(body.vector(1)?).any(|version| version == DTLS_1_2);
            }
            _ => {}
        }
    }
    Some(offer)
}

fn is_spoken(profile: u16) -> bool {
    matches!(profile, AES128_CM_SHA1_80 | AEAD_AES_128_GCM | AEAD_AES_256_GCM)
}

fn numbers(list: &[u8]) -> impl Iterator<Item = u16> + '_ {
    list.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair))
}

/// Reads TLS's notation from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    /// A number of up to three bytes.
    fn number(&mut self, bytes: usize) -> Option<usize> {
        Some(self.bytes(bytes)?.iter().fold(0, |number, byte| number << 8 | usize::from(*byte)))
    }

    /// Bytes behind their count, which takes `length_bytes`.
    fn vector(&mut self, length_bytes: usize) -> Option<&'a [u8]> {
        let count = self.number(length_bytes)?;
        self.bytes(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(length_bytes: usize, body: &[u8]) -> Vec<u8> {
        let length = (body.len() as u32).to_be_bytes();
        [&length[4 - length_bytes..], body].concat()
    }

    /// A ClientHello with these extensions.
    fn message(extensions: &[(u16, Vec<u8>)]) -> Vec<u8> {
        let extensions: Vec<u8> = extensions
            .iter()
            .flat_map(|(kind, body)| [kind.to_be_bytes().to_vec(), vector(2, body)].concat())
            .collect();
        [vec![0xfe, 0xfd], vec![7; 32], vector(1, b""), vector(1, b""), vector(2, &[0xc0, 0x2b]), vector(1, &[0])]
            .concat()
            .into_iter()
            .chain(vector(2, &extensions))
            .collect()
    }

    fn use_srtp(profiles: &[u16]) -> (u16, Vec<u8>) {
        let list: Vec<u8> = profiles.iter().flat_map(|profile| profile.to_be_bytes()).collect();
        (14, [vector(2, &list), vector(1, b"")].concat())
    }

    /// Bytes `range` of the message as a datagram.
    fn datagram(message: &[u8], range: std::ops::Range<usize>) -> Vec<u8> {
        let number = |number: usize| (number as u32).to_be_bytes()[1..].to_vec();
        let fragment = &message[range.clone()];
        let handshake =
            [vec![CLIENT_HELLO], number(message.len()), vec![0, 0], number(range.start), vector(3, fragment)].concat();
        [vec![HANDSHAKE_RECORD, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0], vector(2, &handshake)].concat()
    }

    fn check(extensions: &[(u16, Vec<u8>)], expected: Option<Version>) {
        let message = message(extensions);
        let mut hello = ClientHello::default();
        assert!(hello.push(&datagram(&message, 0..message.len())));
        assert_eq!(hello.offer().expect("whole").version(), expected, "{extensions:?}");
    }

    #[test]
    fn chooses_the_version_that_leads_to_gcm() {
        check(&[use_srtp(&[1, 7, 8])], Some(Version::Dtls12));
        check(&[use_srtp(&[0x0002, 1, 7])], Some(Version::Dtls12));
        check(&[use_srtp(&[7, 8, 1, 2])], Some(Version::Any));
        check(&[use_srtp(&[1])], Some(Version::Dtls12));
    }

    #[test]
    fn a_client_of_dtls_13_alone_gets_it_whatever_it_prefers() {
        let versions = |versions: &[u8]| (43, vector(1, versions));
        check(&[use_srtp(&[1, 7]), versions(&[0xfe, 0xfc])], Some(Version::Any));
        check(&[use_srtp(&[1, 7]), versions(&[0xfe, 0xfc, 0xfe, 0xfd])], Some(Version::Dtls12));
    }

    #[test]
    fn no_common_profile_no_session() {
        check(&[], None);
        check(&[use_srtp(&[])], None);
        check(&[use_srtp(&[2, 5])], None);
    }

    #[test]
    fn is_put_together_in_any_order_with_repeats() {
        let message = message(&[use_srtp(&[1, 7])]);
        let (first, second) = (datagram(&message, 0..30), datagram(&message, 30..message.len()));
        for order in [[&first, &second], [&second, &first]] {
            let mut hello = ClientHello::default();
            assert!(hello.push(order[0]));
            assert!(!hello.push(order[0]), "nothing new");
            assert_eq!(hello.offer(), None);
            assert!(hello.push(order[1]));
            assert_eq!(hello.offer().and_then(Offer::version), Some(Version::Dtls12));
            assert_eq!(hello.into_datagrams(), order.map(Clone::clone));
        }
    }

    #[test]
    fn what_it_keeps_is_bounded() {
        let huge = vec![0; MESSAGE_BYTES_MAX + 1];
        assert!(!ClientHello::default().push(&datagram(&huge, 0..100)));
        let large = vec![0; MESSAGE_BYTES_MAX];
        let mut hello = ClientHello::default();
        let kept = (0..100).filter(|at| hello.push(&datagram(&large, *at..*at + 1))).count();
        assert_eq!(kept, DATAGRAMS_MAX);
    }

    #[test]
    fn strays_do_not_keep_the_message_out() {
        let (one, other) = (message(&[use_srtp(&[1])]), message(&[]));
        let longer = message(&[use_srtp(&[1, 2, 7])]);
        let changed: Vec<u8> = one.iter().map(|byte| byte ^ 1).collect();
        for stray in [&other, &longer, &changed] {
            let mut hello = ClientHello::default();
            assert!(hello.push(&datagram(stray, 0..20)));
            assert!(hello.push(&datagram(&one, 0..20)));
            assert_eq!(hello.offer(), None);
            hello.push(&datagram(stray, 10..30));
            assert!(hello.push(&datagram(&one, 20..one.len())));
            assert_eq!(hello.offer().and_then(Offer::version), Some(Version::Dtls12));
            assert_eq!(hello.into_datagrams(), [datagram(&one, 0..20), datagram(&one, 20..one.len())]);
        }
    }

    #[test]
    fn strays_are_bounded() {
        let one = message(&[use_srtp(&[1])]);
        let mut hello = ClientHello::default();
        for length in 0..1_000 {
            hello.push(&datagram(&vec![0; 1_000 + length], 0..20));
        }
        assert_eq!(hello.attempts.len(), ATTEMPTS_MAX);
        assert!(hello.push(&datagram(&one, 0..one.len())));
        assert!(hello.offer().is_some());
    }

    #[test]
    fn other_records_and_broken_ones_are_refused() {
        let message = message(&[use_srtp(&[1])]);
        let good = datagram(&message, 0..message.len());
        for length in 0..good.len() {
            assert!(!ClientHello::default().push(&good[..length]), "{length}");
        }
        for (offset, value) in [(0, 23), (4, 1), (13, 2), (19, 0xff)] {
            let mut bad = good.clone();
            bad[offset] = value;
            assert!(!ClientHello::default().push(&bad), "byte {offset}");
        }
        let mut hello = ClientHello::default();
        assert!(hello.push(&datagram(&[0; 50], 0..50)));
        assert_eq!(hello.offer().expect("whole").version(), None, "nonsense offers nothing");
    }
}
