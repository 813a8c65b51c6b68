//! The stream sent through one slot: its packets, ready to be sealed.

use super::config::Config;
use super::rewrite::{Origin, Rewriter, Rewritten};
use super::template::{self, Template};
use super::throttle::Throttle;
use crate::codec::red::{self, Earlier};
use crate::ingress::missing::AGE_MAX;
use crate::ingress::receive::{ClockOffset, SourceClock};
use crate::keys::StreamKey;
use crate::packet::{Facts, Moment, Packet};
use crate::random::Random;
use crate::rtcp::ntp::NtpTime;
use crate::rtcp::write::Sent;
use crate::rtx::ORIGINAL_SEQUENCE_BYTES;
use crate::tempo::Tempo;
use shared::rtp_parameters::CodecName;
use std::time::{Duration, Instant};

/// A packet that is at most this much shorter than the others of its frame is padded to their length. libwebrtc splits
/// frames into packets that differ by one byte, the shorter ones first; the last may lack some bytes for extensions.
const PADDING_BYTES_MAX: usize = 16;

/// Padding of a padding-only packet: the maximum that its last byte can count (RFC 3550 §5.1).
pub const PADDING_BYTES: usize = 255;

/// A packet written into the caller's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    pub bytes: usize,
    pub padding_bytes: usize,
    /// The header is authenticated but not encrypted.
    pub header_bytes: usize,
    pub ssrc: u32,
    /// Extended sequence number, which is SRTP's packet index.
    pub index: u64,
    /// Offset of the transport-wide sequence number, if there is one.
    pub transport_sequence_at: Option<usize>,
}

pub struct Outgoing {
    config: Config,
    templates: Templates,
    /// The first index under this configuration; earlier packets cannot be written again unchanged.
    configured_at: u64,
    rewriter: Rewriter,
    throttle: Throttle,
    frame: Option<FrameSize>,
    resumption: Resumption,
    retransmission_index: u64,
    sent_packets: u32,
    sent_octets: u32,
}

/// The reason a packet is not worth retransmitting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lateness {
    /// A later key frame was sent completely, and a decoder continues from it.
    Replaced,
    /// No decoder waits this long.
    TooOld,
}

/// The place at which a decoder can start anew.
#[derive(Clone, Copy, Debug, Default)]
struct Resumption {
    /// Index and timestamp of the last key frame.
    begun: Option<(u64, u32)>,
    /// Index of the last key frame that was sent completely.
    whole: Option<u64>,
}

/// Headers of packets whose retransmissions have a separate stream, and of others.
struct Templates {
    repaired: Template,
    plain: Template,
}

/// The length of the current video frame's packets.
#[derive(Clone, Copy, Debug)]
struct FrameSize {
    timestamp: u32,
    bytes: usize,
}

impl Outgoing {
    pub fn new(config: Config, random: &mut Random) -> Self {
        // RFC 3711 §3.3.1: sequence numbers that begin in the lower half keep an early loss from hiding a wrap.
        let first_index = u64::from(random.next_u16() >> 1);
        Self {
            templates: Templates::new(&config),
            configured_at: first_index,
            rewriter: Rewriter::new(config.clock_rate, first_index, random.next_u32()),
            throttle: Throttle::default(),
            frame: None,
            resumption: Resumption::default(),
            retransmission_index: u64::from(random.next_u16() >> 1),
            sent_packets: 0,
            sent_octets: 0,
            config,
        }
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Continues with newly negotiated parameters for the same SSRC.
    pub fn renegotiate(&mut self, config: Config) {
        self.templates = Templates::new(&config);
        self.configured_at = self.rewriter.next_index();
        self.config = config;
    }

    /// See [`Rewriter::switch`].
    pub fn switch(&mut self, now: Instant, source: StreamKey, facts: &Facts, offset: Option<u32>) {
        self.rewriter.switch(now, source, facts, offset);
    }

    /// See [`Rewriter::set_tempo`].
    pub fn set_tempo(&mut self, tempo: Tempo) {
        self.rewriter.set_tempo(tempo);
    }

    /// See [`Rewriter::coming_tempo`].
    pub fn coming_tempo(&self) -> Tempo {
        self.rewriter.coming_tempo()
    }

    /// See [`Rewriter::waits_for_more`].
    pub fn waits_for_more(&self) -> bool {
        self.rewriter.waits_for_more()
    }

    /// See [`Rewriter::leaves_out`].
    pub fn leaves_out(&self, source: StreamKey, facts: &Facts) -> bool {
        self.rewriter.leaves_out(source, facts)
    }

    /// Writes a packet of the current source into `out`; `None` for one from before the switch, or of an omitted layer.
    /// `earlier` are the packets that audio repeats, the last one first.
    pub fn write_next<'a>(
        &mut self,
        at: Moment,
        source: StreamKey,
        packet: &Packet<'_>,
        earlier: impl Iterator<Item = Packet<'a>>,
        out: &mut [u8],
    ) -> Option<Written> {
        // A packet that cannot be written must not take a number.
        self.config.format(packet.facts.codec)?;
        let rewritten = self.rewriter.rewrite(at.now, source, &packet.facts)?;
        let written = self
            .write_redundant(at, packet, rewritten, earlier, out)
            .or_else(|| self.write(at, packet, rewritten, out))?;
        self.resumption.note(rewritten, &packet.facts);
        self.sent_packets = self.sent_packets.wrapping_add(1);
        self.sent_octets = self.sent_octets.wrapping_add(packet.payload.len() as u32);
        Some(written)
    }

