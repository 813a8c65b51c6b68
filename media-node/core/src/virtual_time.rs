//! The first moment of every test: there is no way to make an `Instant` but to ask for one.

use std::sync::OnceLock;
use std::time::Instant;

/// The same instant for a whole test run, so that tests count from it instead of reading the clock.
#[expect(clippy::disallowed_methods, reason = "the one place where a test takes an instant to count from")]
pub(crate) fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}
