//! A black picture in H.264 (ITU-T H.264), with its parameter sets, in the form used by MP4.
//!
//! The first macroblock is not compressed, all others are predicted from it.

use crate::codec::h264::kind;

/// Limited range video: black luma, and neutral chroma.
const BLACK: u8 = 16;
const NO_COLOUR: u8 = 128;
/// Level 5.1, which allows the largest pictures.
const LEVEL: u64 = 51;

/// A key frame of this size; odd dimensions are rounded up, as chroma has half the resolution.
pub(super) fn black(width: u16, height: u16) -> Vec<u8> {
    let mut frame = Vec::new();
    for (header, body) in [
        (0x60 | kind::SPS, sequence_parameters(width, height)),
        (0x60 | kind::PPS, picture_parameters()),
        (0x60 | kind::IDR, slice(macroblocks(width), macroblocks(height))),
    ] {
        unit(&mut frame, header, &body);
    }
    frame
}

fn macroblocks(pixels: u16) -> u64 {
    u64::from(pixels).div_ceil(16).max(1)
}

/// §7.3.2.1.1.
fn sequence_parameters(width: u16, height: u16) -> Vec<u8> {
    let mut bits = Bits::default();
    // Constrained baseline.
    bits.put(8, 66);
    bits.put(8, 0xc0);
    bits.put(8, LEVEL);
    // Its id; 4 bits of frame numbers; display in decoding order; one reference frame; no gaps.
    bits.numbers(&[0, 0, 2, 1]);
    bits.put(1, 0);
    bits.unsigned(macroblocks(width) - 1);
    bits.unsigned(macroblocks(height) - 1);
    // Frames, not fields; 8x8 inference.
    bits.put(2, 0b11);
    bits.put(1, 1);
    let cropped = |pixels: u16| (macroblocks(pixels) * 16 - u64::from(pixels).min(macroblocks(pixels) * 16)) / 2;
    bits.numbers(&[0, cropped(width), 0, cropped(height)]);
    bits.put(1, 0);
    bits.finish()
}

/// §7.3.2.2.
fn picture_parameters() -> Vec<u8> {
    let mut bits = Bits::default();
    bits.numbers(&[0, 0]);
    // CAVLC, no field order.
    bits.put(2, 0);
    bits.numbers(&[0, 0, 0]);
    bits.put(3, 0);
    // Default quantisers.
    bits.numbers(&[0, 0, 0]);
    // Slices control their deblocking.
    bits.put(3, 0b100);
    bits.finish()
}

/// §7.3.3 and §7.3.5.
fn slice(columns: u64, rows: u64) -> Vec<u8> {
    let mut bits = Bits::default();
    // From the first macroblock, only I macroblocks, with the first parameter set.
    bits.numbers(&[0, 7, 0]);
    // Frame 0, IDR picture 0, no reference marking, the default quantiser, no deblocking.
    bits.put(4, 0);
    bits.unsigned(0);
    bits.put(2, 0);
    bits.unsigned(0);
    bits.unsigned(1);
    // I_PCM.
    bits.unsigned(25);
    bits.align();
    (0..256).for_each(|_| bits.put(8, BLACK.into()));
    (0..128).for_each(|_| bits.put(8, NO_COLOUR.into()));
    for number in 1..columns * rows {
        // I_16x16 predicted as the mean of its neighbours, no coefficients; chroma likewise; the default quantiser.
        bits.numbers(&[3, 0, 0]);
        // The code for "no coefficients" depends on the neighbours' number of coefficients (§9.2.1): an uncompressed
        // one counts as 16.
        let is_neighbour = number == 1 && columns > 1 || number == columns;
        if is_neighbour {
            bits.put(6, 0b00_0011);
        } else {
            bits.put(1, 1);
        }
    }
    bits.finish()
}

/// A unit with its length before it and emulation prevention bytes in it (§7.4.1).
fn unit(frame: &mut Vec<u8>, header: u8, body: &[u8]) {
    let place = frame.len();
    frame.extend([0, 0, 0, 0, header]);
    let mut zeros = 0;
    for byte in body {
        if zeros == 2 && *byte <= 3 {
            frame.push(3);
            zeros = 0;
        }
        frame.push(*byte);
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
    }
    let length = (frame.len() - place - 4) as u32;
    if let Some(bytes) = frame.get_mut(place..place + 4) {
        bytes.copy_from_slice(&length.to_be_bytes());
    }
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    /// Bits used of the last byte; 0 if it is full.
    used: u32,
}

impl Bits {
    fn put(&mut self, count: u32, value: u64) {
        for place in (0..count).rev() {
            if self.used == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> place & 1) as u8) << (7 - self.used);
            }
            self.used = (self.used + 1) % 8;
        }
    }

    /// An Exp-Golomb code (§9.1); `se(0)` is the same as `ue(0)`.
    fn unsigned(&mut self, value: u64) {
        let length = (value + 1).ilog2();
        self.put(2 * length + 1, value + 1);
    }

    fn numbers(&mut self, values: &[u64]) {
        values.iter().for_each(|value| self.unsigned(*value));
    }

    fn align(&mut self) {
        self.used = 0;
    }

    /// The bit that ends a unit, and zeros up to a whole byte.
    fn finish(mut self) -> Vec<u8> {
        self.put(1, 1);
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::mp4::{self, Track};
    use super::*;

    #[test]
    fn a_black_picture_has_its_size() {
        for size in [(640, 360), (1_280, 720), (16, 16), (2, 2), (322, 182)] {
            let frame = black(size.0, size.1);
            assert_eq!(mp4::units(&frame).count(), 3);
            match Track::of(&frame) {
                Some(Track::Pictures { width, height, .. }) => assert_eq!((width, height), size),
                other => panic!("{size:?}: {other:?}"),
            }
        }
    }
}
