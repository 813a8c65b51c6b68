//! Parameters that a node receives instead of SDP: transport, sections, codecs, header extensions, encodings.

use crate::ids::{Mid, ParticipantId, SessionId};
use crate::token::Bandwidth;
use crate::trace::Trace;
use serde::{Deserialize, Serialize};

/// Everything a node needs to serve one client's transport; a newer value replaces an older one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub session: SessionId,
    /// For logs and metrics only.
    pub participant: ParticipantId,
    /// For logs and traces only: the client's attempt to join.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Trace>,
    /// ICE credentials. Changed credentials mean an ICE restart (RFC 8445 §9).
    pub ice: IceParameters,
    /// Digest of the client's certificate (RFC 8122). The node is always the DTLS server.
    pub client_fingerprint: Fingerprint,
    /// Digests of alternative certificates, any of which the client may use instead (RFC 8122 §5).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_fingerprints: Vec<Fingerprint>,
    /// The media sections, in the order of the offer.
    pub sections: Vec<Section>,
    /// The limits on the participant's media.
    #[serde(default, skip_serializing_if = "Bandwidth::is_unlimited")]
    pub bandwidth: Bandwidth,
}

impl Session {
    /// Digests of all certificates that the client may use.
    pub fn fingerprints(&self) -> impl Iterator<Item = Fingerprint> {
        std::iter::once(self.client_fingerprint).chain(self.other_fingerprints.iter().copied())
    }
}

/// ICE credentials of both sides (RFC 8839 §5.4).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceParameters {
    /// Chosen by the edge.
    pub node_ufrag: String,
    /// Chosen by the edge.
    pub node_pwd: String,
    pub client_ufrag: String,
    /// The node uses it to check that the client answers at an address (RFC 7675); empty if the edge does not know it.
    #[serde(default)]
    pub client_pwd: String,
}

impl std::fmt::Debug for IceParameters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The passwords are secrets.
        f.debug_struct("IceParameters").field("node_ufrag", &self.node_ufrag).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MediaKind {
    Audio,
    Video,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flow {
    /// A published section.
    ClientToNode,
    /// A receive slot.
    NodeToClient,
    /// Nothing flows.
    Inactive,
}

/// One media section (RFC 8866 §5.14) as a node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    /// Its identification tag.
    pub mid: Mid,
    pub kind: MediaKind,
    pub flow: Flow,
    /// The negotiated codecs, most preferred first; a slot receives the codec that its track uses.
    pub codecs: Vec<Codec>,
    /// Negotiated header extension ids.
    pub extensions: HeaderExtensions,
    /// Published: the announced streams; with simulcast one for each layer, in the order of the offer, which our
    /// clients start with the lowest layer. Slot: the one stream for which the edge chose the SSRCs.
    pub encodings: Vec<Encoding>,
    /// Published: the CSRC that identifies this track in every slot in which it plays. Slot: 0.
    pub csrc: u32,
}

/// A codec that Rotunda forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodecName {
    Opus,
    /// Opus with redundant copies of earlier packets (RFC 2198).
    Red,
    /// RFC 7741.
    Vp8,
    /// RFC 6184 in packetization mode 1, profile `42e01f`.
    H264ConstrainedBaseline,
    /// The same, profile `4d0032`.
    H264Main,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Codec {
    pub name: CodecName,
    /// Its payload type in this session, 0 to 127.
    pub payload_type: u8,
    /// Payload type of its retransmissions (RFC 4588), if negotiated.
    pub rtx_payload_type: Option<u8>,
    /// Ticks of the RTP timestamp per second.
    pub clock_rate: u32,
}

/// Ids of the header extensions (RFC 8285) of a section, 1 to 255.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderExtensions {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid` (RFC 9143).
    pub mid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id` (RFC 8852).
    pub rid: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id` (RFC 8852).
    pub repaired_rid: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time`.
    pub abs_send_time: Option<u8>,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`.
    pub transport_cc: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level` (RFC 6464).
    pub audio_level: Option<u8>,
    /// `urn:3gpp:video-orientation`.
    pub video_orientation: Option<u8>,
}

/// One RTP stream of a section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoding {
    /// `None` if not announced.
    pub ssrc: Option<u32>,
    /// SSRC of the retransmission stream; `None` if not announced.
    pub rtx_ssrc: Option<u32>,
    /// The RTP stream id (RFC 8851).
    pub rid: Option<String>,
}

/// SHA-256 digest of a DER certificate (RFC 8122 §5), in JSON as `AB:CD:…`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint(pub [u8; 32]);

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sha-256 fingerprint has 32 bytes in hexadecimal, separated by colons")]
pub struct FingerprintError;

impl Fingerprint {
    /// Reads `AB:CD:…`, in either case.
    pub fn parse(text: &str) -> Result<Self, FingerprintError> {
        let mut bytes = [0; 32];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().ok_or(FingerprintError)?;
            // `from_str_radix` would accept a sign.
            if part.len() != 2 || !part.bytes().all(|b| b.is_ascii_hexdigit()) {
                return Err(FingerprintError);
            }
            *byte = u8::from_str_radix(part, 16).map_err(|_| FingerprintError)?;
        }
        if parts.next().is_some() {
            return Err(FingerprintError);
        }
        Ok(Self(bytes))
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, byte) in self.0.iter().enumerate() {
            let colon = if index == 0 { "" } else { ":" };
            write!(f, "{colon}{byte:02X}")?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = FingerprintError;
    fn try_from(text: String) -> Result<Self, FingerprintError> {
        Self::parse(&text)
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_reads_what_it_writes() {
        let fingerprint = Fingerprint(std::array::from_fn(|i| i as u8 * 7));
        assert_eq!(Fingerprint::parse(&fingerprint.to_string()), Ok(fingerprint));
        assert_eq!(Fingerprint::parse(&fingerprint.to_string().to_lowercase()), Ok(fingerprint));
    }

    #[test]
    fn refuses_other_lengths_and_letters() {
        let text = Fingerprint([0xab; 32]).to_string();
        for bad in [&text[3..], &format!("{text}:00"), &text.replace("AB", "G0"), &text.replace("AB:", "+B:"), ""] {
            assert_eq!(Fingerprint::parse(bad), Err(FingerprintError), "{bad}");
        }
    }

    #[test]
    fn a_password_is_never_printed() {
        let ice = IceParameters {
            node_ufrag: "u".into(),
            node_pwd: "hunter2hunter2hunter2".into(),
            client_ufrag: "c".into(),
            client_pwd: "hunter2hunter2hunter2".into(),
        };
        assert!(!format!("{ice:?}").contains("hunter2"));
    }
}
