//! Requests an allocation over TCP or TLS, and names the step that fails: the connection, the certificate, or the answer.

use crate::allocation::{ADDRESSES_MAX, Answer, Dialogue, Step, host_and_port};
use shared::signal::IceServer;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use turn_core::limits;
use turn_core::stream::next_message;

/// Timeout of each step; a slower connection is useless for a call.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub(crate) enum StreamError {
    #[error("cannot be reached: its host name does not resolve")]
    Nameless,
    #[error("cannot be connected to ({0}): does its firewall allow inbound TCP to TURN_TCP_LISTEN?")]
    Connect(String),
    #[error("fails the TLS handshake ({0}): is the certificate valid for this name, and is its chain complete?")]
    Tls(String),
    #[error("ends the connection ({0}): does another program listen there?")]
    Ended(String),
    #[error("{0}")]
    Answer(Answer),
}

/// Asks the server of a URL `turn:host[:port]?transport=tcp` or `turns:host[:port]`.
pub(crate) async fn ask(server: &IceServer, url: &str) -> Result<(), StreamError> {
    let (host, port) = host_and_port(url).ok_or(StreamError::Nameless)?;
    let stream = connect(host, port).await?;
    let (username, password) = (server.username.as_deref(), server.credential.as_deref());
    let dialogue = Dialogue::new(username.unwrap_or_default(), password.unwrap_or_default());
    let talked = if url.starts_with("turns:") {
        talk(dialogue, handshake(host, stream).await?).await
    } else {
        talk(dialogue, stream).await
    };
    match talked {
        Ok(Answer::Granted) => Ok(()),
        Ok(answer) => Err(StreamError::Answer(answer)),
        Err(error) => Err(StreamError::Ended(error.to_string())),
    }
}

async fn connect(host: &str, port: u16) -> Result<TcpStream, StreamError> {
    let addresses = lookup_host((host, port)).await.map_err(|_| StreamError::Nameless)?;
    let mut problem = StreamError::Nameless;
    for address in addresses.take(ADDRESSES_MAX) {
        match within(TcpStream::connect(address)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => problem = StreamError::Connect(error.to_string()),
        }
    }
    Err(problem)
}

/// Trusts the same authorities as browsers.
async fn handshake(host: &str, stream: TcpStream) -> Result<impl AsyncRead + AsyncWrite + Unpin, StreamError> {
    let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| StreamError::Tls(error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|error| StreamError::Tls(error.to_string()))?;
    let connected = within(TlsConnector::from(Arc::new(config)).connect(name, stream)).await;
    connected.map_err(|error| StreamError::Tls(error.to_string()))
}

async fn talk(mut dialogue: Dialogue<'_>, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<Answer> {
    let mut held = Vec::new();
    within(stream.write_all(&dialogue.request())).await?;
    loop {
        let found = next_message(&held, limits::STREAM_MESSAGE_BYTES_MAX);
        let Some(length) = found.map_err(|_| io::Error::other("its answer is not a TURN message"))? else {
            let mut buffer = [0; 2_048];
            let count = within(stream.read(&mut buffer)).await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            held.extend_from_slice(buffer.get(..count).unwrap_or_default());
            continue;
        };
        let message: Vec<u8> = held.drain(..length).collect();
        match dialogue.take(&message) {
            Step::Ignored => {}
            Step::AskAgain => within(stream.write_all(&dialogue.request())).await?,
            Step::Over(answer) => {
                if answer == Answer::Granted {
                    within(stream.write_all(&dialogue.release())).await?;
                }
                return Ok(answer);
            }
        }
    }
}

async fn within<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(STEP_TIMEOUT, step).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
