//! Examines a ClientHello (RFC 6347 §4.2) for the client's SRTP profiles and their order.
//!
//! The DTLS library's 1.3 server takes the client's first profile, and Chromium lists AES-CM first, which costs five
//! times as much per packet as AES-GCM. Its 1.2 server prefers GCM. So the list determines the version.

use super::fragments::{Attempt, Attempts, CLIENT_HELLO, Fragment, Reader};

const EXTENSION_USE_SRTP: usize = 14;
const EXTENSION_SUPPORTED_VERSIONS: usize = 43;
const DTLS_1_2: u16 = 0xFEFD;
const AES128_CM_SHA1_80: u16 = 0x0001;
const AEAD_AES_128_GCM: u16 = 0x0007;
const AEAD_AES_256_GCM: u16 = 0x0008;

/// The allowed versions of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    Dtls12,
    /// DTLS 1.3 if the client supports it.
    Any,
}

/// The relevant part of a ClientHello.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// True if the first supported SRTP profile of the client's list is AES-GCM.
    pub prefers_gcm: bool,
    /// True if it lists a supported SRTP profile.
    pub has_profile: bool,
    pub speaks_dtls_12: bool,
}

impl Offer {
    /// The version that makes the library choose AES-GCM, if possible; `None` without a common profile.
    pub fn version(self) -> Option<Version> {
        let choice = if self.prefers_gcm || !self.speaks_dtls_12 { Version::Any } else { Version::Dtls12 };
        self.has_profile.then_some(choice)
    }
}

/// Partially received ClientHellos; the newest complete one counts.
#[derive(Debug, Default)]
pub struct ClientHello(Attempts);

impl ClientHello {
    /// True for a part of a client's first message.
    pub(super) fn has(fragment: &Fragment<'_>) -> bool {
        // With another number, the library would wait for this one in vain.
        fragment.kind == CLIENT_HELLO && fragment.sequence == 0
    }

    /// False if it is no part of a ClientHello or contains nothing new.
    pub fn push(&mut self, datagram: &[u8]) -> bool {
        Fragment::first(datagram).filter(Self::has).is_some_and(|fragment| self.0.push(&fragment, datagram))
    }

    /// The client's offer, once a message is complete. An invalid message offers nothing.
    pub fn offer(&self) -> Option<Offer> {
        let nothing = Offer { prefers_gcm: false, has_profile: false, speaks_dtls_12: false };
        Some(parse_offer(self.0.whole()?).unwrap_or(nothing))
    }

    /// Forgets the complete message and returns its datagrams, in order of arrival.
    pub fn take_datagrams(&mut self) -> Vec<Vec<u8>> {
        self.take_whole().map(|whole| whole.datagrams().to_vec()).unwrap_or_default()
    }

    /// Forgets the complete message and returns it.
    pub(super) fn take_whole(&mut self) -> Option<Attempt> {
        self.0.take_whole()
    }
}

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

#[cfg(test)]
mod tests {
    use super::super::fragments::{ATTEMPTS_MAX, DATAGRAMS_MAX, MESSAGE_BYTES_MAX};
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
        [vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0], vector(2, &handshake)].concat()
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
            assert_eq!(hello.take_datagrams(), order.map(Clone::clone));
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
            assert_eq!(hello.take_datagrams(), [datagram(&one, 0..20), datagram(&one, 20..one.len())]);
        }
    }

    #[test]
    fn strays_are_bounded() {
        let one = message(&[use_srtp(&[1])]);
        let mut hello = ClientHello::default();
        for length in 0..1_000 {
            hello.push(&datagram(&vec![0; 1_000 + length], 0..20));
        }
        assert_eq!(hello.0.len(), ATTEMPTS_MAX);
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
