//! Certificates by ACME (RFC 8555): the authority connects to this node's name on port 443 and asks for a special
//! certificate (TLS-ALPN-01, RFC 8737), so nothing but TURN over TLS must be reachable.

use crate::tls::Tls;
use anyhow::{Context, Result, bail};
use futures_util::StreamExt;
use rustls_acme::caches::DirCache;
use rustls_acme::{AcmeConfig, EventOk};
use std::fs::{DirBuilder, File, Permissions, set_permissions};
use std::io::Read;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use turn_core::limits;

const PRIVATE: u32 = 0o700;

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
}

/// Orders a certificate, unless the folder has a current one, and orders the next one in time, as long as the runtime
/// lives. Failed orders are repeated after longer and longer pauses.
pub(crate) fn start(settings: &Settings) -> Result<Tls> {
    make_private(&settings.state).with_context(|| format!("creating {}", settings.state.display()))?;
    let mut config = AcmeConfig::new([&settings.name]).directory(&settings.directory);
    if let Some(roots) = &settings.roots {
        config = config.client_tls_config(trusting(roots)?);
    }
    let contact = settings.contact.iter().map(|address| format!("mailto:{address}"));
    let mut orders = config.contact(contact).cache(DirCache::new(settings.state.clone())).state();
    let tls = Tls::new(orders.resolver(), Some(orders.challenge_rustls_config()));
    tokio::spawn(async move {
        while let Some(event) = orders.next().await {
            match event {
                Ok(EventOk::DeployedCachedCert) => tracing::info!("using the stored TLS certificate"),
                Ok(EventOk::DeployedNewCert) => tracing::info!("using a new TLS certificate"),
                Ok(EventOk::CertCacheStore | EventOk::AccountCacheStore) => {}
                Err(error) => tracing::warn!(%error, "there is no new TLS certificate"),
            }
        }
    });
    Ok(tls)
}

/// Creates the folder, which contains private keys, and closes an existing one to other users.
fn make_private(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(PRIVATE).create(folder)?;
    set_permissions(folder, Permissions::from_mode(PRIVATE))
}

fn trusting(path: &Path) -> Result<Arc<ClientConfig>> {
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
    Ok(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
