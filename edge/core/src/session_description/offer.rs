//! Parses an offer in linear time, and decides which of its sections can be accepted.
//!
//! Only the lines that an accepted section needs are validated. Other lines are ignored, and unusable sections are
//! rejected individually (RFC 3264 §6).

use super::extensions::OfferedExtensions;
use super::lines::{Attribute, Lines, SectionLines, first_word, words};
use super::media::{self, Media as SectionMedia};
use super::section::{Direction, Names, OfferedSection, UsableSection};
use super::simulcast;
use shared::ids::IdError;
use shared::rtp_parameters::{Fingerprint, Flow, MediaKind};
use shared::sorted::{self, SortedMap, SortedSet};
use shared::{ErrorCode, Mid, limits};

/// Length of an ICE user fragment (RFC 8839 §5.4).
const UFRAG_BYTES: std::ops::RangeInclusive<usize> = 4..=256;
/// Length of an ICE password (RFC 8839 §5.4).
const PWD_BYTES: std::ops::RangeInclusive<usize> = 22..=256;

/// An offer with at least one acceptable section.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    pub ufrag: String,
    pub pwd: String,
    /// Digest of the client's certificate; the lowest if it announces several.
    pub fingerprint: Fingerprint,
    /// Digests of further certificates, any of which the client may present instead; sorted.
    pub other_fingerprints: Vec<Fingerprint>,
    /// In the order of the offer.
    pub sections: Vec<OfferedSection>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferError {
    /// The line, counted from 1; `None` if the offer as a whole is invalid.
    pub line: Option<usize>,
    pub problem: Problem,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    #[error("the offer has no m= line")]
    NoSections,
    #[error("m=: every section of the offer has port 0")]
    AllStopped,
    #[error("m=: the offer has more than {} sections", limits::SECTIONS_PER_OFFER_MAX)]
    TooManySections,
    #[error(
        "the section, or the part above the first one, has more than {} a=rtpmap, a=fmtp, a=rtcp-fb, a=extmap, a=rid and a=fingerprint lines",
        limits::LISTED_ATTRIBUTES_PER_SECTION_MAX
    )]
    TooManyLines,
    #[error("m=: a media type, a port, a protocol and at least one format are needed")]
    HeadIncomplete,
    #[error("m=: only visible ASCII characters are allowed, at most 64 per word")]
    HeadUnreadable,
    #[error("m=: the port is not a number from 0 to 65535")]
    Port,
    #[error("m=: this media type is not supported; audio and video are")]
    Media,
    #[error("m=: this protocol is not supported; UDP/TLS/RTP/SAVPF is")]
    Protocol,
    #[error("m=: the {} section offers no {}", .0.media(), .0.codecs())]
    NoCodec(MediaKind),
    #[error("a=rtpmap: expected a payload type, a space and NAME/RATE, so the {} section offers no {}", .0.media(), .0.codecs())]
    Rtpmap(MediaKind),
    #[error(
        "m=: the section is not in the BUNDLE group of the section in line {0}, but all media must share one transport"
    )]
    NotBundled(usize),
    #[error("a=group: the first section of the BUNDLE group cannot be accepted, so the others cannot either: {0}")]
    TagRejected(Box<OfferError>),
    #[error("m=: the section has no a=mid")]
    NoMid,
    #[error("a=mid: {0}")]
    Mid(IdError),
    #[error("a=mid: the section in line {0} has the same mid")]
    MidTaken(usize),
    #[error("m=: the section has no a=rtcp-mux, but RTP and RTCP must share one transport")]
    NotMuxed,
    #[error("a=ice-lite: the server is ICE-lite too, so the client must be a full ICE agent")]
    IceLite,
    #[error("m=: neither the section nor the session has an a={0}")]
    Missing(&'static str),
    #[error("a=ice-ufrag: 4 to 256 letters, digits, + and / are needed (RFC 8839)")]
    Ufrag,
    #[error("a=ice-pwd: 22 to 256 visible characters are needed (RFC 8839)")]
    Pwd,
    #[error("a=fingerprint: this hash function is not supported; sha-256 is")]
    HashFunction,
    #[error("a=fingerprint: a sha-256 digest has 32 bytes in hexadecimal, separated by colons")]
    Digest,
    #[error("a=fingerprint: the offer has more than {} digests", limits::FINGERPRINTS_PER_SESSION_MAX)]
    TooManyFingerprints,
    #[error("a=setup: the server is the DTLS server, so the client must offer actpass or active")]
    Setup,
}

impl Problem {
    pub(super) const fn at(self, line: usize) -> OfferError {
        OfferError { line: Some(line), problem: self }
    }
}

impl std::fmt::Display for OfferError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line} of the offer, {}", self.problem),
            None => self.problem.fmt(f),
        }
    }
}

impl std::error::Error for OfferError {}

