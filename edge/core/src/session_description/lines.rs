//! Sorts the lines of an offer by section, in one pass. Only the `m=` lines, which the answer must repeat, are
//! validated here; a fault in one of them is the fault of its section alone, unless no answer could name the section.

use super::offer::{OfferError, Problem};
use super::section::{Direction, RejectedSection};
use crate::steps::look_through;
use shared::limits;

/// Longest word of an `m=` line, and longest `mid` of a section that is only repeated in the answer.
const WORD_BYTES_MAX: usize = 64;
/// The protocol of a rejected section whose own cannot be repeated (RFC 8829 §5.1.2).
const PROTOCOL: &str = "UDP/TLS/RTP/SAVPF";

#[derive(Default)]
pub(super) struct Lines<'a> {
    pub(super) session: SectionLines<'a>,
    pub(super) sections: Vec<SectionLines<'a>>,
    /// The identification tags of every BUNDLE group.
    pub(super) groups: Vec<&'a str>,
}

/// One attribute and its line, counted from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attribute<'a> {
    pub(super) line: usize,
    pub(super) value: &'a str,
}

/// Transport attributes of the session or of one section.
#[derive(Clone, Default)]
pub(super) struct TransportLines<'a> {
    pub(super) ufrag: Option<Attribute<'a>>,
    pub(super) pwd: Option<Attribute<'a>>,
    /// The fingerprints of one level replace those of the level above (RFC 8122 §5).
    pub(super) fingerprints: Vec<Attribute<'a>>,
    pub(super) setup: Option<Attribute<'a>>,
}

/// The lines of one section, or those above the first section.
#[derive(Default)]
pub(super) struct SectionLines<'a> {
    /// Number of the `m=` line.
    pub(super) line: usize,
    pub(super) media: &'a str,
    pub(super) has_port: bool,
    /// The `m=` line's fault, for which the section is rejected if the offerer wants it.
    pub(super) fault: Option<Problem>,
    pub(super) protocol: &'a str,
    /// The formats of the `m=` line, separated by blanks.
    pub(super) formats: &'a str,
    pub(super) mid: Option<Attribute<'a>>,
    pub(super) direction: Option<Direction>,
    pub(super) transport: TransportLines<'a>,
    pub(super) ice_lite: Option<usize>,
    pub(super) bundle_only: bool,
    pub(super) rtcp_mux: bool,
    pub(super) rtcp_rsize: bool,
    pub(super) rtpmaps: Vec<Attribute<'a>>,
    pub(super) fmtps: Vec<&'a str>,
    pub(super) feedback: Vec<&'a str>,
    pub(super) extensions: Vec<&'a str>,
    pub(super) rids: Vec<&'a str>,
    pub(super) simulcast: Option<&'a str>,
    pub(super) ssrc: Option<u32>,
    /// The first stream and its retransmissions (RFC 4588 §8).
    pub(super) fid: Option<(u32, u32)>,
    /// The pairs of all streams that may be layers.
    pub(super) fids: Vec<(u32, u32)>,
    /// The number of attributes kept in lists.
    listed: usize,
    /// The first line beyond the limit.
    pub(super) excess: Option<usize>,
}

/// Blanks around and between words; the carriage return remains from `\r\r
/// `.
const BLANKS: [char; 3] = [' ', '\t', '\r'];

/// Most values have no blanks around them, which two bytes tell.
fn trim(value: &str) -> &str {
    let is_blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t' | b'\r'));
    let bytes = value.as_bytes();
    if is_blank(bytes.first()) || is_blank(bytes.last()) { value.trim_matches(BLANKS) } else { value }
}

/// The words of a value, without any blanks around and between them.
pub(super) fn words(value: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(value);
    let words = std::iter::from_fn(move || {
        let (word, after) = split_at_blank(rest?).map_or((rest?, None), |(word, after)| (word, Some(after)));
        rest = after;
        Some(look_through(word))
    });
    words.filter(|word| !word.is_empty())
}

pub(super) fn first_word(value: &str) -> Option<(&str, &str)> {
    let (word, rest) = split_at_blank(look_through(value))?;
    Some((word, trim(rest)))
}

/// Splits at the first space or tab. By bytes: looking for one of several characters costs several times as much.
fn split_at_blank(value: &str) -> Option<(&str, &str)> {
    let at = value.bytes().position(|byte| matches!(byte, b' ' | b'\t'))?;
    Some((value.get(..at)?, value.get(at.saturating_add(1)..)?))
}

/// A payload type that RTP can have beside multiplexed RTCP (RFC 5761 §4).
pub(super) fn payload_type(word: &str) -> Option<u8> {
    let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
    word.parse().ok().filter(|number| is_number && matches!(number, 0..=63 | 96..=127))
}

