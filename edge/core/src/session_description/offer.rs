//! Reads an offer, line by line, within bounds.

use super::EXTENSIONS;
use super::section::{Direction, Feedback, OfferedSection};
use shared::rtp_parameters::{Codec, CodecName, Encoding, Fingerprint, HeaderExtensions};
use shared::{ErrorCode, Mid, limits};
use std::collections::BTreeSet;

/// Most lines: a full offer of Firefox has about 46 in a section.
const LINES_MAX: usize = 8_192;
/// Longest line: the longest of a browser is the BUNDLE group, under 300 bytes.
const LINE_BYTES_MAX: usize = 2_048;
/// Most formats of a section: there are no more payload types (RFC 3550 §5.1).
const FORMATS_MAX: usize = 128;
/// The header extension ids of one-byte headers (RFC 8285 §4.2), the only form that nodes write.
const EXTENSION_IDS: std::ops::RangeInclusive<u8> = 1..=14;
/// How long an ICE user fragment may be (RFC 8839 §5.4).
const UFRAG_BYTES: std::ops::RangeInclusive<usize> = 4..=256;
/// How long an ICE password may be (RFC 8839 §5.4).
const PWD_BYTES: std::ops::RangeInclusive<usize> = 22..=256;

/// An offer that can be answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The user fragment of the client's ICE agent.
    pub ufrag: String,
    /// The password of the client's ICE agent.
    pub pwd: String,
    /// Digest of the client's certificate.
    pub fingerprint: Fingerprint,
    /// Its media sections, in order.
    pub sections: Vec<OfferedSection>,
}

/// Why an offer cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// More lines than any client needs.
    #[error("the offer has more than {LINES_MAX} lines")]
    TooManyLines,
    /// Not `type=value`, too long, or with a control character in it.
    #[error("line {line} of the offer cannot be read")]
    Line {
        /// Which, counted from 1.
        line: usize,
    },
    /// More sections than slots, tracks and data need.
    #[error("the offer has more than {} sections", limits::SECTIONS_PER_OFFER_MAX)]
    TooManySections,
    /// No section at all, or none that is alive.
    #[error("the offer has no section to carry media")]
    NoSections,
    /// A section without a usable identification tag, or two with one.
    #[error("section {section} of the offer has no mid of its own")]
    Mid {
        /// Which, counted from 0.
        section: usize,
    },
    /// A living section outside the BUNDLE group.
    #[error("section {mid} is not in the BUNDLE group: offer with max-bundle")]
    NotBundled {
        /// Which.
        mid: Mid,
    },
    /// RTCP on a port of its own.
    #[error("section {mid} does not multiplex RTCP")]
    NotMuxed {
        /// Which.
        mid: Mid,
    },
    /// No ICE user fragment or password, or of a length that RFC 8839 forbids.
    #[error("the offer has no valid ice-ufrag and ice-pwd")]
    IceCredentials,
    /// No SHA-256 digest of the client's certificate.
    #[error("the offer has no sha-256 fingerprint")]
    Fingerprint,
    /// The client would be the DTLS server, as which nodes are made.
    #[error("the offer's setup must be actpass or active")]
    Setup,
}

impl OfferError {
    /// The code that goes on the wire.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::TooManySections => ErrorCode::TooManySections,
            Self::TooManyLines
            | Self::Line { .. }
            | Self::NoSections
            | Self::Mid { .. }
            | Self::NotBundled { .. }
            | Self::NotMuxed { .. }
            | Self::IceCredentials
            | Self::Fingerprint
            | Self::Setup => ErrorCode::InvalidOffer,
        }
    }
}

impl Offer {
    /// Reads the text of an offer.
    pub fn read(text: &str) -> Result<Self, OfferError> {
        Lines::read(text)?.into_offer()
    }
}

/// The lines of an offer, sorted by section but not yet understood.
#[derive(Default)]
struct Lines<'a> {
    bundle: BTreeSet<&'a str>,
    transport: TransportLines<'a>,
    sections: Vec<SectionLines<'a>>,
}

