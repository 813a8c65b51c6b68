//! The web origins that may call the Worker.

use worker::Env;

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Origins {
    /// Origins that may call and send credentials, besides the Worker's own.
    pub(crate) listed: Vec<String>,
    /// If true, all other origins may call too, without credentials.
    pub(crate) others: bool,
}

impl Origins {
    /// `None` if the setting is missing.
    pub(crate) fn read(env: &Env) -> Option<Self> {
        env.var("ALLOWED_ORIGINS").ok().map(|text| Self::parse(&text.to_string()))
    }

    /// True if a page of `origin` may call `host` with credentials.
    pub(crate) fn trust(&self, origin: &str, host: &str) -> bool {
        let own = origin.split_once("://").is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(host));
        own || self.listed.iter().any(|allowed| allowed.eq_ignore_ascii_case(origin))
    }

    /// True if a request with this `Origin` may call `host`; programs that send none are not browsers, and need a token
    /// anyway.
    pub(crate) fn admit(&self, origin: Option<&str>, host: &str) -> bool {
        origin.is_none_or(|origin| self.others || self.trust(origin, host))
    }

    /// Parses a list that is separated by commas.
    pub(super) fn parse(text: &str) -> Self {
        let origins = text.split(',').map(str::trim).filter(|origin| !origin.is_empty());
        let (all, listed): (Vec<&str>, Vec<&str>) = origins.partition(|origin| *origin == "*");
        Self { listed: listed.into_iter().map(Into::into).collect(), others: !all.is_empty() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Holds S2-SIG-04, S2-DEP-01.
    #[test]
    fn pages_of_listed_origins_and_of_our_own_may_connect() {
        let origins = Origins::parse("https://meet.example.org, https://app.example.org");
        let check = |origin, expected| {
            assert_eq!(origins.admit(origin, "edge.example.org:8787"), expected, "{origin:?}");
        };
        check(None, true);
        check(Some("https://edge.example.org:8787"), true);
        check(Some("https://app.example.org"), true);
        check(Some("https://app.example.org.evil.example"), false);
        check(Some("https://evil.example"), false);
        check(Some("null"), false);
        let open = Origins::parse("https://app.example.org, *");
        assert!(open.admit(Some("null"), "edge.example.org"));
        assert!(open.trust("https://app.example.org", "edge.example.org"));
        assert!(!open.trust("null", "edge.example.org"));
    }
}
