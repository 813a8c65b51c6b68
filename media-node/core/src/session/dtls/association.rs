//! One handshake of the DTLS library and its result.

use super::super::srtp::{self, Opener, Profile, Sealer, Side};
use super::error::DtlsError;
use super::gate::{Admission, Gate};
use super::identity;
use shared::rtp_parameters::Fingerprint;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Initial size of the buffer for datagrams: more than our MTU.
const BUFFER_BYTES: usize = 2_048;
/// Largest size that one poll may request: a whole record (RFC 6347 §4.1).
const BUFFER_BYTES_MAX: usize = 1 << 15;

/// A client without a suitable certificate says so again after 1 s and 3 s (RFC 6347 §4.2.4.1). Such messages may be
/// forged; the client's certificate arrives before, even if its first flight was lost.
const WITHOUT_CERTIFICATE_FOR: Duration = Duration::from_millis(2_500);

pub(super) struct Association {
    dtls: dimpl::Dtls,
    gate: Gate,
    /// The client first said then that it has no suitable certificate.
    without_certificate: Option<Instant>,
    has_unsupported: bool,
    is_peer_right: bool,
    is_connected: bool,
    /// False once the library has given up or the other side has closed.
    is_alive: bool,
    keys: Option<(Opener, Sealer, Profile)>,
    deadline: Option<Instant>,
}

impl Association {
    pub(super) fn new(dtls: dimpl::Dtls) -> Self {
        Self {
            dtls,
            gate: Gate::default(),
            without_certificate: None,
            has_unsupported: false,
            is_peer_right: false,
            is_connected: false,
            is_alive: true,
            keys: None,
            deadline: None,
        }
    }

    pub(super) const fn is_connected(&self) -> bool {
        self.is_connected
    }

    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The keys of a complete handshake, once.
    pub(super) fn take_keys(&mut self) -> Option<(Opener, Sealer, Profile)> {
        self.keys.take()
    }

    /// Takes a datagram that may be forged, as a server in a handshake; false if it was invalid here.
    pub(super) fn handle_unproven(&mut self, now: Instant, remotes: &[Fingerprint], datagram: &[u8]) -> bool {
        let is_dtls_12 = self.dtls.protocol_version() == Some(dimpl::ProtocolVersion::DTLS1_2);
        match self.gate.admit(remotes, is_dtls_12, datagram) {
            Admission::Admitted => self.handle_datagram(now, datagram),
            Admission::Held => true,
            Admission::Refused => false,
            Admission::WithoutCertificate => {
                let since = *self.without_certificate.get_or_insert(now);
                self.has_unsupported |= now >= since + WITHOUT_CERTIFICATE_FOR;
                false
            }
            Admission::Released(datagrams) => {
                datagrams.iter().filter(|datagram| self.handle_datagram(now, datagram)).count() > 0
            }
        }
    }

    pub(super) fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> bool {
        let in_time = self.dtls.handle_timeout(now);
        let taken = self.dtls.handle_packet(datagram);
        // RFC 6347 §4.1.2.7: unauthentic records are dropped, since anybody may have sent them; a handshake
        // that cannot continue ends by its own timer. Only authentic records can end the association.
        let is_ended = self.is_connected && taken.as_ref().is_err_and(is_final);
        // In DTLS 1.3 the message is encrypted, and in 1.2 it does not pass the gate.
        self.has_unsupported |= taken.as_ref().is_err_and(is_without_certificate);
        self.is_alive &= in_time.is_ok() && !is_ended;
        taken.is_ok()
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.is_alive &= self.dtls.handle_timeout(now).is_ok();
    }

    /// Handles all of the library's output.
    pub(super) fn poll(
        &mut self,
        remotes: &[Fingerprint],
        side: Side,
        datagrams: &mut VecDeque<Vec<u8>>,
    ) -> Result<(), DtlsError> {
        let was_connected = self.is_connected;
        let polled = self.poll_library(remotes, side, datagrams);
        if self.has_unsupported {
            return Err(DtlsError::UnsupportedCertificate);
        }
        self.deadline = Some(polled?);
        match (self.is_alive, was_connected) {
            (true, _) => Ok(()),
            (false, true) => Err(DtlsError::Closed),
            (false, false) if self.gate.saw_wrong() => Err(DtlsError::WrongFingerprint),
            (false, false) => Err(DtlsError::Handshake),
        }
    }

    /// Returns the time of the library's next call.
    fn poll_library(
        &mut self,
        remotes: &[Fingerprint],
        side: Side,
        datagrams: &mut VecDeque<Vec<u8>>,
    ) -> Result<Instant, DtlsError> {
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match self.dtls.poll_output(&mut buffer) {
                dimpl::Output::Packet(datagram) => datagrams.push_back(datagram.to_vec()),
                dimpl::Output::BufferTooSmall { needed } if needed <= BUFFER_BYTES_MAX => buffer.resize(needed, 0),
                dimpl::Output::BufferTooSmall { .. } => return Err(DtlsError::Handshake),
                dimpl::Output::Timeout(at) => return Ok(at),
                dimpl::Output::PeerCert(certificate) => {
                    self.is_peer_right = remotes.contains(&identity::fingerprint(certificate));
                    if !self.is_peer_right {
                        return Err(DtlsError::WrongFingerprint);
                    }
                    self.has_unsupported |= dimpl::crypto::cert_named_group(certificate).is_err();
                }
                // RFC 5763 §5: no media before the fingerprint is known to be the announced one.
                dimpl::Output::KeyingMaterial(_, _) if !self.is_peer_right => return Err(DtlsError::WrongFingerprint),
                dimpl::Output::KeyingMaterial(material, profile) => self.keys = keys(&material, profile, side),
                dimpl::Output::Connected if !self.is_peer_right => return Err(DtlsError::WrongFingerprint),
                dimpl::Output::Connected => self.is_connected = true,
                dimpl::Output::CloseNotify => return Err(DtlsError::Closed),
                // Data channels are not offered, and the library's enum may grow.
                _ => {}
            }
        }
    }

    #[cfg(test)]
    pub(super) fn close(&mut self) {
        self.dtls.close().expect("connected");
    }
}

/// True if the error means that the other side has ended the association.
fn is_final(error: &dimpl::Error) -> bool {
    let is_alert = |error: &dimpl::SecurityError| matches!(error, dimpl::SecurityError::FatalAlert { .. });
    match error {
        dimpl::Error::ConnectionClosed => true,
        dimpl::Error::SecurityError(error) => is_alert(error),
        _ => false,
    }
}

fn is_without_certificate(error: &dimpl::Error) -> bool {
    matches!(error, dimpl::Error::CertificateError(dimpl::CertificateError::NoClientCertificateReceived))
}

fn keys(material: &[u8], profile: dimpl::SrtpProfile, side: Side) -> Option<(Opener, Sealer, Profile)> {
    let profile = match profile {
        dimpl::SrtpProfile::AEAD_AES_128_GCM => Profile::AeadAes128Gcm,
        dimpl::SrtpProfile::AEAD_AES_256_GCM => Profile::AeadAes256Gcm,
        dimpl::SrtpProfile::AES128_CM_SHA1_80 => Profile::Aes128CmSha1_80,
        _ => return None,
    };
    let (opener, sealer) = srtp::contexts(profile, material, side)?;
    Some((opener, sealer, profile))
}
