//! Writes that fail because a test asked for it. Compiled for development alone.

use std::cell::Cell;
use worker::{Error, Result};

thread_local! {
    static PLAN: Cell<Plan> = const { Cell::new(Plan { after: 0, failures: 0, is_done: false }) };
}

/// What is to become of the next writes, whichever object of the isolate makes them.
#[derive(Clone, Copy, Default)]
pub(crate) struct Plan {
    /// So many succeed before any fails.
    pub(crate) after: u32,
    pub(crate) failures: u32,
    /// Whether what fails is written nevertheless, as where an answer is lost.
    pub(crate) is_done: bool,
}

/// Sets what is to become of the next writes.
pub(crate) fn plan(plan: Plan) {
    PLAN.set(plan);
}

/// Makes a write, or fails as the plan says.
pub(crate) fn strike(write: impl FnOnce() -> Result<()>) -> Result<()> {
    let mut plan = PLAN.get();
    if plan.after > 0 || plan.failures == 0 {
        plan.after = plan.after.saturating_sub(1);
        PLAN.set(plan);
        return write();
    }
    plan.failures = plan.failures.saturating_sub(1);
    PLAN.set(plan);
    if plan.is_done {
        write()?;
    }
    Err(Error::RustError("this write fails because a test asked for it".into()))
}
