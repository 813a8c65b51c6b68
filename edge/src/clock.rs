//! The only clock of the edge.

use shared::UnixMillis;

/// The current time; it does not advance during an event, as everywhere in Workers.
pub(crate) fn now() -> UnixMillis {
    // A call with a number, instead of three and an object. Never negative or fractional.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds since 1970 fit")]
    UnixMillis(worker::js_sys::Date::now() as u64)
}
