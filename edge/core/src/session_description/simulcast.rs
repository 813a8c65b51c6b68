//! Simulcast (RFC 8853): the accepted layers of a section, by rid (RFC 8851).

use super::lines::{SectionLines, first_word, payload_type, words};
use crate::steps::look_through;
use shared::limits;
use shared::rtp_parameters::{Codec, Encoding, Section};
use shared::sorted::SortedSet;
use std::fmt::Write;

/// The layers that a section offers to send, in its order; an unusable layer is omitted and never rejects the section.
///
/// If the section announces as many streams as layers, both have the same order. Browsers send the rid in packets only
/// until they know that it arrived, so another node, or this one after another offer, depends on that.
pub(super) fn layers(section: &SectionLines<'_>, codecs: &[Codec]) -> Vec<Encoding> {
    let declared: SortedSet<&str> = section.rids.iter().filter_map(|line| declared(line, codecs)).collect();
    let streams = section.simulcast.map(sent).unwrap_or_default();
    let is_announced = streams.split(';').map(look_through).count() == section.fids.len();
    let mut layers: Vec<Encoding> = Vec::new();
    for (index, stream) in streams.split(';').map(look_through).enumerate() {
        if layers.len() >= limits::ENCODINGS_PER_SECTION_MAX {
            break;
        }
        // The first usable alternative counts; an initially paused layer is usable.
        let mut alternatives = stream.split(',').map(look_through).map(|rid| rid.trim().trim_start_matches('~'));
        let is_taken = |rid: &str| layers.iter().any(|layer| layer.rid.as_deref() == Some(rid));
        if let Some(rid) = alternatives.find(|rid| declared.contains(rid) && !is_taken(rid)) {
            let (ssrc, rtx_ssrc) = section.fids.get(index).copied().filter(|_| is_announced).unzip();
            layers.push(Encoding { ssrc, rtx_ssrc, rid: Some(rid.to_owned()) });
        }
    }
    layers
}

/// The list behind `send`, without the blanks in it; it ends at the other direction.
fn sent(value: &str) -> String {
    let is_direction = |word: &&str| matches!(*word, "send" | "recv");
    words(value).skip_while(|word| *word != "send").skip(1).take_while(|word| !is_direction(word)).collect()
}

/// The rid of an `a=rid` line that offers to send one of these codecs: `ID send [pt=96,97;…]`.
fn declared<'a>(line: &'a str, codecs: &[Codec]) -> Option<&'a str> {
    let (rid, rest) = first_word(line)?;
    let (direction, restrictions) = first_word(rest).unwrap_or((rest, ""));
    let is_known = |payload_type: Option<u8>| codecs.iter().any(|codec| payload_type == Some(codec.payload_type));
    let fits = |restriction: &str| match restriction.trim().strip_prefix("pt=") {
        Some(formats) => formats.split(',').map(look_through).any(|format| is_known(payload_type(format.trim()))),
        None => true,
    };
    let is_usable = direction == "send" && is_rid(rid) && restrictions.split(';').map(look_through).all(fits);
    is_usable.then_some(rid)
}

/// RFC 8851 §10, and short enough for the header extension.
fn is_rid(rid: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (1..=limits::RID_BYTES_MAX).contains(&rid.len()) && rid.bytes().all(is_letter)
}

/// Writes that these layers are received (RFC 8853 §5.3).
pub(super) fn write(text: &mut String, section: &Section) {
    let rids: Vec<&str> = section.encodings.iter().filter_map(|encoding| encoding.rid.as_deref()).collect();
    for rid in &rids {
        let _ = write!(text, "a=rid:{rid} recv\r\n");
    }
    if !rids.is_empty() {
        let _ = write!(text, "a=simulcast:recv {}\r\n", rids.join(";"));
    }
}
