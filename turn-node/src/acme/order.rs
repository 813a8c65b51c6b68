//! One order: account, authorization, certificate (RFC 8555 §7). The caller bounds its time.

use super::Settings;
use crate::tls::Certificate;
use anyhow::{Context, Result, bail};
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use rustls_acme::acme::{Account, AuthStatus, Directory, OrderStatus, Problem};
use rustls_acme::caches::DirCache;
use rustls_acme::{AccountCache, CertCache};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use tokio_rustls::rustls::ClientConfig;

const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The authority, with this node's account.
pub(super) struct Authority {
    client: Arc<ClientConfig>,
    directory: String,
    names: Vec<String>,
    contact: Vec<String>,
    stored: DirCache<PathBuf>,
    /// The certificate for the connections by which the authority checks the name.
    challenge: Arc<Certificate>,
}

impl Authority {
    pub(super) fn new(settings: Settings, challenge: Arc<Certificate>) -> Result<Self> {
        let Settings { directory, name, contact, state, roots, retry: _ } = settings;
        Ok(Self {
            client: super::trusting(roots.as_deref())?,
            directory,
            names: vec![name],
            contact: contact.iter().map(|address| format!("mailto:{address}")).collect(),
            stored: DirCache::new(state),
            challenge,
        })
    }

    /// Uses the certificate of an earlier start.
    pub(super) async fn use_stored(&self, certificate: &Certificate) {
        let stored = self.stored.load_cert(&self.names, &self.directory).await;
        let used = stored.context("reading it").and_then(|pem| match pem {
            Some(pem) => certificate.replace(&pem, &pem).map(|()| true),
            None => Ok(false),
        });
        match used {
            Ok(true) => tracing::info!("using the stored TLS certificate"),
            Ok(false) => {}
            Err(error) => tracing::warn!("cannot use the stored TLS certificate: {error:#}"),
        }
    }

    /// Orders a certificate; returns and stores it with its intermediates and its key.
    pub(super) async fn order(&self) -> Result<Vec<u8>> {
        let client = &self.client;
        let directory = Directory::discover(client, &self.directory).await.context("reading the directory")?;
        let account_key = self.account_key().await?;
        let account = Account::create_with_keypair(client, directory, &self.contact, &account_key);
        let account = account.await.context("registering the account")?;
        let mut wanted = CertificateParams::new(self.names.clone())?;
        wanted.distinguished_name = DistinguishedName::new();
        let key = KeyPair::generate().context("generating a key")?;
        let request = wanted.serialize_request(&key)?;
        let (url, mut order) = account.new_order(client, self.names.clone()).await.context("ordering")?;
        let chain = loop {
            match order.status {
                OrderStatus::Pending => {
                    for authorization in &order.authorizations {
                        self.authorize(&account, authorization).await?;
                    }
                }
                OrderStatus::Ready => {
                    order = account.finalize(client, order.finalize, request.der()).await.context("finalizing")?;
                    continue;
                }
                OrderStatus::Processing => sleep(POLL_INTERVAL).await,
                OrderStatus::Valid { certificate } => {
                    break account.certificate(client, certificate).await.context("fetching the certificate")?;
                }
                OrderStatus::Invalid => bail!("the authority refused the order: {}", reason(order.error.as_ref())),
            }
            order = account.order(client, &url).await.context("reading the order")?;
        };
        let pem = [key.serialize_pem(), chain].join("\n").into_bytes();
        if let Err(error) = self.stored.store_cert(&self.names, &self.directory, &pem).await {
            tracing::warn!(%error, "cannot store the TLS certificate: the next start orders another one");
        }
        Ok(pem)
    }

    /// Proves to the authority that the name is this node's.
    async fn authorize(&self, account: &Account, url: &str) -> Result<()> {
        let mut is_asked = false;
        loop {
            let authorization = account.auth(&self.client, url).await.context("reading the authorization")?;
            match authorization.status {
                AuthStatus::Valid => return Ok(()),
                AuthStatus::Pending if is_asked => {}
                AuthStatus::Pending => {
                    let name = self.names.concat();
                    let (challenge, shown) = account.tls_alpn_01(&authorization.challenges, name)?;
                    self.challenge.show(shown);
                    account.challenge(&self.client, &challenge.url).await.context("answering the challenge")?;
                    is_asked = true;
                }
                AuthStatus::Invalid | AuthStatus::Revoked | AuthStatus::Expired | AuthStatus::Deactivated => {
                    let errors = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref());
                    bail!("the authority did not find this node at {}: {}", self.names.concat(), reason(errors));
                }
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// The stored key of the account, or a fresh one.
    async fn account_key(&self) -> Result<Vec<u8>> {
        let stored = self.stored.load_account(&self.contact, &self.directory).await;
        if let Some(key) = stored.context("reading the key of the account")? {
            return Ok(key);
        }
        let fresh = Account::generate_key_pair();
        // Without it each start would register an account, of which authorities admit few.
        let stored = self.stored.store_account(&self.contact, &self.directory, &fresh).await;
        stored.context("storing the key of the account")?;
        Ok(fresh)
    }
}

fn reason(problem: Option<&Problem>) -> &str {
    problem.and_then(|problem| problem.detail.as_deref()).unwrap_or("it named no reason")
}
