//! A client's trace in log lines.

use shared::trace::{SpanId, Trace, TraceId};
use tracing::field::{DisplayValue, display};

/// The fields `trace` and `parent`. Without a trace both are absent; without a parent a line becomes no span, as the client
/// of an unsampled trace has asked.
#[must_use]
pub fn of_log(trace: Option<Trace>) -> (Option<DisplayValue<TraceId>>, Option<DisplayValue<SpanId>>) {
    let sampled = trace.filter(|trace| trace.is_sampled());
    (trace.map(|trace| display(trace.id)), sampled.map(|trace| display(trace.span)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unsampled_trace_is_in_the_log_and_has_no_span() {
        let check = |flags: &str, is_span: bool| {
            let text = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
            let (trace, parent) = of_log(Trace::parse(&text).ok());
            assert_eq!((trace.is_some(), parent.is_some()), (true, is_span), "{flags}");
        };
        check("01", true);
        check("00", false);
        assert!(of_log(None).0.is_none());
    }
}
