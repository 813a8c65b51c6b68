//! ClientHello: what is collected stays bounded, and looking at it twice shows the same.

use media_core::session::dtls::ClientHello;

/// Most datagrams of one ClientHello that may be kept.
const DATAGRAMS_MAX: usize = 8;

/// Reads `bytes` as datagrams that follow each other, each behind its length in two bytes.
pub fn check(bytes: &[u8]) {
    let mut hello = ClientHello::default();
    let mut taken = Vec::new();
    let mut rest = bytes;
    while let Some(([l0, l1], behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes([*l0, *l1])).min(behind.len());
        let (datagram, behind) = behind.split_at(length);
        rest = behind;
        let before = hello.offer();
        if hello.push(datagram) {
            assert!(before.is_none(), "a whole message needs nothing more");
            taken.push(datagram.to_vec());
        }
        assert!(before.is_none() || hello.offer() == before);
    }
    assert!(taken.len() <= DATAGRAMS_MAX);
    let offer = hello.offer();
    if let Some(offer) = offer {
        assert!(offer.has_profile || (!offer.prefers_gcm && offer.version().is_none()));
    }
    let kept = hello.into_datagrams();
    assert_eq!(kept, taken);
    // The handshake goes through the kept datagrams once more: they must lead to the same end.
    let mut again = ClientHello::default();
    kept.iter().for_each(|datagram| assert!(again.push(datagram)));
    assert_eq!(again.offer(), offer);
}
