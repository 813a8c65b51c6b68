//! One media transport of one participant: its node and its state. `negotiated` has its parameters.

use crate::random;
use crate::random::Random;
use serde::{Deserialize, Serialize};
use shared::rtp_parameters::Fingerprint;
use shared::signal::{EstimateReason, VideoLimit};
use shared::sorted::SortedMap;
use shared::{Mid, ParticipantId, SessionId};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MediaSession {
    pub(crate) participant: ParticipantId,
    /// The session's assignment, which may have ended; `None` while the session waits for one.
    pub(crate) epoch: Option<u64>,
    /// The fingerprint of the node's certificate in the client's answer.
    pub(crate) node_fingerprint: Option<Fingerprint>,
    /// Counts the offers; the version of the answers' `o` line.
    pub(crate) version: u32,
    pub(crate) media: MediaState,
    /// The layers of each published section that are in use, once the node has reported them.
    #[serde(default, skip_serializing_if = "SortedMap::is_empty")]
    pub(crate) layers: SortedMap<Mid, Vec<String>>,
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub(crate) limits: Limits,
    /// Slots whose video the client cannot decode.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) undecodable: Vec<Mid>,
}

/// The slots limited by the client's downlink, from the node's last report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Limits {
    pub(crate) estimate_bps: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<EstimateReason>,
    pub(crate) slots: Vec<VideoLimit>,
}

impl Limits {
    fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

/// The session's state in the node's last report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MediaState {
    New,
    Up,
    /// The node ended the session; the client needs a new transport.
    Ended,
}

impl MediaSession {
    /// A session for a new offer, without a node.
    pub(crate) const fn new(participant: ParticipantId, version: u32) -> Self {
        Self {
            participant,
            epoch: None,
            node_fingerprint: None,
            version,
            media: MediaState::New,
            layers: SortedMap::new(),
            limits: Limits { estimate_bps: 0, reason: None, slots: Vec::new() },
            undecodable: Vec::new(),
        }
    }
}

pub(crate) fn mint_id(random: &mut Random) -> Option<SessionId> {
    SessionId::parse(&random::id(random)).ok()
}
