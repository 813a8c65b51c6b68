//! The URLs of a deployment.

use hyper::Uri;
use shared::RoomId;
use std::net::IpAddr;
use tokio::net::lookup_host;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DeploymentError {
    /// Not `http://host` or `https://host`.
    #[error("not a URL like https://rotunda.example.org")]
    NotAUrl,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Deployment {
    is_secure: bool,
    host: String,
    port: u16,
}

impl Deployment {
    /// Reads a URL; a path is ignored.
    pub(crate) fn parse(url: &str) -> Result<Self, DeploymentError> {
        let uri: Uri = url.parse().map_err(|_| DeploymentError::NotAUrl)?;
        let is_secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _other => return Err(DeploymentError::NotAUrl),
        };
        let host = uri.host().ok_or(DeploymentError::NotAUrl)?.to_owned();
        let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        Ok(Self { is_secure, host, port })
    }

    pub(crate) fn page(&self, path: &str) -> String {
        self.address(if self.is_secure { "https" } else { "http" }, path)
    }

    pub(crate) fn socket(&self, room: &RoomId) -> String {
        self.address(if self.is_secure { "wss" } else { "ws" }, &format!("/v1/rooms/{room}/socket"))
    }

    /// Host and port, if it has TLS.
    pub(crate) fn secured(&self) -> Option<(&str, u16)> {
        self.is_secure.then_some((self.host.trim_matches(['[', ']']), self.port))
    }

    /// Its addresses, as resolved from here.
    pub(crate) async fn addresses(&self) -> anyhow::Result<Vec<IpAddr>> {
        let host = self.host.trim_matches(['[', ']']);
        Ok(lookup_host((host, self.port)).await?.map(|address| address.ip()).collect())
    }

    fn address(&self, scheme: &str, path: &str) -> String {
        format!("{scheme}://{}:{}{path}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_are_deployments() {
        let page = |url: &str| Deployment::parse(url).map(|deployment| deployment.page("/healthz"));
        assert_eq!(page("https://rotunda.example.org/"), Ok("https://rotunda.example.org:443/healthz".into()));
        assert_eq!(page("http://[::1]:8787"), Ok("http://[::1]:8787/healthz".into()));
        for wrong in ["", "rotunda.example.org", "ftp://rotunda.example.org", "https://"] {
            assert_eq!(page(wrong), Err(DeploymentError::NotAUrl), "{wrong}");
        }
    }
}