    /// The source packet to retransmit for a lost sequence number; `None` if it was never sent, or was retransmitted
    /// less than a round trip ago.
    ///
    /// Packets sent with redundancy are not retransmitted: the copy would be another packet under the same SRTP index
    /// (RFC 3711 §9.1).
    pub fn nack(&mut self, now: Instant, sequence: u16, round_trip: Duration) -> Option<Origin> {
        if self.config.redundant_payload_type.is_some() {
            return None;
        }
        let origin = self.rewriter.origin(sequence)?;
        self.throttle.admit(now, origin.index, round_trip).then_some(origin)
    }

    /// The reason a retransmission would be useless now; `None` if it would help.
    pub fn lateness(&self, now: Instant, origin: Origin, facts: &Facts, round_trip: Duration) -> Option<Lateness> {
        if self.resumption.whole.is_some_and(|whole| origin.index < whole) {
            return Some(Lateness::Replaced);
        }
        // Nothing that is still sent depends on the frames of a layer that is no longer sent.
        let is_above = |tempo: Tempo| facts.temporal_layer().is_some_and(|layer| !tempo.takes(layer.index));
        if is_above(self.rewriter.coming_tempo()) {
            return Some(Lateness::Replaced);
        }
        let age = self.rewriter.age(now, origin, facts)? + round_trip / 2;
        (age > AGE_MAX).then_some(Lateness::TooOld)
    }

    /// The packet sent `age` packets ago, if it can be retransmitted on a separate numbered stream.
    pub fn recent(&self, age: u16) -> Option<Origin> {
        if self.can_pad() { self.rewriter.recent(age) } else { None }
    }

    /// True if there is a numbered retransmission stream.
    pub fn can_pad(&self) -> bool {
        self.config.retransmitted().is_some() && self.templates.repaired.transport_sequence_at().is_some()
    }

    /// True if packets of this codec can be repeated on it.
    pub fn can_repeat(&self, codec: CodecName) -> bool {
        self.can_pad() && self.config.retransmission(codec).is_some()
    }

    /// Writes a padding-only packet on the retransmission stream.
    pub fn write_padding(&mut self, at: Moment, out: &mut [u8]) -> Option<Written> {
        let (codec, stream) = self.config.retransmitted()?;
        let template = &self.templates.repaired;
        let transport_sequence_at = Some(template.transport_sequence_at()?);
        let index = self.retransmission_index;
        let (facts, numbers) = (Facts::none(codec), self.rewriter.padding(index));
        let header_bytes = template.write(out, at, stream.payload_type, &facts, numbers)?;
        template::redirect(out, stream.ssrc)?;
        let bytes = header_bytes + PADDING_BYTES;
        template::pad(out.get_mut(..bytes)?, PADDING_BYTES)?;
        self.retransmission_index += 1;
        let ssrc = stream.ssrc;
        Some(Written { bytes, padding_bytes: PADDING_BYTES, header_bytes, ssrc, index, transport_sequence_at })
    }

    /// Writes the packet at `origin` again: on the retransmission stream if there is one (RFC 4588 §4), else unchanged.
    pub fn write_again(&mut self, at: Moment, origin: Origin, packet: &Packet<'_>, out: &mut [u8]) -> Option<Written> {
        let rewritten = self.rewriter.rewrite_again(origin, &packet.facts)?;
        let Some(stream) = self.config.retransmission(packet.facts.codec) else {
            // With a new number or new parameters, it would be another packet under the same SRTP index.
            let is_numbered = self.templates.plain.transport_sequence_at().is_some();
            let is_other = is_numbered || rewritten.index < self.configured_at;
            return if is_other { None } else { self.write(at, packet, rewritten, out) };
        };
        let template = &self.templates.repaired;
        let index = self.retransmission_index;
        let header = Rewritten { index, ..rewritten };
        let header_bytes = template.write(out, at, stream.payload_type, &packet.facts, header)?;
        let body = out.get_mut(header_bytes..header_bytes + ORIGINAL_SEQUENCE_BYTES + packet.payload.len())?;
        let (original_sequence, payload) = body.split_first_chunk_mut::<ORIGINAL_SEQUENCE_BYTES>()?;
        *original_sequence = (rewritten.index as u16).to_be_bytes();
        copy_payload(payload, packet, rewritten);
        let bytes = header_bytes + ORIGINAL_SEQUENCE_BYTES + packet.payload.len();
        template::redirect(out, stream.ssrc)?;
        self.retransmission_index += 1;
        let transport_sequence_at = template.transport_sequence_at();
        Some(Written { bytes, padding_bytes: 0, header_bytes, ssrc: stream.ssrc, index, transport_sequence_at })
    }

