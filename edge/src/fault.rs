//! Storage writes that fail on a test's request. Compiled for development only.

use std::cell::Cell;
use worker::{Error, Result};

thread_local! {
    static PLAN: Cell<Plan> = const { Cell::new(Plan { after: 0, failures: 0, is_done: false }) };
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Plan {
    /// The number of writes that succeed before the first failure.
    pub(crate) after: u32,
    pub(crate) failures: u32,
    /// If true, a failing write is executed nevertheless, as if its answer had been lost.
    pub(crate) is_done: bool,
}

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
