//! The TLS certificate: read from files and reloaded when they change, or ordered by ACME ([`crate::acme`]).

use crate::acme;
use anyhow::{Context, bail};
use node_core::renewal::Validity;
use rustls_acme::acme::ACME_TLS_ALPN_NAME;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
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
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::time::ASN1Time;

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
    pub(crate) certificate: Arc<Certificate>,
}

impl Tls {
    /// Prepares TLS, and keeps its certificate up to date as long as the runtime lives.
    pub(crate) fn start(source: Source) -> anyhow::Result<Self> {
        let certificate = Arc::new(Certificate::default());
        // Without protocols of our own, a client may offer any (RFC 7443 lets a server ignore ALPN).
        let config = config(Arc::clone(&certificate), Vec::new());
        let challenge = match source {
            Source::Files(files) => {
                files.read(&certificate)?;
                tokio::spawn(files.watch(Arc::clone(&certificate)));
                None
            }
            Source::Acme(settings) => {
                let shown = acme::start(settings, Arc::clone(&certificate)).context("preparing ACME")?;
                Some(self::config(shown, vec![ACME_TLS_ALPN_NAME.to_vec()]))
            }
        };
        Ok(Self { config, challenge, certificate })
    }
}

/// There are no tickets and no session cache: a TURN client seldom returns.
fn config(certificate: Arc<Certificate>, protocols: Vec<Vec<u8>>) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(certificate);
    config.alpn_protocols = protocols;
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
#[derive(Debug, Default)]
pub(crate) struct Certificate {
    /// `None` until an authority has issued the first.
    current: RwLock<Option<Current>>,
    failures: AtomicU64,
}

#[derive(Debug)]
struct Current {
    key: Arc<CertifiedKey>,
    /// Read once; `None` for the certificate of a challenge.
    validity: Option<Validity>,
}

impl Certificate {
    /// Uses a certificate with its intermediates and its key, both PEM. An error keeps the current one.
    pub(crate) fn replace(&self, chain: &[u8], key: &[u8]) -> anyhow::Result<()> {
        let fresh = parse(chain, key)?;
        let validity = validity(&fresh)?;
        self.keep(fresh, Some(validity));
        Ok(())
    }

    /// Uses the certificate by which an authority checks the name.
    pub(crate) fn show(&self, challenge: CertifiedKey) {
        self.keep(challenge, None);
    }

    fn keep(&self, key: CertifiedKey, validity: Option<Validity>) {
        let current = Current { key: Arc::new(key), validity };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(current);
    }

    pub(crate) fn validity(&self) -> Option<Validity> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).as_ref()?.validity
    }

    /// False before the first certificate and once it has expired.
    pub(crate) fn is_valid(&self) -> bool {
        self.validity().is_some_and(|validity| acme::now_s() < validity.ends_at_s)
    }

    /// The number of orders and of changed files that brought no certificate.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    pub(crate) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map(|current| Arc::clone(&current.key))
    }
}

impl Files {
    pub(crate) fn read(&self, certificate: &Certificate) -> anyhow::Result<()> {
        let read = || certificate.replace(&read_file(&self.certificate)?, &read_file(&self.key)?);
        read().with_context(|| format!("reading {}", self.certificate.display()))
    }

    /// Reads the files again on SIGHUP and whenever they have changed. An error keeps the current certificate.
    pub(crate) async fn watch(self, certificate: Arc<Certificate>) {
        let mut hangup = match signal(SignalKind::hangup()) {
            Ok(hangup) => hangup,
            Err(error) => return tracing::error!(%error, "cannot listen for SIGHUP"),
        };
        let mut known = self.changed_at();
        loop {
            let asked = tokio::select! {
                _ = hangup.recv() => true,
                () = sleep(LOOK_INTERVAL) => false,
            };
            let changed_at = self.changed_at();
            if !asked && changed_at == known {
                continue;
            }
            match self.read(&certificate) {
                Ok(()) => {
                    known = changed_at;
                    tracing::info!("read the TLS certificate");
                }
                // The key may be written after the certificate: the next check reads both again.
                Err(error) => {
                    certificate.count_failure();
                    tracing::warn!("keeping the previous TLS certificate: {error:#}");
                }
            }
        }
    }

    fn changed_at(&self) -> [Option<SystemTime>; 2] {
        [&self.certificate, &self.key].map(|path| std::fs::metadata(path).and_then(|data| data.modified()).ok())
    }
}

fn parse(chain: &[u8], key: &[u8]) -> anyhow::Result<CertifiedKey> {
    let chain =
        CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>().context("reading the chain as PEM")?;
    if chain.is_empty() {
        bail!("no certificate");
    }
    let key = PrivateKeyDer::from_pem_slice(key).context("reading the key")?;
    let provider = CryptoProvider::get_default().context("no TLS provider")?;
    CertifiedKey::from_der(chain, key, provider).context("the certificate and the key do not belong together")
}

fn validity(certificate: &CertifiedKey) -> anyhow::Result<Validity> {
    let (_, read) = X509Certificate::from_der(certificate.end_entity_cert()?).context("reading the certificate")?;
    let seconds = |time: ASN1Time| u64::try_from(time.timestamp()).unwrap_or(0);
    let validity = read.validity();
    Ok(Validity { begins_at_s: seconds(validity.not_before), ends_at_s: seconds(validity.not_after) })
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
