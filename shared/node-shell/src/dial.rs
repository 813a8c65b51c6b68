//! Opens a control socket at the edge.

use crate::link::Link;
use crate::settings::Secret;
use serde_json::Value;
use shared::ErrorCode;
use shared::control::SUBPROTOCOL;
use shared::limits;
use std::time::Duration;
use tokio_tungstenite::connect_async_tls_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderValue, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// An edge that does not answer within this time counts as unreachable.
const TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub enum DialError {
    #[error("refused with {status}, {code:?}, request {request_id:?}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// `None` for a code of a newer edge.
        code: Option<ErrorCode>,
        /// The request id in the edge's log.
        request_id: Option<String>,
    },
    /// The edge did not answer in time.
    #[error("no answer within {TIMEOUT:?}")]
    Timeout,
    /// The edge speaks another version of the protocol.
    #[error("the edge does not speak {SUBPROTOCOL}")]
    Version,
    /// No connection, or not a WebSocket.
    #[error(transparent)]
    Socket(Box<Error>),
    /// The token cannot be sent.
    #[error("the token contains invalid characters")]
    Token,
}

impl DialError {
    /// True if retrying with the same token is pointless.
    #[must_use]
    pub fn is_final(&self) -> bool {
        match self {
            Self::Refused { code: Some(code), .. } => !code.may_retry(),
            Self::Refused { status, .. } => matches!(status, 401 | 403 | 404),
            Self::Token => true,
            Self::Timeout | Self::Version | Self::Socket(_) => false,
        }
    }
}

/// Connects to `url` with a bearer token (RFC 6750 §2.1).
pub async fn dial(url: &str, token: &Secret) -> Result<Link, DialError> {
    let mut request = url.into_client_request().map_err(|error| DialError::Socket(Box::new(error)))?;
    let bearer = HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(|_| DialError::Token)?;
    request.headers_mut().insert(AUTHORIZATION, bearer);
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let config = WebSocketConfig::default()
        .max_message_size(Some(limits::CONTROL_FRAME_BYTES_MAX))
        .max_frame_size(Some(limits::CONTROL_FRAME_BYTES_MAX));
    let connecting = connect_async_tls_with_config(request, Some(config), true, None);
    match tokio::time::timeout(TIMEOUT, connecting).await {
        Ok(Ok((socket, _))) => Ok(Link::new(socket)),
        Ok(Err(Error::Http(response))) => Err(refusal(&response)),
        Ok(Err(Error::Protocol(_))) => Err(DialError::Version),
        Ok(Err(error)) => Err(DialError::Socket(Box::new(error))),
        Err(_) => Err(DialError::Timeout),
    }
}

/// A failed upgrade has a JSON body `{ "code", "message", "request_id" }`.
fn refusal(response: &Response<Option<Vec<u8>>>) -> DialError {
    let body: Value = response.body().as_deref().and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let code = text("code").and_then(|code| ErrorCode::ALL.iter().copied().find(|known| known.as_str() == code));
    DialError::Refused { status: response.status().as_u16(), code, request_id: text("request_id") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(status: u16, body: &str, expected: &str, is_final: bool) {
        let response = Response::builder().status(status).body(Some(body.as_bytes().to_vec())).expect("a response");
        let refusal = refusal(&response);
        assert_eq!((refusal.to_string().as_str(), refusal.is_final()), (expected, is_final));
    }

    #[test]
    fn knows_which_refusals_are_final() {
        let body = r#"{"code":"stale_epoch","message":"…","request_id":"r1"}"#;
        check(409, body, r#"refused with 409, Some(StaleEpoch), request Some("r1")"#, true);
        check(503, r#"{"code":"internal"}"#, "refused with 503, Some(Internal), request None", false);
        check(502, "<html>", "refused with 502, None, request None", false);
        check(401, "", "refused with 401, None, request None", true);
    }
}
