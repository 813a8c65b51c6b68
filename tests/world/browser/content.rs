//! Contents of simulated publishers: payloads that name their source, so that a receiver can identify them.

use crate::check::SourceName;

/// Bytes of a VP8 key frame's header before its width and height (RFC 6386 §9.1).
const KEYFRAME_START: [u8; 6] = [0x50, 0x56, 0x0a, 0x9d, 0x01, 0x2a];
const KEYFRAME_HEADER_BYTES: usize = KEYFRAME_START.len() + 4;
/// First byte of any other frame: the lowest bit marks it as such.
const INTERFRAME_TAG: u8 = 0x51;
/// A TOC byte as written by Chromium's encoder: one frame of 20 ms.
const OPUS_TOC: u8 = 0x78;
const STAMP_BYTES: usize = 18;

/// A frame's position in the pattern of an encoder with three temporal layers, as in libwebrtc for VP8; `None` without
/// layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn(Option<u8>);

impl Turn {
    pub const NONE: Self = Self(None);
    const PATTERN: u8 = 8;

    /// The position this many frames after a key frame.
    #[must_use]
    pub fn after_keyframe(frames: u32) -> Self {
        Self(Some((frames % u32::from(Self::PATTERN)) as u8))
    }

    /// Temporal layer; true if the frame depends on the base layer alone (RFC 7741 §4.2: TID and Y).
    #[must_use]
    pub fn layer(self) -> (u8, bool) {
        match self.0 {
            Some(1) => (2, true),
            Some(2) => (1, true),
            Some(6) => (1, false),
            Some(3 | 5 | 7) => (2, false),
            Some(_) | None => (0, false),
        }
    }

    /// Distances to the frames that a frame depends on.
    #[must_use]
    pub fn needs(self) -> &'static [u32] {
        match self.0 {
            None | Some(1) => &[1],
            Some(2) => &[2],
            Some(3 | 7) => &[3, 1],
            Some(5) => &[1, 3],
            Some(6) => &[2, 4],
            Some(_) => &[4],
        }
    }

    fn to_byte(self) -> u8 {
        self.0.unwrap_or(u8::MAX)
    }

    fn read(byte: u8) -> Self {
        Self(Some(byte).filter(|byte| *byte < Self::PATTERN))
    }
}

/// The identification of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub source: SourceName,
    /// Number of the page load: a reload counts its frames anew.
    pub page: u16,
    pub frame: u32,
    pub part: u8,
    pub parts: u8,
    /// The frame depends on no other.
    pub is_keyframe: bool,
    pub turn: Turn,
}

impl Stamp {
    /// An Opus-like payload of `bytes` bytes.
    #[must_use]
    pub fn to_sound(self, bytes: usize) -> Vec<u8> {
        self.behind(vec![OPUS_TOC], bytes)
    }

    /// A VP8-like payload (RFC 7741 §4.2) of `bytes` bytes: 15-bit picture id, TL0PICIDX, TID and Y.
    #[must_use]
    pub fn to_picture(self, picture_id: u16, base_layer_index: u8, lines: u16, bytes: usize) -> Vec<u8> {
        let [p0, p1] = (picture_id | 0x8000).to_be_bytes();
        let (layer, is_sync) = self.turn.layer();
        let octet = layer << 6 | u8::from(is_sync) << 5;
        let mut payload = vec![if self.part == 0 { 0x90 } else { 0x80 }, 0xe0, p0, p1, base_layer_index, octet];
        match (self.part, self.is_keyframe) {
            (0, true) => {
                payload.extend(KEYFRAME_START);
                payload.extend((lines / 3 * 4).to_le_bytes());
                payload.extend(lines.to_le_bytes());
            }
            (0, false) => payload.push(INTERFRAME_TAG),
            _ => {}
        }
        self.behind(payload, bytes)
    }

