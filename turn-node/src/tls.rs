//! The TLS certificate: read from files and reloaded when they change, or ordered by ACME ([`crate::acme`]).

use crate::acme;
use anyhow::{Context, bail};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::CryptoProvider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use turn_core::limits;

/// Interval of checks for changed files.
const LOOK_INTERVAL: Duration = Duration::from_secs(20);

/// The source of the certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Files(Files),
    Acme(acme::Settings),
}

/// The settings of TLS connections.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ServerConfig>,
    /// For the connections by which a certificate authority checks the name; `None` with files.
    pub(crate) challenge: Option<Arc<ServerConfig>>,
}

impl Tls {
    pub(crate) fn new(resolver: Arc<dyn ResolvesServerCert>, challenge: Option<Arc<ServerConfig>>) -> Self {
        Self { config: config(resolver), challenge }
    }
}

/// There are no tickets and no session cache: a TURN client seldom returns.
fn config(resolver: Arc<dyn ResolvesServerCert>) -> Arc<ServerConfig> {
    // Without protocols of our own, a client may offer any (RFC 7443 lets a server ignore ALPN).
    let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(resolver);
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

/// PEM files, as ACME clients write them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    /// The certificate, followed by its intermediates.
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// The certificate for new connections; open ones keep theirs.
#[derive(Debug)]
pub(crate) struct Certificate {
    files: Files,
    current: RwLock<Arc<CertifiedKey>>,
}

impl Certificate {
    pub(crate) fn read(files: Files) -> anyhow::Result<Arc<Self>> {
        let current = RwLock::new(Arc::new(read(&files)?));
        Ok(Arc::new(Self { files, current }))
    }

    /// Reads the files again on SIGHUP and whenever they have changed. An error keeps the current certificate.
    pub(crate) async fn watch(self: Arc<Self>) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => return tracing::error!(%error, "cannot listen for SIGHUP"),
        };
        let mut known = self.files.changed_at();
        loop {
            let asked = tokio::select! {
                _ = hangup.recv() => true,
                () = sleep(LOOK_INTERVAL) => false,
            };
            let changed_at = self.files.changed_at();
            if !asked && changed_at == known {
                continue;
            }
            match read(&self.files) {
                Ok(fresh) => {
                    *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(fresh);
                    known = changed_at;
                    tracing::info!("read the TLS certificate");
                }
                // The key may be written after the certificate: the next check reads both again.
                Err(error) => tracing::warn!("keeping the previous TLS certificate: {error:#}"),
            }
        }
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Files {
    fn changed_at(&self) -> [Option<SystemTime>; 2] {
        [&self.certificate, &self.key].map(|path| std::fs::metadata(path).and_then(|data| data.modified()).ok())
    }
}

fn read(files: &Files) -> anyhow::Result<CertifiedKey> {
    let (certificate, key) = (read_file(&files.certificate)?, read_file(&files.key)?);
    let chain = CertificateDer::pem_slice_iter(&certificate)
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| format!("reading {} as PEM", files.certificate.display()))?;
    if chain.is_empty() {
        bail!("{} has no certificate", files.certificate.display());
    }
    let key = PrivateKeyDer::from_pem_slice(&key).with_context(|| format!("reading {}", files.key.display()))?;
    let provider = CryptoProvider::get_default().context("no TLS provider")?;
    CertifiedKey::from_der(chain, key, provider).context("the certificate and the key do not belong together")
}

fn read_file(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let opened = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    opened
        .take(limits::TLS_FILE_BYTES_MAX)
        .read_to_end(&mut bytes)
        .with_context(|| format!("reading {}", path.display()))?;
    Ok(bytes)
}
