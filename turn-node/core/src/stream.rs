//! Finds messages in a byte stream (RFC 8656 §3.1, §12.5; RFC 8489 §6.2.2): streams have no datagrams, so each message
//! tells its own length.

use crate::message::{ChannelData, HEADER_BYTES, MAGIC_COOKIE, is_channel_number, read_u16, read_u32};

/// The next bytes are not a message, or one that is too long for the sender. The rest of the stream is unreadable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BrokenStream;

/// The length of the message at the start of `bytes`, including ChannelData's padding; `None` until the message is
/// complete.
///
/// A message of more than `bytes_max` is refused as soon as its header has arrived, so memory stays bounded.
pub fn next_message(bytes: &[u8], bytes_max: usize) -> Result<Option<usize>, BrokenStream> {
    let Some(first) = bytes.first() else { return Ok(None) };
    let length = match first & 0xc0 {
        0x00 => stun_bytes(bytes)?,
        0x40 => channel_data_bytes(bytes)?,
        _ => return Err(BrokenStream),
    };
    match length {
        Some(length) if length > bytes_max => Err(BrokenStream),
        Some(length) if length <= bytes.len() => Ok(Some(length)),
        Some(_) | None => Ok(None),
    }
}

/// RFC 8489 §5: every length is a multiple of four, and the magic cookie distinguishes STUN.
fn stun_bytes(bytes: &[u8]) -> Result<Option<usize>, BrokenStream> {
    let Some(length) = read_u16(bytes, 2) else { return Ok(None) };
    let other = length % 4 != 0 || read_u32(bytes, 4).is_some_and(|cookie| cookie != MAGIC_COOKIE);
    if other { Err(BrokenStream) } else { Ok(Some(HEADER_BYTES + usize::from(length))) }
}

/// RFC 8656 §12.5: over TCP and TLS, ChannelData is padded to four bytes, which its length does not count.
fn channel_data_bytes(bytes: &[u8]) -> Result<Option<usize>, BrokenStream> {
    let Some(number) = read_u16(bytes, 0) else { return Ok(None) };
    if !is_channel_number(number) {
        return Err(BrokenStream);
    }
    let length = read_u16(bytes, 2).map(usize::from);
    Ok(length.map(|length| ChannelData::HEADER_BYTES + length.next_multiple_of(4)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{AttributeType, Class, MessageWriter, Method};

    const MAX: usize = crate::limits::STREAM_MESSAGE_BYTES_MAX;

    fn binding() -> Vec<u8> {
        MessageWriter::new(Method::Binding, Class::Request, [7; 12]).with(AttributeType::SOFTWARE, b"test").finish()
    }

    fn channel_data(number: u16, length: u16) -> Vec<u8> {
        let padded = usize::from(length).next_multiple_of(4);
        [&number.to_be_bytes()[..], &length.to_be_bytes(), &vec![7; padded]].concat()
    }

    /// The lengths of the messages in a stream that arrives `step` bytes at a time.
    fn split(stream: &[u8], step: usize) -> Vec<usize> {
        let (mut held, mut found) = (Vec::new(), Vec::new());
        for part in stream.chunks(step) {
            held.extend_from_slice(part);
            while let Some(length) = next_message(&held, MAX).expect("a sound stream") {
                found.push(length);
                held.drain(..length);
            }
        }
        assert!(held.is_empty());
        found
    }

    #[test]
    fn finds_the_same_messages_however_the_stream_is_cut() {
        let messages = [
            binding(),
            channel_data(0x4000, 0),
            channel_data(0x4001, 1),
            binding(),
            channel_data(0x7ffe, 1_200),
            channel_data(0x4001, u16::MAX),
            binding(),
        ];
        let lengths: Vec<usize> = messages.iter().map(Vec::len).collect();
        let stream = messages.concat();
        for step in [1, 2, 3, 4, 5, 7, 19, 20, 21, 1_000, stream.len()] {
            assert_eq!(split(&stream, step), lengths, "{step} bytes at a time");
        }
    }

    #[test]
    fn refuses_what_is_no_message_as_soon_as_it_shows() {
        for (bytes, name) in [
            (&b"\x80"[..], "RTP"),
            (b"\x16\x03\x01\x02\x00\x01", "a TLS record"),
            (b"\x7f\xff", "a reserved channel number"),
            (b"\x00\x01\x00\x03", "a length that is no multiple of four"),
            (b"\x00\x01\x00\x00\x21\x12\xa4\x43", "another cookie"),
        ] {
            assert_eq!(next_message(bytes, MAX), Err(BrokenStream), "{name}");
            let before = &bytes[..bytes.len() - 1];
            assert!(before.is_empty() || next_message(before, MAX) == Ok(None) || name == "a TLS record", "{name}");
        }
    }

    #[test]
    fn refuses_a_long_message_before_it_arrives() {
        assert_eq!(next_message(&channel_data(0x4001, 97)[..4], 100), Err(BrokenStream));
        assert_eq!(next_message(&channel_data(0x4001, 96)[..4], 100), Ok(None));
        // The first bytes of an HTTP request resemble a channel number and a length.
        assert_eq!(next_message(b"GET /", 4_096), Err(BrokenStream));
    }
}
