//! Seeded mutations of a corpus entry: libFuzzer's first attempts, without libFuzzer.

/// Longest mutated input: mutating must not turn every entry into the largest.
const BYTES_MAX: usize = 16 * 1024;
/// Typical boundary values of lengths and counts.
const EDGES: [u8; 8] = [0x00, 0x01, 0x0f, 0x10, 0x7f, 0x80, 0xfe, 0xff];

#[derive(Clone, Debug)]
pub struct Mutator {
    state: u64,
}

impl Mutator {
    pub fn seeded(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A copy of `input` with one to four changes, some of them taken from `other`.
    pub fn mutate(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..1 + self.below(4) {
            self.change(&mut bytes, other);
        }
        bytes.truncate(BYTES_MAX.max(input.len()));
        bytes
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        let at = self.below(bytes.len() + 1);
        let until = at + self.below((bytes.len() - at).min(32) + 1);
        match self.below(8) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..until)),
            2 => bytes.insert(at, EDGES[self.below(EDGES.len())]),
            3 => {
                let copied = bytes[at..until].to_vec();
                bytes.splice(at..at, copied);
            }
            4 => {
                let from = self.below(other.len() + 1);
                let to = from + self.below((other.len() - from).min(64) + 1);
                bytes.splice(at..until, other[from..to].iter().copied());
            }
            kind => {
                let edge = EDGES[self.below(EDGES.len())];
                let bit = 1 << self.below(8);
                let Some(byte) = bytes.get_mut(at) else { return };
                match kind {
                    5 => *byte ^= bit,
                    6 => *byte = edge,
                    _ => *byte = byte.wrapping_add(if bit & 0x55 == 0 { 1 } else { 0xff }),
                }
            }
        }
    }

    /// A number below `bound`, which must not be 0 (SplitMix64).
    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }
}
