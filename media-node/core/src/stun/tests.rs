//! RFC 5769 vectors, and messages that must be refused.

use super::read::*;
use super::write::Writer;
use super::*;

/// RFC 5769 §2.1, with the padding of its USERNAME.
const SAMPLE_REQUEST: &[u8] = &[
    0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87, 0xdf,
    0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73, 0x74, 0x20, 0x63, 0x6c, 0x69, 0x65,
    0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff, 0x80, 0x29, 0x00, 0x08, 0x93, 0x2f, 0xf9, 0xb1, 0x51,
    0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09, 0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76, 0x59, 0x20, 0x20, 0x20,
    0x00, 0x08, 0x00, 0x14, 0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e, 0xf2, 0xb5, 0xb2, 0xd3, 0xf2,
    0x49, 0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf,
];
const SAMPLE_PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

const TRANSACTION: TransactionId = *b"transaction!";

fn request() -> Request<'static> {
    Request {
        transaction: TRANSACTION,
        receiver_ufrag: "node",
        sender_ufrag: "client",
        use_candidate: true,
        role: Role::Controlling,
    }
}

#[test]
fn reads_the_sample_request_of_rfc_5769() {
    let request = BindingRequest::parse(SAMPLE_REQUEST).expect("well formed");
    assert_eq!((request.receiver_ufrag, request.sender_ufrag), ("evtj", "h6vY"));
    assert_eq!((request.role, request.use_candidate), (Some(Role::Controlled), false));
    assert!(request.unknown().types().is_empty());
    assert!(request.is_authentic(&key(SAMPLE_PASSWORD)));
    assert!(!request.is_authentic(&key("another password")));
}

#[test]
fn reads_what_it_writes() {
    let message = request().to_vec(&key("secret"));
    let read = BindingRequest::parse(&message).expect("well formed");
    assert_eq!((read.receiver_ufrag, read.sender_ufrag), ("node", "client"));
    assert_eq!((read.role, read.use_candidate, read.transaction), (Some(Role::Controlling), true, TRANSACTION));
    assert!(read.is_authentic(&key("secret")));
}

#[test]
fn no_flipped_bit_and_no_missing_byte_gets_through() {
    let message = request().to_vec(&key("secret"));
    for length in 0..message.len() {
        assert!(BindingRequest::parse(&message[..length]).is_none(), "{length} bytes");
    }
    for bit in 0..message.len() * 8 {
        let mut message = message.clone();
        message[bit / 8] ^= 1 << (bit % 8);
        let accepted = BindingRequest::parse(&message).is_some_and(|request| request.is_authentic(&key("secret")));
        assert!(!accepted, "bit {bit}");
    }
}

#[test]
fn a_forged_attribute_fails_the_integrity_check_though_the_checksum_fits() {
    let mut message = request().to_vec(&key("secret"));
    let at = message.windows(4).position(|window| window == b"node").expect("the username is in it");
    message[at] = b'N';
    let covered = message.len() - 8;
    let checksum = crc32fast::hash(&message[..covered]) ^ FINGERPRINT_MASK;
    message[covered + 4..].copy_from_slice(&checksum.to_be_bytes());
    let read = BindingRequest::parse(&message).expect("well formed");
    assert_eq!(read.receiver_ufrag, "Node");
    assert!(!read.is_authentic(&key("secret")));
}

/// Checks whether a request with these attributes before the checksums is accepted, and with which unknown ones.
fn check(attributes: &[(u16, &[u8])], expected: Option<&[u16]>) {
    let mut writer = Writer::new(BINDING_REQUEST, &TRANSACTION);
    for (kind, value) in attributes {
        writer.attribute(*kind, value);
    }
    let message = writer.finish(&key("secret"));
    let read = BindingRequest::parse(&message);
    assert_eq!(read.as_ref().map(|request| request.unknown().types()), expected, "{attributes:?}");
}

