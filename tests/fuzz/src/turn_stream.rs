//! TURN over a byte stream: the same messages are found however the stream is split, and none is longer than allowed.

use turn_core::limits;
use turn_core::message::{ChannelData, Message};
use turn_core::stream::{BrokenStream, next_message};

const LIMITS: [usize; 2] = [limits::STRANGER_MESSAGE_BYTES_MAX, limits::STREAM_MESSAGE_BYTES_MAX];

pub fn check(bytes: &[u8]) {
    for most in LIMITS {
        let whole = split(bytes, bytes.len().max(1), most);
        for step in [1, 3, 4, 21] {
            assert_eq!(split(bytes, step, most), whole, "{step} bytes at a time");
        }
    }
}

/// The lengths of the messages in a stream that arrives `step` bytes at a time; true if it then broke.
fn split(bytes: &[u8], step: usize, most: usize) -> (Vec<usize>, bool) {
    let (mut held, mut found) = (Vec::new(), Vec::new());
    for part in bytes.chunks(step) {
        held.extend_from_slice(part);
        loop {
            match next_message(&held, most) {
                Ok(Some(length)) => {
                    check_message(&held[..length], most);
                    found.push(length);
                    held.drain(..length);
                }
                // Less than one message is ever held.
                Ok(None) => break assert!(held.len() < most),
                Err(BrokenStream) => return (found, true),
            }
        }
    }
    (found, false)
}

/// The server reads the stream's message as a message or as nothing, never as a part.
fn check_message(message: &[u8], most: usize) {
    assert!(!message.is_empty() && message.len() <= most && message.len().is_multiple_of(4));
    if message[0] & 0xc0 == 0x40 {
        let data = ChannelData::parse(message).expect("a channel's data");
        assert!(message.len() - ChannelData::HEADER_BYTES - data.length < 4, "no more than padding follows");
    } else if let Some(parsed) = Message::parse(message) {
        assert!(parsed.attributes().all(|attribute| attribute.value.len() < message.len()));
    }
}
