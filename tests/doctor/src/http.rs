//! HTTP requests to the Worker.

use crate::deployment::Deployment;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use shared::api::{Token, TokenRequest};
use std::error::Error;
use std::time::Duration;

/// A Worker that does not answer within this time counts as missing.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest accepted answer: a token is far below.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// The Worker, or a proxy, refused.
    #[error("answered {status}{code}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The stable code in brackets, or empty.
        code: String,
    },
    #[error("no answer within {TIMEOUT:?}")]
    Timeout,
    /// No connection, no TLS, or the answer broke off.
    #[error("{0}")]
    Broken(String),
    /// Another service answers there.
    #[error("the answer does not come from Rotunda")]
    NotRotunda,
}

/// Returns the Worker's version.
pub(crate) async fn check_health(deployment: &Deployment) -> Result<String, HttpError> {
    let request = Request::get(deployment.page("/healthz")).body(Full::default());
    let body = ask(request).await?;
    let version = body["version"].as_str().filter(|_| body["status"] == "ok");
    version.map(str::to_owned).ok_or(HttpError::NotRotunda)
}

/// Asks for a join token with an API key (`id:secret`).
pub(crate) async fn mint(deployment: &Deployment, key: &str, wish: &TokenRequest) -> Result<String, HttpError> {
    let body = serde_json::to_string(wish).map_err(|error| HttpError::Broken(error.to_string()))?;
    // RFC 7617 §2: the key is already `user-id:password`.
    let request = Request::post(deployment.page("/v1/tokens"))
        .header(AUTHORIZATION, format!("Basic {}", STANDARD.encode(key)))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(body));
    let answer: Result<Token, _> = serde_json::from_value(ask(request).await?);
    answer.map(|answer| answer.token).map_err(|_| HttpError::NotRotunda)
}

async fn ask(request: Result<Request<Full<Bytes>>, hyper::http::Error>) -> Result<Value, HttpError> {
    let request = request.map_err(|error| HttpError::Broken(error.to_string()))?;
    let client = client();
    let asked = async {
        let response = client.request(request).await.map_err(|error| HttpError::Broken(causes(&error)))?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let bytes = body.map_err(|error| HttpError::Broken(error.to_string()))?.to_bytes();
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if status.is_success() {
            return Ok(body);
        }
        let code = body["code"].as_str().map(|code| format!(" ({code})")).unwrap_or_default();
        Err(HttpError::Refused { status: status.as_u16(), code })
    };
    tokio::time::timeout(TIMEOUT, asked).await.unwrap_or(Err(HttpError::Timeout))
}

/// Trusts the same authorities as browsers.
pub(crate) fn client() -> Client<HttpsConnector<HttpConnector>, Full<Bytes>> {
    let connector =
        hyper_rustls::HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
    Client::builder(TokioExecutor::new()).build(connector)
}

/// The library's own message is only "client error"; the causes below it matter.
pub(crate) fn causes(error: &dyn Error) -> String {
    std::iter::successors(error.source(), |&error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
