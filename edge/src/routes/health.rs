//! `/healthz`: whether the Worker runs and its configuration can be read.

use super::RouteError;
use worker::Response;

/// `GET /healthz`; the configuration was read already.
pub(super) fn get(request_id: &str) -> Result<Response, RouteError> {
    let body = serde_json::json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION"), "request_id": request_id });
    Ok(Response::from_json(&body)?)
}
