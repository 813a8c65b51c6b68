//! CORS: what pages of other origins may read over HTTP (Fetch §3.3).

use crate::config::Origins;
use worker::{Request, Response, ResponseBuilder, Result};

/// Headers that a page may send beside the harmless ones.
const REQUEST_HEADERS: &str = "Authorization, Content-Type";
/// Headers of an answer that a page may read beside the harmless ones.
const RESPONSE_HEADERS: &str = "Retry-After";
/// How long a browser may remember a preflight: browsers of 2026 keep none for more than two hours anyway.
const PREFLIGHT_S: &str = "600";

/// The CORS headers of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cors {
    /// Nothing: the page's origin is not listed, or this is no page.
    Silent,
    /// Every page may read this. Never with credentials, which would give every page those of the user.
    Everybody,
    /// This origin may, and may send credentials.
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

    /// Adds the headers to an answer; a socket has none.
    pub(crate) fn apply(&self, mut response: Response) -> Result<Response> {
        if response.status_code() == 101 {
            return Ok(response);
        }
        let headers = response.headers_mut();
        // What is answered to one origin must not be taken out of a cache for another one (RFC 9110 §12.5.5).
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

/// Whether a request asks what a page may do.
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