/// The transport attributes of the session or of one section.
#[derive(Clone, Copy, Default)]
struct TransportLines<'a> {
    ufrag: Option<&'a str>,
    pwd: Option<&'a str>,
    fingerprint: Option<&'a str>,
    setup: Option<&'a str>,
}

#[derive(Default)]
struct SectionLines<'a> {
    media: &'static str,
    port: &'a str,
    protocol: &'a str,
    formats: Vec<&'a str>,
    mid: Option<&'a str>,
    direction: Option<Direction>,
    transport: TransportLines<'a>,
    bundle_only: bool,
    rtcp_mux: bool,
    rtcp_rsize: bool,
    /// Payload type and value.
    rtpmaps: Vec<(&'a str, &'a str)>,
    fmtps: Vec<(&'a str, &'a str)>,
    feedback: Vec<(&'a str, &'a str)>,
    /// Id and URI.
    extensions: Vec<(&'a str, &'a str)>,
    ssrc: Option<u32>,
    /// The first stream and its retransmissions (RFC 4588 §8).
    fid: Option<(u32, u32)>,
}

impl<'a> Lines<'a> {
    fn read(text: &'a str) -> Result<Self, OfferError> {
        let mut lines = Self::default();
        for (index, line) in text.lines().enumerate() {
            let bad = OfferError::Line { line: index.saturating_add(1) };
            if index >= LINES_MAX {
                return Err(OfferError::TooManyLines);
            }
            // What is echoed in the answer must not be able to break its lines.
            if line.len() > LINE_BYTES_MAX || line.chars().any(char::is_control) {
                return Err(bad);
            }
            if line.is_empty() {
                continue;
            }
            let (kind, value) = line.split_once('=').ok_or_else(|| bad.clone())?;
            match kind {
                "m" if lines.sections.len() >= limits::SECTIONS_PER_OFFER_MAX => {
                    return Err(OfferError::TooManySections);
                }
                "m" => lines.sections.push(SectionLines::open(value).ok_or(bad)?),
                "a" => lines.attribute(value).ok_or(bad)?,
                _ => {}
            }
        }
        Ok(lines)
    }

    /// Takes one `a` line; nothing where it is broken.
    fn attribute(&mut self, line: &'a str) -> Option<()> {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let transport = self.sections.last_mut().map_or(&mut self.transport, |section| &mut section.transport);
        match name {
            "ice-ufrag" => transport.ufrag = Some(value),
            "ice-pwd" => transport.pwd = Some(value),
            "setup" => transport.setup = Some(value),
            "fingerprint" => {
                // Several digests of one certificate may be offered (RFC 8122 §5); this is the one we know.
                if let Some(("sha-256", digest)) = value.split_once(' ').map(|(h, d)| (lowercase_hash(h), d)) {
                    transport.fingerprint = transport.fingerprint.or(Some(digest));
                }
            }
            "group" if self.sections.is_empty() => {
                let mut words = value.split(' ');
                if words.next() == Some("BUNDLE") && self.bundle.is_empty() {
                    self.bundle = words.collect();
                }
            }
            _ => return self.sections.last_mut().map_or(Some(()), |section| section.attribute(name, value)),
        }
        Some(())
    }

    fn into_offer(self) -> Result<Offer, OfferError> {
        let mids = self.mids()?;
        let living = |section: &&SectionLines<'a>| !section.rejected();
        // RFC 8843 §7.1.3: only the transport attributes of the first section of the group count.
        let tagged = self.sections.iter().find(living).ok_or(OfferError::NoSections)?;
        let (ufrag, pwd, fingerprint) = tagged.transport.or(self.transport).check()?;
        let mut sections = Vec::with_capacity(self.sections.len());
        for (lines, mid) in self.sections.iter().zip(mids) {
            if !lines.rejected() && !self.bundle.contains(mid.as_str()) {
                return Err(OfferError::NotBundled { mid });
            }
            if !lines.rejected() && !lines.rtcp_mux && matches!(lines.media, "audio" | "video") {
                return Err(OfferError::NotMuxed { mid });
            }
            sections.push(lines.understand(mid));
        }
        Ok(Offer { ufrag: ufrag.into(), pwd: pwd.into(), fingerprint, sections })
    }

