//! HS256 (RFC 7518 §3.2), the only algorithm of Rotunda's tokens. The implementation in `jsonwebtoken` would also bring
//! RSA and elliptic curves, which enlarge the Worker.

use hmac::{Hmac, Mac};
use jsonwebtoken::crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{ErrorKind, Result};
use jsonwebtoken::signature::{Error, Signer, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use sha2::Sha256;

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| Ok(Box::new(Hs256::new(*algorithm, key.family(), || Ok(key.as_bytes()))?)),
    verifier_factory: |algorithm, key| Ok(Box::new(Hs256::new(*algorithm, key.family(), || key.try_get_as_bytes())?)),
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes `jsonwebtoken` use this module; must run before signing or verifying. Idempotent.
pub(super) fn install() {
    let _said_before = PROVIDER.install_default();
}

/// The MAC of a message (RFC 2104).
pub(super) fn code(secret: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    Some(mac.chain_update(message).finalize().into_bytes().to_vec())
}

struct Hs256(Hmac<Sha256>);

impl Hs256 {
    fn new<'a>(
        algorithm: Algorithm,
        family: AlgorithmFamily,
        secret: impl FnOnce() -> Result<&'a [u8]>,
    ) -> Result<Self> {
        if algorithm != Algorithm::HS256 || family != AlgorithmFamily::Hmac {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        let mac = Hmac::new_from_slice(secret()?).map_err(|_| ErrorKind::InvalidKeyFormat)?;
        Ok(Self(mac))
    }
}

impl Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, Error> {
        Ok(self.0.clone().chain_update(message).finalize().into_bytes().to_vec())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), Error> {
        // In constant time.
        self.0.clone().chain_update(message).verify_slice(signature).map_err(Error::from_source)
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{DecodingKey, EncodingKey};

    /// RFC 7515 §A.1.
    const KEY: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    const MESSAGE: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    const SIGNATURE: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

    fn secret() -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(KEY).expect("base64")
    }

    #[test]
    fn signs_and_checks_as_the_rfc_does() {
        install();
        let (signing, checking) = (EncodingKey::from_secret(&secret()), DecodingKey::from_secret(&secret()));
        let sign = |algorithm| jsonwebtoken::crypto::sign(MESSAGE.as_bytes(), &signing, algorithm);
        let check = |signature: &str, algorithm| {
            jsonwebtoken::crypto::verify(signature, MESSAGE.as_bytes(), &checking, algorithm).unwrap_or(false)
        };
        assert_eq!(sign(Algorithm::HS256).expect("signs"), SIGNATURE);
        assert!(check(SIGNATURE, Algorithm::HS256));
        assert!(!check(&SIGNATURE.replace('d', "e"), Algorithm::HS256));
        assert!(!check(&SIGNATURE[..42], Algorithm::HS256));
        for other in [Algorithm::HS384, Algorithm::HS512, Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
            assert!(sign(other).is_err(), "{other:?}");
            assert!(!check(SIGNATURE, other), "{other:?}");
        }
    }

    #[test]
    fn codes_are_those_of_the_rfc() {
        assert_eq!(code(&secret(), MESSAGE.as_bytes()), URL_SAFE_NO_PAD.decode(SIGNATURE).ok());
    }
}
