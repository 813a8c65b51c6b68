//! `/healthz`: checks that the Worker runs and its configuration can be read.

use super::RouteError;
use worker::Response;

/// `GET /healthz`; the configuration has been read by then.
pub(super) fn get(request_id: &str) -> Result<Response, RouteError> {
    let body = serde_json::json!({ "status": "ok", "version": shared::VERSION, "request_id": request_id });
    Ok(Response::from_json(&body)?)
}