#[test]
fn names_the_attributes_it_does_not_understand() {
    check(&[(attribute::USERNAME, b"a:b"), (0x0003, &[0, 0, 0, 6])], Some(&[0x0003]));
    check(&[(attribute::USERNAME, b"a:b"), (0x7fff, b""), (0x0100, b"x")], Some(&[0x7fff, 0x0100]));
    check(&[(attribute::USERNAME, b"a:b"), (0xC057, &[0, 1, 0, 0])], Some(&[]));
    let many: Vec<(u16, &[u8])> = (0..20).map(|i| (0x0100 + i, &[][..])).collect();
    let mut named: Vec<u16> = many.iter().map(|(kind, _)| *kind).collect();
    named.truncate(UNKNOWN_ATTRIBUTES_MAX);
    check(&[&[(attribute::USERNAME, &b"a:b"[..])], &many[..]].concat(), Some(&named));
}

#[test]
fn refuses_requests_without_a_usable_username() {
    check(&[], None);
    check(&[(attribute::USERNAME, b"nocolon")], None);
    check(&[(attribute::USERNAME, &[0xff, b':', 0xfe])], None);
}

#[test]
fn what_follows_the_integrity_is_ignored() {
    let mut writer = Writer::new(BINDING_REQUEST, &TRANSACTION);
    writer.attribute(attribute::USERNAME, b"a:b");
    writer.attribute(attribute::MESSAGE_INTEGRITY, &[0; 20]);
    writer.attribute(attribute::USE_CANDIDATE, &[]);
    let message = writer.finish(&key("secret"));
    assert!(!BindingRequest::parse(&message).expect("well formed").use_candidate);
}

#[test]
fn refuses_long_requests_and_other_messages() {
    let long = [0; REQUEST_BYTES_MAX];
    check(&[(attribute::USERNAME, b"a:b"), (0xC057, &long)], None);
    let mut indication = request().to_vec(&key("secret"));
    indication[1] = 0x11;
    assert!(BindingRequest::parse(&indication).is_none());
}

#[test]
fn success_says_where_the_request_came_from() {
    // RFC 5769 §2.2 and §2.3: the transaction of the sample, both families.
    let request = BindingRequest::parse(SAMPLE_REQUEST).expect("well formed");
    for (mapped, expected) in [
        ("192.0.2.1:32853", &[0x00, 0x01, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43][..]),
        (
            "[2001:db8:1234:5678:11:2233:4455:6677]:32853",
            &[
                0x00, 0x02, 0xa1, 0x47, 0x01, 0x13, 0xa9, 0xfa, 0xa5, 0xd3, 0xf1, 0x79, 0xbc, 0x25, 0xf4, 0xb5, 0xbe,
                0xd2, 0xb9, 0xd9,
            ],
        ),
    ] {
        let response =
            Response::Success { mapped: mapped.parse().expect("address") }.to_vec(&request, &key(SAMPLE_PASSWORD));
        assert_eq!(response[..2], BINDING_SUCCESS);
        assert_eq!(&response[HEADER_BYTES..HEADER_BYTES + 4], [0, 0x20, 0, expected.len() as u8]);
        assert_eq!(&response[HEADER_BYTES + 4..HEADER_BYTES + 4 + expected.len()], expected);
    }
}

#[test]
fn errors_carry_their_code_and_are_authenticated() {
    let message = request().to_vec(&key("secret"));
    let request = BindingRequest::parse(&message).expect("well formed");
    for (response, code) in [(Response::RoleConflict, [4, 87]), (Response::UnknownAttribute, [4, 20])] {
        let mut answer = response.to_vec(&request, &key("secret"));
        assert_eq!(answer[..2], BINDING_ERROR);
        assert_eq!(answer[8..20], TRANSACTION);
        assert_eq!(answer[HEADER_BYTES + 6..HEADER_BYTES + 8], code);
        // Read back like a request: the same two checksums end every message.
        let checksum = answer.split_off(answer.len() - 4);
        answer.truncate(answer.len() - 4);
        assert_eq!(checksum, (crc32fast::hash(&answer) ^ FINGERPRINT_MASK).to_be_bytes());
    }
}
