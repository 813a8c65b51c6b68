//! Reads answers as a browser does, with a browser's refusals.

use super::offer;
use shared::Mid;
use shared::rtp_parameters::{Fingerprint, HeaderExtensions, MediaKind};
use std::net::{IpAddr, SocketAddr};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub ufrag: String,
    pub pwd: String,
    pub fingerprint: Fingerprint,
    /// The node's UDP addresses.
    pub candidates: Vec<SocketAddr>,
    /// In the order of the offer.
    pub sections: Vec<Section>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    pub mid: Mid,
    pub kind: MediaKind,
    pub is_active: bool,
    pub payload_type: u8,
    pub rtx_payload_type: Option<u8>,
    /// Payload type of redundant audio (RFC 2198).
    pub red_payload_type: Option<u8>,
    pub extensions: HeaderExtensions,
    /// The stream from the node.
    pub ssrc: Option<u32>,
    pub rtx_ssrc: Option<u32>,
}

/// Reads the answer to an offer with these sections; the error is a browser's complaint.
pub fn read(text: &str, offer: &str, offered: &[offer::Section]) -> Result<Answer, String> {
    let (session, sections) = split(text)?;
    let (_, offered_sections) = split(offer)?;
    if sections.len() != offered.len() {
        return Err(format!("{} sections answer {}", sections.len(), offered.len()));
    }
    let mut read = Vec::new();
    for ((lines, offered), offered_lines) in sections.iter().zip(offered).zip(&offered_sections) {
        read.push(read_section(lines, offered, offered_lines)?);
    }
    let first = sections.first().ok_or("no section")?;
    let anywhere = |name: &str| value(first, name).or_else(|| value(&session, name)).ok_or(format!("no {name}"));
    if anywhere("setup")? != "passive" {
        return Err("the node must be the DTLS server".into());
    }
    if !session.contains(&"a=ice-lite") {
        return Err("no ice-lite".into());
    }
    check_bundle(&session, &read)?;
    let fingerprint = anywhere("fingerprint")?.strip_prefix("sha-256 ").ok_or("another digest than sha-256")?;
    Ok(Answer {
        ufrag: anywhere("ice-ufrag")?.to_string(),
        pwd: anywhere("ice-pwd")?.to_string(),
        fingerprint: Fingerprint::parse(fingerprint).map_err(|error| error.to_string())?,
        candidates: first.iter().filter_map(|line| candidate(line)).collect(),
        sections: read,
    })
}

/// The session's lines and each section's.
fn split(text: &str) -> Result<(Vec<&str>, Vec<Vec<&str>>), String> {
    let (mut session, mut sections) = (Vec::new(), Vec::<Vec<&str>>::new());
    let text = text.strip_suffix("\r\n").ok_or("the last line has no end")?;
    for line in text.split("\r\n") {
        if line.contains('\n') || line.get(1..2) != Some("=") {
            return Err(format!("not a line: {line:?}"));
        }
        if line.starts_with("m=") {
            sections.push(Vec::new());
        }
        sections.last_mut().unwrap_or(&mut session).push(line);
    }
    Ok((session, sections))
}

fn value<'a>(lines: &[&'a str], name: &str) -> Option<&'a str> {
    lines.iter().find_map(|line| line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':'))
}

/// RFC 9143 §7.3.3: the answer's group names the sections that are not rejected, all of which were offered.
fn check_bundle(session: &[&str], sections: &[Section]) -> Result<(), String> {
    let group = value(session, "group").and_then(|group| group.strip_prefix("BUNDLE ")).ok_or("no BUNDLE group")?;
    let mids: Vec<&str> = group.split(' ').collect();
    let missing = sections.iter().find(|section| !mids.contains(&section.mid.as_str()));
    missing.map_or(Ok(()), |section| Err(format!("section {} is not in the BUNDLE group", section.mid)))
}

