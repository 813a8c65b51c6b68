//! STUN messages and ChannelData of TURN: what is read can be written again, and everything it says lies within the datagram.

use turn_core::message::{AttributeType, ChannelData, HEADER_BYTES, MAGIC_COOKIE, Message, MessageWriter};

/// Reads `bytes` as a datagram, and once more with the header that would let it pass.
pub fn check(bytes: &[u8]) {
    if let Some(data) = ChannelData::parse(bytes) {
        assert!(ChannelData::HEADER_BYTES + data.length <= bytes.len());
    }
    check_message(bytes);
    check_message(&with_header(bytes));
}

fn check_message(bytes: &[u8]) {
    let Some(message) = Message::parse(bytes) else { return };
    let said: Vec<(AttributeType, Vec<u8>)> = message
        .attributes()
        .map(|attribute| (attribute.kind, attribute.value.to_vec()))
        // Its checksum is of other bytes where padding was not zero.
        .filter(|(kind, _)| *kind != AttributeType::FINGERPRINT)
        .collect();
    let mut writer = MessageWriter::new(message.method, message.class, message.transaction);
    for (kind, value) in &said {
        writer = writer.with(*kind, value);
        let address = message.xor_address(value);
        assert!(address.is_none_or(|address| value.len() == if address.is_ipv4() { 8 } else { 20 }));
    }
    let written = writer.finish();
    assert!(written.len() <= bytes.len().next_multiple_of(4));
    let again = Message::parse(&written).expect("what we accept, we can say again");
    let repeated: Vec<_> = again.attributes().map(|attribute| (attribute.kind, attribute.value.to_vec())).collect();
    assert_eq!(repeated, said);
    assert_eq!((again.method, again.class, again.transaction), (message.method, message.class, message.transaction));
}

/// The attributes of `bytes` behind a header that says their length, with the type that `bytes` begin with.
fn with_header(bytes: &[u8]) -> Vec<u8> {
    let attributes = bytes.get(HEADER_BYTES..).unwrap_or_default();
    let attributes = &attributes[..attributes.len() / 4 * 4];
    let mut message = bytes.first_chunk::<2>().copied().unwrap_or_default().to_vec();
    message.extend((attributes.len() as u16).to_be_bytes());
    message.extend(MAGIC_COOKIE.to_be_bytes());
    message.extend([7; 12]);
    message.extend(attributes);
    message
}
