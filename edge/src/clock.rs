//! The only clock of the edge.

use shared::UnixMillis;

/// The current time; it does not advance during an event, as everywhere in Workers.
pub(crate) fn now() -> UnixMillis {
    UnixMillis(worker::Date::now().as_millis())
}
