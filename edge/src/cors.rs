//! CORS headers: the answers that pages of other origins may read over HTTP (Fetch §3.3).

use crate::config::Origins;
use worker::{Request, Response, ResponseBuilder, Result};

/// Request headers that a page may send besides the safelisted ones.
const REQUEST_HEADERS: &str = "Authorization, Content-Type";
/// Response headers that a page may read besides the safelisted ones.
const RESPONSE_HEADERS: &str = "Retry-After";
/// Time for which a browser may cache a preflight; browsers cap it at two hours.
const PREFLIGHT_S: &str = "600";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cors {
    /// No headers: the page's origin is not listed, or the caller is not a page.
    Silent,
    /// Every page may read the answer, but never send credentials, which would give every page the user's rights.
    Everybody,
    /// This origin may read the answer and send credentials.
    Origin(String),
}

impl Cors {
    pub(crate) fn of(origins: &Origins, request: &Request) -> Self {
        let header = |name: &str| request.headers().get(name).ok().flatten();
        Self::decide(origins, header("Origin"), &header("Host").unwrap_or_default())
    }

    fn decide(origins: &Origins, origin: Option<String>, host: &str) -> Self {
        match origin {
            Some(origin) if origins.trust(&origin, host) => Self::Origin(origin),
            Some(_) if origins.others => Self::Everybody,
            Some(_) | None => Self::Silent,
        }
    }

    /// Adds the headers to an answer, unless it opens a socket.
    pub(crate) fn apply(&self, mut response: Response) -> Result<Response> {
        if response.status_code() == 101 {
            return Ok(response);
        }
        let headers = response.headers_mut();
        // A cache must not serve one origin's answer to another (RFC 9110 §12.5.5).
        headers.append("Vary", "Origin")?;
        match self {
            Self::Silent => return Ok(response),
            Self::Everybody => headers.set("Access-Control-Allow-Origin", "*")?,
            Self::Origin(origin) => {
                headers.set("Access-Control-Allow-Origin", origin)?;
                headers.set("Access-Control-Allow-Credentials", "true")?;
            }
        }
        headers.set("Access-Control-Expose-Headers", RESPONSE_HEADERS)?;
        Ok(response)
    }

    /// Answers a preflight (Fetch §3.3.2) for a path with these methods; `None` if the page's origin is not listed.
    pub(crate) fn preflight(&self, methods: &[&str]) -> Result<Option<Response>> {
        if *self == Self::Silent {
            return Ok(None);
        }
        let builder = ResponseBuilder::new()
            .with_status(204)
            .with_header("Access-Control-Allow-Methods", &methods.join(", "))?
            .with_header("Access-Control-Allow-Headers", REQUEST_HEADERS)?
            .with_header("Access-Control-Max-Age", PREFLIGHT_S)?;
        Ok(Some(builder.empty()))
    }
}

/// True for a CORS preflight.
pub(crate) fn is_preflight(request: &Request) -> bool {
    let asks = request.headers().get("Access-Control-Request-Method").ok().flatten();
    request.inner().method() == "OPTIONS" && asks.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_for_listed_origins_alone() {
        let origins = |others| Origins { listed: vec!["https://app.example.org".into()], others };
        let (listed, open) = (origins(false), origins(true));
        let check = |origins: &Origins, origin: Option<&str>, expected: Cors| {
            assert_eq!(Cors::decide(origins, origin.map(Into::into), "edge.example.org"), expected, "{origin:?}");
        };
        let named = |origin: &str| Cors::Origin(origin.into());
        check(&listed, None, Cors::Silent);
        check(&listed, Some("https://app.example.org"), named("https://app.example.org"));
        check(&listed, Some("https://edge.example.org"), named("https://edge.example.org"));
        check(&listed, Some("https://evil.example"), Cors::Silent);
        check(&listed, Some("null"), Cors::Silent);
        check(&open, Some("https://app.example.org"), named("https://app.example.org"));
        check(&open, Some("https://evil.example"), Cors::Everybody);
        check(&open, None, Cors::Silent);
    }
}
