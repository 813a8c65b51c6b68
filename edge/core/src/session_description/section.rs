//! One media section in the offer and in the answer.

use super::extensions::OfferedExtensions;
use super::offer::OfferError;
use serde::{Deserialize, Serialize};
use shared::Mid;
use shared::rtp_parameters::{Codec, Encoding, MediaKind, Section};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfferedSection {
    Usable(UsableSection),
    Unusable {
        /// The part that the answer repeats.
        head: RejectedSection,
        /// `None` if the offerer itself has rejected or stopped it.
        reason: Option<OfferError>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsableSection {
    pub mid: Mid,
    pub kind: MediaKind,
    pub protocol: String,
    /// The position in the BUNDLE group, lowest first; `None` if it is in no group and is the only usable section.
    pub bundle: Option<u16>,
    pub direction: Direction,
    /// The codecs that Rotunda forwards, most preferred first; at least one.
    pub codecs: Vec<Codec>,
    /// RTCP feedback used by Rotunda and offered with every codec.
    pub feedback: Vec<Feedback>,
    /// Further feedback of single codecs, by payload type.
    pub codec_feedback: Vec<(u8, Feedback)>,
    pub extensions: OfferedExtensions,
    /// The announced SSRCs; for simulcast, those of the first layer.
    pub encoding: Encoding,
    /// Acceptable simulcast layers, in the section's order.
    pub layers: Vec<Encoding>,
    /// True if the client accepts reduced-size RTCP (RFC 5506).
    pub rtcp_rsize: bool,
}

impl UsableSection {
    /// The node's parameters for a published section.
    #[must_use]
    pub fn encodings(&self) -> Vec<Encoding> {
        if self.layers.is_empty() { vec![self.encoding.clone()] } else { self.layers.clone() }
    }
}

impl OfferedSection {
    #[must_use]
    pub const fn usable(&self) -> Option<&UsableSection> {
        match self {
            Self::Usable(section) => Some(section),
            Self::Unusable { .. } => None,
        }
    }

    /// A rejected section need not have one.
    #[must_use]
    pub fn mid(&self) -> Option<&str> {
        match self {
            Self::Usable(section) => Some(section.mid.as_str()),
            Self::Unusable { head, .. } => head.mid.as_deref(),
        }
    }

    #[must_use]
    pub fn media(&self) -> &str {
        match self {
            Self::Usable(section) => section.kind.media(),
            Self::Unusable { head, .. } => &head.media,
        }
    }
}

/// A media kind's names in SDP.
pub(super) trait Names {
    fn media(self) -> &'static str;
    /// The codecs that Rotunda forwards, as in `a=rtpmap` lines.
    fn codecs(self) -> &'static str;
}

impl Names for MediaKind {
    fn media(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
        }
    }

    fn codecs(self) -> &'static str {
        match self {
            Self::Audio => "opus/48000/2",
            Self::Video => "VP8/90000, and no H264/90000 of a known profile in packetization mode 1",
        }
    }
}

/// Direction of media, seen from the offerer (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    SendRecv,
    SendOnly,
    RecvOnly,
    Inactive,
}

impl Direction {
    pub(super) fn read(word: &str) -> Option<Self> {
        match word {
            "sendrecv" => Some(Self::SendRecv),
            "sendonly" => Some(Self::SendOnly),
            "recvonly" => Some(Self::RecvOnly),
            "inactive" => Some(Self::Inactive),
            _ => None,
        }
    }
}

/// RTCP feedback (RFC 4585 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feedback {
    /// Requests a lost packet again (RFC 4585 §6.2.1).
    Nack,
    /// Requests a key frame (RFC 4585 §6.3.1).
    NackPli,
    /// Requests a key frame (RFC 5104 §4.3.1).
    CcmFir,
    /// The receiver's estimate of the bandwidth (draft-alvestrand-rmcat-remb).
    GoogRemb,
    /// Arrival times of all packets (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    TransportCc,
}

impl Feedback {
    pub const ALL: [Self; 5] = [Self::Nack, Self::NackPli, Self::CcmFir, Self::GoogRemb, Self::TransportCc];

    /// True for feedback about the transport, which is useful for all codecs or none.
    #[must_use]
    pub const fn is_of_transport(self) -> bool {
        match self {
            Self::GoogRemb | Self::TransportCc => true,
            Self::Nack | Self::NackPli | Self::CcmFir => false,
        }
    }

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nack => "nack",
            Self::NackPli => "nack pli",
            Self::CcmFir => "ccm fir",
            Self::GoogRemb => "goog-remb",
            Self::TransportCc => "transport-cc",
        }
    }
}

/// One section of an answer; stored with the room, so that the answer can be written again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnsweredSection {
    /// The section may still be inactive.
    Accepted(AcceptedSection),
    /// Answered with port 0, outside BUNDLE.
    Rejected(RejectedSection),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedSection {
    pub section: Section,
    /// For a slot: its number within its kind.
    pub slot: Option<u8>,
    /// Feedback that both sides support for every codec.
    pub feedback: Vec<Feedback>,
    /// Further feedback of single codecs, by payload type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codec_feedback: Vec<(u8, Feedback)>,
    /// True if both sides support reduced-size RTCP.
    pub rtcp_rsize: bool,
    /// The profile of the offer, which the answer must repeat (RFC 8829 §5.1.2). Rooms stored by earlier versions
    /// always have this one.
    #[serde(default = "stored_protocol")]
    pub protocol: String,
    /// Position in the BUNDLE group; the lowest is the tagged section (RFC 8843 §7.3.1). Rooms stored by earlier
    /// versions use the order of the sections.
    #[serde(default = "stored_place")]
    pub bundle: Option<u16>,
    /// Ids of one-way header extensions (RFC 8285 §5).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub one_way: Vec<u8>,
}

pub(super) fn stored_protocol() -> String {
    "UDP/TLS/RTP/SAVPF".into()
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the type of the field")]
pub(super) const fn stored_place() -> Option<u16> {
    Some(u16::MAX)
}

/// The parts of a rejected section that the answer repeats.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectedSection {
    /// The identification tag, if the section had a valid one.
    pub mid: Option<String>,
    pub media: String,
    pub protocol: String,
    /// One format, as an `m=` line must have one (RFC 3264 §6).
    pub format: String,
}

impl AnsweredSection {
    #[must_use]
    pub const fn accepted(&self) -> Option<&AcceptedSection> {
        match self {
            Self::Accepted(accepted) => Some(accepted),
            Self::Rejected(_) => None,
        }
    }

    #[must_use]
    pub fn section(&self) -> Option<&Section> {
        self.accepted().map(|accepted| &accepted.section)
    }
}
