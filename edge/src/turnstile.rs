//! Refuses floods of upgrades: most of them before anything is read, verified or logged.

use crate::refusal::Refusal;
use crate::upgrade::Protocols;
use crate::{clock, log, random};
use edge_core::door::Address;
use edge_core::room::Holder;
use edge_core::turnstile::{Credential, Turnstile};
use shared::{ParticipantId, RoomId};
use std::cell::{Cell, RefCell};
use worker::Response;

/// One log line is written per this many refusals.
const REFUSALS_PER_LINE: u64 = 1_000;

thread_local! {
    static TURNSTILE: RefCell<Turnstile> = RefCell::default();
    static REFUSED: Cell<u64> = const { Cell::new(0) };
}

/// Refuses a client that requests sockets too often. Browsers hide the response from pages, and clients treat it as a
/// lost connection.
pub(crate) fn refuse(address: Option<Address>, protocols: &Protocols) -> Option<worker::Result<Response>> {
    let credential = match (protocols.token(), protocols.resume_secret()) {
        (Some(token), _) => Credential::Token(token),
        (None, Some(secret)) => Credential::ResumeSecret(secret),
        (None, None) => Credential::Nothing,
    };
    let is_looked_at = ask(address, |turnstile, _| turnstile.looks_at(clock::now(), credential));
    is_looked_at.err().map(|refusal| refusal.response(&random::request_id()))
}

/// Checks the limits of a client with a valid token.
pub(crate) fn check_join(address: Option<Address>, room: &RoomId, participant: &ParticipantId) -> Result<(), Refusal> {
    ask(address, |turnstile, address| turnstile.lets_join(clock::now(), address, room, participant))
}

/// Checks the limits of a client with a resume secret of its room.
pub(crate) fn check_resume(address: Option<Address>, room: &RoomId, holder: &Holder) -> Result<(), Refusal> {
    ask(address, |turnstile, address| turnstile.lets_resume(clock::now(), address, room, holder))
}

/// Checks whether a refused client may get the reason on a socket.
pub(crate) fn check_explanation(address: Option<Address>) -> Result<(), Refusal> {
    ask(address, |turnstile, address| turnstile.explains(clock::now(), address))
}

/// Refuses frames over HTTP if the client or all clients of the room exceed their limit.
pub(crate) fn check_post(room: &RoomId, client: &str) -> Result<(), Refusal> {
    admit(|turnstile| turnstile.lets_post(clock::now(), room, client)).map_err(|_| Refusal::too_many_requests())
}

fn ask(address: Option<Address>, admits: impl FnOnce(&mut Turnstile, Address) -> bool) -> Result<(), Refusal> {
    // A request without an address did not come through the platform.
    let Some(address) = address else { return Ok(()) };
    admit(|turnstile| admits(turnstile, address))
}

fn admit(admits: impl FnOnce(&mut Turnstile) -> bool) -> Result<(), Refusal> {
    let is_admitted = TURNSTILE.with(|turnstile| {
        let turnstile = turnstile.try_borrow_mut();
        turnstile.is_ok_and(|mut turnstile| admits(&mut turnstile))
    });
    if is_admitted {
        return Ok(());
    }
    count();
    Err(Refusal::too_many_sockets())
}

fn count() {
    let refused = REFUSED.get();
    REFUSED.set(refused.wrapping_add(1));
    if refused.is_multiple_of(REFUSALS_PER_LINE) {
        log::line(log::Level::Warn, "upgrades_refused", &[("refused", &refused.wrapping_add(1))]);
    }
}
