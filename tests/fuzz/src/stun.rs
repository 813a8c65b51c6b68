//! STUN: a readable Binding request can be written again, and no request causes a long answer.

use media_core::stun::{self, BindingRequest, Request, Response, Role};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

/// Longest answer: a reflector would amplify nothing.
const ANSWER_BYTES_MAX: usize = 128;
const FINGERPRINT_MASK: u32 = 0x5354_554e;

/// Reads `bytes` as a message, and again with a valid header and checksum.
pub fn check(bytes: &[u8]) {
    check_message(bytes);
    check_message(&sealed(bytes));
}

fn check_message(message: &[u8]) {
    let Some(request) = BindingRequest::parse(message) else { return };
    assert!(message.len() <= stun::REQUEST_BYTES_MAX);
    let (ours, theirs) = (stun::key("of ours"), stun::key("of theirs"));
    let said = Request {
        transaction: request.transaction,
        receiver_ufrag: request.receiver_ufrag,
        sender_ufrag: request.sender_ufrag,
        use_candidate: request.use_candidate,
        role: request.role.unwrap_or(Role::Controlling),
    };
    let written = said.to_vec(&ours);
    // Our message has attributes that the original may have lacked.
    if written.len() <= stun::REQUEST_BYTES_MAX {
        let again = BindingRequest::parse(&written).expect("what we accept, we can say again");
        assert_eq!(again.transaction, request.transaction);
        assert_eq!((again.receiver_ufrag, again.sender_ufrag), (request.receiver_ufrag, request.sender_ufrag));
        assert_eq!((again.use_candidate, again.role), (request.use_candidate, Some(said.role)));
        assert!(again.unknown().types().is_empty());
        assert!(again.is_authentic(&ours) && !again.is_authentic(&theirs));
    }
    assert!(!request.is_authentic(&ours) || !request.is_authentic(&theirs));
    for mapped in [SocketAddr::from((Ipv4Addr::LOCALHOST, 1)), SocketAddr::from((Ipv6Addr::LOCALHOST, 1))] {
        check_answer(&request, &Response::Success { mapped }.to_vec(&request, &ours));
    }
    check_answer(&request, &Response::RoleConflict.to_vec(&request, &ours));
    check_answer(&request, &Response::UnknownAttribute.to_vec(&request, &ours));
}

fn check_answer(request: &BindingRequest<'_>, answer: &[u8]) {
    assert!(answer.len() <= ANSWER_BYTES_MAX);
    assert_eq!(answer[8..20], request.transaction);
    assert_eq!(usize::from(u16::from_be_bytes([answer[2], answer[3]])), answer.len() - stun::HEADER_BYTES);
    assert!(BindingRequest::parse(answer).is_none(), "an answer is never taken for a request");
}

/// The attributes of `bytes` in a message with a valid header and FINGERPRINT, which mutations would never produce.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    let attributes = bytes.get(stun::HEADER_BYTES..).unwrap_or(bytes);
    let attributes = match attributes.split_last_chunk::<8>() {
        Some((before, [0x80, 0x28, 0, 4, ..])) => before,
        Some(_) | None => attributes,
    };
    let attributes = &attributes[..attributes.len() / 4 * 4];
    let mut message = vec![0, 1];
    message.extend(((attributes.len() + 8) as u16).to_be_bytes());
    message.extend([0x21, 0x12, 0xa4, 0x42]);
    message.extend([7; 12]);
    message.extend(attributes);
    let checksum = crc32fast::hash(&message) ^ FINGERPRINT_MASK;
    message.extend([0x80, 0x28, 0, 4]);
    message.extend(checksum.to_be_bytes());
    message
}
