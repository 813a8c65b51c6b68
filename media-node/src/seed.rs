//! Randomness of the operating system, from which the cores' generators are seeded.

use anyhow::Context;

pub(crate) fn seed() -> anyhow::Result<u64> {
    getrandom::u64().context("asking the operating system for randomness")
}
