//! The node's certificate, and the parameters of its handshakes.

use super::client_hello::Version;
use aws_lc_rs::digest;
use shared::rtp_parameters::Fingerprint;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// First wait before a flight is sent again. RFC 6347 §4.2.4.1 suggests 1 s without a measured round trip; ICE has just
/// measured one, and a lost flight should not cost a joining viewer a second.
const RETRANSMIT_AFTER: Duration = Duration::from_millis(250);
/// Doubling from 250 ms, this is 32 s in all: as long as consent lasts.
const RETRANSMITS_MAX: usize = 7;
/// A client that has not finished by now never will.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// The node's certificate, the same for all its sessions; cloning is cheap.
#[derive(Clone)]
pub struct Identity(Arc<Inner>);

struct Inner {
    certificate: dimpl::DtlsCertificate,
    fingerprint: Fingerprint,
    config: Arc<dimpl::Config>,
}

/// The certificate is unusable.
#[derive(Debug, thiserror::Error)]
#[error("DTLS does not take this configuration")]
pub struct IdentityError(#[from] dimpl::Error);

impl Identity {
    /// Takes a self-signed certificate and its PKCS#8 private key, both in DER: ECDSA on P-256 or P-384.
    pub fn new(certificate_der: Vec<u8>, private_key_der: Vec<u8>) -> Result<Self, IdentityError> {
        Self::with(certificate_der, private_key_der, dimpl::Config::builder())
    }

    /// Like [`Self::new`], with timer jitter derived from a seed. For a virtual network only: the unencrypted
    /// randomness of DTLS then repeats (keys do not).
    pub fn simulated(certificate_der: Vec<u8>, private_key_der: Vec<u8>, seed: u64) -> Result<Self, IdentityError> {
        Self::with(certificate_der, private_key_der, dimpl::Config::builder().dangerously_set_rng_seed(seed))
    }

    fn with(
        certificate_der: Vec<u8>,
        private_key_der: Vec<u8>,
        builder: dimpl::ConfigBuilder,
    ) -> Result<Self, IdentityError> {
        let config = builder
            // ICE has verified the address already, and a cookie would cost each join a round trip.
            .use_server_cookie(false)
            .flight_start_rto(RETRANSMIT_AFTER)
            .flight_retries(RETRANSMITS_MAX)
            .handshake_timeout(HANDSHAKE_TIMEOUT)
            .build()?;
        Ok(Self(Arc::new(Inner {
            fingerprint: fingerprint(&certificate_der),
            certificate: dimpl::DtlsCertificate { certificate: certificate_der, private_key: private_key_der },
            config: Arc::new(config),
        })))
    }

    /// The digest announced to clients (RFC 8122).
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint
    }

    /// One end of an association, initially in the server role.
    pub(super) fn dtls(&self, version: Version, now: Instant) -> dimpl::Dtls {
        let (config, certificate) = (self.0.config.clone(), self.0.certificate.clone());
        match version {
            Version::Dtls12 => dimpl::Dtls::new_12(config, certificate, now),
            Version::Any => dimpl::Dtls::new_auto(config, certificate, now),
        }
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The private key is a secret.
        f.debug_struct("Identity").field("fingerprint", &self.0.fingerprint).finish_non_exhaustive()
    }
}

/// SHA-256 of a DER certificate.
pub(super) fn fingerprint(certificate_der: &[u8]) -> Fingerprint {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, certificate_der).as_ref());
    Fingerprint(bytes)
}