    /// A sender report while `source` plays; `clock` and `offset` describe its publisher's clock.
    pub fn sender_report(
        &self,
        ntp: NtpTime,
        source: StreamKey,
        clock: SourceClock,
        offset: &ClockOffset,
    ) -> Option<Sent> {
        let step = self.rewriter.timestamp_step(source)?;
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

    /// `None` if the packet gets no redundancy.
    fn write_redundant<'a>(
        &self,
        at: Moment,
        packet: &Packet<'_>,
        rewritten: Rewritten,
        earlier: impl Iterator<Item = Packet<'a>>,
        out: &mut [u8],
    ) -> Option<Written> {
        let redundant = self.config.redundant_payload_type?;
        let payload_type = self.config.format(packet.facts.codec)?.payload_type;
        let block = |earlier: Packet<'a>| Earlier {
            timestamp_offset: packet.facts.timestamp.wrapping_sub(earlier.facts.timestamp),
            payload: earlier.payload,
        };
        let mut earlier = earlier.map(block).peekable();
        earlier.peek()?;
        let template = &self.templates.plain;
        let header_bytes = template.write(out, at, redundant, &packet.facts, rewritten)?;
        let bytes = red::write(out.get_mut(header_bytes..)?, payload_type, packet.payload, earlier)?;
        let (ssrc, index) = (self.config.ssrc, rewritten.index);
        let transport_sequence_at = template.transport_sequence_at();
        Some(Written {
            bytes: header_bytes + bytes,
            padding_bytes: 0,
            header_bytes,
            ssrc,
            index,
            transport_sequence_at,
        })
    }

    fn write(&mut self, at: Moment, packet: &Packet<'_>, rewritten: Rewritten, out: &mut [u8]) -> Option<Written> {
        let payload_type = self.config.format(packet.facts.codec)?.payload_type;
        let is_repaired = self.config.retransmission(packet.facts.codec).is_some();
        let template = if is_repaired { &self.templates.repaired } else { &self.templates.plain };
        let transport_sequence_at = template.transport_sequence_at();
        let header_bytes = template.write(out, at, payload_type, &packet.facts, rewritten)?;
        let bytes = header_bytes + packet.payload.len();
        copy_payload(out.get_mut(header_bytes..bytes)?, packet, rewritten);
        let padding = if is_repaired { self.padding(rewritten.timestamp, packet, bytes) } else { 0 };
        if padding > 0 {
            template::pad(out.get_mut(..bytes + padding)?, padding)?;
        }
        let (ssrc, index) = (self.config.ssrc, rewritten.index);
        Some(Written {
            bytes: bytes + padding,
            padding_bytes: padding,
            header_bytes,
            ssrc,
            index,
            transport_sequence_at,
        })
    }

    /// Padding that makes the packets of one video frame equally long, so that the kernel accepts them as one buffer
    /// (UDP_SEGMENT). Without a retransmission stream there is none: a packet that is sent twice under one SRTP index
    /// must be the same to the byte (RFC 3711 §9.1), and its padding is not remembered.
    fn padding(&mut self, timestamp: u32, packet: &Packet<'_>, bytes: usize) -> usize {
        if packet.facts.picture.is_none() {
            return 0;
        }
        let begun = self.frame.filter(|frame| frame.timestamp == timestamp);
        // The first of several packets gets one more byte, the possible length of the last ones.
        let target = begun.map_or(if packet.facts.marker { bytes } else { bytes + 1 }, |frame| frame.bytes);
        let padding = target.checked_sub(bytes).filter(|padding| *padding <= PADDING_BYTES_MAX).unwrap_or(0);
        if begun.is_none() {
            self.frame = Some(FrameSize { timestamp, bytes: target });
        }
        padding
    }
}

impl Resumption {
    fn note(&mut self, sent: Rewritten, facts: &Facts) {
        if facts.picture.is_some_and(|picture| picture.starts_keyframe()) {
            self.begun = Some((sent.index, sent.timestamp));
        }
        let ended = self.begun.filter(|(_, timestamp)| facts.marker && *timestamp == sent.timestamp);
        self.whole = ended.map(|(index, _)| index).or(self.whole);
    }
}

impl Templates {
    fn new(config: &Config) -> Self {
        Self { repaired: Template::new(config, true), plain: Template::new(config, false) }
    }
}

fn copy_payload(out: &mut [u8], packet: &Packet<'_>, rewritten: Rewritten) {
    out.copy_from_slice(packet.payload);
    if let Some(picture) = packet.facts.picture {
        picture.rewrite(out, rewritten.numbers);
    }
}
