//! The codecs, feedback, extensions and streams of one section.

use super::h264;
use super::lines::{Attribute, SectionLines, first_word, payload_type, words};
use super::offer::{OfferError, Problem};
use super::section::Feedback;
use crate::steps::look_through;
use shared::limits;
use shared::rtp_parameters::{Codec, CodecName, Encoding, MediaKind};

/// Profiles that mean SRTP with keys from DTLS, whatever they literally say (RFC 8829 §5.1.2).
const PROTOCOLS: [&str; 8] = [
    "UDP/TLS/RTP/SAVPF",
    "UDP/TLS/RTP/SAVP",
    "TCP/DTLS/RTP/SAVPF",
    "TCP/DTLS/RTP/SAVP",
    "RTP/SAVPF",
    "RTP/SAVP",
    "RTP/AVPF",
    "RTP/AVP",
];

/// Number of RTP payload types (RFC 3550 §5.1).
const PAYLOAD_TYPES: usize = 128;

pub(super) struct Media {
    pub(super) kind: MediaKind,
    /// The codecs that Rotunda forwards, each once, in the order of the `m=` line.
    pub(super) codecs: Vec<Codec>,
}

/// The meaning of an `a=rtpmap` line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mapped {
    Codec(CodecName),
    /// The profile is in another line.
    H264,
    Retransmission,
    Other,
    Unreadable {
        line: usize,
    },
}

/// Parses a section's media, or returns the reason why it cannot be accepted.
pub(super) fn read(section: &SectionLines<'_>) -> Result<Media, OfferError> {
    let kind = match section.media {
        "audio" => MediaKind::Audio,
        "video" => MediaKind::Video,
        _ => return Err(Problem::Media.at(section.line)),
    };
    if !PROTOCOLS.contains(&section.protocol) {
        return Err(Problem::Protocol.at(section.line));
    }
    let codecs = codecs(kind, section);
    let unreadable = || section.rtpmaps.iter().find_map(|rtpmap| unreadable(kind, *rtpmap));
    if codecs.is_empty() {
        return Err(match unreadable() {
            Some(line) => Problem::Rtpmap(kind).at(line),
            None => Problem::NoCodec(kind).at(section.line),
        });
    }
    Ok(Media { kind, codecs })
}

fn unreadable(kind: MediaKind, rtpmap: Attribute<'_>) -> Option<usize> {
    match mapped(kind, rtpmap) {
        (_, Mapped::Unreadable { line }) => Some(line),
        _ => None,
    }
}

fn mapped(kind: MediaKind, Attribute { line, value }: Attribute<'_>) -> (Option<u8>, Mapped) {
    let (of, encoding) = first_word(value).unwrap_or((value, ""));
    let is = |name: &str| encoding.eq_ignore_ascii_case(name);
    let is_rtx = encoding.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("rtx/"));
    let mapped = match kind {
        _ if is_rtx => Mapped::Retransmission,
        MediaKind::Audio if is("opus/48000/2") => Mapped::Codec(CodecName::Opus),
        MediaKind::Audio if is("red/48000/2") => Mapped::Codec(CodecName::Red),
        MediaKind::Video if is("VP8/90000") => Mapped::Codec(CodecName::Vp8),
        MediaKind::Video if is("H264/90000") => Mapped::H264,
        _ if !encoding.contains('/') || words(encoding).count() != 1 => Mapped::Unreadable { line },
        MediaKind::Audio | MediaKind::Video => Mapped::Other,
    };
    (payload_type(of), mapped)
}

