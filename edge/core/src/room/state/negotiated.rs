//! The negotiated parameters of a session. They are many and seldom read, so they have rows of their own.

use crate::random;
use crate::random::Random;
use crate::room::state::sessions::MediaSession;
use crate::session_description::{AcceptedSection, AnsweredSection, Offer, packed};
use serde::{Deserialize, Serialize};
use shared::rtp_parameters::{Fingerprint, Flow, IceParameters, MediaKind, Section, Session};
use shared::token::Bandwidth;
use shared::trace::Trace;
use shared::{Mid, SessionId};

/// Letters of an ICE user fragment: 40 bits, of at least 24 (RFC 8445 §5.3).
const UFRAG_LETTERS: usize = 8;
/// Letters of an ICE password: 130 bits, of at least 128 (RFC 8445 §5.3).
const PWD_LETTERS: usize = 26;

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Negotiated {
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
    /// Session id of the answers' `o` line.
    pub(crate) origin: u32,
    #[serde(with = "packed")]
    pub(crate) sections: Vec<AnsweredSection>,
}

impl std::fmt::Debug for Negotiated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The passwords are secrets.
        f.debug_struct("Negotiated").field("client_ufrag", &self.client_ufrag).finish_non_exhaustive()
    }
}

impl Negotiated {
    /// Occurs in every row with these parameters, and in no other.
    pub(crate) const MARK: &str = "\"client_ufrag\":";

    pub(crate) fn new(offer: &Offer, sections: Vec<AnsweredSection>, random: &mut Random) -> Self {
        Self {
            node_ufrag: random::text(random, UFRAG_LETTERS),
            node_pwd: random::text(random, PWD_LETTERS),
            client_ufrag: offer.ufrag.clone(),
            client_pwd: offer.pwd.clone(),
            client_fingerprint: offer.fingerprint,
            other_fingerprints: offer.other_fingerprints.clone(),
            origin: random::number(random),
            sections,
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
        self.sections = sections;
    }

    /// True if the offer is the last one, so that repeating it gets the same answer.
    pub(crate) fn answers(&self, offer: &Offer) -> bool {
        self.client_ufrag == offer.ufrag && self.is_of_client(offer)
    }

    /// True if the offer announces the certificates of this session.
    pub(crate) fn is_of_client(&self, offer: &Offer) -> bool {
        self.client_fingerprint == offer.fingerprint && self.other_fingerprints == offer.other_fingerprints
    }

    pub(crate) fn to_node(
        &self,
        id: &SessionId,
        session: &MediaSession,
        trace: Option<Trace>,
        bandwidth: Bandwidth,
        published: &[&Mid],
    ) -> Session {
        // The node drops what a section sends whose track was taken away.
        let flow = |section: &Section| match section.flow {
            Flow::ClientToNode if !published.contains(&&section.mid) => Flow::Inactive,
            flow => flow,
        };
        let sections = self.sections().map(|section| Section { flow: flow(section), ..section.clone() });
        Session {
            session: id.clone(),
            participant: session.participant.clone(),
            trace,
            ice: IceParameters {
                node_ufrag: self.node_ufrag.clone(),
                node_pwd: self.node_pwd.clone(),
                client_ufrag: self.client_ufrag.clone(),
                client_pwd: self.client_pwd.clone(),
            },
            client_fingerprint: self.client_fingerprint,
            other_fingerprints: self.other_fingerprints.clone(),
            sections: sections.collect(),
            bandwidth,
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