impl<'a> Lines<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, OfferError> {
        let mut lines = Self::default();
        for (number, line) in (1..).zip(text.lines()) {
            let Some((kind, value)) = trim(look_through(line)).split_once('=') else { continue };
            match kind.trim_end_matches(BLANKS) {
                "m" if lines.sections.len() >= limits::SECTIONS_PER_OFFER_MAX => {
                    return Err(Problem::TooManySections.at(number));
                }
                "m" => lines.sections.push(SectionLines::open(number, value)?),
                "a" => {
                    let (name, value) = value.split_once(':').unwrap_or((value, ""));
                    lines.attribute(trim(name), number, trim(value));
                }
                _ => {}
            }
        }
        Ok(lines)
    }

    fn attribute(&mut self, name: &str, line: usize, value: &'a str) {
        match self.sections.last_mut() {
            Some(section) => section.attribute(name, Attribute { line, value }),
            None if name == "group" => {
                if let Some(("BUNDLE", tags)) = first_word(value) {
                    self.groups.push(tags);
                }
            }
            None => self.session.attribute(name, Attribute { line, value }),
        }
    }
}

impl<'a> SectionLines<'a> {
    /// Reads an `m=` line, which the answer repeats: `media port protocol format …`.
    fn open(line: usize, value: &'a str) -> Result<Self, OfferError> {
        let mut rest = trim(value);
        let mut next = || {
            let (word, after) = first_word(rest).unwrap_or((rest, ""));
            rest = after;
            word
        };
        let (media, port, protocol, formats) = (next(), next(), next(), rest);
        // The offerer matches the sections of the answer by these (RFC 3264 §6); the other words can be replaced.
        if media.is_empty() {
            return Err(Problem::HeadIncomplete.at(line));
        }
        if !is_plain(media) {
            return Err(Problem::HeadUnreadable.at(line));
        }
        let format = words(formats).next().unwrap_or("");
        // A port may be followed by the number of ports (RFC 8866 §5.14).
        let port = port.split('/').next().unwrap_or(port).parse::<u16>();
        let fault = if format.is_empty() {
            Some(Problem::HeadIncomplete)
        } else if ![protocol, format].into_iter().all(is_plain) {
            Some(Problem::HeadUnreadable)
        } else {
            port.is_err().then_some(Problem::Port)
        };
        Ok(Self { line, media, has_port: port != Ok(0), fault, protocol, formats, ..Self::default() })
    }

    fn attribute(&mut self, name: &str, attribute: Attribute<'a>) {
        let Attribute { line, value } = attribute;
        if matches!(look_through(name), "fingerprint" | "rtpmap" | "fmtp" | "rtcp-fb" | "extmap" | "rid") {
            self.listed = self.listed.saturating_add(1);
            if self.listed > limits::LISTED_ATTRIBUTES_PER_SECTION_MAX {
                self.excess = self.excess.or(Some(line));
                return;
            }
        }
        match name {
            "mid" => self.mid = Some(attribute),
            "ice-ufrag" => self.transport.ufrag = Some(attribute),
            "ice-pwd" => self.transport.pwd = Some(attribute),
            "setup" => self.transport.setup = Some(attribute),
            "fingerprint" => self.transport.fingerprints.push(attribute),
            "ice-lite" => self.ice_lite = Some(line),
            "bundle-only" => self.bundle_only = true,
            "rtcp-mux" | "rtcp-mux-only" => self.rtcp_mux = true,
            "rtcp-rsize" => self.rtcp_rsize = true,
            "sendrecv" => self.direction = Some(Direction::SendRecv),
            "sendonly" => self.direction = Some(Direction::SendOnly),
            "recvonly" => self.direction = Some(Direction::RecvOnly),
            "inactive" => self.direction = Some(Direction::Inactive),
            "rtpmap" => self.rtpmaps.push(attribute),
            "fmtp" => self.fmtps.push(value),
            "rtcp-fb" => self.feedback.push(value),
            "extmap" => self.extensions.push(value),
            "rid" => self.rids.push(value),
            "simulcast" if self.simulcast.is_none() => self.simulcast = Some(value),
            "ssrc" if self.ssrc.is_none() => self.ssrc = words(value).next().and_then(|ssrc| ssrc.parse().ok()),
            "ssrc-group" if self.fids.len() <= limits::ENCODINGS_PER_SECTION_MAX => {
                self.fids.extend(fid(value));
                self.fid = self.fids.first().copied();
            }
            _ => {}
        }
    }

    /// The parts of a rejected section that the answer repeats. A word that cannot be repeated is replaced.
    pub(super) fn head(&self) -> RejectedSection {
        let plain = |word: &&str| !word.is_empty() && is_plain(word);
        RejectedSection {
            mid: self.mid.map(|mid| mid.value).filter(plain).map(Into::into),
            media: self.media.into(),
            protocol: Some(self.protocol).filter(plain).unwrap_or(PROTOCOL).into(),
            format: words(self.formats).next().filter(plain).unwrap_or("0").into(),
        }
    }
}

/// The pair of an `a=ssrc-group:FID` line.
fn fid(value: &str) -> Option<(u32, u32)> {
    let mut words = words(value);
    if words.next() != Some("FID") {
        return None;
    }
    let pair = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
    Some(pair).filter(|(stream, retransmissions)| stream != retransmissions)
}

/// True if a word can be repeated in the answer without breaking a line.
fn is_plain(word: &str) -> bool {
    word.len() <= WORD_BYTES_MAX && word.bytes().all(|byte| byte.is_ascii_graphic())
}
