//! WebSocket upgrades: the client's credential, and accepting or refusing a socket.

use shared::signal::{self, EdgeToClient};
use shared::{ErrorCode, limits};
use worker::{Request, Response, ResponseBuilder, WebSocket, WebSocketPair};

/// The header that carries sub-protocols (RFC 6455 §11.3.4).
pub(crate) const PROTOCOL_HEADER: &str = "Sec-WebSocket-Protocol";
/// Maximum number of bytes read: a token and a version, with room for one more.
const PROTOCOL_BYTES_MAX: usize = limits::TOKEN_BYTES_MAX + 256;

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Protocols(Vec<String>);

impl Protocols {
    pub(crate) fn of(request: &Request) -> Self {
        let header = |name| request.headers().get(name).ok().flatten().unwrap_or_default();
        if is_asked_for(request) {
            Self::parse(&header(PROTOCOL_HEADER))
        } else {
            Self::shown(&header("Authorization"))
        }
    }

    /// The credential of a client without WebSocket, in the form in which it would be offered with one.
    fn shown(authorization: &str) -> Self {
        if authorization.len() > PROTOCOL_BYTES_MAX {
            return Self::default();
        }
        let (scheme, credential) = authorization.split_once(' ').unwrap_or_default();
        // RFC 9110 §11.1: the scheme is case-insensitive.
        let prefix = match scheme.to_ascii_lowercase().as_str() {
            "bearer" => signal::TOKEN_SUBPROTOCOL_PREFIX,
            "resume" => signal::RESUME_SUBPROTOCOL_PREFIX,
            _ => return Self::default(),
        };
        Self(vec![signal::SUBPROTOCOL.into(), format!("{prefix}{}", credential.trim())])
    }

    fn parse(header: &str) -> Self {
        if header.len() > PROTOCOL_BYTES_MAX {
            return Self::default();
        }
        let protocols = header.split(',').map(str::trim).filter(|protocol| !protocol.is_empty());
        Self(protocols.map(Into::into).collect())
    }

    pub(crate) fn offers(&self, protocol: &str) -> bool {
        self.0.iter().any(|offered| offered == protocol)
    }

    pub(crate) fn token(&self) -> Option<&str> {
        self.0.iter().find_map(|offered| offered.strip_prefix(signal::TOKEN_SUBPROTOCOL_PREFIX))
    }

    pub(crate) fn resume_secret(&self) -> Option<&str> {
        self.0.iter().find_map(|offered| offered.strip_prefix(signal::RESUME_SUBPROTOCOL_PREFIX))
    }

    /// The sub-protocol that a refusal echoes. A browser fails a socket whose answer names none of the offered
    /// protocols, and then hides the refusal from the page; a secret must not be echoed, as answers are logged more
    /// often than requests.
    pub(crate) fn echo(&self) -> Option<&str> {
        const SECRET: [&str; 2] = [signal::TOKEN_SUBPROTOCOL_PREFIX, signal::RESUME_SUBPROTOCOL_PREFIX];
        let is_secret = |offered: &str| SECRET.iter().any(|prefix| offered.starts_with(prefix));
        let offered = || self.0.iter().filter(|offered| !is_secret(offered));
        offered().find(|offered| *offered == signal::SUBPROTOCOL).or_else(|| offered().next()).map(String::as_str)
    }
}

/// True if the request asks for a WebSocket.
pub(crate) fn is_asked_for(request: &Request) -> bool {
    let upgrade = request.headers().get("Upgrade").ok().flatten();
    upgrade.is_some_and(|upgrade| upgrade.eq_ignore_ascii_case("websocket"))
}

/// Accepts the socket, sends the reason for the refusal, and closes it: browsers hide the status of a failed upgrade
/// from the page.
pub(crate) fn refuse(protocol: Option<&str>, code: ErrorCode) -> worker::Result<Response> {
    let WebSocketPair { client, server } = WebSocketPair::new()?;
    server.accept()?;
    server.send_with_str(EdgeToClient::Refused { code }.to_json())?;
    server.close(Some(signal::close_code::POLICY), Some(close_reason(code)))?;
    switch(client, protocol)
}

/// The close reason of a refused socket, for clients that see only the close.
pub(crate) const fn close_reason(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::BadToken | ErrorCode::TokenExpired | ErrorCode::WrongRoom => "Unauthorized",
        _ => code.as_str(),
    }
}

/// The response that gives the client its end of an accepted pair.
pub(crate) fn switch(client: WebSocket, protocol: Option<&str>) -> worker::Result<Response> {
    let builder = match protocol {
        Some(protocol) => ResponseBuilder::new().with_header(PROTOCOL_HEADER, protocol)?,
        None => ResponseBuilder::new(),
    };
    Ok(builder.with_status(101).with_websocket(client).empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_version_and_the_token() {
        let protocols = Protocols::parse("rotunda.v1, token.a.b.c");
        assert!(protocols.offers("rotunda.v1"));
        assert!(!protocols.offers("rotunda.v2"));
        assert_eq!(protocols.token(), Some("a.b.c"));
        assert_eq!(Protocols::parse("rotunda.v1").token(), None);
        let resuming = Protocols::parse("rotunda.v1, resume.abc.def");
        assert_eq!((resuming.token(), resuming.resume_secret()), (None, Some("abc.def")));
        assert_eq!(Protocols::parse(&"x,".repeat(PROTOCOL_BYTES_MAX)), Protocols::default());
    }

    #[test]
    fn a_header_says_the_same_as_sub_protocols() {
        let check = |header, token, secret| {
            let shown = Protocols::shown(header);
            assert_eq!((shown.token(), shown.resume_secret()), (token, secret), "{header}");
            assert_eq!(shown.offers("rotunda.v1"), token.or(secret).is_some(), "{header}");
        };
        check("Bearer a.b.c", Some("a.b.c"), None);
        check("resume abc.def", None, Some("abc.def"));
        check("Basic abc", None, None);
        check("Bearer", None, None);
        check(&format!("Bearer {}", "x".repeat(PROTOCOL_BYTES_MAX)), None, None);
    }

    #[test]
    fn a_token_is_never_echoed() {
        let check = |header, expected| assert_eq!(Protocols::parse(header).echo(), expected, "{header}");
        check("token.secret, rotunda.v1", Some("rotunda.v1"));
        check("other, rotunda.v1", Some("rotunda.v1"));
        check("token.secret, rotunda.v9", Some("rotunda.v9"));
        check("resume.secret, rotunda.v1", Some("rotunda.v1"));
        check("token.secret", None);
        check("resume.secret", None);
        check("", None);
    }
}
