//! The replay window (RFC 3711 §3.3.2), and the estimate of a packet's index from its sequence number (§3.3.1).

/// Packets before the newest that can still be distinguished. The RFC requires at least 64; retransmissions under the
/// original sequence number come a round trip late, which is a hundred packets of video or more.
const WINDOW_BITS: u64 = 1_024;
const WORD_BITS: u64 = u64::BITS as u64;
const WORDS: usize = (WINDOW_BITS / WORD_BITS) as usize;
/// Indices have 48 bits.
const INDEX_END: u64 = 1 << 48;

/// The newest index of one stream, and the received ones before it.
#[derive(Clone, Debug)]
pub(super) struct ReplayWindow {
    newest: u64,
    /// A ring: index `i` is bit `i mod 1,024`.
    seen: [u64; WORDS],
}

impl ReplayWindow {
    /// A window in which only `index` was received.
    pub(super) fn starting_at(index: u64) -> Self {
        let mut window = Self { newest: index, seen: [0; WORDS] };
        window.set(index);
        window
    }

    /// The most likely index of `sequence`: the one nearest to the newest.
    pub(super) fn estimate(&self, sequence: u16) -> Option<u64> {
        let distance = sequence.wrapping_sub(self.newest as u16).cast_signed();
        // There is no index before the stream's beginning or past its end.
        self.newest.checked_add_signed(i64::from(distance)).filter(|index| *index < INDEX_END)
    }

    /// True if a packet with this index may be accepted.
    pub(super) fn is_fresh(&self, index: u64) -> bool {
        if index > self.newest {
            return true;
        }
        self.newest - index < WINDOW_BITS && !self.is_set(index)
    }

    pub(super) fn accept(&mut self, index: u64) {
        if index > self.newest {
            self.advance(index);
        }
        self.set(index);
    }

    fn advance(&mut self, index: u64) {
        if index - self.newest >= WINDOW_BITS {
            self.seen = [0; WORDS];
        } else {
            (self.newest + 1..index).for_each(|skipped| self.clear(skipped));
        }
        self.newest = index;
        self.clear(index);
    }

    fn is_set(&self, index: u64) -> bool {
        let (word, bit) = place(index);
        self.seen[word] & bit != 0
    }

    fn set(&mut self, index: u64) {
        let (word, bit) = place(index);
        self.seen[word] |= bit;
    }

    fn clear(&mut self, index: u64) {
        let (word, bit) = place(index);
        self.seen[word] &= !bit;
    }
}

/// The word and the bit of an index; the word is always within the ring.
fn place(index: u64) -> (usize, u64) {
    ((index / WORD_BITS) as usize % WORDS, 1 << (index % WORD_BITS))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds sequence numbers and checks which of them are accepted.
    fn check(sequences: &[u16], taken: &[u16]) {
        let (first, rest) = sequences.split_first().expect("at least one");
        let mut window = ReplayWindow::starting_at(u64::from(*first));
        let mut accepted = vec![*first];
        for sequence in rest {
            let Some(index) = window.estimate(*sequence).filter(|index| window.is_fresh(*index)) else { continue };
            window.accept(index);
            accepted.push(index as u16);
        }
        assert_eq!(accepted, taken);
    }

    #[test]
    fn takes_each_packet_once_in_any_order() {
        check(&[10, 12, 11, 11, 12, 10, 13], &[10, 12, 11, 13]);
    }

    #[test]
    fn forgets_nothing_inside_the_window_and_takes_nothing_behind_it() {
        check(&[2_000, 977, 976, 977], &[2_000, 977]);
        check(&[0, 1_023, 1, 0], &[0, 1_023, 1]);
        check(&[5, 5_000, 5, 5_000, 4_999], &[5, 5_000, 4_999]);
    }

    #[test]
    fn a_jump_leaves_no_bits_of_the_last_round() {
        check(&[0, 1, 2, 1_025, 1_024, 1_026], &[0, 1, 2, 1_025, 1_024, 1_026]);
    }

    #[test]
    fn counts_rollovers_in_both_directions() {
        let mut window = ReplayWindow::starting_at(65_534);
        assert_eq!(window.estimate(65_535), Some(65_535));
        assert_eq!(window.estimate(1), Some(65_537));
        window.accept(65_537);
        assert_eq!(window.estimate(65_535), Some(65_535), "late, from before the rollover");
        assert_eq!(window.estimate(0), Some(65_536));
    }

    #[test]
    fn there_is_no_index_before_the_first_or_after_the_last() {
        assert_eq!(ReplayWindow::starting_at(3).estimate(65_535), None);
        assert_eq!(ReplayWindow::starting_at(INDEX_END - 1).estimate(0), None);
    }
}
