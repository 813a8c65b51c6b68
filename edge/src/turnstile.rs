//! Refuses floods of upgrades before any request is read, verified or logged.

use crate::upgrade::PROTOCOL_HEADER;
use crate::{clock, log};
use edge_core::door::Address;
use edge_core::turnstile::Turnstile;
use std::cell::{Cell, RefCell};
use worker::{Request, Response};

/// One log line is written per this many refusals.
const REFUSALS_PER_LINE: u64 = 1_000;
/// After a second, a few more upgrades are looked at.
const RETRY_AFTER_S: &str = "1";

thread_local! {
    static TURNSTILE: RefCell<Turnstile> = RefCell::default();
    static REFUSED: Cell<u64> = const { Cell::new(0) };
}

/// Refuses a client that upgrades too often, with a bare status, which browsers hide from pages and clients treat as a
/// lost connection: accepting a socket only to explain would cost twice as much.
pub(crate) fn refuse(request: &Request) -> Option<worker::Result<Response>> {
    let header = |name| request.headers().get(name).ok().flatten();
    // A request without an address is none from outside.
    let address = Address::parse(&header("CF-Connecting-IP")?)?;
    let token = header(PROTOCOL_HEADER).unwrap_or_default();
    let is_admitted = TURNSTILE.with(|turnstile| {
        let turnstile = turnstile.try_borrow_mut();
        turnstile.is_ok_and(|mut turnstile| turnstile.admit(clock::now(), address, &token))
    });
    (!is_admitted).then(|| {
        count();
        Ok(Response::builder().with_status(429).with_header("Retry-After", RETRY_AFTER_S)?.empty())
    })
}

fn count() {
    let refused = REFUSED.get();
    REFUSED.set(refused.wrapping_add(1));
    if refused.is_multiple_of(REFUSALS_PER_LINE) {
        log::line(log::Level::Warn, "upgrades_refused", &[("refused", &refused.wrapping_add(1))]);
    }
}
