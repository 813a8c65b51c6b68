//! A black picture in VP8 (RFC 6386), shown by a file while a camera is off.
//!
//! A single coefficient makes its first macroblock black; all others are predicted from their neighbours and add
//! nothing.

/// The boolean coder's output and state after the frame's header. The header says: no segments, no loop filter, one
/// token partition, the coarsest quantizer, default token probabilities (§19.2), and that macroblocks usually have no
/// coefficients (with probability 255/256).
const AFTER_HEADER: Coder = Coder { bytes: Vec::new(), range: 192, bottom: 49_856, count: 5 };
const HEADER: [u8; 4] = [0x00, 0x00, 0xfe, 0x08];
/// The token partition (§13): a second-order DC coefficient of −23 takes the luma from 128 to 15; there is nothing
/// else.
const TOKENS: [u8; 4] = [0xfe, 0xe6, 0xb5, 0x00];
/// §19.3: all but one macroblock in 256 are skipped.
const SKIP: u8 = 1;
/// Prediction from the mean of the neighbours (DC_PRED) in the trees of key frames: branches with their probabilities
/// (§11.2, §11.4).
const MEAN_OF_NEIGHBOURS: [(u8, bool); 4] = [(145, true), (156, false), (163, false), (142, false)];

/// A key frame of this size, in which everything is black.
#[must_use]
pub(super) fn black(width: u16, height: u16) -> Vec<u8> {
    let mut coder = Coder { bytes: HEADER.to_vec(), ..AFTER_HEADER };
    let macroblocks = usize::from(width.div_ceil(16)) * usize::from(height.div_ceil(16));
    for number in 0..macroblocks {
        coder.put(SKIP, number > 0);
        MEAN_OF_NEIGHBOURS.iter().for_each(|(probability, bit)| coder.put(*probability, *bit));
    }
    let first = coder.finish();
    // §9.1: a visible key frame of version 0, and the length of its first partition.
    let tag = 1 << 4 | (first.len() as u32) << 5;
    let [t0, t1, t2, _] = tag.to_le_bytes();
    let ([w0, w1], [h0, h1]) = (width.to_le_bytes(), height.to_le_bytes());
    [&[t0, t1, t2, 0x9d, 0x01, 0x2a, w0, w1, h0, h1][..], &first, &TOKENS].concat()
}

/// The boolean entropy encoder (§7.3).
struct Coder {
    bytes: Vec<u8>,
    range: u32,
    bottom: u32,
    /// Shifts until the next byte is complete.
    count: u32,
}

impl Coder {
    fn put(&mut self, probability: u8, bit: bool) {
        let split = 1 + (((self.range - 1) * u32::from(probability)) >> 8);
        if bit {
            self.bottom = self.bottom.wrapping_add(split);
            self.range -= split;
        } else {
            self.range = split;
        }
        while self.range < 128 {
            self.range <<= 1;
            if self.bottom >> 31 == 1 {
                self.carry();
            }
            self.bottom <<= 1;
            self.count -= 1;
            if self.count == 0 {
                self.bytes.push((self.bottom >> 24) as u8);
                self.bottom &= (1 << 24) - 1;
                self.count = 8;
            }
        }
    }

    /// Adds one to the written bytes.
    fn carry(&mut self) {
        for byte in self.bytes.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                return;
            }
        }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.bottom >> (32 - self.count) & 1 == 1 {
            self.carry();
        }
        let rest = u64::from(self.bottom) << self.count;
        self.bytes.extend_from_slice(&(rest as u32).to_be_bytes());
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FFmpeg decodes these as pictures of luma 15 and chroma 128.
    #[test]
    fn small_pictures_are_what_a_decoder_made_black() {
        let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(black(1, 1)), EXPECTED[0]);
        assert_eq!(hex(black(33, 17)), EXPECTED[1]);
    }

    #[test]
    fn every_size_says_itself_and_stays_small() {
        for (width, height, bytes) in [(320, 180, 126), (640, 360, 417), (1280, 720, 1_566), (1920, 1080, 3_520)] {
            let frame = black(width, height);
            assert_eq!(frame[6..10], [width.to_le_bytes(), height.to_le_bytes()].concat());
            assert_eq!(frame.len(), bytes, "{width}x{height}");
        }
    }

    const EXPECTED: [&str; 2] =
        ["3001009d012a010001000000fe080018581200fee6b500", "7001009d012a210011000000fe0800185813dc1930fee6b500"];
}
