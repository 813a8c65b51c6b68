//! Maps a client's SSRCs to its streams: announced, or learned from authentic packets.

use super::srtp::STREAMS_PER_SESSION_MAX;
use crate::keys::StreamKey;
use crate::rtp::RtpHeader;
use shared::ids::Mid;
use shared::rtp_parameters::{Flow, Section};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    Media(StreamKey),
    /// Retransmissions of a stream.
    Repair(StreamKey),
    /// An unannounced encoding.
    Unused,
}

#[derive(Debug, Default)]
pub struct Streams {
    // A client has a handful: a linear search beats hashing.
    known: Vec<(u32, Use)>,
    sources: Vec<Source>,
}

/// A section that streams can belong to.
#[derive(Debug)]
struct Source {
    mid: Mid,
    mid_id: Option<u8>,
    rid_id: Option<u8>,
    repaired_rid_id: Option<u8>,
    /// The encodings by RTP stream id.
    encodings: Vec<(Option<Box<str>>, StreamKey)>,
    payload_types: Vec<u8>,
    rtx_payload_types: Vec<u8>,
}

impl Streams {
    /// Called before the sections are added again.
    pub fn clear(&mut self) {
        self.known.clear();
        self.sources.clear();
    }

    /// Adds a published section with a stream for each of its encodings.
    pub fn add(&mut self, section: &Section, streams: &[StreamKey]) {
        if section.flow != Flow::ClientToNode {
            return;
        }
        for (encoding, stream) in section.encodings.iter().zip(streams) {
            encoding.ssrc.into_iter().for_each(|ssrc| self.learn(ssrc, Use::Media(*stream)));
            encoding.rtx_ssrc.into_iter().for_each(|ssrc| self.learn(ssrc, Use::Repair(*stream)));
        }
        let rids = section.encodings.iter().map(|encoding| encoding.rid.as_deref().map(Into::into));
        self.sources.push(Source {
            mid: section.mid.clone(),
            mid_id: section.extensions.mid,
            rid_id: section.extensions.rid,
            repaired_rid_id: section.extensions.repaired_rid,
            encodings: rids.chain(std::iter::repeat(None)).zip(streams.iter().copied()).collect(),
            payload_types: section.codecs.iter().map(|codec| codec.payload_type).collect(),
            rtx_payload_types: section.codecs.iter().filter_map(|codec| codec.rtx_payload_type).collect(),
        });
    }

    /// The use of an authentic packet's stream.
    pub fn use_of(&mut self, header: &RtpHeader<'_>) -> Option<Use> {
        if let Some((_, found)) = self.known.iter().find(|(ssrc, _)| *ssrc == header.ssrc) {
            return Some(*found);
        }
        let learned = self.sources.iter().find_map(|source| source.use_of(header))?;
        self.learn(header.ssrc, learned);
        Some(learned)
    }

    fn learn(&mut self, ssrc: u32, learned: Use) {
        if self.known.len() < STREAMS_PER_SESSION_MAX {
            self.known.push((ssrc, learned));
        }
    }
}