impl OfferError {
    #[must_use]
    pub fn code(&self) -> ErrorCode {
        match &self.problem {
            Problem::TooManySections => ErrorCode::TooManySections,
            Problem::Media | Problem::Protocol | Problem::NoCodec(_) => ErrorCode::UnsupportedMedia,
            Problem::TagRejected(reason) => reason.code(),
            Problem::NoSections
            | Problem::AllStopped
            | Problem::TooManyLines
            | Problem::HeadIncomplete
            | Problem::HeadUnreadable
            | Problem::Port
            | Problem::Rtpmap(_)
            | Problem::NotBundled(_)
            | Problem::NoMid
            | Problem::Mid(_)
            | Problem::MidTaken(_)
            | Problem::NotMuxed
            | Problem::IceLite
            | Problem::Missing(_)
            | Problem::Ufrag
            | Problem::Pwd
            | Problem::HashFunction
            | Problem::Digest
            | Problem::TooManyFingerprints
            | Problem::Setup => ErrorCode::InvalidOffer,
        }
    }
}

enum Verdict {
    /// The offerer has rejected or stopped it.
    Stopped,
    Unusable(OfferError),
    Usable(SectionMedia, Mid),
}

impl Verdict {
    const fn mid(&self) -> Option<&Mid> {
        match self {
            Self::Usable(_, mid) => Some(mid),
            Self::Stopped | Self::Unusable(_) => None,
        }
    }
}

impl Offer {
    pub fn read(text: &str) -> Result<Self, OfferError> {
        let lines = Lines::read(text)?;
        if lines.sections.is_empty() {
            return Err(OfferError { line: None, problem: Problem::NoSections });
        }
        // Session-level lines are read once, however many sections they apply to.
        if let Some(line) = lines.session.excess {
            return Err(Problem::TooManyLines.at(line));
        }
        let for_all = OfferedExtensions::read(&lines.session.extensions);
        let places = places(&lines);
        let mut verdicts = verdicts(&lines, &places)?;
        bundle(&lines, &places, &mut verdicts);
        let tag = tag(&lines, &places, &verdicts)?;
        let client = transport(&lines, &places, &verdicts, tag)?;
        let mut taken: SortedSet<String> = verdicts.iter().filter_map(Verdict::mid).map(ToString::to_string).collect();
        let mut head = |section: &SectionLines<'_>| {
            let mut head = section.head();
            // The answer contains each mid once.
            head.mid = head.mid.filter(|mid| taken.insert(mid.clone()));
            head
        };
        let mut sections = Vec::with_capacity(lines.sections.len());
        for ((section, place), verdict) in lines.sections.iter().zip(places).zip(verdicts) {
            sections.push(match verdict {
                Verdict::Stopped => OfferedSection::Unusable { head: head(section), reason: None },
                Verdict::Unusable(reason) => OfferedSection::Unusable { head: head(section), reason: Some(reason) },
                Verdict::Usable(media, mid) => {
                    let bundle = place.map(|place| place.order);
                    OfferedSection::Usable(usable(&lines.session, &for_all, section, media, mid, bundle))
                }
            });
        }
        let Client { ufrag, pwd, fingerprint, other_fingerprints } = client;
        Ok(Self { ufrag, pwd, fingerprint, other_fingerprints, sections })
    }
}

#[derive(Clone, Copy)]
struct Place {
    group: usize,
    /// Position among the sections of all groups.
    order: u16,
}

fn places(lines: &Lines<'_>) -> Vec<Option<Place>> {
    let mut by_mid: SortedMap<&str, Vec<usize>> = SortedMap::new();
    for (index, section) in lines.sections.iter().enumerate() {
        if let Some(mid) = section.mid {
            by_mid.get_or_default(mid.value).push(index);
        }
    }
    let mut places = vec![None; lines.sections.len()];
    let mut order = 0_u16;
    for (group, tags) in lines.groups.iter().enumerate() {
        for tag in words(tags) {
            if by_mid.is_empty() {
                return places;
            }
            // Only the first mention of a section in the groups counts.
            for index in by_mid.remove(tag).into_iter().flatten() {
                if let Some(place) = places.get_mut(index) {
                    *place = Some(Place { group, order });
                    order = order.saturating_add(1);
                }
            }
        }
    }
    places
}

/// True if the offerer wants the section: its port is not 0, or is 0 because it is bundled (RFC 8843 §6).
const fn is_living(section: &SectionLines<'_>, place: Option<Place>) -> bool {
    section.has_port || (section.bundle_only && place.is_some())
}

