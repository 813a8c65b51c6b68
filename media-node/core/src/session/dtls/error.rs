//! The reasons for the end of an association.

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DtlsError {
    #[error("closed by the other side")]
    Closed,
    /// The other side's certificate is not the announced one.
    #[error("the certificate is not the one that was announced")]
    WrongFingerprint,
    #[error("no SRTP profile in common")]
    NoSrtpProfile,
    /// The DTLS library verifies ECDSA on P-256 and P-384.
    #[error("the certificate is missing or not ECDSA on P-256 or P-384")]
    UnsupportedCertificate,
    /// Any other fatal DTLS error.
    #[error("the handshake failed")]
    Handshake,
}
