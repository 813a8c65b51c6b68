//! Keeps forged handshake messages from the DTLS library, which would process them for good and ignore the client's own.
//!
//! In DTLS 1.2 the client's Certificate comes in the clear, before anything is authenticated. The session knows its
//! digest (RFC 8122), so another certificate is dropped as if it had never come, and so is what must follow the right
//! one and comes before it. DTLS 1.3 encrypts all of this.
//!
//! Nothing tells other forged messages from the client's before its Finished message: a ClientKeyExchange or
//! CertificateVerify right after the certificate. It ends the handshake at its timeout, and only a sender that can forge
//! the client's verified address and guess the moment, between two datagrams of one flight, can send it.

use super::fragments::{
    Attempt, Attempts, CERTIFICATE, CERTIFICATE_VERIFY, CLIENT_HELLO, CLIENT_KEY_EXCHANGE, Fragment, Reader,
};
use super::identity;
use shared::rtp_parameters::Fingerprint;

/// A Certificate message of a client that has no certificate of a requested type (RFC 5246 §7.4.6).
const NO_CERTIFICATES: [u8; 3] = [0; 3];

#[derive(Debug, Default)]
pub struct Gate {
    /// Until the right certificate is complete.
    attempts: Attempts,
    right: Option<Attempt>,
    saw_wrong: bool,
}

/// The datagrams for the library after one has come.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// The datagram itself.
    Admitted,
    /// None: it waits for the rest of its certificate.
    Held,
    /// None: it is not the client's.
    Refused,
    /// None: it says that the client has no suitable certificate, or it is forged.
    WithoutCertificate,
    /// All those with fragments of the certificate, in order of arrival.
    Released(Vec<Vec<u8>>),
}

impl Gate {
    /// Examines a datagram for a server in a handshake with a client that has one of these certificates.
    pub fn admit(&mut self, certificates: &[Fingerprint], is_dtls_12: bool, datagram: &[u8]) -> Admission {
        let Some(fragments) = Fragment::all(datagram) else { return Admission::Refused };
        let mut of_certificate = Vec::new();
        let mut follows_certificate = false;
        for fragment in fragments {
            // The flights of RFC 6347 §4.2.4 without a cookie. Behind a message with another's number the library would
            // wait for the right one in vain.
            match (fragment.kind, fragment.sequence) {
                (CERTIFICATE, 1) => of_certificate.push(fragment),
                (CLIENT_HELLO, 0) => {}
                (CLIENT_KEY_EXCHANGE, 2) | (CERTIFICATE_VERIFY, 3) => follows_certificate = true,
                // After a HelloRetryRequest (RFC 8446 §4.1.4).
                (CLIENT_HELLO, 1) if !is_dtls_12 => {}
                _ => return Admission::Refused,
            }
        }
        if of_certificate.is_empty() {
            // Not held: a forged one would then still come before the client's, which repeats its flight after a loss.
            let is_early = follows_certificate && self.right.is_none();
            return if is_early { Admission::Refused } else { Admission::Admitted };
        }
        if let Some(right) = &self.right {
            let agrees = of_certificate.iter().all(|fragment| right.agrees_with(fragment));
            return if agrees { Admission::Admitted } else { Admission::Refused };
        }
        loop {
            let mut is_new = false;
            for fragment in &of_certificate {
                is_new |= self.attempts.push(fragment, datagram);
            }
            let Some(whole) = self.attempts.take_whole() else {
                return if is_new { Admission::Held } else { Admission::Refused };
            };
            if leaf(whole.message()).is_some_and(|leaf| certificates.contains(&identity::fingerprint(leaf))) {
                let datagrams = whole.datagrams().to_vec();
                self.right = Some(whole);
                self.attempts = Attempts::default();
                return Admission::Released(datagrams);
            }
            let is_empty = whole.message() == NO_CERTIFICATES;
            self.saw_wrong |= !is_empty;
            if whole.datagrams().len() == 1 {
                return if is_empty { Admission::WithoutCertificate } else { Admission::Refused };
            }
            // It completed a stray, and may yet be part of the right one.
        }
    }

    /// True if a complete certificate was not one of the client's.
    pub fn saw_wrong(&self) -> bool {
        self.saw_wrong
    }
}

/// The first certificate of a Certificate message (RFC 5246 §7.4.2).
fn leaf(message: &[u8]) -> Option<&[u8]> {
    Reader(Reader(message).vector(3)?).vector(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Admission::{Admitted, Held, Refused, Released};

    /// A record with `range` of a Certificate message with one certificate.
    fn record(certificate: &[u8], range: std::ops::Range<usize>) -> Vec<u8> {
        let number = |number: usize| (number as u32).to_be_bytes()[1..].to_vec();
        let entry = [number(certificate.len()), certificate.to_vec()].concat();
        let message = [number(entry.len()), entry].concat();
        let body = &message[range.start..range.end.min(message.len())];
        let head = [vec![CERTIFICATE], number(message.len()), vec![0, 1], number(range.start), number(body.len())];
        let fragment = [head.concat(), body.to_vec()].concat();
        [&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 7], &(fragment.len() as u16).to_be_bytes()[..], &fragment].concat()
    }

    #[test]
    fn a_right_certificate_is_released_with_all_its_datagrams_and_a_wrong_one_is_not() {
        let (right, wrong) = ([1; 40], [2; 40]);
        let digests = [identity::fingerprint(&[3]), identity::fingerprint(&right)];
        // Its last fragment shares a datagram with the client's next message, which is not examined.
        let key_exchange =
            [&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 8, 0, 13][..], &[16, 0, 0, 1, 0, 2, 0, 0, 0, 0, 0, 1, 9]].concat();
        let (first, rest) = (record(&right, 0..20), [record(&right, 20..99), key_exchange.clone()].concat());
        for order in [[&first, &rest], [&rest, &first]] {
            let mut gate = Gate::default();
            assert_eq!(gate.admit(&digests, true, &key_exchange), Refused, "too early");
            assert_eq!(gate.admit(&digests, true, &record(&wrong, 0..99)), Refused);
            assert_eq!(gate.admit(&digests, true, &record(&wrong, 0..20)), Held, "it may become the right one");
            assert_eq!(gate.admit(&digests, true, order[0]), Held);
            assert_eq!(gate.admit(&digests, true, order[0]), Refused, "nothing new");
            assert_eq!(gate.admit(&digests, true, order[1]), Released(order.map(Clone::clone).to_vec()));
            assert_eq!(gate.admit(&digests, true, order[0]), Admitted, "repeated");
            assert_eq!(gate.admit(&digests, true, &record(&wrong, 20..99)), Refused);
            assert_eq!(gate.admit(&digests, true, &key_exchange), Admitted);
            assert!(gate.saw_wrong());
        }
    }

    #[test]
    fn what_it_keeps_of_strays_is_bounded_and_keeps_the_right_certificate_out_for_no_longer_than_its_repetition() {
        let right = [1; 40];
        let digests = [identity::fingerprint(&right)];
        let mut gate = Gate::default();
        for length in 0..1_000 {
            gate.admit(&digests, true, &record(&vec![0; 50 + length], 0..20));
        }
        assert_eq!(gate.attempts.len(), super::super::fragments::ATTEMPTS_MAX);
        assert_eq!(gate.admit(&digests, true, &record(&right, 0..20)), Held);
        assert!(matches!(gate.admit(&digests, true, &record(&right, 20..99)), Released(_)));
    }
}
