//! What was negotiated for a slot.

use shared::ids::Mid;
use shared::rtp_parameters::{CodecName, HeaderExtensions, MediaKind, Section};

#[derive(Clone, Debug)]
pub struct Config {
    pub kind: MediaKind,
    pub mid: Mid,
    pub ssrc: u32,
    /// Payload type that the subscriber knows the codec by.
    pub payload_type: u8,
    /// Ticks per second.
    pub clock_rate: u32,
    /// The retransmission stream, if one was negotiated (RFC 4588).
    pub retransmission: Option<Retransmission>,
    /// Payload type of redundant audio, if it was negotiated (RFC 2198).
    pub redundant_payload_type: Option<u8>,
    pub extensions: HeaderExtensions,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retransmission {
    pub ssrc: u32,
    pub payload_type: u8,
}

impl Config {
    /// `None` if the section lacks a codec or an SSRC.
    pub fn of(section: &Section) -> Option<Self> {
        let codec = section.codecs.iter().find(|codec| codec.name != CodecName::Red)?;
        let redundant = section.codecs.iter().find(|codec| codec.name == CodecName::Red);
        let encoding = section.encodings.first()?;
        let retransmission = encoding
            .rtx_ssrc
            .zip(codec.rtx_payload_type)
            .map(|(ssrc, payload_type)| Retransmission { ssrc, payload_type });
        Some(Self {
            kind: section.kind,
            mid: section.mid.clone(),
            ssrc: encoding.ssrc?,
            payload_type: codec.payload_type,
            clock_rate: codec.clock_rate,
            retransmission,
            redundant_payload_type: redundant.map(|codec| codec.payload_type),
            extensions: section.extensions,
        })
    }

    /// Whether a slot of this section would send under one of the same SSRCs.
    pub fn shares_ssrc_with(&self, section: &Section) -> bool {
        let own = [Some(self.ssrc), self.retransmission.map(|stream| stream.ssrc)];
        let theirs = section.encodings.iter().take(1).flat_map(|encoding| [encoding.ssrc, encoding.rtx_ssrc]);
        theirs.flatten().any(|ssrc| own.contains(&Some(ssrc)))
    }
}
