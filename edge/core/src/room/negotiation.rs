//! What a participant may have of what it offers: section by section, published, slot, inactive or rejected.

use super::track::{Track, kind_of};
use crate::random::{self, Random};
use crate::session_description::{AnsweredSection, Direction, Feedback, Offer, OfferError, OfferedSection};
use shared::rtp_parameters::{Encoding, Flow, MediaKind, Section};
use shared::signal::TrackIntent;
use shared::token::Grants;
use shared::{ErrorCode, Mid, limits};
use std::collections::BTreeSet;

/// Why an offer that can be read is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NegotiationError {
    #[error(transparent)]
    Offer(#[from] OfferError),
    #[error("the token does not grant publishing")]
    MayNotPublish,
    #[error("track {mid} names no section that sends, or another one does too")]
    NoSuchSection { mid: Mid },
    #[error("track {mid} is of another kind than its section")]
    WrongKind { mid: Mid },
    #[error("section {mid} has no codec that the room speaks")]
    NoCodec { mid: Mid },
    #[error("more than {} receiving sections of one kind", limits::SLOTS_PER_KIND_MAX)]
    TooManySlots,
    #[error("section {mid} is not where it was in the offer before")]
    Reordered { mid: Mid },
    #[error("the offer is of another connection than the one before: say new_transport")]
    OtherConnection,
}

impl NegotiationError {
    pub(super) const fn code(&self) -> ErrorCode {
        match self {
            Self::Offer(error) => error.code(),
            Self::MayNotPublish => ErrorCode::Forbidden,
            Self::NoCodec { .. } => ErrorCode::UnsupportedMedia,
            Self::TooManySlots => ErrorCode::TooManySections,
            Self::NoSuchSection { .. } | Self::WrongKind { .. } | Self::Reordered { .. } | Self::OtherConnection => {
                ErrorCode::InvalidOffer
            }
        }
    }
}

/// Everything that decides how an offer is answered.
pub(super) struct Negotiation<'a> {
    pub(super) offer: &'a Offer,
    pub(super) intents: &'a [TrackIntent],
    pub(super) grants: Grants,
    /// How the offer before was answered, where this one is of the same connection.
    pub(super) before: &'a [AnsweredSection],
    /// Whether slots keep their SSRCs: not with another node, which starts its sequence numbers anew; a browser would take what jumps
    /// backwards for old packets.
    pub(super) keeps_ssrcs: bool,
}

