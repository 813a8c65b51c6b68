//! The only clock of the edge.

use shared::UnixMillis;

/// What time it is; stands still between two events, as everywhere in Workers.
pub(crate) fn now() -> UnixMillis {
    UnixMillis(worker::Date::now().as_millis())
}
