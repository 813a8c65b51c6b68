//! HTTP error responses: one JSON shape with a stable code.

use serde::Serialize;
use shared::{ErrorCode, limits};
use std::borrow::Cow;
use worker::{Response, ResponseBuilder};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: ErrorCode,
    pub(crate) message: Cow<'static, str>,
    pub(crate) status: u16,
    /// An additional header of the response.
    header: Option<(&'static str, Cow<'static, str>)>,
}

#[derive(Serialize)]
struct Body<'a> {
    code: ErrorCode,
    message: &'a str,
    request_id: &'a str,
}

impl Refusal {
    /// A refusal with the fixed status of its code.
    pub(crate) const fn new(code: ErrorCode, message: &'static str) -> Self {
        Self { code, message: Cow::Borrowed(message), status: code.http_status(), header: None }
    }

    pub(crate) const fn no_such_path() -> Self {
        Self::new(ErrorCode::NotFound, "nothing exists at this path")
    }

    /// An internal error; the log has the details under the same request id.
    pub(crate) const fn internal() -> Self {
        Self::new(ErrorCode::Internal, "an internal error occurred")
    }

    /// The path accepts WebSocket upgrades only (RFC 9110 §15.5.22).
    pub(crate) fn upgrade_required() -> Self {
        let refusal = Self::new(ErrorCode::UnsupportedVersion, "this path speaks WebSocket only");
        Self { status: 426, header: Some(("Upgrade", Cow::Borrowed("websocket"))), ..refusal }
    }

    /// The path supports other methods only (RFC 9110 §15.5.6: `Allow` must list them).
    pub(crate) fn method_not_allowed(methods: &[&str]) -> Self {
        let refusal = Self::new(ErrorCode::MethodNotAllowed, "the path does not support this method");
        Self { header: Some(("Allow", methods.join(", ").into())), ..refusal }
    }

    pub(crate) fn invalid(message: impl Into<Cow<'static, str>>) -> Self {
        Self { message: message.into(), ..Self::new(ErrorCode::InvalidRequest, "") }
    }

    /// No API key, or a wrong one (RFC 9110 §15.5.2 requires `WWW-Authenticate`).
    pub(crate) fn bad_api_key() -> Self {
        let refusal = Self::new(ErrorCode::BadApiKey, "the API key or its secret is missing or wrong");
        Self {
            header: Some(("WWW-Authenticate", Cow::Borrowed("Basic realm=\"rotunda\", charset=\"UTF-8\""))),
            ..refusal
        }
    }

    /// A join token that is not valid here (RFC 6750 §3: reported in `WWW-Authenticate`).
    pub(crate) fn bad_token(code: ErrorCode) -> Self {
        let refusal = Self::new(code, "the token is not valid for this request");
        if refusal.status != 401 {
            return refusal;
        }
        let header = "Bearer realm=\"rotunda\", error=\"invalid_token\"";
        Self { header: Some(("WWW-Authenticate", Cow::Borrowed(header))), ..refusal }
    }

    /// Too many requests (RFC 6585 §4).
    pub(crate) fn rate_limited() -> Self {
        let refusal = Self::new(ErrorCode::RateLimited, "too many requests");
        Self { header: Some(("Retry-After", limits::API_RATE_PERIOD_S.to_string().into())), ..refusal }
    }

    /// Too many sockets; there is room for more a moment later.
    pub(crate) fn too_many_sockets() -> Self {
        let refusal = Self::new(ErrorCode::RateLimited, "too many sockets at once");
        Self { header: Some(("Retry-After", Cow::Borrowed("1"))), ..refusal }
    }

    /// Too many requests with frames; more are accepted a moment later.
    pub(crate) fn too_many_requests() -> Self {
        Self { message: Cow::Borrowed("too many requests at once"), ..Self::too_many_sockets() }
    }

    pub(crate) fn response(&self, request_id: &str) -> worker::Result<Response> {
        let body = Body { code: self.code, message: &self.message, request_id };
        let mut builder = ResponseBuilder::new().with_status(self.status).with_header("Cache-Control", "no-store")?;
        if let Some((name, value)) = &self.header {
            builder = builder.with_header(name, value)?;
        }
        builder.from_json(&body)
    }
}
