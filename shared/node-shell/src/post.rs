//! One JSON request to the edge over HTTP, for reports that no socket carries.

use crate::settings::Secret;
use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use std::time::Duration;

/// An edge that does not answer within this time counts as unreachable.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum size of an answer: a verdict is one line.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

#[derive(Debug, thiserror::Error)]
pub enum PostError {
    #[error("refused with {status}")]
    Refused {
        /// HTTP status.
        status: u16,
    },
    /// The edge did not answer in time.
    #[error("no answer within {TIMEOUT:?}")]
    Timeout,
    /// No connection, or the answer broke off.
    #[error("{0}")]
    Http(String),
}

impl PostError {
    /// True if retrying the same request is pointless.
    #[must_use]
    pub const fn is_final(&self) -> bool {
        match self {
            Self::Refused { status } => *status >= 400 && *status < 500 && *status != 429 && *status != 408,
            Self::Timeout | Self::Http(_) => false,
        }
    }
}

/// Posts to `url` (`http://` or `https://`) with a bearer token (RFC 6750 §2.1); returns the body of the answer.
pub async fn post(url: &str, token: &Secret, json: String) -> Result<String, PostError> {
    let connector =
        hyper_rustls::HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build(connector);
    let request = Request::post(url)
        .header(AUTHORIZATION, format!("Bearer {}", token.expose()))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(json))
        .map_err(|error| PostError::Http(error.to_string()))?;
    let asked = async {
        let response = client.request(request).await.map_err(|error| PostError::Http(error.to_string()))?;
        if !response.status().is_success() {
            return Err(PostError::Refused { status: response.status().as_u16() });
        }
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let bytes = body.map_err(|error| PostError::Http(error.to_string()))?.to_bytes();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    tokio::time::timeout(TIMEOUT, asked).await.unwrap_or(Err(PostError::Timeout))
}
