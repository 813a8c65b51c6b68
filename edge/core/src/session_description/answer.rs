//! Writes an answer (RFC 8829 §5.3) from the negotiated sections and the node's addresses.

use super::section::{AcceptedSection, AnsweredSection, Feedback, Names, RejectedSection};
use super::{candidate, extensions, h264, simulcast};
use shared::rtp_parameters::{Codec, CodecName, Fingerprint, Flow, Section};
use shared::sorted;
use std::fmt::Write;
use std::net::SocketAddr;

/// The node's end of the transport.
#[derive(Clone, PartialEq, Eq)]
pub struct Transport<'a> {
    pub ufrag: &'a str,
    pub pwd: &'a str,
    pub fingerprint: Fingerprint,
    /// Most preferred first.
    pub candidates: &'a [SocketAddr],
    /// Passive candidates over TCP (RFC 6544), most preferred first.
    pub tcp_candidates: &'a [SocketAddr],
}

#[derive(Clone, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The session id of the `o` line: the same in every answer to one connection.
    pub origin: u32,
    /// The version of the `o` line: increases with every answer (RFC 3264 §8).
    pub version: u32,
    /// The canonical name of all slots, so that browsers keep them in sync (RFC 3550 §6.5.1).
    pub cname: &'a str,
    pub transport: Transport<'a>,
    /// One for each section of the offer, in the same order.
    pub sections: &'a [AnsweredSection],
}

impl Answer<'_> {
    #[must_use]
    pub fn write(&self) -> String {
        let mut text = String::with_capacity(1024);
        let _ = write!(text, "v=0\r\no=- {} {} IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", self.origin, self.version);
        // The tagged section comes first in the group (RFC 8843 §7.3.1).
        let mut bundle: Vec<&AcceptedSection> = self.sections.iter().filter_map(AnsweredSection::accepted).collect();
        sorted::sort_by_key(&mut bundle, |accepted| accepted.bundle);
        let tag = bundle.first().map(|accepted| accepted.section.mid.clone());
        bundle.retain(|accepted| accepted.bundle.is_some());
        if !bundle.is_empty() {
            text.push_str("a=group:BUNDLE");
            for accepted in bundle {
                let _ = write!(text, " {}", accepted.section.mid);
            }
            text.push_str("\r\n");
        }
        text.push_str("a=ice-lite\r\na=msid-semantic:WMS *\r\n");
        for answered in self.sections {
            match answered {
                AnsweredSection::Accepted(accepted) => {
                    self.write_head(&mut text, accepted, tag.as_ref() == Some(&accepted.section.mid));
                    write_rtp(&mut text, accepted);
                    simulcast::write(&mut text, &accepted.section);
                    if let (Flow::NodeToClient, Some(slot)) = (accepted.section.flow, accepted.slot) {
                        write_streams(&mut text, &accepted.section, slot, self.cname);
                    }
                }
                AnsweredSection::Rejected(rejected) => write_rejected(&mut text, rejected),
            }
        }
        text
    }

    /// The `m` line and the transport; only the tagged section has candidates, as the others are bundled with it (RFC
    /// 8843 §10.1.2).
    fn write_head(&self, text: &mut String, accepted: &AcceptedSection, is_tagged: bool) {
        let AcceptedSection { section, protocol, .. } = accepted;
        let transport = &self.transport;
        let default = transport.candidates.first();
        let _ = write!(text, "m={} {} {protocol}", section.kind.media(), default.map_or(9, SocketAddr::port));
        for codec in &section.codecs {
            let _ = write!(text, " {}", codec.payload_type);
        }
        for payload_type in section.codecs.iter().filter_map(|codec| codec.rtx_payload_type) {
            let _ = write!(text, " {payload_type}");
        }
        let _ = write!(text, "\r\nc={}\r\na=mid:{}\r\n", candidate::connection(default), section.mid);
        let _ = write!(text, "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", transport.ufrag, transport.pwd);
        let _ = write!(text, "a=fingerprint:sha-256 {}\r\na=setup:passive\r\n", transport.fingerprint);
        if is_tagged {
            candidate::write_all(text, transport.candidates, transport.tcp_candidates);
        }
    }
}

