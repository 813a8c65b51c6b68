//! Messages between participants about a connection of their own. The room passes them on if the grants of both allow it.

use crate::ids::Mid;
use crate::limits;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct PeerSignal {
    pub kind: PeerSignalKind,
    /// Only of an `offer` or an `answer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub sdp: Option<String>,
    /// Only of `candidates`: at most 32, gathered for a moment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "typescript", ts(optional, as = "Option<Vec<PeerCandidate>>"))]
    pub candidates: Vec<PeerCandidate>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PeerSignalKind {
    /// Asks the receiver for an offer of its media.
    RequestOffer,
    Offer,
    Answer,
    Candidates,
}

impl std::fmt::Display for PeerSignalKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::RequestOffer => "request_offer",
            Self::Offer => "offer",
            Self::Answer => "answer",
            Self::Candidates => "candidates",
        })
    }
}

/// One `RTCIceCandidateInit` (W3C WebRTC §4.8.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(ts_rs::TS))]
#[cfg_attr(feature = "openapi", derive(schemars::JsonSchema))]
pub struct PeerCandidate {
    /// Empty after the last one of a generation.
    pub candidate: String,
    pub mid: Mid,
    /// Names the generation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "typescript", ts(optional))]
    pub ufrag: Option<String>,
}

impl PeerSignal {
    /// Checks what the types cannot express.
    pub fn check_bounds(&self) -> Result<(), &'static str> {
        match self.kind {
            PeerSignalKind::RequestOffer if self.sdp.is_none() && self.candidates.is_empty() => Ok(()),
            PeerSignalKind::RequestOffer => Err("request_offer has no sdp and no candidates"),
            PeerSignalKind::Offer | PeerSignalKind::Answer if !self.candidates.is_empty() => {
                Err("the candidates of an offer and of an answer are messages of their own")
            }
            PeerSignalKind::Offer | PeerSignalKind::Answer => {
                let sdp = self.sdp.as_ref().filter(|sdp| !sdp.is_empty());
                sdp.map(drop).ok_or("an offer and an answer have an sdp")
            }
            PeerSignalKind::Candidates if self.sdp.is_some() => Err("candidates have no sdp"),
            PeerSignalKind::Candidates if self.candidates.is_empty() => Err("candidates are missing"),
            PeerSignalKind::Candidates if self.candidates.len() > limits::PEER_CANDIDATES_PER_FRAME => {
                Err("too many candidates")
            }
            PeerSignalKind::Candidates => {
                let is_short = |it: &PeerCandidate| {
                    let ufrag = it.ufrag.as_ref().map_or(0, String::len);
                    it.candidate.len().max(ufrag) <= limits::PEER_CANDIDATE_BYTES_MAX
                };
                self.candidates.iter().all(is_short).then_some(()).ok_or("a candidate is too long")
            }
        }
    }
}
