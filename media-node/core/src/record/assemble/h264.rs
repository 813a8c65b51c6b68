//! Assembles H.264 pictures from packets (RFC 6184 §5), each unit with its length before it, as in MP4.

use super::super::limits::FRAME_BYTES_MAX;
use super::super::mp4::{self, Track};
use super::super::reorder::Packet;
use super::frame::Frame;
use crate::codec::h264::{Summary, Unit, Units, kind, kind_of};

/// The incomplete picture.
#[derive(Debug)]
pub struct H264 {
    frame: Option<Frame>,
    /// Position of the length of a fragmented unit.
    open: Option<usize>,
    /// True if something that later pictures depend on is missing: nothing can be shown until the next key frame.
    pub(super) needs_key: bool,
}

impl H264 {
    pub(super) const fn new() -> Self {
        Self { frame: None, open: None, needs_key: true }
    }

    pub(super) fn push(&mut self, packet: &Packet) -> Option<Frame> {
        if packet.payload.is_empty() {
            // It only probes for bandwidth.
            return None;
        }
        if self.frame.as_ref().is_none_or(|frame| frame.timestamp != packet.timestamp) && !self.begin(packet) {
            return None;
        }
        if self.append(&packet.payload).is_none() {
            self.break_off();
            return None;
        }
        self.frame.as_mut()?.received_us = packet.received_us;
        if packet.marker { self.complete() } else { None }
    }

    pub(super) fn break_off(&mut self) {
        self.frame = None;
        self.open = None;
        self.needs_key = true;
    }

    /// True if a picture begins here.
    fn begin(&mut self, packet: &Packet) -> bool {
        // A picture without its end was incomplete.
        if self.frame.is_some() {
            self.break_off();
        }
        let is_entry = || Summary::parse(&packet.payload).is_some_and(|summary| summary.starts_keyframe);
        if self.needs_key && !is_entry() {
            return false;
        }
        self.frame = Some(Frame {
            timestamp: packet.timestamp,
            received_us: packet.received_us,
            captured_us: packet.captured_us,
            is_key: false,
            resolution: None,
            bytes: Vec::new(),
        });
        true
    }

    fn append(&mut self, payload: &[u8]) -> Option<()> {
        let bytes = &mut self.frame.as_mut()?.bytes;
        for unit in Units::parse(payload)? {
            let place = match unit {
                Unit::Whole(unit) => {
                    let place = bytes.len();
                    bytes.extend([0; 4]);
                    bytes.extend_from_slice(unit);
                    self.open.is_none().then_some(place)?
                }
                Unit::Fragment { header, is_first, is_last, bytes: piece } => {
                    if is_first == self.open.is_some() {
                        return None;
                    }
                    if is_first {
                        self.open = Some(bytes.len());
                        bytes.extend([0, 0, 0, 0, header]);
                    }
                    bytes.extend_from_slice(piece);
                    if !is_last {
                        continue;
                    }
                    self.open.take()?
                }
            };
            let length = (bytes.len() - place - 4) as u32;
            bytes.get_mut(place..place + 4)?.copy_from_slice(&length.to_be_bytes());
        }
        (bytes.len() <= FRAME_BYTES_MAX).then_some(())
    }

