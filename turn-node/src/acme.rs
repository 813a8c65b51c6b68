//! Certificates by ACME (RFC 8555): the authority connects to this node's name on port 443 and asks for a special
//! certificate (TLS-ALPN-01, RFC 8737), so nothing but TURN over TLS must be reachable.

mod order;

use crate::tls::Certificate;
use anyhow::{Context, Result, anyhow, bail};
use node_core::renewal::Renewal;
use order::Authority;
use std::fs::{DirBuilder, File, Permissions, set_permissions};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::{sleep, timeout};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use turn_core::limits;

const PRIVATE: u32 = 0o700;
/// Longest time for an order. Let's Encrypt takes seconds; an authority that stops answering must not hold up the next
/// order.
const ORDER_TIME_MAX: Duration = Duration::from_secs(300);
/// Longest sleep before the clock is read again: it may be set, and the host may have been suspended.
const SLEEP_MAX: Duration = Duration::from_secs(3_600);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The authority's directory, an `https://` URL.
    pub(crate) directory: String,
    /// The name in the certificate.
    pub(crate) name: String,
    /// An e-mail address for the authority.
    pub(crate) contact: Option<String>,
    /// The folder for the account's key, the certificate and its key.
    pub(crate) state: PathBuf,
    /// PEM file with the roots of a private authority; `None` for the public ones.
    pub(crate) roots: Option<PathBuf>,
    /// The shortest pause after a failed order.
    pub(crate) retry: Duration,
}

/// Orders a certificate, unless the folder has a current one, and orders the next one in time, as long as the runtime
/// lives. Returns the certificate for the authority's own connections.
pub(crate) fn start(settings: Settings, certificate: Arc<Certificate>) -> Result<Arc<Certificate>> {
    make_private(&settings.state).with_context(|| format!("creating {}", settings.state.display()))?;
    let seed = getrandom::u64().context("asking the operating system for randomness")?;
    let renewal = Renewal::new(settings.retry, seed);
    let challenge = Arc::new(Certificate::default());
    let authority = Authority::new(settings, Arc::clone(&challenge))?;
    tokio::spawn(async move {
        authority.use_stored(&certificate).await;
        keep(&certificate, renewal, || authority.order()).await;
    });
    Ok(challenge)
}

/// Orders certificates in time, and repeats failed orders after longer and longer pauses.
async fn keep<O>(certificate: &Certificate, mut renewal: Renewal, order: impl Fn() -> O)
where
    O: Future<Output = Result<Vec<u8>>>,
{
    loop {
        sleep_until_due(certificate).await;
        let ordered = timeout(ORDER_TIME_MAX, order()).await;
        let ordered = ordered.unwrap_or_else(|_| Err(anyhow!("the authority took longer than {ORDER_TIME_MAX:?}")));
        let pause = match ordered.and_then(|pem| certificate.replace(&pem, &pem)) {
            Ok(()) => {
                tracing::info!("using a new TLS certificate");
                renewal.succeeded()
            }
            Err(error) => {
                certificate.count_failure();
                let pause = renewal.failed();
                tracing::warn!(retry_s = pause.as_secs(), "no new TLS certificate: {error:#}");
                pause
            }
        };
        sleep(pause).await;
    }
}

async fn sleep_until_due(certificate: &Certificate) {
    loop {
        let due_in = Renewal::due_in(now_s(), certificate.validity());
        if due_in.is_zero() {
            return;
        }
        sleep(due_in.min(SLEEP_MAX)).await;
    }
}

pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Creates the folder, which contains private keys, and closes an existing one to other users.
fn make_private(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(PRIVATE).create(folder)?;
    set_permissions(folder, Permissions::from_mode(PRIVATE))
}

/// The settings of connections to the authority; without a file the public roots are trusted.
fn trusting(path: Option<&Path>) -> Result<Arc<ClientConfig>> {
    let Some(path) = path else {
        let roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        return Ok(client(roots));
    };
    let mut bytes = Vec::new();
    let opened = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    opened.take(limits::TLS_FILE_BYTES_MAX).read_to_end(&mut bytes).context("reading the roots")?;
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(&bytes) {
        let root = root.with_context(|| format!("reading {} as PEM", path.display()))?;
        roots.add(root).with_context(|| format!("{} has an unusable root", path.display()))?;
    }
    if roots.is_empty() {
        bail!("{} has no certificate", path.display());
    }
    Ok(client(roots))
}

fn client(roots: RootCertStore) -> Arc<ClientConfig> {
    Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use std::cell::Cell;
    use std::future::{pending, ready};
    use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;

    const HOUR: Duration = Duration::from_secs(3_600);

    /// The number of orders in `time`, and of failures that were counted.
    async fn orders<O: Future<Output = Result<Vec<u8>>>>(time: Duration, order: impl Fn() -> O) -> (u64, u64) {
        let _another_test_was_first = default_provider().install_default();
        let (certificate, count) = (Certificate::default(), Cell::new(0));
        let renewal = Renewal::new(Duration::from_secs(60), 1);
        let counted = || {
            count.set(count.get() + 1);
            order()
        };
        let ended = timeout(time, keep(&certificate, renewal, counted)).await;
        assert!(ended.is_err(), "it never ends");
        (count.get(), certificate.failures())
    }

    #[tokio::test(start_paused = true)]
    async fn an_authority_that_stops_answering_is_asked_again() {
        let (ordered, failed) = orders(ORDER_TIME_MAX - Duration::from_secs(1), pending).await;
        assert_eq!((ordered, failed), (1, 0), "an order may take some time");
        let (ordered, failed) = orders(4 * HOUR, pending).await;
        assert!(ordered >= 8 && failed >= ordered - 1, "{ordered} orders, {failed} failures");
    }

    #[tokio::test(start_paused = true)]
    async fn a_wrong_clock_orders_no_certificate_after_the_other() {
        let mut wanted = CertificateParams::new(["turn.example.org".to_owned()]).expect("a name");
        // This host's clock is years ahead of the authority's.
        (wanted.not_before, wanted.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2001, 4, 1));
        let key = KeyPair::generate().expect("a key");
        let pem = [key.serialize_pem(), wanted.self_signed(&key).expect("a certificate").pem()].concat();
        let (ordered, failed) = orders(24 * HOUR, || ready(Ok(pem.clone().into_bytes()))).await;
        assert!((1..=5).contains(&ordered) && failed == 0, "{ordered} orders, {failed} failures");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_order_and_a_useless_answer_are_repeated_with_pauses() {
        for answer in [Err("refused"), Ok("no certificate")] {
            let order = || ready(answer.map(|text| text.as_bytes().to_vec()).map_err(|refused| anyhow!(refused)));
            let (ordered, failed) = orders(HOUR, order).await;
            assert!((5..=8).contains(&ordered) && failed == ordered, "{ordered} orders, {failed} failures");
        }
    }

    #[test]
    fn the_folder_of_keys_is_private_even_if_it_was_not() {
        let folder = std::env::temp_dir().join(format!("rotunda-acme-{}", std::process::id()));
        let mode = || std::fs::metadata(&folder).expect("a folder").permissions().mode() & 0o777;
        make_private(&folder).expect("creates");
        assert_eq!(mode(), PRIVATE);
        set_permissions(&folder, Permissions::from_mode(0o755)).expect("opens");
        make_private(&folder).expect("closes");
        assert_eq!(mode(), PRIVATE);
        std::fs::remove_dir(&folder).expect("removes");
    }
}
