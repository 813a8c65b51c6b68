//! Assembles the packets of a frame: VP8 (RFC 7741), H.264 (RFC 6184) and Opus (RFC 7587).

mod h264;

use super::ReceivedFrame;
use super::reorder::Ordered;
use crate::peer::H264_PAYLOAD_TYPE;
use bytes::{Bytes, BytesMut};
use rtc::rtp;
use shared::rtp_parameters::MediaKind;

/// Largest accepted frame.
const FRAME_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Assembles frames from ordered packets.
pub(super) struct Assembler {
    kind: MediaKind,
    begun: Option<Begun>,
    /// True if nothing is missing since the last key frame began.
    is_in_step: bool,
}

/// A picture whose last packet has not arrived.
struct Begun {
    timestamp: u32,
    data: BytesMut,
}

impl Assembler {
    pub(super) fn new(kind: MediaKind) -> Self {
        Self { kind, begun: None, is_in_step: false }
    }

    /// Takes the next packet; returns a frame if the packet completes one.
    pub(super) fn take(&mut self, Ordered { packet, after_gap }: Ordered) -> Option<ReceivedFrame> {
        if after_gap {
            self.begun = None;
            self.is_in_step = false;
        }
        if packet.payload.is_empty() {
            return None; // Padding, for probing.
        }
        let csrc = *packet.header.csrc.first()?;
        let timestamp = packet.header.timestamp;
        let data = match self.kind {
            // RFC 7587 §4.2: one packet, one payload, no descriptor.
            MediaKind::Audio => packet.payload,
            MediaKind::Video => self.picture(&packet)?,
        };
        Some(ReceivedFrame { csrc, kind: self.kind, timestamp, data })
    }

    fn picture(&mut self, packet: &rtp::Packet) -> Option<Bytes> {
        if packet.header.payload_type == H264_PAYLOAD_TYPE {
            return self.h264(packet);
        }
        let descriptor = Descriptor::parse(&packet.payload)?;
        let timestamp = packet.header.timestamp;
        if descriptor.starts_frame {
            self.begun = Some(Begun { timestamp, data: BytesMut::new() });
        }
        let begun = self.begun.as_mut().filter(|begun| begun.timestamp == timestamp)?;
        begun.data.extend_from_slice(packet.payload.get(descriptor.bytes..)?);
        if begun.data.len() > FRAME_BYTES_MAX {
            self.begun = None;
            return None;
        }
        // RFC 7741 §4.1: the marker is set on the last packet of a frame.
        if packet.header.marker { self.begun.take().map(|begun| begun.data.freeze()) } else { None }
    }

    /// H.264 does not mark the beginning of a picture: after a gap only a key frame's is known.
    fn h264(&mut self, packet: &rtp::Packet) -> Option<Bytes> {
        let timestamp = packet.header.timestamp;
        self.is_in_step |= h264::starts_key_frame(&packet.payload);
        if !self.is_in_step {
            return None;
        }
        let begun = self.begun.take().filter(|begun| begun.timestamp == timestamp);
        let mut data = begun.map_or_else(BytesMut::new, |begun| begun.data);
        h264::append(&mut data, &packet.payload).filter(|()| data.len() <= FRAME_BYTES_MAX)?;
        if packet.header.marker {
            return Some(data.freeze());
        }
        self.begun = Some(Begun { timestamp, data });
        None
    }
}

/// The payload descriptor of RFC 7741 §4.2.
struct Descriptor {
    starts_frame: bool,
    bytes: usize,
}

impl Descriptor {
    fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        // §4.4: the start (S) of partition 0 (PID) is the start of a frame.
        let starts_frame = first & 0x17 == 0x10;
        if first & 0x80 == 0 {
            return Some(Self { starts_frame, bytes: 1 });
        }
        let extension = *payload.get(1)?;
        let mut bytes = 2;
        if extension & 0x80 != 0 {
            // PictureID of 15 bits where M is set, else of 7.
            bytes += if payload.get(bytes)? & 0x80 == 0 { 1 } else { 2 };
        }
        bytes += usize::from(extension & 0x40 != 0); // TL0PICIDX
        bytes += usize::from(extension & 0x30 != 0); // TID, Y and KEYIDX share one.
        Some(Self { starts_frame, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CSRC: u32 = 7;

    fn packet(timestamp: u32, marker: bool, payload: &[u8]) -> Ordered {
        let header = rtp::Header { timestamp, marker, csrc: vec![CSRC], ..Default::default() };
        Ordered { packet: rtp::Packet { header, payload: Bytes::copy_from_slice(payload) }, after_gap: false }
    }

    fn check(kind: MediaKind, packets: Vec<Ordered>, expected: &[(u32, &[u8])]) {
        let mut assembler = Assembler::new(kind);
        let frames: Vec<_> = packets.into_iter().filter_map(|packet| assembler.take(packet)).collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(timestamp, data)| ReceivedFrame {
                csrc: CSRC,
                kind,
                timestamp: *timestamp,
                data: Bytes::copy_from_slice(data),
            })
            .collect();
        assert_eq!(frames, expected);
    }

    #[test]
    fn a_packet_of_sound_is_a_frame() {
        check(MediaKind::Audio, vec![packet(1, true, b"ab"), packet(2, false, b"")], &[(1, b"ab")]);
    }

    #[test]
    fn a_picture_reaches_from_its_start_to_its_marker() {
        let (start, middle, other) = (0x10, 0x00, 0x11);
        let packets = vec![
            packet(1, true, &[middle, b'x']), // Joined in the middle.
            packet(2, false, &[start, b'a', b'b']),
            packet(2, false, &[other, b'c']), // The start of partition 1.
            packet(2, true, &[middle, b'd']),
            packet(3, true, &[0x90, 0x80, 0x81, 0x02, b'e', b'f']), // With a picture id of 15 bits.
            packet(4, true, &[0x90, 0xf0, 0x01, 0x02, 0x03, b'g']), // With everything, and a picture id of 7 bits.
        ];
        check(MediaKind::Video, packets, &[(2, b"abcd"), (3, b"ef"), (4, b"g")]);
    }

    #[test]
    fn a_picture_with_a_hole_is_none() {
        let mut late = packet(2, true, &[0x00, b'c']);
        late.after_gap = true;
        check(
            MediaKind::Video,
            vec![packet(2, false, &[0x10, b'a']), late, packet(3, true, &[0x10, b'd'])],
            &[(3, b"d")],
        );
        // The marker itself was lost.
        check(MediaKind::Video, vec![packet(2, false, &[0x10, b'a']), packet(3, true, &[0x10, b'd'])], &[(3, b"d")]);
    }
}
