//! The start time of every test: an `Instant` can only be created by reading the clock.

use std::sync::OnceLock;
use std::time::Instant;

/// The same instant for a whole test run, so that tests count from it instead of reading the clock.
#[expect(clippy::disallowed_methods, reason = "the one place where a test takes an instant to count from")]
pub(crate) fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}