/// Indexes the `a=rtpmap` lines by payload type, then passes through formats and `a=fmtp` lines once.
fn codecs(kind: MediaKind, section: &SectionLines<'_>) -> Vec<Codec> {
    let mut maps = [None; PAYLOAD_TYPES];
    for rtpmap in &section.rtpmaps {
        if let (Some(of), mapped) = mapped(kind, *rtpmap)
            && let Some(map) = maps.get_mut(usize::from(of))
        {
            *map = map.or(Some(mapped));
        }
    }
    let mut is_offered = [false; PAYLOAD_TYPES];
    for format in words(section.formats).filter_map(payload_type) {
        if let Some(is_offered) = is_offered.get_mut(usize::from(format)) {
            *is_offered = true;
        }
    }
    let mut retransmissions = [None; PAYLOAD_TYPES];
    let mut redundant = None;
    for fmtp in &section.fmtps {
        let Some((rtx, parameters)) = first_word(fmtp) else { continue };
        if let Some(map) = payload_type(rtx).and_then(|of| maps.get_mut(usize::from(of)))
            && *map == Some(Mapped::H264)
        {
            *map = Some(h264::profile(parameters).map_or(Mapped::Other, Mapped::Codec));
            continue;
        }
        redundant = redundant.or_else(|| Some((payload_type(rtx)?, blocks(parameters)?)));
        let rtx = payload_type(rtx).filter(|rtx| {
            let index = usize::from(*rtx);
            is_offered.get(index) == Some(&true) && maps.get(index) == Some(&Some(Mapped::Retransmission))
        });
        for of in rtx.into_iter().flat_map(|_| parameters.split(';')).filter_map(apt) {
            if let Some(known) = retransmissions.get_mut(usize::from(of)) {
                *known = known.or(rtx);
            }
        }
    }
    let mut codecs: Vec<Codec> = Vec::new();
    for payload_type in words(section.formats).filter_map(payload_type) {
        let Some(Some(Mapped::Codec(name))) = maps.get(usize::from(payload_type)).copied() else { continue };
        if codecs.len() < limits::CODECS_PER_SECTION_MAX && !codecs.iter().any(|known| known.name == name) {
            let clock_rate = match name {
                CodecName::Opus | CodecName::Red => 48_000,
                CodecName::Vp8 | CodecName::H264ConstrainedBaseline | CodecName::H264Main => 90_000,
            };
            let rtx_payload_type = retransmissions.get(usize::from(payload_type)).copied().flatten();
            codecs.push(Codec { name, payload_type, rtx_payload_type, clock_rate });
        }
    }
    // Other payloads of redundant audio are not supported.
    let opus = codecs.iter().find(|codec| codec.name == CodecName::Opus).map(|codec| codec.payload_type);
    codecs.retain(|codec| {
        codec.name != CodecName::Red || opus.is_some_and(|opus| redundant == Some((codec.payload_type, opus)))
    });
    codecs
}

/// The payload type of all blocks, from the parameters of redundant audio (RFC 2198 §4).
fn blocks(parameters: &str) -> Option<u8> {
    let mut blocks = parameters.split('/').map(|block| payload_type(look_through(block).trim()));
    let first = blocks.next()??;
    // A single number is another codec's parameter.
    let mut others = blocks.peekable();
    others.peek()?;
    others.all(|block| block == Some(first)).then_some(first)
}

/// The payload type in an `apt` parameter (RFC 4588 §8.1).
fn apt(parameter: &str) -> Option<u8> {
    let (name, of) = look_through(parameter).split_once('=')?;
    payload_type(of.trim()).filter(|_| name.trim().eq_ignore_ascii_case("apt"))
}

/// The feedback offered for all codecs, by `*` or individually, and that of single codecs; redundant audio does not
/// count.
pub(super) fn feedback(section: &SectionLines<'_>, codecs: &[Codec]) -> (Vec<Feedback>, Vec<(u8, Feedback)>) {
    let codecs = || codecs.iter().filter(|codec| codec.name != CodecName::Red);
    // One bit per codec.
    let all = codecs().enumerate().fold(0_u32, |all, (index, _)| all | 1 << index);
    let mut offered = [0_u32; Feedback::ALL.len()];
    for line in &section.feedback {
        let Some((of, value)) = first_word(line) else { continue };
        let is_of = |codec: &Codec| of == "*" || payload_type(of) == Some(codec.payload_type);
        let named =
            codecs().enumerate().filter(|(_, codec)| is_of(codec)).fold(0, |named, (index, _)| named | 1 << index);
        if named == 0 {
            continue;
        }
        for (offered, kind) in offered.iter_mut().zip(Feedback::ALL) {
            let is_kind = words(value).map(str::to_ascii_lowercase).eq(words(kind.as_str()).map(str::to_owned));
            *offered |= if is_kind { named } else { 0 };
        }
    }
    let (mut common, mut single) = (Vec::new(), Vec::new());
    for (kind, offered) in Feedback::ALL.into_iter().zip(offered) {
        if offered == all && all != 0 {
            common.push(kind);
        } else if !kind.is_of_transport() {
            let named = codecs().enumerate().filter(|(index, _)| offered & 1 << index != 0);
            single.extend(named.map(|(_, codec)| (codec.payload_type, kind)));
        }
    }
    (common, single)
}

/// The first stream announced by a section.
pub(super) fn encoding(section: &SectionLines<'_>) -> Encoding {
    match section.fid {
        Some((stream, retransmissions)) => Encoding { ssrc: Some(stream), rtx_ssrc: Some(retransmissions), rid: None },
        None => Encoding { ssrc: section.ssrc, rtx_ssrc: None, rid: None },
    }
}
