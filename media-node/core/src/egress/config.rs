//! The negotiated parameters of a slot.

use shared::ids::Mid;
use shared::rtp_parameters::{Codec, CodecName, HeaderExtensions, MediaKind, Section};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub kind: MediaKind,
    pub mid: Mid,
    pub ssrc: u32,
    /// Formats that it can carry; at least one.
    pub formats: Vec<Format>,
    /// Ticks per second, the same for all formats.
    pub clock_rate: u32,
    /// SSRC of the retransmission stream, if one was negotiated for any format (RFC 4588).
    pub retransmission_ssrc: Option<u32>,
    /// Payload type of redundant audio, if it was negotiated (RFC 2198).
    pub redundant_payload_type: Option<u8>,
    pub extensions: HeaderExtensions,
}

/// The subscriber's parameters for a codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    pub codec: CodecName,
    pub payload_type: u8,
    /// For retransmissions, if they have a separate stream.
    pub rtx_payload_type: Option<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retransmission {
    pub ssrc: u32,
    pub payload_type: u8,
}

impl Config {
    /// `None` if the section lacks a codec or an SSRC.
    pub fn of(section: &Section) -> Option<Self> {
        let codecs = || section.codecs.iter().filter(|codec| codec.name != CodecName::Red);
        let redundant = section.codecs.iter().find(|codec| codec.name == CodecName::Red);
        let encoding = section.encodings.first()?;
        let format = |codec: &Codec| Format {
            codec: codec.name,
            payload_type: codec.payload_type,
            rtx_payload_type: codec.rtx_payload_type,
        };
        let is_repaired = codecs().any(|codec| codec.rtx_payload_type.is_some());
        Some(Self {
            kind: section.kind,
            mid: section.mid.clone(),
            ssrc: encoding.ssrc?,
            formats: codecs().map(format).collect(),
            clock_rate: codecs().next()?.clock_rate,
            retransmission_ssrc: encoding.rtx_ssrc.filter(|_| is_repaired),
            redundant_payload_type: redundant.map(|codec| codec.payload_type),
            extensions: section.extensions,
        })
    }

    /// The subscriber's format for this codec; `None` if it cannot decode it.
    pub fn format(&self, codec: CodecName) -> Option<&Format> {
        self.formats.iter().find(|format| format.codec == codec)
    }

    /// The stream for retransmissions of this codec.
    pub fn retransmission(&self, codec: CodecName) -> Option<Retransmission> {
        let payload_type = self.format(codec)?.rtx_payload_type?;
        Some(Retransmission { ssrc: self.retransmission_ssrc?, payload_type })
    }

    /// The codec and stream of possible retransmissions.
    pub fn retransmitted(&self) -> Option<(CodecName, Retransmission)> {
        self.formats.iter().find_map(|format| Some((format.codec, self.retransmission(format.codec)?)))
    }

    /// True if both use one of their SSRCs.
    pub fn shares_ssrc_with(&self, other: &Self) -> bool {
        let own = [Some(self.ssrc), self.retransmission_ssrc];
        let theirs = [Some(other.ssrc), other.retransmission_ssrc];
        theirs.iter().flatten().any(|ssrc| own.contains(&Some(*ssrc)))
    }

    /// True if the other describes the same slot after another negotiation.
    pub fn is_continued_by(&self, other: &Self) -> bool {
        let same = (&self.mid, self.kind, self.ssrc, self.clock_rate);
        same == (&other.mid, other.kind, other.ssrc, other.clock_rate)
    }
}
