//! ClientHello: what is collected stays bounded, and looking at it twice shows the same.

use media_core::session::dtls::ClientHello;

/// Most datagrams of one ClientHello that may be kept.
const DATAGRAMS_MAX: usize = 8;

/// Reads `bytes` as datagrams that follow each other, each behind its length in two bytes.
pub fn check(bytes: &[u8]) {
    let mut hello = ClientHello::default();
    let mut pushed = Vec::new();
    let mut rest = bytes;
    while let Some(([l0, l1], behind)) = rest.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes([*l0, *l1])).min(behind.len());
        let (datagram, behind) = behind.split_at(length);
        rest = behind;
        hello.push(datagram);
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
    let kept = hello.into_datagrams();
    assert!(kept.len() <= DATAGRAMS_MAX && kept.iter().all(|datagram| pushed.contains(datagram)));
    assert_eq!(kept.is_empty(), offer.is_none());
    // The handshake goes through the kept datagrams once more: they must lead to the same end.
    let mut again = ClientHello::default();
    kept.iter().for_each(|datagram| assert!(again.push(datagram)));
    assert_eq!(again.offer(), offer);
}
