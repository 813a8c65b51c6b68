//! The node's certificate for its clients: created at startup, announced through the edge.

use anyhow::Context;
use media_core::session::dtls::Identity;

/// Creates a self-signed ECDSA certificate on P-256. Clients check only its fingerprint (RFC 8827 §6.5), so its names
/// and dates mean nothing, and a restart may create another.
pub(crate) fn make() -> anyhow::Result<Identity> {
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).context("generating a key")?;
    let certificate = rcgen::CertificateParams::default().self_signed(&key).context("generating a certificate")?;
    Identity::new(certificate.der().to_vec(), key.serialize_der()).context("loading the certificate")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_start_makes_another() {
        let fingerprint = || make().expect("a certificate").fingerprint();
        assert_ne!(fingerprint(), fingerprint());
    }
}