impl Source {
    /// RFC 9143 §9.2: a packet that carries a section's mid belongs to it. Its RTP stream id (RFC 8852) identifies the
    /// encoding; its repaired RTP stream id identifies the encoding of a retransmission.
    fn use_of(&self, header: &RtpHeader<'_>) -> Option<Use> {
        let text = |id: Option<u8>| header.extension(id?);
        if text(self.mid_id)? != self.mid.as_str().as_bytes() {
            return None;
        }
        let is_repair = self.rtx_payload_types.contains(&header.payload_type);
        let rid = if is_repair { text(self.repaired_rid_id) } else { text(self.rid_id) };
        // If encodings have names, a packet without one cannot be assigned.
        let found = self.encodings.iter().find(|(known, _)| known.as_deref().map(str::as_bytes) == rid);
        let Some((_, stream)) = found else { return rid.is_some().then_some(Use::Unused) };
        if is_repair {
            return Some(Use::Repair(*stream));
        }
        self.payload_types.contains(&header.payload_type).then_some(Use::Media(*stream))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::HeaderWriter;
    use shared::rtp_parameters::{Codec, CodecName, Encoding, HeaderExtensions, MediaKind};

    const CAMERA_MID: (u8, &[u8]) = (4, b"1");

    fn section(encodings: Vec<Encoding>) -> Section {
        let extensions =
            HeaderExtensions { mid: Some(4), rid: Some(5), repaired_rid: Some(6), ..HeaderExtensions::default() };
        let codec = Codec { name: CodecName::Vp8, payload_type: 96, rtx_payload_type: Some(97), clock_rate: 90_000 };
        Section {
            mid: Mid::parse("1").expect("a mid"),
            kind: MediaKind::Video,
            flow: Flow::ClientToNode,
            codecs: vec![codec],
            extensions,
            encodings,
            csrc: 1,
        }
    }

    fn announced(ssrc: u32, rtx_ssrc: u32) -> Encoding {
        Encoding { ssrc: Some(ssrc), rtx_ssrc: Some(rtx_ssrc), rid: None }
    }

    fn layer(rid: &str) -> Encoding {
        Encoding { rid: Some(rid.to_owned()), ..Encoding::default() }
    }

    fn streams(encodings: Vec<Encoding>) -> Streams {
        let mut streams = Streams::default();
        let keys: Vec<_> = (0..encodings.len() as u32).map(StreamKey::numbered).collect();
        streams.add(&section(encodings), &keys);
        streams
    }

    /// The use assigned to a packet with this SSRC, payload type and these extensions.
    fn use_of(streams: &mut Streams, ssrc: u32, payload_type: u8, extensions: &[(u8, &[u8])]) -> Option<Use> {
        let mut packet = [0; 64];
        let mut writer = HeaderWriter::new(&mut packet, ssrc, None).expect("room");
        for (id, value) in extensions {
            writer.extension(*id, value).expect("fits");
        }
        let length = writer.finish().expect("room");
        packet[1] = payload_type;
        streams.use_of(&RtpHeader::parse(&packet[..length]).expect("well formed"))
    }

    fn media(layer: u32) -> Option<Use> {
        Some(Use::Media(StreamKey::numbered(layer)))
    }

    fn repair(layer: u32) -> Option<Use> {
        Some(Use::Repair(StreamKey::numbered(layer)))
    }

    #[test]
    fn announced_streams_are_known() {
        let mut streams = streams(vec![announced(10, 11), announced(20, 21)]);
        assert_eq!(use_of(&mut streams, 10, 96, &[]), media(0));
        assert_eq!(use_of(&mut streams, 11, 97, &[]), repair(0));
        assert_eq!(use_of(&mut streams, 20, 96, &[]), media(1));
        assert_eq!(use_of(&mut streams, 21, 97, &[]), repair(1));
        assert_eq!(use_of(&mut streams, 30, 96, &[]), None);
    }

    #[test]
    fn a_mid_tells_where_an_unknown_stream_belongs_and_is_needed_once() {
        let mut streams = streams(vec![Encoding::default()]);
        assert_eq!(use_of(&mut streams, 30, 96, &[(4, b"2")]), None);
        assert_eq!(use_of(&mut streams, 30, 50, &[CAMERA_MID]), None, "a payload type of no codec");
        assert_eq!(use_of(&mut streams, 30, 96, &[CAMERA_MID]), media(0));
        assert_eq!(use_of(&mut streams, 30, 96, &[]), media(0));
        assert_eq!(use_of(&mut streams, 31, 97, &[CAMERA_MID]), repair(0));
    }

    #[test]
    fn a_rid_tells_the_encodings_apart() {
        let mut streams = streams(vec![layer("q"), layer("f")]);
        assert_eq!(use_of(&mut streams, 1, 96, &[CAMERA_MID]), None, "which one is it?");
        assert_eq!(use_of(&mut streams, 1, 96, &[CAMERA_MID, (5, b"q")]), media(0));
        assert_eq!(use_of(&mut streams, 2, 96, &[CAMERA_MID, (5, b"f")]), media(1));
        assert_eq!(use_of(&mut streams, 5, 96, &[CAMERA_MID, (5, b"x")]), Some(Use::Unused));
        assert_eq!(use_of(&mut streams, 3, 97, &[CAMERA_MID, (6, b"q")]), repair(0));
        assert_eq!(use_of(&mut streams, 4, 97, &[CAMERA_MID, (6, b"f")]), repair(1));
    }

    #[test]
    fn what_is_learned_is_bounded() {
        let mut streams = streams(vec![Encoding::default()]);
        for ssrc in 0..2 * STREAMS_PER_SESSION_MAX as u32 {
            assert_eq!(use_of(&mut streams, ssrc, 96, &[CAMERA_MID]), media(0));
        }
        assert_eq!(streams.known.len(), STREAMS_PER_SESSION_MAX);
    }
}
