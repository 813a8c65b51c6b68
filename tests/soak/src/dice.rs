//! Seeded choices, so that a run can be repeated.

use media_core::random::Random;

#[derive(Clone, Debug)]
pub struct Dice(Random);

impl Dice {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Random::seeded(seed))
    }

    /// A number below `sides`, which must not be zero.
    pub fn below(&mut self, sides: usize) -> usize {
        (self.0.next_u64() >> 33) as usize % sides
    }

    /// True once in `times`, on average.
    pub fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_choices() {
        let throws = |seed| {
            let mut dice = Dice::new(seed);
            (0..50).map(|_| dice.below(6)).collect::<Vec<_>>()
        };
        assert_eq!(throws(1), throws(1));
        assert_ne!(throws(1), throws(2));
        assert!((0..6).all(|side| throws(1).contains(&side)));
    }
}
