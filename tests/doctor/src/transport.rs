//! Checks that a deployment speaks TLS 1.3 only: an older version is refused, and so is signaling without TLS.

use crate::deployment::Deployment;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version::TLS12;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

const STEP_TIMEOUT: Duration = Duration::from_secs(5);
/// The port of `http://`, which browsers try first for an address without a scheme.
const PLAIN_PORT: u16 = 80;
const PLATFORM_ZONE: &str = ".workers.dev";
/// Longest accepted status line.
const STATUS_BYTES_MAX: usize = 64;

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TransportError {
    #[error(
        "TLS 1.2 is accepted: set the zone's minimum version to 1.3 (docs/operations.md, First deployment, step 7)"
    )]
    OldTls,
    #[error(
        "port {port} opens WebSockets without TLS: turn on Always Use HTTPS (docs/operations.md, First deployment, step 7)"
    )]
    Plain { port: u16 },
}

/// Nothing to check without TLS, for instance on a laptop, and at addresses in a zone of the platform, which sets the
/// versions itself. A refusal is good news, however it is worded.
pub(crate) async fn check(deployment: &Deployment) -> Result<(), TransportError> {
    let Some((host, port)) = deployment.secured().filter(|(host, _)| !host.ends_with(PLATFORM_ZONE)) else {
        return Ok(());
    };
    check_at(host, port, if port == 443 { PLAIN_PORT } else { port }, webpki_roots()).await
}

fn webpki_roots() -> RootCertStore {
    RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() }
}

async fn check_at(host: &str, port: u16, plain_port: u16, roots: RootCertStore) -> Result<(), TransportError> {
    if within(shake_hands(host, port, roots)).await.is_ok() {
        return Err(TransportError::OldTls);
    }
    let status = within(plain_status(host, plain_port)).await.unwrap_or_default();
    // RFC 6455 §4.2.2: 101 accepts the upgrade.
    let is_open = ["101", "200"].iter().any(|code| status.split(' ').nth(1) == Some(code));
    if is_open { Err(TransportError::Plain { port: plain_port }) } else { Ok(()) }
}

async fn shake_hands(host: &str, port: u16, roots: RootCertStore) -> io::Result<()> {
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS12])
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
    let stream = TcpStream::connect((host, port)).await?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map(drop)
}

/// The status line of a WebSocket's upgrade.
async fn plain_status(host: &str, port: u16) -> io::Result<String> {
    let mut stream = TcpStream::connect((host, port)).await?;
    let request = format!(
        "GET /v1/rooms/doctor/socket HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\
         Sec-WebSocket-Protocol: {}\r\n\r\n",
        shared::signal::SUBPROTOCOL
    );
    stream.write_all(request.as_bytes()).await?;
    let mut line = Vec::new();
    while line.len() < STATUS_BYTES_MAX && !line.contains(&b'\r') && stream.read_buf(&mut line).await? > 0 {}
    Ok(String::from_utf8_lossy(&line).into_owned())
}

async fn within<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(STEP_TIMEOUT, step).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::generate_simple_self_signed;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::rustls::{ServerConfig, SupportedProtocolVersion, version::TLS13};

    /// Checks a server with these versions of TLS, beside one that answers without TLS with `status`.
    async fn checked(
        versions: &[&'static SupportedProtocolVersion],
        status: &'static str,
    ) -> (Result<(), TransportError>, u16) {
        let own = generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let mut roots = RootCertStore::empty();
        roots.add(own.cert.der().clone()).expect("a root");
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).expect("a key");
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(versions)
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .expect("a server");
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let (secure, plain) = (listen().await, listen().await);
        let ports = [&secure, &plain].map(|listener| listener.local_addr().expect("an address").port());
        let serving = async {
            let secured = async {
                let (stream, _) = secure.accept().await.expect("a client");
                // A refused handshake is one of the cases.
                let _ = acceptor.accept(stream).await;
            };
            let answered = async {
                let (mut stream, _) = plain.accept().await.expect("a client");
                stream.write_all(status.as_bytes()).await.expect("an answer");
            };
            tokio::join!(secured, answered)
        };
        tokio::select! {
            found = check_at("localhost", ports[0], ports[1], roots) => (found, ports[1]),
            _ = async { serving.await; std::future::pending::<()>().await } => unreachable!("it never ends"),
        }
    }

    async fn listen() -> TcpListener {
        TcpListener::bind(("localhost", 0)).await.expect("a port")
    }

    // Holds S1-SIG-01.
    #[tokio::test]
    async fn a_deployment_must_refuse_tls_1_2() {
        let redirect = "HTTP/1.1 301 Moved Permanently\r\n\r\n";
        assert_eq!(checked(&[&TLS12, &TLS13], redirect).await.0, Err(TransportError::OldTls));
        assert_eq!(checked(&[&TLS13], redirect).await.0, Ok(()));
    }

    // Holds S3-DEP-02.
    #[tokio::test]
    async fn a_deployment_must_accept_no_websocket_without_tls() {
        for open in ["HTTP/1.1 101 Switching Protocols\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"] {
            let (found, port) = checked(&[&TLS13], open).await;
            assert_eq!(found, Err(TransportError::Plain { port }));
        }
        for closed in ["HTTP/1.1 308 Permanent Redirect\r\n\r\n", "HTTP/1.1 403 Forbidden\r\n\r\n", "nonsense", ""] {
            assert_eq!(checked(&[&TLS13], closed).await.0, Ok(()), "{closed}");
        }
    }
}