fn write_rtp(text: &mut String, accepted: &AcceptedSection) {
    let AcceptedSection { section, feedback, codec_feedback, rtcp_rsize, one_way, .. } = accepted;
    // Seen from the node.
    text.push_str(match section.flow {
        Flow::ClientToNode => "a=recvonly\r\n",
        Flow::NodeToClient => "a=sendonly\r\n",
        Flow::Inactive => "a=inactive\r\n",
    });
    text.push_str("a=rtcp-mux\r\n");
    if *rtcp_rsize {
        text.push_str("a=rtcp-rsize\r\n");
    }
    extensions::write(text, section.flow, section.extensions, one_way);
    for codec in &section.codecs {
        if codec.name == CodecName::Red {
            write_redundant(text, codec, &section.codecs);
        } else {
            let of_codec = codec_feedback.iter().filter(|(of, _)| *of == codec.payload_type).map(|(_, kind)| kind);
            write_codec(text, codec, feedback.iter().chain(of_codec));
        }
    }
}

/// RFC 2198 §4: the payload types of the packet itself and of the previous one.
fn write_redundant(text: &mut String, red: &Codec, codecs: &[Codec]) {
    let opus = codecs.iter().find(|codec| codec.name == CodecName::Opus).map_or(0, |codec| codec.payload_type);
    let payload_type = red.payload_type;
    let _ = write!(text, "a=rtpmap:{payload_type} red/48000/2\r\na=fmtp:{payload_type} {opus}/{opus}\r\n");
}

fn write_codec<'a>(text: &mut String, codec: &Codec, feedback: impl Iterator<Item = &'a Feedback>) {
    let payload_type = codec.payload_type;
    let (encoding, parameters) = match codec.name {
        // RFC 7587 §6.1; in-band FEC, because lost audio packets are never retransmitted.
        CodecName::Opus => ("opus/48000/2", Some("minptime=10;useinbandfec=1")),
        CodecName::Red => ("red/48000/2", None),
        CodecName::Vp8 => ("VP8/90000", None),
        CodecName::H264ConstrainedBaseline | CodecName::H264Main => ("H264/90000", None),
    };
    let _ = write!(text, "a=rtpmap:{payload_type} {encoding}\r\n");
    h264::write(text, codec);
    if let Some(parameters) = parameters {
        let _ = write!(text, "a=fmtp:{payload_type} {parameters}\r\n");
    }
    for kind in feedback {
        let _ = write!(text, "a=rtcp-fb:{payload_type} {}\r\n", kind.as_str());
    }
    if let Some(rtx) = codec.rtx_payload_type {
        let _ = write!(text, "a=rtpmap:{rtx} rtx/{}\r\na=fmtp:{rtx} apt={payload_type}\r\n", codec.clock_rate);
    }
}

/// Writes the streams of a slot. The audio and the video slot of one number share a stream, so that browsers keep them in sync (RFC 8830 §2).
fn write_streams(text: &mut String, section: &Section, slot: u8, cname: &str) {
    let _ = write!(text, "a=msid:slot-{slot} slot-{slot}-{}\r\n", section.kind.media());
    for encoding in &section.encodings {
        if let (Some(ssrc), Some(rtx)) = (encoding.ssrc, encoding.rtx_ssrc) {
            let _ = write!(text, "a=ssrc-group:FID {ssrc} {rtx}\r\n");
        }
        for ssrc in encoding.ssrc.into_iter().chain(encoding.rtx_ssrc) {
            let _ = write!(text, "a=ssrc:{ssrc} cname:{cname}\r\n");
        }
    }
}

fn write_rejected(text: &mut String, rejected: &RejectedSection) {
    let RejectedSection { mid, media, protocol, format } = rejected;
    let _ = write!(text, "m={media} 0 {protocol} {format}\r\nc=IN IP4 0.0.0.0\r\n");
    if let Some(mid) = mid {
        let _ = write!(text, "a=mid:{mid}\r\n");
    }
    text.push_str("a=inactive\r\n");
}
