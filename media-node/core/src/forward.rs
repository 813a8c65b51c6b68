//! One subscriber's receive slot: which published track plays in it, and its packets, written ready to be sealed.

pub mod keyframe;
pub mod receive;
pub mod retransmit;
pub mod rewrite;
mod template;

use crate::codec::vp8;
use crate::random::Random;
use crate::rtcp::ntp::NtpTime;
use crate::rtcp::write::Sent;
use receive::{ClockOffset, SourceClock};
use retransmit::{ORIGINAL_SEQUENCE_BYTES, Throttle};
use rewrite::{Origin, Rewriter, Rewritten};
use shared::ids::Mid;
use shared::rtp_parameters::{HeaderExtensions, MediaKind};
use std::time::{Duration, Instant};
use template::Template;

/// The number that names a published track as contributing source (RFC 3550 §5.1) in every slot it plays in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceNumber(pub u32);

/// One media packet as its publisher sent it: read once, then given to every slot the track plays in.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// What is known of it.
    pub facts: Facts,
    /// Payload without padding.
    pub payload: &'a [u8],
}

/// What is known of a packet besides its payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Sequence number with its wraps counted, from [`receive::Receiver`].
    pub index: u64,
    pub timestamp: u32,
    pub marker: bool,
    /// Voice activity and level (RFC 6464), where the publisher told it.
    pub audio_level: Option<u8>,
    /// How the picture is to be turned, as last told by the publisher.
    pub orientation: Option<u8>,
    /// The payload descriptor, where the payload is VP8.
    pub vp8: Option<vp8::Descriptor>,
}

impl Facts {
    /// Whether a decoder can begin with this packet: always for sound, at a key frame for pictures.
    pub fn is_entry(&self) -> bool {
        self.vp8.is_none_or(|descriptor| descriptor.starts_keyframe)
    }

    fn numbers(&self) -> vp8::Numbers {
        self.vp8.map_or(vp8::Numbers::default(), |descriptor| descriptor.numbers())
    }
}

/// A moment on both clocks; made once for a batch of packets.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    pub now: Instant,
    pub ntp: NtpTime,
}

/// What was negotiated for a slot.
#[derive(Clone, Debug)]
pub struct Config {
    /// Sound or pictures.
    pub kind: MediaKind,
    pub mid: Mid,
    pub ssrc: u32,
    /// Payload type that the subscriber knows the codec by.
    pub payload_type: u8,
    /// Ticks per second.
    pub clock_rate: u32,
    /// Where retransmissions go, if a stream for them was negotiated (RFC 4588).
    pub retransmission: Option<Retransmission>,
    /// Header extensions by id.
    pub extensions: HeaderExtensions,
}

/// The stream that carries retransmissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retransmission {
    pub ssrc: u32,
    pub payload_type: u8,
}

/// A packet that was written into the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Length of the whole packet.
    pub bytes: usize,
    /// How much of it is padding.
    pub padding_bytes: usize,
    /// Length of its header, which is authenticated but not encrypted.
    pub header_bytes: usize,
    pub ssrc: u32,
    /// Its sequence number with the wraps counted: SRTP's packet index.
    pub index: u64,
}

/// A slot of one subscriber, and the stream that leaves through it.
pub struct Forward {
    config: Config,
    template: Template,
    rewriter: Rewriter,
    throttle: Throttle,
    /// The track that fills the slot, and the one that should: they differ while a key frame is awaited.
    playing: Option<SourceNumber>,
    wanted: Option<SourceNumber>,
    frame: Option<FrameSize>,
    retransmission_index: u64,
    sent_packets: u32,
    sent_octets: u32,
}

/// How long the packets of the current video frame are.
#[derive(Clone, Copy, Debug)]
struct FrameSize {
    timestamp: u32,
    bytes: usize,
}

/// A packet that is this much shorter than the others of its frame is padded to their length. libwebrtc cuts frames
/// into packets that differ by one byte, the shorter ones first; the last may lack some bytes for extensions.
const PADDING_BYTES_MAX: usize = 16;

