//! `/v1/dev`: fault injection for tests. Compiled for development only.

use super::RouteError;
use crate::fault::{self, Plan};
use crate::refusal::Refusal;
use std::time::Duration;
use worker::{Delay, Response};

/// `POST /v1/dev/wait`: a request that takes a long time.
pub(super) async fn wait() -> Result<Response, RouteError> {
    const LONG: Duration = Duration::from_secs(60);
    Delay::from(LONG).await;
    Ok(Response::empty()?)
}

/// `POST /v1/dev/panic`: the fault that the JavaScript entry handles.
#[expect(clippy::panic, reason = "a test needs a panic to show that it is survived")]
pub(super) fn panic() -> ! {
    panic!("asked for by a test")
}

/// `POST /v1/dev/fail-writes/{after}/{failures}/{outcome}`: makes writes to storage fail, in any object; the outcome is
/// `done` or `undone`.
pub(super) fn fail_writes(after: &str, failures: &str, outcome: &str) -> Result<Response, RouteError> {
    let number = |text: &str| text.parse().map_err(|_| Refusal::invalid("the count must be a number"));
    fault::plan(Plan { after: number(after)?, failures: number(failures)?, is_done: outcome == "done" });
    Ok(Response::empty()?)
}
