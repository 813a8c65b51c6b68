//! Decides for each offered section whether it is published, a slot, inactive or rejected.

use crate::random;
use crate::random::Random;
use crate::room::outbox::Reason;
use crate::room::state::rules::Rules;
use crate::room::state::tracks::{Track, kind_of};
use crate::session_description::{
    AcceptedSection, AnsweredSection, Direction, Feedback, Offer, OfferError, OfferedSection, UsableSection,
};
use shared::rtp_parameters::{Encoding, Flow, MediaKind, Section};
use shared::signal::{TrackIntent, TrackSource};
use shared::sorted::SortedSet;
use shared::token::Grants;
use shared::{ErrorCode, Mid, limits};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NegotiationError {
    #[error(transparent)]
    Offer(#[from] OfferError),
    #[error("the token does not grant publishing a {of:?}")]
    MayNotPublish { of: TrackSource },
    #[error("tracks: the room admits no {of:?}")]
    SourceOff { of: TrackSource },
    #[error("tracks: the offer has no section with the mid {mid}")]
    NoSuchSection { mid: Mid },
    #[error("tracks: the mid {mid} appears twice")]
    NamedTwice { mid: Mid },
    #[error("tracks: the section with the mid {mid} has port 0")]
    Stopped { mid: Mid },
    #[error("tracks: the section with the mid {mid} cannot be accepted: {reason}")]
    Unusable { mid: Mid, reason: OfferError },
    #[error("tracks: the section with the mid {mid} does not send: it is neither sendrecv nor sendonly")]
    DoesNotSend { mid: Mid },
    #[error("tracks: the kind of the section with the mid {mid} does not match its source")]
    WrongKind { mid: Mid },
    #[error("the offer has more than {} receiving sections of one kind", limits::SLOTS_PER_KIND_MAX)]
    TooManySlots,
    #[error("the section with the mid {mid} has moved since the previous offer (RFC 8829 §5.2.2)")]
    Reordered { mid: Mid },
    #[error("the offer has fewer sections than the previous one (RFC 8829 §5.2.2)")]
    Shorter,
    #[error("the fingerprints differ from the previous offer: a new connection needs the reason new_transport")]
    OtherConnection,
}

impl Reason for NegotiationError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Offer(error) | Self::Unusable { reason: error, .. } => error.code(),
            Self::MayNotPublish { .. } => ErrorCode::Forbidden,
            Self::SourceOff { .. } => ErrorCode::FeatureOff,
            Self::TooManySlots => ErrorCode::TooManySections,
            Self::NoSuchSection { .. }
            | Self::NamedTwice { .. }
            | Self::Stopped { .. }
            | Self::DoesNotSend { .. }
            | Self::WrongKind { .. }
            | Self::Reordered { .. }
            | Self::Shorter
            | Self::OtherConnection => ErrorCode::InvalidOffer,
        }
    }
}

pub(crate) struct Negotiation<'a> {
    pub(crate) offer: &'a Offer,
    pub(crate) intents: &'a [TrackIntent],
    pub(crate) grants: Grants,
    pub(crate) rules: &'a Rules,
    /// The previous answer on the same connection.
    pub(crate) before: &'a [AnsweredSection],
    /// If true, slots keep their SSRCs. Another node restarts its sequence numbers, and a browser would treat packets
    /// that jump backwards as old.
    pub(crate) keeps_ssrcs: bool,
}