    fn mids(&self) -> Result<Vec<Mid>, OfferError> {
        let mut seen = BTreeSet::new();
        let mid = |(section, lines): (usize, &SectionLines<'a>)| {
            let mid = lines.mid.and_then(|mid| Mid::parse(mid).ok()).ok_or(OfferError::Mid { section })?;
            if seen.insert(mid.clone()) { Ok(mid) } else { Err(OfferError::Mid { section }) }
        };
        self.sections.iter().enumerate().map(mid).collect()
    }
}

/// Hash names are compared without case (RFC 8122 §5).
fn lowercase_hash(name: &str) -> &'static str {
    if name.eq_ignore_ascii_case("sha-256") { "sha-256" } else { "" }
}

impl<'a> TransportLines<'a> {
    /// These, and where one is missing that of the session.
    fn or(self, session: Self) -> Self {
        Self {
            ufrag: self.ufrag.or(session.ufrag),
            pwd: self.pwd.or(session.pwd),
            fingerprint: self.fingerprint.or(session.fingerprint),
            setup: self.setup.or(session.setup),
        }
    }

    fn check(self) -> Result<(&'a str, &'a str, Fingerprint), OfferError> {
        let is_ice = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/');
        let ufrag = self.ufrag.filter(|ufrag| UFRAG_BYTES.contains(&ufrag.len()) && ufrag.chars().all(is_ice));
        let pwd = self.pwd.filter(|pwd| PWD_BYTES.contains(&pwd.len()));
        let (Some(ufrag), Some(pwd)) = (ufrag, pwd) else { return Err(OfferError::IceCredentials) };
        let digest = self.fingerprint.and_then(|digest| Fingerprint::parse(digest).ok());
        let fingerprint = digest.ok_or(OfferError::Fingerprint)?;
        // RFC 8842 §5.2: a missing setup attribute means active.
        if !matches!(self.setup, None | Some("actpass" | "active")) {
            return Err(OfferError::Setup);
        }
        Ok((ufrag, pwd, fingerprint))
    }
}

impl<'a> SectionLines<'a> {
    /// Takes the value of an `m` line; nothing where it is broken.
    fn open(value: &'a str) -> Option<Self> {
        let mut words = value.split(' ');
        let media = ["audio", "video", "application"];
        let media = words.next().and_then(|word| media.into_iter().find(|media| *media == word))?;
        let port = words.next()?;
        let protocol = words.next()?;
        let formats: Vec<_> = words.collect();
        if formats.is_empty() || formats.len() > FORMATS_MAX || formats.iter().any(|format| format.is_empty()) {
            return None;
        }
        Some(Self { media, port, protocol, formats, ..Self::default() })
    }

    fn attribute(&mut self, name: &str, value: &'a str) -> Option<()> {
        match name {
            "mid" => self.mid = Some(value),
            "bundle-only" => self.bundle_only = true,
            "rtcp-mux" => self.rtcp_mux = true,
            "rtcp-rsize" => self.rtcp_rsize = true,
            "sendrecv" => self.direction = Some(Direction::SendRecv),
            "sendonly" => self.direction = Some(Direction::SendOnly),
            "recvonly" => self.direction = Some(Direction::RecvOnly),
            "inactive" => self.direction = Some(Direction::Inactive),
            "rtpmap" => self.rtpmaps.push(value.split_once(' ')?),
            "fmtp" => self.fmtps.push(value.split_once(' ')?),
            "rtcp-fb" => self.feedback.push(value.split_once(' ')?),
            "extmap" => {
                let (id, uri) = value.split_once(' ')?;
                // The id may be followed by a direction, the URI by attributes (RFC 8285 §5).
                self.extensions.push((id.split('/').next()?, uri.split(' ').next()?));
            }
            "ssrc" if self.ssrc.is_none() => self.ssrc = Some(value.split(' ').next()?.parse().ok()?),
            "ssrc-group" if self.fid.is_none() => {
                if let Some(("FID", pair)) = value.split_once(' ') {
                    let (stream, retransmissions) = pair.split_once(' ')?;
                    self.fid = Some((stream.parse().ok()?, retransmissions.parse().ok()?));
                }
            }
            _ => {}
        }
        Some(())
    }

