//! ClientHello: memory stays bounded, and reading it twice gives the same result. The gate behind it lets no unknown
//! certificate through.

use media_core::session::dtls::{Admission, ClientHello, Gate};

/// Most datagrams kept for one ClientHello.
const DATAGRAMS_MAX: usize = 8;

/// Reads `bytes` as consecutive datagrams, each with a two-byte length prefix.
pub fn check(bytes: &[u8]) {
    let mut hello = ClientHello::default();
    let (mut gate, mut gate_of_12) = (Gate::default(), Gate::default());
    let mut pushed = Vec::new();
    let mut rest = bytes;
    while let Some(([l0, l1], behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes([*l0, *l1])).min(behind.len());
        let (datagram, behind) = behind.split_at(length);
        rest = behind;
        hello.push(datagram);
        let (any, of_12) = (gate.admit(&[], false, datagram), gate_of_12.admit(&[], true, datagram));
        assert!(!matches!(any, Admission::Released(_)) && (any == of_12 || of_12 == Admission::Refused));
        pushed.push(datagram.to_vec());
        // The handshake begins with the first whole message.
        if hello.offer().is_some() {
            break;
        }
    }
    let offer = hello.offer();
    if let Some(offer) = offer {
        assert!(offer.has_profile || (!offer.prefers_gcm && offer.version().is_none()));
    }
    let kept = hello.take_datagrams();
    assert!(kept.len() <= DATAGRAMS_MAX && kept.iter().all(|datagram| pushed.contains(datagram)));
    assert_eq!(kept.is_empty(), offer.is_none());
    // The handshake processes the kept datagrams again, with the same result.
    let mut again = ClientHello::default();
    kept.iter().for_each(|datagram| assert!(again.push(datagram)));
    assert_eq!(again.offer(), offer);
}
