//! `GET /healthz`: whether this Worker could serve anybody.

use super::RouteError;
use crate::config::Config;
use worker::{Env, Response};

/// 200 where the configuration can be read; the reasons where it cannot are in the log.
pub(super) fn get(env: &Env, request_id: &str) -> Result<Response, RouteError> {
    Config::read(env)?;
    let body = serde_json::json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION"), "request_id": request_id });
    Ok(Response::from_json(&body)?)
}