impl Negotiation<'_> {
    /// Checks what may not be, before anything is made out of it.
    pub(super) fn check(&self) -> Result<(), NegotiationError> {
        if !self.intents.is_empty() && !self.grants.publish {
            return Err(NegotiationError::MayNotPublish);
        }
        let mut seen = BTreeSet::new();
        for intent in self.intents {
            let mid = || intent.mid.clone();
            let sends = |section: &&OfferedSection| section.mid == intent.mid && may_publish(section);
            let section = self.offer.sections.iter().find(sends);
            let Some(section) = section.filter(|_| seen.insert(&intent.mid)) else {
                return Err(NegotiationError::NoSuchSection { mid: mid() });
            };
            if section.kind() != Some(kind_of(intent.source)) {
                return Err(NegotiationError::WrongKind { mid: mid() });
            }
            if section.codecs.is_empty() {
                return Err(NegotiationError::NoCodec { mid: mid() });
            }
        }
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let is_slot = |section: &&OfferedSection| section.kind() == Some(kind) && self.is_slot(section);
            if self.offer.sections.iter().filter(is_slot).count() > limits::SLOTS_PER_KIND_MAX {
                return Err(NegotiationError::TooManySlots);
            }
        }
        self.check_order()
    }

    /// RFC 8829 §5.2.2: a further offer keeps the sections of the one before; only a rejected one may be used for something else.
    fn check_order(&self) -> Result<(), NegotiationError> {
        for (index, before) in self.before.iter().enumerate() {
            let offered = self.offer.sections.get(index);
            let same = offered.is_some_and(|offered| match before {
                AnsweredSection::Accepted { section, .. } => {
                    offered.mid == section.mid && offered.kind() == Some(section.kind)
                }
                AnsweredSection::Rejected { .. } => true,
            });
            if !same {
                return Err(NegotiationError::Reordered { mid: before.mid().clone() });
            }
        }
        Ok(())
    }

    fn is_slot(&self, section: &OfferedSection) -> bool {
        section.direction == Direction::RecvOnly
            && !section.rejected
            && !section.codecs.is_empty()
            && self.grants.subscribe
    }

    /// Answers a checked offer, section by section; `tracks` are what the intents became.
    pub(super) fn answer(&self, tracks: &[Track], random: &mut Random) -> Vec<AnsweredSection> {
        let mut ssrcs = Ssrcs { used: self.used_ssrcs(), random };
        let mut slots = SlotNumbers::new(self.before, &self.offer.sections);
        self.offer.sections.iter().map(|offered| self.answer_one(offered, tracks, &mut ssrcs, &mut slots)).collect()
    }

    fn answer_one(
        &self,
        offered: &OfferedSection,
        tracks: &[Track],
        ssrcs: &mut Ssrcs<'_>,
        slots: &mut SlotNumbers,
    ) -> AnsweredSection {
        let Some(kind) = offered.kind().filter(|_| !offered.rejected && !offered.codecs.is_empty()) else {
            return AnsweredSection::rejecting(offered);
        };
        let track = tracks.iter().find(|track| track.mid == offered.mid && may_publish(offered));
        let (flow, encodings, slot) = if track.is_some() {
            (Flow::ClientToNode, vec![offered.encoding.clone()], None)
        } else if self.is_slot(offered) {
            let rtx = offered.codecs.iter().any(|codec| codec.rtx_payload_type.is_some());
            let encoding = self.kept_encoding(&offered.mid).unwrap_or_else(|| ssrcs.encoding(rtx));
            (Flow::NodeToClient, vec![encoding], Some(slots.number(&offered.mid, kind)))
        } else {
            (Flow::Inactive, Vec::new(), None)
        };
        let mut feedback = offered.feedback.clone();
        let mut extensions = offered.extensions;
        // The node tells when packets arrived; it does not number those it sends. Either half without the other is of no use.
        if flow != Flow::ClientToNode || extensions.transport_cc.is_none() || !feedback.contains(&Feedback::TransportCc)
        {
            extensions.transport_cc = None;
            feedback.retain(|kind| *kind != Feedback::TransportCc);
        }
        let section = Section {
            mid: offered.mid.clone(),
            kind,
            flow,
            codecs: offered.codecs.clone(),
            extensions,
            encodings,
            csrc: track.map_or(0, |track| track.csrc),
        };
        AnsweredSection::Accepted { section, slot, feedback, rtcp_rsize: offered.rtcp_rsize }
    }

    fn kept_encoding(&self, mid: &Mid) -> Option<Encoding> {
        let before = self.before.iter().filter(|_| self.keeps_ssrcs).find(|before| before.mid() == mid)?.section()?;
        before.encodings.first().filter(|_| before.flow == Flow::NodeToClient).cloned()
    }

    /// SSRCs that are taken: those of the client (RFC 3550 §8.2), and those of slots as long as its decoders may remember them.
    fn used_ssrcs(&self) -> BTreeSet<u32> {
        let of = |encoding: &Encoding| encoding.ssrc.into_iter().chain(encoding.rtx_ssrc);
        let offered = self.offer.sections.iter().flat_map(|section| of(&section.encoding));
        let before = self.before.iter().filter_map(AnsweredSection::section);
        offered.chain(before.flat_map(|section| section.encodings.iter().flat_map(of))).collect()
    }
}

const fn may_publish(section: &OfferedSection) -> bool {
    match section.direction {
        Direction::SendOnly | Direction::SendRecv => !section.rejected,
        Direction::RecvOnly | Direction::Inactive => false,
    }
}

/// Mints SSRCs that nobody in the session has.
struct Ssrcs<'a> {
    used: BTreeSet<u32>,
    random: &'a mut Random,
}

impl Ssrcs<'_> {
    fn encoding(&mut self, rtx: bool) -> Encoding {
        let ssrc = self.mint();
        let rtx_ssrc = rtx.then(|| self.mint());
        Encoding { ssrc: Some(ssrc), rtx_ssrc, rid: None }
    }

    fn mint(&mut self) -> u32 {
        // A random number is next to never taken; counting on from it always ends, even where the randomness is broken.
        let mut ssrc = random::number(self.random);
        while ssrc == 0 || !self.used.insert(ssrc) {
            ssrc = ssrc.wrapping_add(1);
        }
        ssrc
    }
}

/// Numbers slots within their kind; one that was a slot before keeps its number, and with it its stream.
struct SlotNumbers {
    kept: Vec<(Mid, MediaKind, u8)>,
    used: BTreeSet<(MediaKind, u8)>,
}

impl SlotNumbers {
    fn new(before: &[AnsweredSection], offered: &[OfferedSection]) -> Self {
        let mut kept = Vec::new();
        for (answered, offered) in before.iter().zip(offered) {
            if let AnsweredSection::Accepted { section, slot: Some(slot), .. } = answered
                && offered.mid == section.mid
            {
                kept.push((section.mid.clone(), section.kind, *slot));
            }
        }
        let used = kept.iter().map(|(_, kind, slot)| (*kind, *slot)).collect();
        Self { kept, used }
    }

    fn number(&mut self, mid: &Mid, kind: MediaKind) -> u8 {
        if let Some((_, _, slot)) = self.kept.iter().find(|(kept, _, _)| kept == mid) {
            return *slot;
        }
        // There are at most as many sections as numbers.
        let free = (0..=u8::MAX).find(|slot| !self.used.contains(&(kind, *slot))).unwrap_or(u8::MAX);
        self.used.insert((kind, free));
        free
    }
}