impl Forward {
    pub fn new(config: Config, random: &mut Random) -> Self {
        // RFC 3711 §3.3.1: sequence numbers that begin in the lower half keep an early loss from hiding a wrap.
        let first_index = u64::from(random.next_u16() >> 1);
        Self {
            template: Template::new(&config),
            rewriter: Rewriter::new(config.clock_rate, first_index, random.next_u32()),
            throttle: Throttle::default(),
            playing: None,
            wanted: None,
            frame: None,
            retransmission_index: u64::from(random.next_u16() >> 1),
            sent_packets: 0,
            sent_octets: 0,
            config,
        }
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Chooses the track that is to play. The one that plays goes on until the chosen one can begin; `None` stops.
    pub fn select(&mut self, source: Option<SourceNumber>) {
        self.wanted = source;
        if source.is_none() {
            self.playing = None;
        }
    }

    /// The track that fills the slot.
    pub fn playing(&self) -> Option<SourceNumber> {
        self.playing
    }

    /// The track that was chosen.
    pub fn wanted(&self) -> Option<SourceNumber> {
        self.wanted
    }

    /// The track whose key frame this slot waits for.
    pub fn awaits_keyframe_of(&self) -> Option<SourceNumber> {
        self.wanted.filter(|wanted| self.config.kind == MediaKind::Video && self.playing != Some(*wanted))
    }

    /// Writes a packet of `source` into `out` as the slot's next, if that source plays or begins to.
    pub fn forward(
        &mut self,
        at: Moment,
        source: SourceNumber,
        packet: &Packet<'_>,
        out: &mut [u8],
    ) -> Option<Written> {
        if self.playing != Some(source) {
            if self.wanted != Some(source) || !packet.facts.is_entry() {
                return None;
            }
            self.rewriter.switch(at.now, source, &packet.facts);
            self.playing = Some(source);
        }
        let rewritten = self.rewriter.rewrite(at.now, source, &packet.facts)?;
        let written = self.write(at, source, packet, rewritten, out)?;
        self.sent_packets = self.sent_packets.wrapping_add(1);
        self.sent_octets = self.sent_octets.wrapping_add(packet.payload.len() as u32);
        Some(written)
    }

    /// Which source packet to send again for a sequence number that the subscriber lacks; `None` if it was never
    /// sent, or was sent again less than a round trip ago.
    pub fn nack(&mut self, now: Instant, sequence: u16, round_trip: Duration) -> Option<Origin> {
        let origin = self.rewriter.origin(sequence)?;
        self.throttle.admit(now, origin.index, round_trip).then_some(origin)
    }

    /// Writes the packet at `origin` once more: on the retransmission stream if there is one (RFC 4588 §4), else the
    /// same packet again.
    pub fn retransmit(&mut self, at: Moment, origin: Origin, packet: &Packet<'_>, out: &mut [u8]) -> Option<Written> {
        let rewritten = self.rewriter.rewrite_again(origin, &packet.facts)?;
        let Some(stream) = self.config.retransmission else {
            return self.write(at, origin.source, packet, rewritten, out);
        };
        let index = self.retransmission_index;
        let header = Rewritten { index, ..rewritten };
        let header_bytes = self.template.write(out, at, origin.source, &packet.facts, header)?;
        let body = out.get_mut(header_bytes..header_bytes + ORIGINAL_SEQUENCE_BYTES + packet.payload.len())?;
        let (original_sequence, payload) = body.split_first_chunk_mut::<ORIGINAL_SEQUENCE_BYTES>()?;
        *original_sequence = (rewritten.index as u16).to_be_bytes();
        copy_payload(payload, packet, rewritten);
        let bytes = header_bytes + ORIGINAL_SEQUENCE_BYTES + packet.payload.len();
        template::redirect(out, stream)?;
        self.retransmission_index += 1;
        Some(Written { bytes, padding_bytes: 0, header_bytes, ssrc: stream.ssrc, index })
    }

    /// What a sender report of this slot says. `clock` and `offset` are the playing track's; until its publisher
    /// reported there is nothing to say.
    pub fn sender_report(&self, ntp: NtpTime, clock: SourceClock, offset: &ClockOffset) -> Option<Sent> {
        let step = self.rewriter.timestamp_step(self.playing?)?;
        let nanos = i128::from(ntp.nanos_since(offset.ours(clock.ntp)?));
        let ticks = nanos * i128::from(self.config.clock_rate) / 1_000_000_000;
        Some(Sent {
            ssrc: self.config.ssrc,
            ntp,
            rtp_timestamp: clock.rtp_timestamp.wrapping_add(ticks as u32).wrapping_add(step),
            packets: self.sent_packets,
            octets: self.sent_octets,
        })
    }

    fn write(
        &mut self,
        at: Moment,
        source: SourceNumber,
        packet: &Packet<'_>,
        rewritten: Rewritten,
        out: &mut [u8],
    ) -> Option<Written> {
        let header_bytes = self.template.write(out, at, source, &packet.facts, rewritten)?;
        let bytes = header_bytes + packet.payload.len();
        copy_payload(out.get_mut(header_bytes..bytes)?, packet, rewritten);
        let padding = self.padding(rewritten.timestamp, packet, bytes);
        if padding > 0 {
            template::pad(out.get_mut(..bytes + padding)?, padding)?;
        }
        let (ssrc, index) = (self.config.ssrc, rewritten.index);
        Some(Written { bytes: bytes + padding, padding_bytes: padding, header_bytes, ssrc, index })
    }

    /// Padding that makes the packets of one video frame equally long, so that the kernel takes them as one buffer
    /// (UDP_SEGMENT). Without a retransmission stream there is none: a packet that is sent twice under one SRTP index
    /// must be the same to the byte (RFC 3711 §9.1), and how it was padded is not remembered.
    fn padding(&mut self, timestamp: u32, packet: &Packet<'_>, bytes: usize) -> usize {
        if packet.facts.vp8.is_none() || self.config.retransmission.is_none() {
            return 0;
        }
        let begun = self.frame.filter(|frame| frame.timestamp == timestamp);
        // The first of several is made a byte longer, as that is how long the last ones may be.
        let target = begun.map_or(if packet.facts.marker { bytes } else { bytes + 1 }, |frame| frame.bytes);
        let padding = target.checked_sub(bytes).filter(|padding| *padding <= PADDING_BYTES_MAX).unwrap_or(0);
        if begun.is_none() {
            self.frame = Some(FrameSize { timestamp, bytes: target });
        }
        padding
    }
}

fn copy_payload(out: &mut [u8], packet: &Packet<'_>, rewritten: Rewritten) {
    out.copy_from_slice(packet.payload);
    if let Some(descriptor) = packet.facts.vp8 {
        descriptor.rewrite(out, rewritten.numbers);
    }
}

#[cfg(test)]
mod tests;