/// Validates each section independently. Only a mid that two of them use is the whole offer's fault.
fn verdicts(lines: &Lines<'_>, places: &[Option<Place>]) -> Result<Vec<Verdict>, OfferError> {
    let mut mids: SortedMap<Mid, usize> = SortedMap::new();
    let mut verdicts = Vec::with_capacity(lines.sections.len());
    for (section, place) in lines.sections.iter().zip(places) {
        verdicts.push(match media_and_mid(&lines.session, section) {
            _ if !is_living(section, *place) => Verdict::Stopped,
            Err(reason) => Verdict::Unusable(reason),
            Ok((media, mid)) => {
                if let Some(other) = mids.insert(mid.clone(), section.line) {
                    let line = section.mid.map_or(section.line, |mid| mid.line);
                    return Err(Problem::MidTaken(other).at(line));
                }
                Verdict::Usable(media, mid)
            }
        });
    }
    Ok(verdicts)
}

/// Parses a section by itself, or returns the reason why it cannot be accepted.
fn media_and_mid(session: &SectionLines<'_>, section: &SectionLines<'_>) -> Result<(SectionMedia, Mid), OfferError> {
    if let Some(fault) = &section.fault {
        return Err(fault.clone().at(section.line));
    }
    let media = media::read(section)?;
    if let Some(line) = section.excess {
        return Err(Problem::TooManyLines.at(line));
    }
    let Attribute { line, value } = section.mid.ok_or(Problem::NoMid.at(section.line))?;
    let mid = Mid::parse(value).map_err(|error| Problem::Mid(error).at(line))?;
    // RFC 8843 §9.3: bundled media need it.
    if !section.rtcp_mux && !session.rtcp_mux {
        return Err(Problem::NotMuxed.at(section.line));
    }
    Ok((media, mid))
}

/// Rejects sections that cannot share the one transport (RFC 8829 §5.3.1): those outside the BUNDLE group of the first
/// usable one, and the whole group if its tagged section cannot be accepted (RFC 8843 §7.3.3).
fn bundle(lines: &Lines<'_>, places: &[Option<Place>], verdicts: &mut [Verdict]) {
    let Some(first) = verdicts.iter().position(|verdict| matches!(verdict, Verdict::Usable(..))) else { return };
    let first_line = lines.sections.get(first).map_or(0, |section| section.line);
    let group = places.get(first).copied().flatten().map(|place| place.group);
    let in_group = |place: &Option<Place>| group.is_some() && place.map(|place| place.group) == group;
    let living = places
        .iter()
        .zip(verdicts.iter())
        .filter(|(place, verdict)| in_group(place) && !matches!(verdict, Verdict::Stopped));
    let tagged = living.min_by_key(|(place, _)| place.map(|place| place.order)).map(|(_, verdict)| verdict);
    let tag_rejected = match tagged {
        Some(Verdict::Unusable(reason)) => Some(reason.clone()),
        Some(Verdict::Usable(..) | Verdict::Stopped) | None => None,
    };
    for (index, (verdict, place)) in verdicts.iter_mut().zip(places).enumerate() {
        let Verdict::Usable(..) = verdict else { continue };
        let line = lines.sections.get(index).map_or(0, |section| section.line);
        if index != first && !in_group(place) {
            *verdict = Verdict::Unusable(Problem::NotBundled(first_line).at(line));
        } else if let Some(reason) = &tag_rejected {
            *verdict = Verdict::Unusable(Problem::TagRejected(Box::new(reason.clone())).at(line));
        }
    }
}

/// The section whose transport attributes count: the first of the BUNDLE group (RFC 8843 §7.3.1), or the only one.
fn tag(lines: &Lines<'_>, places: &[Option<Place>], verdicts: &[Verdict]) -> Result<usize, OfferError> {
    let usable = verdicts.iter().enumerate().filter(|(_, verdict)| matches!(verdict, Verdict::Usable(..)));
    let order = |index: usize| places.get(index).copied().flatten().map(|place| place.order);
    if let Some((tag, _)) = usable.min_by_key(|(index, _)| order(*index)) {
        return Ok(tag);
    }
    let reason = verdicts.iter().find_map(|verdict| match verdict {
        Verdict::Unusable(reason) => Some(reason.clone()),
        Verdict::Usable(..) | Verdict::Stopped => None,
    });
    let stopped = lines.sections.first().map(|section| section.line);
    Err(reason.unwrap_or(OfferError { line: stopped, problem: Problem::AllStopped }))
}

struct Client {
    ufrag: String,
    pwd: String,
    fingerprint: Fingerprint,
    other_fingerprints: Vec<Fingerprint>,
}

