//! Writes an answer (RFC 8829 §5.3) out of what was negotiated and where the node is.

use super::section::{AnsweredSection, Feedback};
use super::{EXTENSIONS, candidate};
use shared::Mid;
use shared::rtp_parameters::{Codec, CodecName, Fingerprint, Flow, HeaderExtensions, MediaKind, Section};
use std::fmt::Write;
use std::net::SocketAddr;

/// Where the node is, and how it proves that it is the one.
#[derive(Clone, PartialEq, Eq)]
pub struct Transport<'a> {
    /// The node's ICE user fragment.
    pub ufrag: &'a str,
    /// The node's ICE password.
    pub pwd: &'a str,
    /// Digest of the node's certificate.
    pub fingerprint: Fingerprint,
    /// Its addresses, most wanted first.
    pub candidates: &'a [SocketAddr],
}

/// Everything that an answer says.
#[derive(Clone, PartialEq, Eq)]
pub struct Answer<'a> {
    /// The session id of the `o` line: the same in every answer to one connection.
    pub origin: u32,
    /// The version of the `o` line: higher in every further answer (RFC 3264 §8).
    pub version: u32,
    /// The name under which all slots are in sync (RFC 3550 §6.5.1).
    pub cname: &'a str,
    /// Where the node is.
    pub transport: Transport<'a>,
    /// One for each section of the offer, in its order.
    pub sections: &'a [AnsweredSection],
}

impl Answer<'_> {
    /// The text.
    #[must_use]
    pub fn write(&self) -> String {
        let mut text = String::with_capacity(1024);
        let _ = write!(text, "v=0\r\no=- {} {} IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", self.origin, self.version);
        text.push_str("a=group:BUNDLE");
        for section in self.sections.iter().filter_map(AnsweredSection::section) {
            let _ = write!(text, " {}", section.mid);
        }
        text.push_str("\r\na=ice-lite\r\na=msid-semantic:WMS *\r\n");
        let mut tagged = true;
        for answered in self.sections {
            match answered {
                AnsweredSection::Accepted { section, slot, feedback, rtcp_rsize } => {
                    self.write_head(&mut text, section, tagged);
                    tagged = false;
                    write_rtp(&mut text, section, feedback, *rtcp_rsize);
                    if let (Flow::NodeToClient, Some(slot)) = (section.flow, slot) {
                        write_streams(&mut text, section, *slot, self.cname);
                    }
                }
                AnsweredSection::Rejected { mid, media, protocol, format } => {
                    write_rejected(&mut text, mid, [media, protocol, format]);
                }
            }
        }
        text
    }

    /// The `m` line and the transport; candidates in the first section only, as the others are bundled with it (RFC 8843 §10.1.2).
    fn write_head(&self, text: &mut String, section: &Section, tagged: bool) {
        let transport = &self.transport;
        let default = transport.candidates.first();
        let _ = write!(text, "m={} {} UDP/TLS/RTP/SAVPF", media(section.kind), default.map_or(9, SocketAddr::port));
        for codec in &section.codecs {
            let _ = write!(text, " {}", codec.payload_type);
        }
        for payload_type in section.codecs.iter().filter_map(|codec| codec.rtx_payload_type) {
            let _ = write!(text, " {payload_type}");
        }
        let _ = write!(text, "\r\nc={}\r\na=mid:{}\r\n", candidate::connection(default), section.mid);
        let _ = write!(text, "a=ice-ufrag:{}\r\na=ice-pwd:{}\r\n", transport.ufrag, transport.pwd);
        let _ = write!(text, "a=fingerprint:sha-256 {}\r\na=setup:passive\r\n", transport.fingerprint);
        if tagged {
            candidate::write_all(text, transport.candidates);
        }
    }
}

const fn media(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
    }
}

fn write_rtp(text: &mut String, section: &Section, feedback: &[Feedback], rtcp_rsize: bool) {
    // The node's side of the flow.
    text.push_str(match section.flow {
        Flow::ClientToNode => "a=recvonly\r\n",
        Flow::NodeToClient => "a=sendonly\r\n",
        Flow::Inactive => "a=inactive\r\n",
    });
    text.push_str("a=rtcp-mux\r\n");
    if rtcp_rsize {
        text.push_str("a=rtcp-rsize\r\n");
    }
    write_extensions(text, section.extensions);
    for codec in &section.codecs {
        write_codec(text, codec, feedback);
    }
}

fn write_extensions(text: &mut String, extensions: HeaderExtensions) {
    let HeaderExtensions { mid, rid, repaired_rid, abs_send_time, transport_cc, audio_level, video_orientation } =
        extensions;
    let ids = [mid, rid, repaired_rid, abs_send_time, transport_cc, audio_level, video_orientation];
    for (id, uri) in ids.into_iter().zip(EXTENSIONS) {
        if let Some(id) = id {
            let _ = write!(text, "a=extmap:{id} {uri}\r\n");
        }
    }
}

fn write_codec(text: &mut String, codec: &Codec, feedback: &[Feedback]) {
    let payload_type = codec.payload_type;
    let (encoding, parameters) = match codec.name {
        // RFC 7587 §6.1; in-band FEC, because a lost packet of sound is never sent again.
        CodecName::Opus => ("opus/48000/2", Some("minptime=10;useinbandfec=1")),
        CodecName::Vp8 => ("VP8/90000", None),
    };
    let _ = write!(text, "a=rtpmap:{payload_type} {encoding}\r\n");
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

/// What a slot sends. The audio and the video slot of one number share a stream, so that browsers keep them in sync (RFC 8830 §2).
fn write_streams(text: &mut String, section: &Section, slot: u8, cname: &str) {
    let _ = write!(text, "a=msid:slot-{slot} slot-{slot}-{}\r\n", media(section.kind));
    for encoding in &section.encodings {
        if let (Some(ssrc), Some(rtx)) = (encoding.ssrc, encoding.rtx_ssrc) {
            let _ = write!(text, "a=ssrc-group:FID {ssrc} {rtx}\r\n");
        }
        for ssrc in encoding.ssrc.into_iter().chain(encoding.rtx_ssrc) {
            let _ = write!(text, "a=ssrc:{ssrc} cname:{cname}\r\n");
        }
    }
}

fn write_rejected(text: &mut String, mid: &Mid, [media, protocol, format]: [&String; 3]) {
    let _ = write!(text, "m={media} 0 {protocol} {format}\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na=inactive\r\n");
}
