//! Writes that fail because a test asked for it. Compiled for development alone.

use std::cell::Cell;
use worker::{Error, Result};

thread_local! {
    /// How many of the next writes fail, whichever object of the isolate makes them.
    static WRITES: Cell<u32> = const { Cell::new(0) };
}

/// Makes the next `writes` writes fail.
pub(crate) fn fail_writes(writes: u32) {
    WRITES.set(writes);
}

/// Called at each write; fails as many of them as [`fail_writes`] said.
pub(crate) fn strike() -> Result<()> {
    let left = WRITES.get();
    WRITES.set(left.saturating_sub(1));
    if left == 0 { Ok(()) } else { Err(Error::RustError("this write fails because a test asked for it".into())) }
}