/// Reads the client's end of the transport. Lines missing in the tagged section come from the session, or else from the
/// next section of the group.
fn transport(
    lines: &Lines<'_>,
    places: &[Option<Place>],
    verdicts: &[Verdict],
    tag: usize,
) -> Result<Client, OfferError> {
    let mut usable: Vec<(Option<u16>, &SectionLines<'_>)> = Vec::new();
    for ((section, place), verdict) in lines.sections.iter().zip(places).zip(verdicts) {
        if matches!(verdict, Verdict::Usable(..)) {
            usable.push((place.map(|place| place.order), section));
        }
    }
    sorted::sort_by_key(&mut usable, |(order, _)| *order);
    let tagged = lines.sections.get(tag).unwrap_or(&lines.session);
    let ice_lite = lines.session.ice_lite.or_else(|| usable.iter().find_map(|(_, section)| section.ice_lite));
    if let Some(line) = ice_lite {
        return Err(Problem::IceLite.at(line));
    }
    let levels = || {
        let others = usable.iter().map(|(_, section)| &section.transport);
        [&tagged.transport, &lines.session.transport].into_iter().chain(others)
    };
    let missing = |name| Problem::Missing(name).at(tagged.line);
    let is_ice = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
    let ufrag = levels().find_map(|level| level.ufrag).ok_or(missing("ice-ufrag"))?;
    if !UFRAG_BYTES.contains(&ufrag.value.len()) || !ufrag.value.chars().all(is_ice) {
        return Err(Problem::Ufrag.at(ufrag.line));
    }
    let pwd = levels().find_map(|level| level.pwd).ok_or(missing("ice-pwd"))?;
    if !PWD_BYTES.contains(&pwd.value.len()) || !pwd.value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Problem::Pwd.at(pwd.line));
    }
    let fingerprints = levels().map(|level| &level.fingerprints).find(|fingerprints| !fingerprints.is_empty());
    let fingerprints = fingerprints_of(fingerprints.ok_or(missing("fingerprint"))?)?;
    let (fingerprint, other_fingerprints) = fingerprints.split_first().ok_or(missing("fingerprint"))?;
    // RFC 8842 §5.2: a missing setup attribute means active.
    let is_usable = |setup: &str| ["actpass", "active"].iter().any(|role| role.eq_ignore_ascii_case(setup));
    match levels().find_map(|level| level.setup).filter(|setup| !is_usable(setup.value)) {
        Some(setup) => Err(Problem::Setup.at(setup.line)),
        None => Ok(Client {
            ufrag: ufrag.value.into(),
            pwd: pwd.value.into(),
            fingerprint: *fingerprint,
            other_fingerprints: other_fingerprints.to_vec(),
        }),
    }
}

/// The SHA-256 digests of one level; the client may present any of those certificates (RFC 8122 §5).
fn fingerprints_of(lines: &[Attribute<'_>]) -> Result<Vec<Fingerprint>, OfferError> {
    let mut fingerprints = Vec::new();
    let mut refused = None;
    for Attribute { line, value } in lines {
        let (hash, digest) = first_word(value).unwrap_or((value, ""));
        // Hash function names are case-insensitive (RFC 8122 §5).
        if !hash.eq_ignore_ascii_case("sha-256") {
            refused = refused.or(Some(Problem::HashFunction.at(*line)));
            continue;
        }
        match Fingerprint::parse(digest) {
            Ok(_) if fingerprints.len() >= limits::FINGERPRINTS_PER_SESSION_MAX => {
                return Err(Problem::TooManyFingerprints.at(*line));
            }
            Ok(fingerprint) if !fingerprints.contains(&fingerprint) => fingerprints.push(fingerprint),
            Ok(_) => {}
            // An invalid SHA-256 digest is a more helpful reason than another hash function.
            Err(_) => refused = Some(Problem::Digest.at(*line)),
        }
    }
    sorted::sort_by(&mut fingerprints, Ord::cmp);
    match refused.filter(|_| fingerprints.is_empty()) {
        Some(refused) => Err(refused),
        None => Ok(fingerprints),
    }
}

fn usable(
    session: &SectionLines<'_>,
    for_all: &OfferedExtensions,
    section: &SectionLines<'_>,
    media: SectionMedia,
    mid: Mid,
    bundle: Option<u16>,
) -> UsableSection {
    let SectionMedia { kind, codecs } = media;
    let extensions = OfferedExtensions::read(&section.extensions).or(for_all);
    let (ids, _) = extensions.of(Flow::ClientToNode);
    let (feedback, codec_feedback) = media::feedback(section, &codecs);
    // Only the mid and rid extensions tell which layer of which section a packet belongs to.
    let has_layers = kind == MediaKind::Video && ids.mid.is_some() && ids.rid.is_some();
    UsableSection {
        mid,
        kind,
        protocol: section.protocol.into(),
        bundle,
        direction: section.direction.or(session.direction).unwrap_or(Direction::SendRecv),
        feedback,
        codec_feedback,
        layers: if has_layers { simulcast::layers(section, &codecs) } else { Vec::new() },
        codecs,
        extensions,
        encoding: media::encoding(section),
        rtcp_rsize: section.rtcp_rsize || session.rtcp_rsize,
    }
}
