//! RFC 5769's vectors, and hostile input.

use super::attribute::read_xor_address;
use super::*;

/// RFC 5769 §2.4: request with long-term credentials.
const LONG_TERM_REQUEST: &[u8] = &[
    0x00, 0x01, 0x00, 0x60, 0x21, 0x12, 0xa4, 0x42, 0x78, 0xad, 0x34, 0x33, 0xc6, 0xad, 0x72, 0xc0, 0x29, 0xda, 0x41,
    0x2e, 0x00, 0x06, 0x00, 0x12, 0xe3, 0x83, 0x9e, 0xe3, 0x83, 0x88, 0xe3, 0x83, 0xaa, 0xe3, 0x83, 0x83, 0xe3, 0x82,
    0xaf, 0xe3, 0x82, 0xb9, 0x00, 0x00, 0x00, 0x15, 0x00, 0x1c, 0x66, 0x2f, 0x2f, 0x34, 0x39, 0x39, 0x6b, 0x39, 0x35,
    0x34, 0x64, 0x36, 0x4f, 0x4c, 0x33, 0x34, 0x6f, 0x4c, 0x39, 0x46, 0x53, 0x54, 0x76, 0x79, 0x36, 0x34, 0x73, 0x41,
    0x00, 0x14, 0x00, 0x0b, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72, 0x67, 0x00, 0x00, 0x08, 0x00,
    0x14, 0xf6, 0x70, 0x24, 0x65, 0x6d, 0xd6, 0x4a, 0x3e, 0x02, 0xb8, 0xe0, 0x71, 0x2e, 0x85, 0xc9, 0xa2, 0x8c, 0xa8,
    0x96, 0x66,
];

#[test]
fn reads_rfc_5769_long_term_credentials() {
    let message = Message::parse(LONG_TERM_REQUEST).expect("sound");
    assert_eq!((message.method, message.class), (Method::Binding, Class::Request));
    assert_eq!(message.value(AttributeType::USERNAME), Some("マトリックス".as_bytes()));
    assert_eq!(message.value(AttributeType::REALM), Some(&b"example.org"[..]));
    let key = IntegrityKey::long_term("マトリックス", "example.org", "TheMatrIX");
    assert!(message.is_signed_with(&key));
    assert!(!message.is_signed_with(&IntegrityKey::long_term("マトリックス", "example.org", "TheMatrix")));
}

#[test]
fn a_changed_byte_breaks_the_signature() {
    let key = IntegrityKey::long_term("マトリックス", "example.org", "TheMatrIX");
    for at in 4..LONG_TERM_REQUEST.len() {
        let mut bytes = LONG_TERM_REQUEST.to_vec();
        bytes[at] ^= 1;
        let signed = Message::parse(&bytes).is_some_and(|message| message.is_signed_with(&key));
        assert!(!signed, "byte {at}");
    }
}

#[test]
fn says_again_what_it_read() {
    let peer: SocketAddr = "[2001:db8::7]:7000".parse().expect("address");
    let bytes = MessageWriter::new(Method::ChannelBind, Class::Request, [7; 12])
        .with(AttributeType::CHANNEL_NUMBER, &[0x40, 1, 0, 0])
        .with_address(AttributeType::XOR_PEER_ADDRESS, peer)
        .signed(&IntegrityKey::long_term("a", "b", "c"))
        .fingerprinted()
        .finish();
    let message = Message::parse(&bytes).expect("sound");
    let value = message.value(AttributeType::XOR_PEER_ADDRESS).expect("there");
    assert_eq!(read_xor_address(value, &message.transaction), Some(peer));
    assert!(message.is_signed_with(&IntegrityKey::long_term("a", "b", "c")));
    assert!(message.has_fingerprint());
}

#[test]
fn what_follows_the_integrity_is_not_believed() {
    let bytes = MessageWriter::new(Method::Allocate, Class::Request, [7; 12])
        .signed(&IntegrityKey::long_term("a", "b", "c"))
        .with(AttributeType::LIFETIME, &[0, 0, 0, 9])
        .finish();
    assert_eq!(Message::parse(&bytes).expect("sound").value(AttributeType::LIFETIME), None);
}

#[test]
fn refuses_broken_framing() {
    assert!(Message::parse(&[]).is_none());
    for length in 0..LONG_TERM_REQUEST.len() {
        assert!(Message::parse(&LONG_TERM_REQUEST[..length]).is_none(), "{length} bytes");
    }
    let mut wrong_fingerprint = MessageWriter::new(Method::Binding, Class::Request, [1; 12]).fingerprinted().finish();
    *wrong_fingerprint.last_mut().expect("not empty") ^= 1;
    assert!(Message::parse(&wrong_fingerprint).is_none());
}

#[test]
fn a_data_indication_header_fits_its_data() {
    for (peer, data) in [("192.0.2.1:9", &b"abc"[..]), ("[2001:db8::1]:9", b"abcd"), ("192.0.2.1:9", b"")] {
        let peer: SocketAddr = peer.parse().expect("address");
        let mut bytes = Vec::new();
        data_indication_header(peer, [3; 12], data.len() as u16, &mut bytes);
        bytes.extend_from_slice(data);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        let message = Message::parse(&bytes).expect("sound");
        assert_eq!((message.method, message.class), (Method::Data, Class::Indication));
        assert_eq!(message.value(AttributeType::DATA), Some(data));
        let value = message.value(AttributeType::XOR_PEER_ADDRESS).expect("there");
        assert_eq!(read_xor_address(value, &[3; 12]), Some(peer));
    }
}

#[test]
fn channel_data_keeps_to_its_numbers_and_length() {
    let parse = |bytes: &[u8]| ChannelData::parse(bytes).map(|data| (data.number, data.length));
    assert_eq!(parse(&[0x40, 0, 0, 2, 1, 2]), Some((0x4000, 2)));
    assert_eq!(parse(&[0x4f, 0xff, 0, 1, 1, 0, 0, 0]), Some((0x4fff, 1)));
    assert_eq!(parse(&[0x40, 0, 0, 3, 1, 2]), None);
    assert_eq!(parse(&[0x7f, 0xfe, 0, 0]), Some((0x7ffe, 0)));
    assert_eq!(parse(&[0x7f, 0xff, 0, 0]), None);
    assert_eq!(parse(&[0x3f, 0xff, 0, 0]), None);
    assert_eq!(parse(&[0x40, 0, 0]), None);
}
