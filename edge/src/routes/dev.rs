//! `/v1/dev`: faults that tests ask for. Compiled for development alone.

use super::RouteError;
use crate::fault;
use crate::refusal::Refusal;
use std::time::Duration;
use worker::{Delay, Response};

/// `POST /v1/dev/wait`: a request that is not done for a long time.
pub(super) async fn wait() -> Result<Response, RouteError> {
    const LONG: Duration = Duration::from_secs(60);
    Delay::from(LONG).await;
    Ok(Response::empty()?)
}

/// `POST /v1/dev/panic`: the fault that the JavaScript entry is there for.
#[expect(clippy::panic, reason = "a test needs a panic to show that it is survived")]
pub(super) fn panic() -> ! {
    panic!("asked for by a test")
}

/// `POST /v1/dev/fail-writes/{writes}`: the next writes to storage fail, in whichever object.
pub(super) fn fail_writes(writes: &str) -> Result<Response, RouteError> {
    fault::fail_writes(writes.parse().map_err(|_| Refusal::invalid("how many is a number"))?);
    Ok(Response::empty()?)
}
