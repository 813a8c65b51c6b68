//! Ids and secrets generated from the shell's randomness.

/// Fills a buffer with unpredictable bytes: `crypto.getRandomValues` in the Worker, a seeded generator in tests.
pub type Random = Box<dyn FnMut(&mut [u8])>;

/// 32 unambiguous letters and digits (Crockford's base32), so that a byte gives 5 unbiased bits.
const LETTERS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// A random text of `length` letters and digits, 5 bits each.
pub fn text(random: &mut Random, length: usize) -> String {
    let mut bytes = vec![0; length];
    random(&mut bytes);
    letters(&bytes, length)
}

/// At most `length` letters and digits from as many bytes, using 5 bits of each.
pub fn letters(bytes: &[u8], length: usize) -> String {
    let letter = |byte: &u8| LETTERS.get(usize::from(byte & 31)).map(|letter| char::from(*letter));
    bytes.iter().take(length).filter_map(letter).collect()
}

/// The 5 bits of a letter; 0 for other characters.
pub(crate) fn value(letter: u8) -> u8 {
    LETTERS.iter().zip(0..).find_map(|(known, value)| (*known == letter).then_some(value)).unwrap_or_default()
}

/// Length of an unguessable id: 130 bits.
pub const ID_LETTERS: usize = 26;
const _: () = assert!(5 * ID_LETTERS >= 128);

pub fn id(random: &mut Random) -> String {
    text(random, ID_LETTERS)
}

pub fn number(random: &mut Random) -> u32 {
    let mut bytes = [0; 4];
    random(&mut bytes);
    u32::from_le_bytes(bytes)
}

/// A number below `bound`, or 0 if there is none.
pub fn below(random: &mut Random, bound: u64) -> u64 {
    u64::from(number(random)).checked_rem(bound).unwrap_or(0)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// The same bytes for the same seed (SplitMix64).
    pub(crate) fn seeded(seed: u64) -> Random {
        let mut state = seed;
        Box::new(move |bytes| {
            for byte in bytes {
                state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                *byte = ((mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb) >> 56) as u8;
            }
        })
    }

    // Holds S-A7-15.
    #[test]
    fn an_id_has_128_random_bits() {
        let mut random = seeded(1);
        let ids: Vec<Vec<char>> = (0..2_000).map(|_| id(&mut random).chars().collect()).collect();
        // A letter that always repeats another one adds no bits.
        let columns: BTreeSet<String> = (0..ids[0].len()).map(|at| ids.iter().map(|id| id[at]).collect()).collect();
        let variants = |column: &String| column.chars().collect::<BTreeSet<_>>().len();
        let bits: f64 = columns.iter().map(|column| (variants(column) as f64).log2()).sum();
        assert!(bits >= 128.0, "{bits}");
    }

    #[test]
    fn a_text_uses_five_bits_of_every_byte() {
        let mut next = 0_u8;
        let mut counting: Random = Box::new(move |bytes| {
            for byte in bytes {
                *byte = next;
                next = next.wrapping_add(1);
            }
        });
        assert_eq!(text(&mut counting, 34), "0123456789abcdefghjkmnpqrstvwxyz01");
        assert_eq!(number(&mut counting), u32::from_le_bytes([34, 35, 36, 37]));
    }
}
