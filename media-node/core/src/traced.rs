//! A client's trace in log lines.

use shared::trace::{SpanId, Trace, TraceId};
use tracing::field::{DisplayValue, display};

/// The fields `trace` and `parent`, absent for clients that send no trace.
#[must_use]
pub fn of_log(trace: Option<Trace>) -> (Option<DisplayValue<TraceId>>, Option<DisplayValue<SpanId>>) {
    (trace.map(|trace| display(trace.id)), trace.map(|trace| display(trace.span)))
}
