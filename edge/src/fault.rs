//! Storage writes that fail on a test's request. Compiled for development only.

use std::cell::Cell;
use worker::{Error, Result};

thread_local! {
    static PLAN: Cell<Plan> = const { Cell::new(Plan { after: 0, failures: 0, is_done: false }) };
}

/// The outcome of the next writes by any object in the isolate.
#[derive(Clone, Copy, Default)]
pub(crate) struct Plan {
    /// How many writes succeed before the first failure.
    pub(crate) after: u32,
    pub(crate) failures: u32,
    /// Whether what fails is written nevertheless, as where an answer is lost.
    pub(crate) is_done: bool,
}

/// Sets the outcome of the next writes.
pub(crate) fn plan(plan: Plan) {
    PLAN.set(plan);
}

/// Executes a write, or fails according to the plan.
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