fn read_section(lines: &[&str], offered: &offer::Section, offered_lines: &[&str]) -> Result<Section, String> {
    let mid = value(lines, "mid").ok_or("a section without mid")?;
    if mid != offered.mid.as_str() {
        return Err(format!("section {mid} answers {}", offered.mid));
    }
    let wrong = |what: &str| format!("section {mid}: {what}");
    let head: Vec<&str> = lines.first().ok_or("an empty section")?.split(' ').collect();
    let offered_head: Vec<&str> = offered_lines.first().map(|line| line.split(' ').collect()).unwrap_or_default();
    if head.first() != offered_head.first() || head.get(2) != offered_head.get(2) {
        return Err(wrong("another kind or protocol"));
    }
    let payload_types = head.get(3..).unwrap_or_default();
    if payload_types.iter().any(|payload_type| !offered_head.get(3..).unwrap_or_default().contains(payload_type)) {
        return Err(wrong("a payload type that was not offered"));
    }
    if !lines.contains(&"a=rtcp-mux") {
        return Err(wrong("no rtcp-mux"));
    }
    let is_active = match (offered.purpose, direction(lines)) {
        (offer::Purpose::Publish(..), "recvonly") | (offer::Purpose::Receive, "sendonly") => true,
        (_, "inactive") => false,
        (_, direction) => return Err(wrong(direction)),
    };
    let (payload_type, rtx_payload_type) = payload_types_of(lines, payload_types).ok_or(wrong("no codec"))?;
    let (ssrc, rtx_ssrc) = ssrcs(lines);
    if is_active && offered.purpose == offer::Purpose::Receive && ssrc.is_none() {
        return Err(wrong("a slot without SSRC"));
    }
    let extensions = extensions(lines, offered_lines).map_err(|what| wrong(&what))?;
    let red = lines.iter().find_map(|line| line.strip_prefix("a=rtpmap:")?.strip_suffix(" red/48000/2"));
    Ok(Section {
        mid: offered.mid.clone(),
        kind: offered.kind,
        is_active,
        payload_type,
        rtx_payload_type,
        red_payload_type: red.and_then(|payload_type| payload_type.parse().ok()),
        extensions,
        ssrc,
        rtx_ssrc,
    })
}

fn direction<'a>(lines: &[&'a str]) -> &'a str {
    let directions = ["a=sendrecv", "a=sendonly", "a=recvonly", "a=inactive"];
    lines.iter().find(|line| directions.contains(line)).map_or("no direction", |line| &line[2..])
}

/// The first codec that is neither for retransmissions nor for redundancy, and the payload type of its retransmissions (RFC 4588 §8.1).
fn payload_types_of(lines: &[&str], listed: &[&str]) -> Option<(u8, Option<u8>)> {
    let is_media = |payload_type: &&&str| {
        let map = format!("a=rtpmap:{payload_type} ");
        lines
            .iter()
            .filter_map(|line| line.strip_prefix(&map))
            .any(|name| !["rtx/", "red/"].iter().any(|other| name.starts_with(other)))
    };
    let media = listed.iter().find(is_media)?;
    let apt = format!(" apt={media}");
    let rtx = lines.iter().find_map(|line| line.strip_prefix("a=fmtp:")?.strip_suffix(&apt));
    Some((media.parse().ok()?, rtx.and_then(|payload_type| payload_type.parse().ok())))
}

fn ssrcs(lines: &[&str]) -> (Option<u32>, Option<u32>) {
    let number = |text: &str| text.split(' ').next().and_then(|number| number.parse().ok());
    let group = lines.iter().find_map(|line| line.strip_prefix("a=ssrc-group:FID "));
    match group.and_then(|ids| ids.split_once(' ')) {
        Some((ssrc, rtx_ssrc)) => (number(ssrc), number(rtx_ssrc)),
        None => (lines.iter().find_map(|line| number(line.strip_prefix("a=ssrc:")?)), None),
    }
}

const TRANSPORT_CC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// The answer's extensions; each must have been offered with the same id (RFC 8285 §6).
fn extensions(lines: &[&str], offered_lines: &[&str]) -> Result<HeaderExtensions, String> {
    let mut extensions = HeaderExtensions::default();
    let pair = |line: &str| {
        let (id, uri) = line.strip_prefix("a=extmap:")?.split_once(' ')?;
        Some((id.split('/').next()?.parse::<u8>().ok()?, uri.to_string()))
    };
    let offered: Vec<_> = offered_lines.iter().filter_map(|line| pair(line)).collect();
    for (id, uri) in lines.iter().filter_map(|line| pair(line)) {
        if !offered.contains(&(id, uri.clone())) {
            return Err(format!("extension {id} {uri} was not offered"));
        }
        let place = match uri.as_str() {
            "urn:ietf:params:rtp-hdrext:sdes:mid" => &mut extensions.mid,
            "urn:ietf:params:rtp-hdrext:ssrc-audio-level" => &mut extensions.audio_level,
            "urn:3gpp:video-orientation" => &mut extensions.video_orientation,
            "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time" => &mut extensions.abs_send_time,
            TRANSPORT_CC => &mut extensions.transport_cc,
            _ => continue,
        };
        *place = Some(id);
    }
    Ok(extensions)
}

/// The address of a UDP candidate (RFC 8839 §5.1).
fn candidate(line: &str) -> Option<SocketAddr> {
    let fields: Vec<&str> = line.strip_prefix("a=candidate:")?.split(' ').collect();
    let is_udp = fields.get(2)?.eq_ignore_ascii_case("udp");
    let ip: IpAddr = fields.get(4)?.parse().ok()?;
    is_udp.then_some(SocketAddr::new(ip, fields.get(5)?.parse().ok()?))
}