    fn behind(self, mut payload: Vec<u8>, bytes: usize) -> Vec<u8> {
        payload.extend(self.source.0.to_be_bytes());
        payload.extend(self.page.to_be_bytes());
        payload.extend(self.frame.to_be_bytes());
        payload.extend([self.part, self.parts, u8::from(self.is_keyframe), self.turn.to_byte()]);
        let filler = self.filler();
        payload.extend((payload.len()..bytes).map(|at| filler.wrapping_add(at as u8)));
        payload
    }

    /// Reads the stamp of an audio payload; `None` if it is damaged.
    #[must_use]
    pub fn of_sound(payload: &[u8]) -> Option<Self> {
        Self::read(payload, 1)
    }

    /// Reads the stamp of a video payload whose descriptor has `descriptor_bytes`; `None` if it is damaged.
    #[must_use]
    pub fn of_picture(payload: &[u8], descriptor_bytes: usize) -> Option<Self> {
        let starts_frame = payload.first()? & 0x10 != 0;
        let frame_header = match payload.get(descriptor_bytes)? {
            _ if !starts_frame => 0,
            tag if tag & 1 == 0 => KEYFRAME_HEADER_BYTES,
            _ => 1,
        };
        Self::read(payload, descriptor_bytes + frame_header)
    }

    fn read(payload: &[u8], at: usize) -> Option<Self> {
        let bytes = payload.get(at..)?.first_chunk::<STAMP_BYTES>()?;
        let [s0, s1, s2, s3, s4, s5, s6, s7, p0, p1, f0, f1, f2, f3, part, parts, is_keyframe, turn] = *bytes;
        let stamp = Self {
            source: SourceName(u64::from_be_bytes([s0, s1, s2, s3, s4, s5, s6, s7])),
            page: u16::from_be_bytes([p0, p1]),
            frame: u32::from_be_bytes([f0, f1, f2, f3]),
            part,
            parts,
            is_keyframe: is_keyframe == 1,
            turn: Turn::read(turn),
        };
        let filler = stamp.filler();
        let mut rest = payload.iter().enumerate().skip(at + STAMP_BYTES);
        rest.all(|(at, byte)| *byte == filler.wrapping_add(at as u8)).then_some(stamp)
    }

    /// True if this and `other` are from one encoder.
    #[must_use]
    pub fn is_with(&self, other: &Self) -> bool {
        (self.source, self.page) == (other.source, other.page)
    }

    fn filler(self) -> u8 {
        self.frame as u8 ^ self.part.rotate_left(4) ^ self.source.0 as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use media_core::codec::vp8::{self, Descriptor};

    #[test]
    fn pictures_and_sound_are_what_the_codecs_module_takes_them_for() {
        for (part, is_keyframe) in [(0, true), (1, true), (0, false), (1, false)] {
            let turn = Turn::after_keyframe(3);
            let source = SourceName::of("ada", "1");
            let stamp = Stamp { source, page: 5, frame: 700, part, parts: 2, is_keyframe, turn };
            let payload = stamp.to_picture(0x7001, 9, 480, 200);
            let descriptor = Descriptor::parse(&payload).expect("well formed");
            assert_eq!((descriptor.starts_frame, descriptor.starts_keyframe), (part == 0, part == 0 && is_keyframe));
            assert_eq!((descriptor.numbers().picture_id, descriptor.numbers().base_layer_index), (0x7001, 9));
            assert_eq!(vp8::resolution(&payload), (part == 0 && is_keyframe).then_some((640, 480)));
            assert_eq!(Stamp::of_picture(&payload, usize::from(descriptor.descriptor_bytes)), Some(stamp));
            assert_eq!(Stamp::of_sound(&stamp.to_sound(80)), Some(stamp));
        }
    }

    #[test]
    fn a_damaged_payload_is_noticed() {
        let stamp = Stamp {
            source: SourceName::of("ada", "0"),
            page: 5,
            frame: 1,
            part: 0,
            parts: 1,
            is_keyframe: false,
            turn: Turn::NONE,
        };
        let mut payload = stamp.to_sound(80);
        payload[50] ^= 1;
        assert_eq!(Stamp::of_sound(&payload), None);
        assert_eq!(Stamp::of_sound(&payload[..10]), None);
    }
}
