//! One media transport of one participant: its negotiated parameters and its node.

use crate::random;
use crate::random::Random;
use crate::session_description::{AcceptedSection, AnsweredSection, Offer};
use serde::{Deserialize, Serialize};
use shared::rtp_parameters::{Fingerprint, IceParameters, MediaKind, Section, Session};
use shared::signal::VideoLimit;
use shared::{Mid, ParticipantId, SessionId};
use std::collections::BTreeMap;

/// Letters of an ICE user fragment: 40 bits, of at least 24 (RFC 8445 §5.3).
const UFRAG_LETTERS: usize = 8;
/// Letters of an ICE password: 130 bits, of at least 128 (RFC 8445 §5.3).
const PWD_LETTERS: usize = 26;

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MediaSession {
    pub(crate) participant: ParticipantId,
    /// The session's assignment, which may have ended; `None` while the session waits for one.
    pub(crate) epoch: Option<u64>,
    /// The fingerprint of the node's certificate in the client's answer.
    pub(crate) node_fingerprint: Option<Fingerprint>,
    pub(crate) node_ufrag: String,
    pub(crate) node_pwd: String,
    pub(crate) client_ufrag: String,
    /// Empty in a room stored by a version without it.
    #[serde(default)]
    pub(crate) client_pwd: String,
    pub(crate) client_fingerprint: Fingerprint,
    /// Alternative certificates of the client.
    #[serde(default)]
    pub(crate) other_fingerprints: Vec<Fingerprint>,
    /// Session id and version of the answers' `o` line.
    pub(crate) origin: u32,
    pub(crate) version: u32,
    pub(crate) sections: Vec<AnsweredSection>,
    pub(crate) media: MediaState,
    /// The layers of each published section that are in use, once the node has reported them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) layers: BTreeMap<Mid, Vec<String>>,
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
    pub(crate) slots: Vec<VideoLimit>,
}

impl Limits {
    fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }
}

impl std::fmt::Debug for MediaSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The passwords are secrets.
        f.debug_struct("MediaSession")
            .field("participant", &self.participant)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
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
    pub(crate) fn new(
        participant: ParticipantId,
        offer: &Offer,
        sections: Vec<AnsweredSection>,
        random: &mut Random,
    ) -> Self {
        Self {
            participant,
            epoch: None,
            node_fingerprint: None,
            node_ufrag: random::text(random, UFRAG_LETTERS),
            node_pwd: random::text(random, PWD_LETTERS),
            client_ufrag: offer.ufrag.clone(),
            client_pwd: offer.pwd.clone(),
            client_fingerprint: offer.fingerprint,
            other_fingerprints: offer.other_fingerprints.clone(),
            origin: random::number(random),
            version: 1,
            sections,
            media: MediaState::New,
            layers: BTreeMap::new(),
            limits: Limits::default(),
            undecodable: Vec::new(),
        }
    }

    /// Applies a further offer on the same connection to the same node.
    pub(crate) fn renegotiate(&mut self, offer: &Offer, sections: Vec<AnsweredSection>, random: &mut Random) {
        // RFC 8839 §4.4.3: changed credentials mean an ICE restart, which the answerer confirms with new credentials of
        // its own.
        if self.client_ufrag != offer.ufrag {
            self.client_ufrag.clone_from(&offer.ufrag);
            self.client_pwd.clone_from(&offer.pwd);
            self.node_ufrag = random::text(random, UFRAG_LETTERS);
            self.node_pwd = random::text(random, PWD_LETTERS);
        }
        self.version = self.version.saturating_add(1);
        self.sections = sections;
    }

    /// True if this is the session's first and only offer, so that repeating it gets the same answer.
    pub(crate) fn answers_only(&self, offer: &Offer) -> bool {
        self.version == 1 && self.client_ufrag == offer.ufrag && self.is_of_client(offer)
    }

    /// True if the offer announces the certificates of this session.
    pub(crate) fn is_of_client(&self, offer: &Offer) -> bool {
        self.client_fingerprint == offer.fingerprint && self.other_fingerprints == offer.other_fingerprints
    }

    pub(crate) fn to_node(&self, id: &SessionId) -> Session {
        Session {
            session: id.clone(),
            participant: self.participant.clone(),
            ice: IceParameters {
                node_ufrag: self.node_ufrag.clone(),
                node_pwd: self.node_pwd.clone(),
                client_ufrag: self.client_ufrag.clone(),
                client_pwd: self.client_pwd.clone(),
            },
            client_fingerprint: self.client_fingerprint,
            other_fingerprints: self.other_fingerprints.clone(),
            sections: self.sections().cloned().collect(),
        }
    }

    pub(crate) fn sections(&self) -> impl Iterator<Item = &Section> {
        self.sections.iter().filter_map(AnsweredSection::section)
    }

    /// The client's receive slots: section, kind, number within the kind.
    pub(crate) fn slots(&self) -> impl Iterator<Item = (&Mid, MediaKind, u8)> {
        self.sections.iter().filter_map(|answered| match answered {
            AnsweredSection::Accepted(AcceptedSection { section, slot: Some(slot), .. }) => {
                Some((&section.mid, section.kind, *slot))
            }
            AnsweredSection::Accepted(_) | AnsweredSection::Rejected(_) => None,
        })
    }
}

pub(crate) fn mint_id(random: &mut Random) -> Option<SessionId> {
    SessionId::parse(&random::id(random)).ok()
}