    fn rejected(&self) -> bool {
        self.port == "0" && !self.bundle_only
    }

    fn understand(&self, mid: Mid) -> OfferedSection {
        let codecs = if self.protocol.ends_with("TLS/RTP/SAVPF") { self.codecs() } else { Vec::new() };
        let feedback = codecs.first().map_or_else(Vec::new, |codec| self.feedback(codec));
        let encoding = match self.fid {
            Some((stream, retransmissions)) => {
                Encoding { ssrc: Some(stream), rtx_ssrc: Some(retransmissions), rid: None }
            }
            None => Encoding { ssrc: self.ssrc, rtx_ssrc: None, rid: None },
        };
        OfferedSection {
            mid,
            media: self.media,
            protocol: self.protocol.into(),
            format: self.formats.first().copied().unwrap_or("0").into(),
            rejected: self.rejected(),
            direction: self.direction.unwrap_or(Direction::SendRecv),
            codecs,
            feedback,
            extensions: self.extensions(),
            encoding,
            rtcp_rsize: self.rtcp_rsize,
        }
    }

    /// The codecs that Rotunda forwards, each once, in the order of the `m` line.
    fn codecs(&self) -> Vec<Codec> {
        let mut codecs: Vec<Codec> = Vec::new();
        for format in &self.formats {
            let Some(codec) = self.codec(format) else { continue };
            if codecs.len() < limits::CODECS_PER_SECTION_MAX && !codecs.iter().any(|known| known.name == codec.name) {
                codecs.push(codec);
            }
        }
        codecs
    }

    fn codec(&self, format: &str) -> Option<Codec> {
        let payload_type = format.parse().ok().filter(|payload_type| *payload_type < 128)?;
        let (_, encoding) = self.rtpmaps.iter().find(|(of, _)| *of == format)?;
        let is = |name: &str| encoding.eq_ignore_ascii_case(name);
        let (name, clock_rate) = match self.media {
            "audio" if is("opus/48000/2") => (CodecName::Opus, 48_000),
            "video" if is("VP8/90000") => (CodecName::Vp8, 90_000),
            _ => return None,
        };
        Some(Codec { name, payload_type, rtx_payload_type: self.retransmission_of(format), clock_rate })
    }

    /// The payload type that retransmits `format` (RFC 4588 §8.1).
    fn retransmission_of(&self, format: &str) -> Option<u8> {
        let apt = |parameters: &str| {
            parameters.split(';').filter_map(|pair| pair.trim().strip_prefix("apt=")).any(|of| of == format)
        };
        let is_rtx = |rtx: &str| {
            let named = |(of, encoding): &(&str, &str)| *of == rtx && encoding.to_ascii_lowercase().starts_with("rtx/");
            self.formats.contains(&rtx) && self.rtpmaps.iter().any(named)
        };
        let (rtx, _) = self.fmtps.iter().find(|(rtx, parameters)| apt(parameters) && is_rtx(rtx))?;
        rtx.parse().ok().filter(|payload_type| *payload_type < 128)
    }

    fn feedback(&self, codec: &Codec) -> Vec<Feedback> {
        let payload_type = codec.payload_type.to_string();
        let offered = |kind: &Feedback| {
            let same = |(of, value): &(&str, &str)| (*of == payload_type || *of == "*") && *value == kind.as_str();
            self.feedback.iter().any(same)
        };
        Feedback::ALL.into_iter().filter(offered).collect()
    }

    fn extensions(&self) -> HeaderExtensions {
        let id = |uri: &str| {
            let (id, _) = self.extensions.iter().find(|(_, known)| *known == uri)?;
            id.parse().ok().filter(|id| EXTENSION_IDS.contains(id))
        };
        let [mid, rid, repaired_rid, abs_send_time, transport_cc, audio_level, video_orientation] = EXTENSIONS.map(id);
        HeaderExtensions { mid, rid, repaired_rid, abs_send_time, transport_cc, audio_level, video_orientation }
    }
}
