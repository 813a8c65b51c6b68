//! Assembles frames from ordered packets: Opus packets are frames, video frames are assembled (RFC 7741 §4, RFC 6184
//! §5).

mod frame;
mod h264;

pub use frame::Frame;

use super::limits::FRAME_BYTES_MAX;
use super::reorder::Packet;
use crate::codec::vp8;
use h264::H264;
use shared::rtp_parameters::CodecName;

#[derive(Debug)]
pub enum Assembler {
    /// Every packet is a frame.
    Opus,
    Vp8(Vp8),
    H264(H264),
}

/// The incomplete VP8 frame.
#[derive(Debug)]
pub struct Vp8 {
    frame: Option<Frame>,
    /// True if something that later frames depend on is missing: nothing can be shown until the next key frame.
    needs_key: bool,
}

impl Assembler {
    #[must_use]
    pub const fn opus() -> Self {
        Self::Opus
    }

    /// Starts with a key frame.
    #[must_use]
    pub const fn vp8() -> Self {
        Self::Vp8(Vp8 { frame: None, needs_key: true })
    }

    /// Starts with a key frame.
    #[must_use]
    pub const fn h264() -> Self {
        Self::H264(H264::new())
    }

    #[must_use]
    pub const fn of(codec: CodecName) -> Self {
        match codec {
            CodecName::Opus | CodecName::Red => Self::opus(),
            CodecName::Vp8 => Self::vp8(),
            CodecName::H264ConstrainedBaseline | CodecName::H264Main => Self::h264(),
        }
    }

    /// True if it accepts packets of this codec.
    #[must_use]
    pub const fn takes(&self, codec: CodecName) -> bool {
        match self {
            Self::Opus => matches!(codec, CodecName::Opus | CodecName::Red),
            Self::Vp8(_) => matches!(codec, CodecName::Vp8),
            Self::H264(_) => matches!(codec, CodecName::H264ConstrainedBaseline | CodecName::H264Main),
        }
    }

    /// Takes the next packet; returns a frame if the packet completes one.
    pub fn push(&mut self, packet: Packet) -> Option<Frame> {
        match self {
            Self::Opus => (!packet.payload.is_empty()).then_some(Frame {
                timestamp: packet.timestamp,
                received_us: packet.received_us,
                captured_us: packet.captured_us,
                is_key: true,
                resolution: None,
                bytes: packet.payload,
            }),
            Self::Vp8(vp8) => vp8.push(&packet),
            Self::H264(h264) => h264.push(&packet),
        }
    }

    pub fn lost(&mut self) {
        match self {
            Self::Opus => {}
            Self::Vp8(vp8) => vp8.break_off(),
            Self::H264(h264) => h264.break_off(),
        }
    }

    /// True if nothing can be returned until there is a key frame.
    #[must_use]
    pub const fn needs_key(&self) -> bool {
        match self {
            Self::Opus => false,
            Self::Vp8(vp8) => vp8.needs_key,
            Self::H264(h264) => h264.needs_key,
        }
    }
}

impl Vp8 {
    fn push(&mut self, packet: &Packet) -> Option<Frame> {
        // A packet without payload only probes for bandwidth.
        let descriptor = vp8::Descriptor::parse(&packet.payload)?;
        let bytes = packet.payload.get(usize::from(descriptor.descriptor_bytes)..)?;
        if descriptor.starts_frame {
            self.begin(packet, descriptor.starts_keyframe);
        }
        let is_of = |frame: &Frame| frame.timestamp == packet.timestamp;
        let fits = |frame: &Frame| frame.bytes.len() + bytes.len() <= FRAME_BYTES_MAX;
        if !self.frame.as_ref().is_some_and(|frame| is_of(frame) && fits(frame)) {
            self.break_off();
            return None;
        }
        let frame = self.frame.as_mut()?;
        frame.bytes.extend_from_slice(bytes);
        frame.received_us = packet.received_us;
        if !packet.marker {
            return None;
        }
        let frame = self.frame.take()?;
        if self.needs_key && !frame.is_key {
            return None;
        }
        self.needs_key = false;
        Some(frame)
    }

    fn begin(&mut self, packet: &Packet, is_key: bool) {
        // A frame without its end was incomplete.
        if self.frame.is_some() {
            self.break_off();
        }
        self.frame = Some(Frame {
            timestamp: packet.timestamp,
            received_us: packet.received_us,
            captured_us: packet.captured_us,
            is_key,
            resolution: vp8::resolution(&packet.payload),
            bytes: Vec::new(),
        });
    }

    fn break_off(&mut self) {
        self.frame = None;
        self.needs_key = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `K1` begins a key frame at timestamp 1, `D1` another, `c1` continues, `.` marks the end, `x` is a loss.
    fn check(words: &str, expected: &str) {
        let mut assembler = Assembler::vp8();
        let mut frames = Vec::new();
        for word in words.split_whitespace() {
            if word == "x" {
                assembler.lost();
                continue;
            }
            let timestamp = word[1..].trim_end_matches('.').parse().expect("a timestamp");
            let payload = match &word[..1] {
                "K" => vec![0x10, 0x00, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 48, 0],
                "D" => vec![0x10, 0x01, 7],
                _ => vec![0x00, 9],
            };
            let marker = word.ends_with('.');
            let codec = CodecName::Vp8;
            let packet = Packet { index: 0, timestamp, marker, received_us: 0, captured_us: None, codec, payload };
            frames.extend(assembler.push(packet));
        }
        let word = |frame: &Frame| {
            let key = if frame.is_key { "K" } else { "D" };
            format!("{key}{}:{}", frame.timestamp, frame.bytes.len())
        };
        assert_eq!(frames.iter().map(word).collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn puts_frames_together() {
        check("K1 c1 c1. D2. D3 c3.", "K1:12 D2:2 D3:3");
    }

    #[test]
    fn waits_for_a_key_frame() {
        check("c1. D2. K3. D4.", "K3:10 D4:2");
        check("K1. x D2. D3. K4. D5.", "K1:10 K4:10 D5:2");
    }

    #[test]
    fn a_frame_without_its_end_breaks_what_follows() {
        check("K1. D2 D3. D4. K5.", "K1:10 K5:10");
        check("K1. D2 c3. D4. K5.", "K1:10 K5:10");
    }

    #[test]
    fn tells_the_resolution_of_a_key_frame() {
        let payload = vec![0x10, 0x00, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 48, 0];
        let codec = CodecName::Vp8;
        let packet = Packet { index: 0, timestamp: 1, marker: true, received_us: 5, captured_us: None, codec, payload };
        assert_eq!(Assembler::vp8().push(packet).and_then(|frame| frame.resolution), Some((64, 48)));
    }
}
