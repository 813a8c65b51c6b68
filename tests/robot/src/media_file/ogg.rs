//! Reads Opus packets out of Ogg (RFC 3533, RFC 7845).

use super::Frame;
use bytes::{Buf, Bytes, BytesMut};
use std::time::Duration;

/// RFC 3533 §6: the part of a page before the segment table.
const PAGE_HEADER_BYTES: usize = 27;
/// RFC 7845 §3: identification and comments.
const HEADER_PACKETS: usize = 2;
/// RFC 6716 §2.1.4: the longest packet.
const PACKET_DURATION_MAX: Duration = Duration::from_millis(120);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OggError {
    /// A page does not begin where it should.
    #[error("not an Ogg file")]
    NotOgg,
    /// A page is longer than the rest of the file, or its last packet continues on a missing page.
    #[error("the file is cut off")]
    CutOff,
    /// The first packet is not `OpusHead`.
    #[error("the codec is not Opus")]
    NotOpus,
    /// More than one logical stream.
    #[error("the file holds several streams")]
    Multiplexed,
    /// Not a packet of RFC 6716.
    #[error("packet {index} is not an Opus packet")]
    BadPacket {
        /// Counted from 0.
        index: usize,
    },
}

pub(super) fn parse(file: &Bytes) -> Result<Vec<Frame>, OggError> {
    let packets = packets(file.clone())?;
    if !packets.first().is_some_and(|first| first.starts_with(b"OpusHead")) {
        return Err(OggError::NotOpus);
    }
    let sound = packets.into_iter().skip(HEADER_PACKETS).enumerate();
    sound
        .map(|(index, data)| {
            let duration = duration(&data).ok_or(OggError::BadPacket { index })?;
            Ok(Frame { data, duration })
        })
        .collect()
}

fn packets(mut rest: Bytes) -> Result<Vec<Bytes>, OggError> {
    let mut packets = Vec::new();
    let mut begun: Option<BytesMut> = None;
    let mut stream = None;
    while rest.has_remaining() {
        let page = page(&mut rest)?;
        if *stream.get_or_insert(page.stream) != page.stream {
            return Err(OggError::Multiplexed);
        }
        let mut body = page.body;
        for lacing in page.lacing {
            let packet = begun.get_or_insert_default();
            packet.extend_from_slice(&body.split_to(usize::from(lacing)));
            // RFC 3533 §5: a segment that is not full ends its packet.
            if lacing < 255 {
                packets.extend(begun.take().map(BytesMut::freeze));
            }
        }
    }
    if begun.is_some() { Err(OggError::CutOff) } else { Ok(packets) }
}

struct Page {
    stream: u32,
    lacing: Bytes,
    /// As long as the sum of `lacing`.
    body: Bytes,
}

fn page(rest: &mut Bytes) -> Result<Page, OggError> {
    if rest.len() < PAGE_HEADER_BYTES {
        return Err(OggError::CutOff);
    }
    let mut header = rest.split_to(PAGE_HEADER_BYTES);
    if !header.starts_with(b"OggS") {
        return Err(OggError::NotOgg);
    }
    header.advance(14); // Capture pattern, version, flags, granule position.
    let stream = header.get_u32_le();
    header.advance(8); // Page number and checksum.
    let segments = usize::from(header.get_u8());
    if rest.len() < segments {
        return Err(OggError::CutOff);
    }
    let lacing = rest.split_to(segments);
    let bytes = lacing.iter().map(|segment| usize::from(*segment)).sum();
    if rest.len() < bytes {
        return Err(OggError::CutOff);
    }
    Ok(Page { stream, lacing, body: rest.split_to(bytes) })
}

/// RFC 6716 §3.1: the first byte determines the length and number of the frames.
fn duration(packet: &[u8]) -> Option<Duration> {
    let first = *packet.first()?;
    let tenths_ms = match first >> 3 {
        config @ 0..=11 => [100, 200, 400, 600][usize::from(config & 3)],
        config @ 12..=15 => [100, 200][usize::from(config & 1)],
        config => [25, 50, 100, 200][usize::from(config & 3)],
    };
    let frames = match first & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u64::from(*packet.get(1)? & 0x3f),
    };
    let duration = Duration::from_micros(tenths_ms * 100 * frames);
    (!duration.is_zero() && duration <= PACKET_DURATION_MAX).then_some(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(stream: u32, lacing: &[u8], body: &[u8]) -> Vec<u8> {
        let mut bytes = b"OggS\0\0".to_vec();
        bytes.extend([0; 8]);
        bytes.extend(stream.to_le_bytes());
        bytes.extend([0; 8]);
        bytes.push(lacing.len() as u8);
        bytes.extend(lacing);
        bytes.extend(body);
        bytes
    }

    fn head() -> Vec<u8> {
        [page(1, &[8], b"OpusHead"), page(1, &[8], b"OpusTags")].concat()
    }

    fn check(bytes: &[u8], expected: Result<&[(usize, u64)], OggError>) {
        let frames = parse(&Bytes::copy_from_slice(bytes));
        let sizes = frames.map(|frames| {
            frames.iter().map(|frame| (frame.data.len(), frame.duration.as_millis() as u64)).collect::<Vec<_>>()
        });
        assert_eq!(sizes, expected.map(<[_]>::to_vec));
    }

    #[test]
    fn packets_end_with_a_segment_that_is_not_full() {
        // Configuration 31 (CELT, 20 ms), one frame.
        let mut long = vec![0xf8; 255 + 10];
        check(&[head(), page(1, &[255, 10, 2], &[&long[..], &[0xf8, 1]].concat())].concat(), Ok(&[(265, 20), (2, 20)]));
        // A packet that continues on the next page.
        let tail = long.split_off(255);
        check(&[head(), page(1, &[255], &long), page(1, &[10], &tail)].concat(), Ok(&[(265, 20)]));
        check(&[head(), page(1, &[255], &long)].concat(), Err(OggError::CutOff));
    }

    #[test]
    fn the_first_byte_says_how_long_a_packet_lasts() {
        for (packet, ms) in [([0x08, 0], 20), ([0xf9, 0], 40), ([0xfb, 3], 60), ([0x18, 0], 60)] {
            check(&[head(), page(1, &[2], &packet)].concat(), Ok(&[(2, ms)]));
        }
        for packet in [[0xfb, 0], [0x1b, 3]] {
            check(&[head(), page(1, &[2], &packet)].concat(), Err(OggError::BadPacket { index: 0 }));
        }
    }

    #[test]
    fn other_files_are_refused() {
        check(b"RIFF of more than twenty-seven bytes", Err(OggError::NotOgg));
        check(&head()[..20], Err(OggError::CutOff));
        check(&page(1, &[8], b"Speex   "), Err(OggError::NotOpus));
        check(&[head(), page(2, &[1], b"x")].concat(), Err(OggError::Multiplexed));
    }
}
