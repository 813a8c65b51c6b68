//! One media section, as it was offered and as it is answered.

use serde::{Deserialize, Serialize};
use shared::Mid;
use shared::rtp_parameters::{Codec, Encoding, HeaderExtensions, MediaKind, Section};

/// What an offer says about one section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferedSection {
    /// Its identification tag.
    pub mid: Mid,
    /// The media type of its `m` line.
    pub media: &'static str,
    /// The protocol of its `m` line.
    pub protocol: String,
    /// The first format of its `m` line.
    pub format: String,
    /// Whether the offerer itself has given it up: port 0, and not because of `bundle-only` (RFC 8843 §6).
    pub rejected: bool,
    /// Which way the offerer wants media to flow.
    pub direction: Direction,
    /// The codecs that Rotunda forwards, most wanted first.
    pub codecs: Vec<Codec>,
    /// The RTCP feedback that Rotunda uses, where offered.
    pub feedback: Vec<Feedback>,
    /// The header extensions that Rotunda understands.
    pub extensions: HeaderExtensions,
    /// The SSRCs that it announces.
    pub encoding: Encoding,
    /// Whether it takes reduced-size RTCP (RFC 5506).
    pub rtcp_rsize: bool,
}

impl OfferedSection {
    /// Sound or pictures; nothing where it is neither.
    #[must_use]
    pub fn kind(&self) -> Option<MediaKind> {
        match self.media {
            "audio" => Some(MediaKind::Audio),
            "video" => Some(MediaKind::Video),
            _ => None,
        }
    }
}

/// Which way media flows, seen from the offerer (RFC 8866 §6.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// From the offerer.
    SendOnly,
    /// To the offerer.
    RecvOnly,
    /// Neither.
    Inactive,
}

/// RTCP feedback (RFC 4585 §4.2) of a section's codecs.
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
    /// Every kind that Rotunda uses.
    pub const ALL: [Self; 5] = [Self::Nack, Self::NackPli, Self::CcmFir, Self::GoogRemb, Self::TransportCc];

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

/// What an answer says about one section; stored with the room, so that the answer can be written again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum AnsweredSection {
    /// Taken, though it may be inactive for now.
    Accepted {
        /// What the node is told.
        section: Section,
        /// For a slot: its number among those of its kind.
        slot: Option<u8>,
        /// The feedback that both sides know.
        feedback: Vec<Feedback>,
        /// Whether both sides know reduced-size RTCP.
        rtcp_rsize: bool,
    },
    /// Refused or given up: port 0, outside BUNDLE.
    Rejected {
        /// Its identification tag.
        mid: Mid,
        /// The media type of its `m` line.
        media: String,
        /// The protocol of its `m` line.
        protocol: String,
        /// The one format of its `m` line, which must not be empty (RFC 3264 §6).
        format: String,
    },
}

impl AnsweredSection {
    /// Refuses what was offered.
    #[must_use]
    pub fn rejecting(offered: &OfferedSection) -> Self {
        Self::Rejected {
            mid: offered.mid.clone(),
            media: offered.media.into(),
            protocol: offered.protocol.clone(),
            format: offered.format.clone(),
        }
    }

    /// Its identification tag.
    #[must_use]
    pub const fn mid(&self) -> &Mid {
        match self {
            Self::Accepted { section, .. } => &section.mid,
            Self::Rejected { mid, .. } => mid,
        }
    }

    /// What the node is told, where the section was taken.
    #[must_use]
    pub const fn section(&self) -> Option<&Section> {
        match self {
            Self::Accepted { section, .. } => Some(section),
            Self::Rejected { .. } => None,
        }
    }
}