    fn complete(&mut self) -> Option<Frame> {
        let mut frame = self.frame.take()?;
        if self.open.is_some() {
            self.break_off();
            return None;
        }
        if mp4::units(&frame.bytes).any(|unit| kind_of(unit) == kind::IDR)
            && let Some(Track::Pictures { width, height, .. }) = Track::of(&frame.bytes)
        {
            frame.is_key = true;
            frame.resolution = Some((width, height));
        }
        if self.needs_key && !frame.is_key {
            return None;
        }
        self.needs_key = false;
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::h264::sps;
    use shared::rtp_parameters::CodecName;

    const SPS: &[u8] = &[0x67, 0x42, 0xc0, 0x16, 0xd9, 0, 0xa0, 0x2f, 0xf9, 0x70, 0x11];
    const PPS: &[u8] = &[0x68, 0xce];

    /// `S1` is the parameters at timestamp 1, `I1` a key picture, `D1` another, `[I1`, `-I1` and `]I1` its fragments,
    /// `P1` is a probe, `.` marks the end, `x` is a loss.
    fn check(words: &str, expected: &str) {
        let mut assembler = H264::new();
        let mut frames = Vec::new();
        for word in words.split_whitespace() {
            if word == "x" {
                assembler.break_off();
                continue;
            }
            let (flags, word) = match word.split_at(1) {
                ("[", word) => (Some(0x80), word),
                ("-", word) => (Some(0), word),
                ("]", word) => (Some(0x40), word),
                _ => (None, word),
            };
            let timestamp = word[1..].trim_end_matches('.').parse().expect("a timestamp");
            let header = if word.starts_with('I') { 0x65 } else { 0x41 };
            let payload = match flags {
                None if word.starts_with('S') => {
                    let length = |unit: &[u8]| (unit.len() as u16).to_be_bytes();
                    [&[0x78], &length(SPS)[..], SPS, &length(PPS), PPS].concat()
                }
                None if word.starts_with('P') => Vec::new(),
                None => vec![header, 1, 2],
                Some(flags) => vec![0x7c, flags | header & 0x1f, 1, 2],
            };
            let (marker, codec) = (word.ends_with('.'), CodecName::H264Main);
            let packet = Packet { index: 0, timestamp, marker, received_us: 0, captured_us: None, codec, payload };
            frames.extend(assembler.push(&packet));
        }
        let word = |frame: &Frame| {
            let units = mp4::units(&frame.bytes).map(|unit| format!("{}:{}", kind_of(unit), unit.len()));
            let key = if frame.is_key { "K" } else { "D" };
            format!("{key}{} {}", frame.timestamp, units.collect::<Vec<_>>().join(" "))
        };
        assert_eq!(frames.iter().map(word).collect::<Vec<_>>().join(", "), expected);
    }

    #[test]
    fn puts_pictures_together() {
        assert_eq!(sps::size(SPS), Some((640, 360)));
        check("S1 I1. D2. D3 D3.", "K1 7:11 8:2 5:3, D2 1:3, D3 1:3 1:3");
        check("S1 [I1 -I1 ]I1. [D2 ]D2.", "K1 7:11 8:2 5:7, D2 1:5");
    }

    #[test]
    fn waits_for_a_key_frame_with_its_parameters() {
        check("D1. I2. S3 I3. D4.", "K3 7:11 8:2 5:3, D4 1:3");
        check("S1 I1. x D2. I3. S4 I4.", "K1 7:11 8:2 5:3, K4 7:11 8:2 5:3");
        check("S1 D1. S2 I2.", "K2 7:11 8:2 5:3");
    }

    #[test]
    fn what_is_not_whole_breaks_what_follows() {
        check("S1 I1. D2 D3. D4. S5 I5.", "K1 7:11 8:2 5:3, K5 7:11 8:2 5:3");
        check("S1 I1. [D2 D2. D3.", "K1 7:11 8:2 5:3");
        check("S1 I1. ]D2. D3.", "K1 7:11 8:2 5:3");
        check("S1 I1. [D2. D3.", "K1 7:11 8:2 5:3");
        check("S1 I1. -D2 D2. D3.", "K1 7:11 8:2 5:3");
        check("S1 I1. [D2 [D2 ]D2. D3.", "K1 7:11 8:2 5:3");
        check("S1 I1. [D2 D2 ]D2. D3.", "K1 7:11 8:2 5:3");
    }

    #[test]
    fn a_probe_is_no_part_of_a_picture() {
        check("S1 I1. P2 D3. D4 P4. D4.", "K1 7:11 8:2 5:3, D3 1:3, D4 1:3 1:3");
    }

    /// Assembles a key picture whose slice comes in this many pieces of 512 KiB, one each millisecond.
    fn in_pieces(pieces: usize) -> Option<Frame> {
        let mut assembler = H264::new();
        let mut push = |number: usize, payload: Vec<u8>, marker: bool| {
            let received_us = number as i64 * 1_000;
            let codec = CodecName::H264Main;
            let packet = Packet { index: 0, timestamp: 1, marker, received_us, captured_us: None, codec, payload };
            assembler.push(&packet)
        };
        push(0, SPS.to_vec(), false);
        push(1, PPS.to_vec(), false);
        let flags = |number: usize| u8::from(number == 1) << 7 | u8::from(number == pieces) << 6;
        let piece = |number: usize| [&[0x7c, flags(number) | 5][..], &vec![1; 512 * 1024]].concat();
        (1..=pieces).filter_map(|number| push(1 + number, piece(number), number == pieces)).last()
    }

    #[test]
    fn a_picture_is_as_late_as_its_last_packet_and_not_endless() {
        let frame = in_pieces(3).expect("a picture");
        assert_eq!((frame.received_us, frame.is_key), (4_000, true));
        assert!(in_pieces(5).is_none());
    }
}