impl Negotiation<'_> {
    pub(crate) fn check(&self) -> Result<(), NegotiationError> {
        let mut seen = SortedSet::new();
        for intent in self.intents {
            let may = intent.source.may_be_held() && self.grants.publish || intent.source.is_granted(self.grants);
            if !may {
                return Err(NegotiationError::MayNotPublish { of: intent.source });
            }
            if !self.rules.admits(intent.source) {
                return Err(NegotiationError::SourceOff { of: intent.source });
            }
            if !seen.insert(&intent.mid) {
                return Err(NegotiationError::NamedTwice { mid: intent.mid.clone() });
            }
            self.check_intent(intent)?;
        }
        for kind in [MediaKind::Audio, MediaKind::Video] {
            let usable = self.offer.sections.iter().filter_map(OfferedSection::usable);
            if usable.filter(|section| section.kind == kind && self.is_slot(section)).count()
                > limits::SLOTS_PER_KIND_MAX
            {
                return Err(NegotiationError::TooManySlots);
            }
        }
        self.check_order()
    }

    fn check_intent(&self, intent: &TrackIntent) -> Result<(), NegotiationError> {
        let mid = || intent.mid.clone();
        let named = |section: &&OfferedSection| section.mid() == Some(intent.mid.as_str());
        match self.offer.sections.iter().find(named) {
            None => Err(NegotiationError::NoSuchSection { mid: mid() }),
            Some(OfferedSection::Unusable { reason: None, .. }) => Err(NegotiationError::Stopped { mid: mid() }),
            Some(OfferedSection::Unusable { reason: Some(reason), .. }) => {
                Err(NegotiationError::Unusable { mid: mid(), reason: reason.clone() })
            }
            Some(OfferedSection::Usable(section)) if !may_publish(section) => {
                Err(NegotiationError::DoesNotSend { mid: mid() })
            }
            Some(OfferedSection::Usable(section)) if section.kind != kind_of(intent.source) => {
                Err(NegotiationError::WrongKind { mid: mid() })
            }
            Some(OfferedSection::Usable(_)) => Ok(()),
        }
    }

    /// RFC 8829 §5.2.2: a further offer keeps the sections of the previous one; only a rejected one may be reused.
    fn check_order(&self) -> Result<(), NegotiationError> {
        if self.offer.sections.len() < self.before.len() {
            return Err(NegotiationError::Shorter);
        }
        for (before, offered) in self.before.iter().zip(&self.offer.sections) {
            let Some(section) = before.section() else { continue };
            let same = match offered {
                OfferedSection::Usable(offered) => offered.mid == section.mid && offered.kind == section.kind,
                // A rejected section needs no mid.
                OfferedSection::Unusable { head, .. } => {
                    head.mid.as_deref().is_none_or(|mid| mid == section.mid.as_str())
                }
            };
            if !same {
                return Err(NegotiationError::Reordered { mid: section.mid.clone() });
            }
        }
        Ok(())
    }

    fn is_slot(&self, section: &UsableSection) -> bool {
        section.direction == Direction::RecvOnly && self.grants.subscribe
    }

    /// Answers a checked offer section by section; `tracks` result from the intents.
    pub(crate) fn answer(&self, tracks: &[Track], random: &mut Random) -> Vec<AnsweredSection> {
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
        let offered = match offered {
            OfferedSection::Usable(offered) => offered,
            OfferedSection::Unusable { head, .. } => return AnsweredSection::Rejected(head.clone()),
        };
        let track = tracks.iter().find(|track| track.mid == offered.mid && may_publish(offered));
        let (flow, encodings, slot) = if track.is_some() {
            (Flow::ClientToNode, offered.encodings(), None)
        } else if self.is_slot(offered) {
            let rtx = offered.codecs.iter().any(|codec| codec.rtx_payload_type.is_some());
            let mut encoding = self.kept_encoding(&offered.mid).unwrap_or_else(|| ssrcs.encoding());
            if rtx && encoding.rtx_ssrc.is_none() {
                encoding.rtx_ssrc = Some(ssrcs.mint());
            }
            (Flow::NodeToClient, vec![encoding], Some(slots.number(&offered.mid, offered.kind)))
        } else {
            (Flow::Inactive, Vec::new(), None)
        };
        let (mut extensions, one_way) = offered.extensions.of(flow);
        let mut feedback = offered.feedback.clone();
        // Packet numbers are useless without arrival reports, and vice versa.
        if flow == Flow::Inactive || extensions.transport_cc.is_none() || !feedback.contains(&Feedback::TransportCc) {
            extensions.transport_cc = None;
            feedback.retain(|kind| *kind != Feedback::TransportCc);
        }
        let section = Section {
            mid: offered.mid.clone(),
            kind: offered.kind,
            flow,
            codecs: offered.codecs.clone(),
            extensions,
            encodings,
            csrc: track.map_or(0, |track| track.csrc),
        };
        AnsweredSection::Accepted(AcceptedSection {
            section,
            slot,
            feedback,
            codec_feedback: offered.codec_feedback.clone(),
            rtcp_rsize: offered.rtcp_rsize,
            protocol: offered.protocol.clone(),
            bundle: offered.bundle,
            one_way,
        })
    }

    fn kept_encoding(&self, mid: &Mid) -> Option<Encoding> {
        let mut before = self.before.iter().filter(|_| self.keeps_ssrcs).filter_map(AnsweredSection::section);
        let before = before.find(|before| before.mid == *mid)?;
        before.encodings.first().filter(|_| before.flow == Flow::NodeToClient).cloned()
    }

    /// Taken SSRCs: those of the client (RFC 3550 §8.2), and those of slots as long as its decoders may remember them.
    fn used_ssrcs(&self) -> SortedSet<u32> {
        let of = |encoding: &Encoding| encoding.ssrc.into_iter().chain(encoding.rtx_ssrc);
        let offered = self.offer.sections.iter().filter_map(OfferedSection::usable);
        let offered = offered.flat_map(UsableSection::encodings).collect::<Vec<_>>();
        let offered = offered.iter().flat_map(of);
        let before = self.before.iter().filter_map(AnsweredSection::section);
        offered.chain(before.flat_map(|section| section.encodings.iter().flat_map(of))).collect()
    }
}

const fn may_publish(section: &UsableSection) -> bool {
    match section.direction {
        Direction::SendOnly | Direction::SendRecv => true,
        Direction::RecvOnly | Direction::Inactive => false,
    }
}

/// Chooses SSRCs that are unused in the session.
struct Ssrcs<'a> {
    used: SortedSet<u32>,
    random: &'a mut Random,
}

impl Ssrcs<'_> {
    fn encoding(&mut self) -> Encoding {
        Encoding { ssrc: Some(self.mint()), rtx_ssrc: None, rid: None }
    }

    fn mint(&mut self) -> u32 {
        // A random number is hardly ever taken; counting on from it always ends, even if the randomness is broken.
        let mut ssrc = random::number(self.random);
        while ssrc == 0 || !self.used.insert(ssrc) {
            ssrc = ssrc.wrapping_add(1);
        }
        ssrc
    }
}

/// Numbers slots within their kind; a section that was a slot before keeps its number and stream.
struct SlotNumbers {
    kept: Vec<(Mid, MediaKind, u8)>,
    used: SortedSet<(MediaKind, u8)>,
}

impl SlotNumbers {
    fn new(before: &[AnsweredSection], offered: &[OfferedSection]) -> Self {
        let mut kept = Vec::new();
        for (answered, offered) in before.iter().zip(offered) {
            if let AnsweredSection::Accepted(AcceptedSection { section, slot: Some(slot), .. }) = answered
                && offered.mid() == Some(section.mid.as_str())
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
        // There are no more sections than numbers.
        let free = (0..=u8::MAX).find(|slot| !self.used.contains(&(kind, *slot))).unwrap_or(u8::MAX);
        self.used.insert((kind, free));
        free
    }
}
