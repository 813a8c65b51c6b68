//! DTLS 1.2 and 1.3 (RFC 6347, RFC 9147) with the SRTP keys it negotiates (RFC 5764).

use aws_lc_rs::digest;
use shared::rtp_parameters::Fingerprint;
use std::sync::Arc;

/// The node's certificate, the same for all its sessions.
#[derive(Clone)]
pub struct Identity {
    certificate: dimpl::DtlsCertificate,
    fingerprint: Fingerprint,
    config: Arc<dimpl::Config>,
}

/// The certificate cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("DTLS does not take this configuration")]
pub struct IdentityError(#[from] dimpl::Error);

impl Identity {
    /// Takes a self-signed certificate and its PKCS#8 private key, both in DER: ECDSA on P-256 or P-384.
    pub fn new(certificate_der: Vec<u8>, private_key_der: Vec<u8>) -> Result<Self, IdentityError> {
        let fingerprint = fingerprint(&certificate_der);
        let certificate = dimpl::DtlsCertificate { certificate: certificate_der, private_key: private_key_der };
        // ICE has verified the address already: a cookie would cost a round trip and protect nothing.
        let config = dimpl::Config::builder().use_server_cookie(false).build()?;
        Ok(Self { certificate, fingerprint, config: Arc::new(config) })
    }

    /// What clients are told to expect (RFC 8122).
    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The private key is a secret.
        f.debug_struct("Identity").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

/// SHA-256 of a DER certificate.
fn fingerprint(certificate_der: &[u8]) -> Fingerprint {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, certificate_der).as_ref());
    Fingerprint(bytes)
}
