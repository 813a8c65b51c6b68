//! One media section in the offer and in the answer.

use super::extensions::OfferedExtensions;
use super::offer::OfferError;
use serde::{Deserialize, Serialize};
use shared::Mid;
use shared::rtp_parameters::{Codec, Encoding, MediaKind, Section};

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OfferedSection {
    /// The answer can accept it.
    Usable(UsableSection),
    /// The answer can only reject it.
    Unusable {
        /// What the answer repeats.
        head: RejectedSection,
        /// `None` where the offerer itself has rejected or stopped it.
        reason: Option<OfferError>,
    },
}

/// A section that can be accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsableSection {
    pub mid: Mid,
    pub kind: MediaKind,
    pub protocol: String,
    /// The position in the BUNDLE group, lowest first; `None` if it is in no group and is the only usable section.
    pub bundle: Option<u16>,
    pub direction: Direction,
    /// The codecs that Rotunda forwards, most wanted first; at least one.
    pub codecs: Vec<Codec>,
    /// The RTCP feedback that Rotunda uses and every codec is offered with.
    pub feedback: Vec<Feedback>,
    /// Further feedback of single codecs, by payload type.
    pub codec_feedback: Vec<(u8, Feedback)>,
    pub extensions: OfferedExtensions,
    /// The SSRCs that it announces; of simulcast, those of its first layer.
    pub encoding: Encoding,
    /// Its simulcast layers that can be accepted, in its order.
    pub layers: Vec<Encoding>,
    /// Whether it takes reduced-size RTCP (RFC 5506).
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

    /// Its identification tag; a section that can only be rejected need not have one.
    #[must_use]
    pub fn mid(&self) -> Option<&str> {
        match self {
            Self::Usable(section) => Some(section.mid.as_str()),
            Self::Unusable { head, .. } => head.mid.as_deref(),
        }
    }

    /// The media type of its `m=` line.
    #[must_use]
    pub fn media(&self) -> &str {
        match self {
            Self::Usable(section) => section.kind.media(),
            Self::Unusable { head, .. } => &head.media,
        }
    }
}

/// What a kind of media is called in SDP.
pub(super) trait Names {
    /// The media type of its `m=` line.
    fn media(self) -> &'static str;
    /// The codecs that Rotunda forwards, as `a=rtpmap` lines say them.
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

/// Which way media flows, seen from the offerer (RFC 8866 §6.7).
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
    /// Asks for a lost packet again (RFC 4585 §6.2.1).
    Nack,
    /// Asks for a keyframe (RFC 4585 §6.3.1).
    NackPli,
    /// Asks for a keyframe (RFC 5104 §4.3.1).
    CcmFir,
    /// The receiver's estimate of the bandwidth (draft-alvestrand-rmcat-remb).
    GoogRemb,
    /// Arrival times of all packets (draft-holmer-rmcat-transport-wide-cc-extensions-01).
    TransportCc,
}

impl Feedback {
    pub const ALL: [Self; 5] = [Self::Nack, Self::NackPli, Self::CcmFir, Self::GoogRemb, Self::TransportCc];

    /// Whether it concerns the transport: then it is of use for all codecs or for none.
    #[must_use]
    pub const fn is_of_transport(self) -> bool {
        match self {
            Self::GoogRemb | Self::TransportCc => true,
            Self::Nack | Self::NackPli | Self::CcmFir => false,
        }
    }

    /// Its value in an `rtcp-fb` line.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum AnsweredSection {
    /// Accepted, though it may be inactive for now.
    Accepted(AcceptedSection),
    /// Answered with port 0, outside BUNDLE.
    Rejected(RejectedSection),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedSection {
    pub section: Section,
    /// For a slot: its number among those of its kind.
    pub slot: Option<u8>,
    /// The feedback that both sides know and every codec has.
    pub feedback: Vec<Feedback>,
    /// Further feedback of single codecs, by payload type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codec_feedback: Vec<(u8, Feedback)>,
    /// Whether both sides know reduced-size RTCP.
    pub rtcp_rsize: bool,
    /// The profile of the offer, which the answer must repeat (RFC 8829 §5.1.2). Rooms stored before it was kept had this one alone.
    #[serde(default = "stored_protocol")]
    pub protocol: String,
    /// Its place in the BUNDLE group; the lowest is the tagged section (RFC 8843 §7.3.1). Rooms stored before it was kept had the
    /// order of the sections.
    #[serde(default = "stored_place")]
    pub bundle: Option<u16>,
    /// The header extensions, by id, that go one way only (RFC 8285 §5).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub one_way: Vec<u8>,
}

fn stored_protocol() -> String {
    "UDP/TLS/RTP/SAVPF".into()
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the type of the field")]
const fn stored_place() -> Option<u16> {
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

    /// The node's parameters, if the section was accepted.
    #[must_use]
    pub fn section(&self) -> Option<&Section> {
        self.accepted().map(|accepted| &accepted.section)
    }
}
