//! Exports the span of a client's request to an OpenTelemetry collector (OTLP/HTTP with JSON), after the answer: one
//! request for each request of a client with a valid credential, and none if no collector is set.

use crate::config::Collector;
use crate::{clock, log};
use serde_json::{Value, json};
use shared::UnixMillis;
use shared::trace::{SpanId, Trace};
use worker::{Fetch, Headers, Method, Request, RequestInit, Response};

/// OTLP's code of a span that answers a request.
const KIND_SERVER: u8 = 2;
const STATUS_UNSET: u8 = 0;
const STATUS_ERROR: u8 = 2;

/// The span of a request.
pub(crate) struct Span {
    pub(crate) trace: Trace,
    /// The caller's.
    pub(crate) parent: SpanId,
    /// The method and the kind of path; the path itself may name a room.
    pub(crate) name: String,
    pub(crate) request_id: String,
    pub(crate) begun_at: UnixMillis,
    /// HTTP status of the answer.
    pub(crate) status: u16,
}

/// A failure costs the span, and no request.
pub(crate) async fn export(collector: Collector, span: Span) {
    match send(&collector, &span).await {
        Ok(status) if status < 400 => {}
        Ok(status) => lost(&span, &status),
        Err(error) => lost(&span, &error),
    }
}

async fn send(collector: &Collector, span: &Span) -> worker::Result<u16> {
    let headers = Headers::new();
    headers.set("Content-Type", "application/json")?;
    if let Some(authorization) = &collector.authorization {
        headers.set("Authorization", authorization)?;
    }
    let mut init = RequestInit::new();
    init.with_method(Method::Post).with_headers(headers).with_body(Some(span.to_json(clock::now()).to_string().into()));
    let request = Request::new_with_init(&format!("{}/v1/traces", collector.origin), &init)?;
    let response: Response = Fetch::Request(request).send().await?;
    Ok(response.status_code())
}

fn lost(span: &Span, reason: &dyn std::fmt::Display) {
    log::line(log::Level::Warn, "span_lost", &[("trace", &span.trace.id), ("reason", reason)]);
}

impl Span {
    fn to_json(&self, ended_at: UnixMillis) -> Value {
        let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
        let nanoseconds = |at: UnixMillis| format!("{}000000", at.0);
        let resource = json!({ "attributes": [
            text("service.name", "rotunda-edge"),
            text("service.version", shared::VERSION),
        ] });
        let span = json!({
            "traceId": self.trace.id.to_string(),
            "spanId": self.trace.span.to_string(),
            "parentSpanId": self.parent.to_string(),
            "name": self.name,
            "kind": KIND_SERVER,
            "startTimeUnixNano": nanoseconds(self.begun_at),
            "endTimeUnixNano": nanoseconds(ended_at),
            "attributes": [
                text("rotunda.request", &self.request_id),
                { "key": "http.response.status_code", "value": { "intValue": self.status.to_string() } },
            ],
            "status": { "code": if self.status >= 500 { STATUS_ERROR } else { STATUS_UNSET } },
        });
        let scopes = json!([{ "scope": { "name": "rotunda" }, "spans": [span] }]);
        json!({ "resourceSpans": [{ "resource": resource, "scopeSpans": scopes }] })
    }
}
