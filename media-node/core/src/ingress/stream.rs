//! One stream of a publisher, which is a layer of a track: received once, then given to every slot it plays in.

use super::cache::{AUDIO_PACKETS_KEPT, Cache, VIDEO_PACKETS_KEPT};
use super::keyframe::Requester;
use super::queue::{Queue, Queued};
use super::rate::VideoRate;
use super::receive::{ClockOffset, Receiver, SourceClock};
use super::thinning::Thinning;
use super::voice::{self, Voice};
use crate::codec::{Malformed, Picture, opus, red};
use crate::keys::{SessionKey, TrackKey};
use crate::packet::{Csrc, Facts, Moment, Packet, RTP_HEADER_BYTES, TRANSPORT_BYTES};
use crate::quality::Tally;
use crate::record::tap::TapNumber;
use crate::rtcp::ntp::NtpTime;
use crate::rtp::RtpHeader;
use crate::rtx;
use crate::stats::DropReason;
use crate::tempo::{Tempo, Thinned};
use shared::rtp_parameters::{CodecName, Encoding, MediaKind, Section};
use std::time::Instant;

/// Distance between the index spaces of two streams: no stream gets this far.
const INDEX_SPACE: u64 = 1 << 40;

const PACKET_OVERHEAD_BYTES: usize = TRANSPORT_BYTES + RTP_HEADER_BYTES;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscriber {
    pub session: SessionKey,
    pub slot: u16,
}

pub struct Stream {
    pub publisher: SessionKey,
    pub track: TrackKey,
    pub kind: MediaKind,
    pub subscribers: Vec<Subscriber>,
    pub keyframes: Requester,
    pub tap: Option<Tap>,
    pub tally: Tally,
    /// Only while its room listens to it.
    pub voice: Option<Voice>,
    /// Width and height of the last key frame.
    pub size: Option<(u16, u16)>,
    /// Of the newest picture.
    codec: Option<CodecName>,
    section: Section,
    encoding: Encoding,
    rate: Option<VideoRate>,
    /// Timestamp of a screen's last key frame.
    screen_keyframe: Option<u32>,
    receiver: Option<Receiver>,
    cache: Cache,
    /// Set for a stream with temporal layers.
    thinning: Option<Box<Thinning>>,
    /// The highest index so far.
    newest: u64,
    /// Added to the receiver's indices: no two streams may share a packet's name, or one could be retransmitted as the
    /// other under an SRTP index that is already used.
    index_base: u64,
    /// Indices of the packets accepted last: one, and its redundant ones.
    fresh: Vec<u64>,
    /// SSRC of its retransmissions, once they arrived.
    repair_ssrc: Option<u32>,
    /// The one before the last restart: its late packets are not of this stream.
    former_repair_ssrc: Option<u32>,
    orientation: Option<u8>,
    queue: Queue,
}

/// The recorder's use of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tap {
    /// Its packets are copied under this number.
    Open(TapNumber),
    /// Its packets will be copied from the next key frame on, instead of another layer's.
    AtKeyframe(TapNumber),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// True for the first of the waiting packets.
    pub is_first: bool,
    /// True if waiting packets must be sent before more arrive.
    pub is_urgent: bool,
    /// True if too many wait: subscribers will request it again.
    pub is_dropped: bool,
    pub begins_stream: bool,
    pub starts_keyframe: bool,
    /// True for the first picture of its stream, or the first in another codec.
    pub changes_codec: bool,
    /// A loss was noticed or repaired: the time of the next request may have moved.
    pub repair_at: Option<Instant>,
    /// More was lost than requests can repair.
    pub needs_keyframe: bool,
    /// End of the wait for the frame's last packet, if there is one.
    pub held_until: Option<Instant>,
}

impl Stream {
    /// One encoding of a section; `instance` must be unique among all streams of the shard.
    pub fn new(publisher: SessionKey, track: TrackKey, section: &Section, encoding: Encoding, instance: u64) -> Self {
        let packets = if section.kind == MediaKind::Video { VIDEO_PACKETS_KEPT } else { AUDIO_PACKETS_KEPT };
        Self {
            publisher,
            track,
            kind: section.kind,
            subscribers: Vec::new(),
            keyframes: Requester::default(),
            tap: None,
            tally: Tally::default(),
            voice: None,
            size: None,
            codec: None,
            section: section.clone(),
            encoding,
            rate: None,
            screen_keyframe: None,
            receiver: None,
            cache: Cache::new(packets),
            thinning: None,
            newest: 0,
            index_base: instance.wrapping_mul(INDEX_SPACE),
            fresh: Vec::with_capacity(1 + red::EARLIER_MAX),
            repair_ssrc: None,
            former_repair_ssrc: None,
            orientation: None,
            queue: Queue::default(),
        }
    }

    /// `None` before the first packet.
    pub fn receiver(&mut self) -> Option<&mut Receiver> {
        self.receiver.as_mut()
    }

    /// Gives up all known losses before the newest accepted packet.
    pub fn give_up_earlier_losses(&mut self) {
        let Some(newest) = self.fresh.last().map(|index| index.wrapping_sub(self.index_base)) else { return };
        if let Some(missing) = self.receiver.as_mut().and_then(Receiver::missing) {
            missing.give_up_before(newest);
        }
    }

    pub fn clock(&self) -> Option<SourceClock> {
        self.receiver.as_ref()?.clock()
    }

    pub fn is_filled_by(&self, ssrc: u32) -> bool {
        self.receiver.as_ref().is_some_and(|receiver| receiver.ssrc() == ssrc)
    }

    /// Continues under another SSRC, with a new index space. Its subscribers must start anew.
    pub fn restart(&mut self, instance: u64) {
        self.receiver = None;
        self.newest = 0;
        self.former_repair_ssrc = self.repair_ssrc.take().or(self.former_repair_ssrc);
        self.index_base = instance.wrapping_mul(INDEX_SPACE);
        (self.rate, self.screen_keyframe) = (None, None);
        self.thinning = None;
        self.queue.pending.clear();
        self.queue.sending.clear();
    }

    pub fn receive(&mut self, at: Moment, header: &RtpHeader<'_>, payload: &[u8]) -> Result<Received, DropReason> {
        let codec = self.section.codecs.iter().find(|codec| codec.payload_type == header.payload_type);
        let (name, clock_rate) =
            codec.map(|codec| (codec.name, codec.clock_rate)).ok_or(DropReason::UnknownPayloadType)?;
        let repairs = self.kind == MediaKind::Video;
        let begins_stream = self.receiver.is_none();
        let receiver = self.receiver.get_or_insert_with(|| Receiver::new(header.ssrc, clock_rate, repairs));
        let index = receiver.packet(at.now, at.ntp, header.sequence, header.timestamp);
        self.tally.packet(payload.len());
        let index = index.ok_or(DropReason::Duplicate)?;
        self.fresh.clear();
        let received = match name {
            CodecName::Red => self.take_in_redundant(at, index, header, payload)?,
            CodecName::Opus | CodecName::Vp8 | CodecName::H264ConstrainedBaseline | CodecName::H264Main => {
                self.take_in(at, name, index, header, payload)?
            }
        };
        let rate = self.rate.get_or_insert_with(|| VideoRate::new(at.now));
        let is_keyframe = self.screen_keyframe == Some(header.timestamp);
        rate.add(at.now, payload.len() + PACKET_OVERHEAD_BYTES, is_keyframe);
        Ok(Received { begins_stream, ..received })
    }

    /// Accepts a packet of redundant audio, preceded by its missing earlier packets.
    fn take_in_redundant(
        &mut self,
        at: Moment,
        index: u64,
        header: &RtpHeader<'_>,
        payload: &[u8],
    ) -> Result<Received, DropReason> {
        let opus = self.section.codecs.iter().find(|codec| codec.name == CodecName::Opus);
        let opus = opus.ok_or(DropReason::UnknownPayloadType)?.payload_type;
        let blocks = red::Blocks::parse(payload, opus).ok_or(DropReason::MalformedPayload)?;
        let mut earlier = [None; red::EARLIER_MAX];
        for (behind, (place, block)) in (1..).zip(earlier.iter_mut().zip(blocks.earlier())) {
            *place = Some((header.sequence.wrapping_sub(behind), block));
        }
        let mut is_first = false;
        for (sequence, block) in earlier.into_iter().rev().flatten() {
            let Some(index) = self.receiver.as_mut().and_then(|receiver| receiver.repair(at.now, sequence)) else {
                continue;
            };
            let timestamp = header.timestamp.wrapping_sub(block.timestamp_offset);
            let header = header.of(sequence, timestamp);
            is_first |= self.take_in(at, CodecName::Opus, index, &header, block.payload)?.is_first;
        }
        let received = self.take_in(at, CodecName::Opus, index, header, blocks.primary)?;
        Ok(Received { is_first: is_first | received.is_first, ..received })
    }

    /// Listens to an accepted packet if its room wants that; true if speech begins. Without a level, everything but
    /// silence is quiet speech.
    pub fn listen(&mut self, now: Instant, header: &RtpHeader<'_>, payload: &[u8]) -> bool {
        let Some(voice) = &mut self.voice else { return false };
        let level = self.section.extensions.audio_level.and_then(|id| header.extension(id)?.first().copied());
        let guess = || if opus::is_silence(payload) { voice::SILENT } else { voice::QUIET_SPEECH };
        voice.take(now, level.unwrap_or_else(guess))
    }

    /// Accepts a packet of its retransmission stream (RFC 4588). One without payload only probes for bandwidth.
    pub fn repair(&mut self, at: Moment, header: &RtpHeader<'_>, payload: &[u8]) -> Result<Received, DropReason> {
        let codec = self.section.codecs.iter().find(|codec| codec.rtx_payload_type == Some(header.payload_type));
        let name = codec.ok_or(DropReason::UnknownPayloadType)?.name;
        let (sequence, payload) = rtx::restore(payload).ok_or(DropReason::Probe)?;
        let receiver = self.receiver.as_mut().ok_or(DropReason::UnknownStream)?;
        // RFC 4588 §5.3: a retransmission stream belongs to one stream, and its sequence numbers mean nothing in
        // another.
        let is_announced = self.encoding.rtx_ssrc == Some(header.ssrc);
        let is_of_another = is_announced && self.encoding.ssrc != Some(receiver.ssrc());
        if is_of_another || self.former_repair_ssrc == Some(header.ssrc) {
            return Err(DropReason::UnknownStream);
        }
        self.repair_ssrc = Some(header.ssrc);
        self.fresh.clear();
        let index = receiver.repair(at.now, sequence).ok_or(DropReason::Duplicate)?;
        self.take_in(at, name, index, header, payload)
    }

    fn take_in(
        &mut self,
        at: Moment,
        codec: CodecName,
        index: u64,
        header: &RtpHeader<'_>,
        payload: &[u8],
    ) -> Result<Received, DropReason> {
        let facts = self.facts(codec, index, header, payload)?;
        let keyframe = facts.picture.filter(Picture::starts_keyframe);
        if keyframe.is_some() && self.is_screen() {
            self.screen_keyframe = Some(facts.timestamp);
        }
        let facts = Facts { thinned: self.thin(at.now, &facts, payload.len()), ..facts };
        if let Some(picture) = keyframe {
            self.keyframes.arrived(at.now);
            self.size = picture.size(payload).or(self.size);
        }
        // A late packet may be in the previous codec.
        let tells_codec = facts.picture.is_some() && facts.index == self.newest;
        let changes_codec = tells_codec && self.codec.replace(codec) != Some(codec);
        self.cache.keep(&Packet { facts, payload });
        self.fresh.push(facts.index);
        let Queued { is_first, is_urgent, is_dropped } = self.queue.push(at.now, &facts);
        let missing = self.receiver.as_mut().and_then(Receiver::missing);
        let (repair_at, needs_keyframe) =
            missing.map_or((None, false), |missing| (missing.due_at(), missing.take_beyond_repair()));
        let held_until = self.queue.held_until;
        Ok(Received {
            is_first,
            is_urgent,
            is_dropped,
            begins_stream: false,
            starts_keyframe: keyframe.is_some(),
            changes_codec,
            repair_at,
            needs_keyframe,
            held_until,
        })
    }

    fn facts(
        &mut self,
        codec: CodecName,
        index: u64,
        header: &RtpHeader<'_>,
        payload: &[u8],
    ) -> Result<Facts, DropReason> {
        let picture = Picture::read(codec, payload).map_err(|Malformed| DropReason::MalformedPayload)?;
        let first_byte = |id: Option<u8>| header.extension(id?)?.first().copied();
        let ids = self.section.extensions;
        // Browsers send it with some packets only: it applies until the next time.
        self.orientation = first_byte(ids.video_orientation).or(self.orientation);
        Ok(Facts {
            index: self.index_base.wrapping_add(index),
            timestamp: header.timestamp,
            marker: header.marker,
            csrc: Csrc(self.section.csrc),
            codec,
            audio_level: first_byte(ids.audio_level),
            orientation: self.orientation,
            picture,
            thinned: Thinned::NONE,
        })
    }

    fn thin(&mut self, now: Instant, facts: &Facts, payload_bytes: usize) -> Thinned {
        // Only for the newest packet: numbered packets keep their numbers.
        let is_ahead = facts.index > self.newest;
        self.newest = self.newest.max(facts.index);
        if self.thinning.is_none() && (facts.temporal_layer().is_none() || !is_ahead) {
            return Thinned::NONE;
        }
        let thinning = self.thinning.get_or_insert_with(|| Box::new(Thinning::new(now, facts)));
        let is_keyframe = self.screen_keyframe == Some(facts.timestamp);
        thinning.number(now, facts, payload_bytes + PACKET_OVERHEAD_BYTES, is_keyframe)
    }

    /// The packets accepted last, in order.
    pub fn fresh(&self) -> impl Iterator<Item = Packet<'_>> {
        self.fresh.iter().filter_map(|index| self.packet(*index))
    }

    /// Capture time of a timestamp on our clock, once the publisher has reported its clock.
    pub fn captured(&self, timestamp: u32, offset: &ClockOffset) -> Option<NtpTime> {
        let clock = self.clock()?;
        let rate = i64::from(self.clock_rate().max(1));
        let ticks = i64::from(timestamp.wrapping_sub(clock.rtp_timestamp) as i32);
        Some(offset.ours(clock.ntp)?.plus_micros(ticks * 1_000_000 / rate))
    }

    /// The distance of a packet of the stream itself from its highest number.
    pub fn distance(&self, header: &RtpHeader<'_>) -> i16 {
        let receiver = self.receiver.as_ref().filter(|receiver| receiver.ssrc() == header.ssrc);
        receiver.map_or(1, |receiver| receiver.distance(header.sequence))
    }

    /// In ticks per second.
    pub fn clock_rate(&self) -> u32 {
        self.section.codecs.first().map_or(1, |codec| codec.clock_rate)
    }

    /// Its SSRC, if it is video and has packets.
    pub fn video_ssrc(&self) -> Option<u32> {
        let receiver = self.receiver.as_ref().filter(|_| self.kind == MediaKind::Video)?;
        Some(receiver.ssrc())
    }

    /// The codec of its pictures, once one has arrived.
    pub fn codec(&self) -> Option<CodecName> {
        self.codec
    }

    /// Lines of its picture; 0 until known.
    pub fn lines(&self) -> u16 {
        self.size.map_or(0, |(_, lines)| lines)
    }

    /// Bits per second over the last second, including everything above Ethernet that a subscriber would get.
    pub fn bitrate_bps(&mut self, now: Instant) -> u64 {
        self.rate.as_mut().map_or(0, |rate| rate.bps(now))
    }

    /// Bits and frames per second of a slower tempo.
    pub fn pace(&mut self, now: Instant, tempo: Tempo) -> Option<(u64, u64)> {
        self.thinning.as_mut()?.pace(now, tempo)
    }

    /// See [`Self::bitrate_bps`], for a tempo.
    pub fn tempo_bps(&mut self, now: Instant, tempo: Tempo) -> u64 {
        let pace = self.pace(now, tempo);
        pace.map_or_else(|| self.bitrate_bps(now), |(bps, _)| bps)
    }

    /// The difference to add to this stream's timestamps to get those of `other` at the same capture time; both are
    /// layers of one track, and their publisher has reported both clocks.
    pub fn timestamp_offset(&self, other: &Self) -> Option<u32> {
        let (from, to) = (self.clock()?, other.clock().filter(|_| self.track == other.track)?);
        let rate = i128::from(self.clock_rate());
        let ticks = i128::from(from.ntp.nanos_since(to.ntp)) * rate / 1_000_000_000;
        Some(to.rtp_timestamp.wrapping_sub(from.rtp_timestamp).wrapping_add(ticks as u32))
    }

    /// True for a single layer in temporal layers, as the SDK publishes screens: there is no smaller picture, but one
    /// with fewer frames.
    pub fn is_screen(&self) -> bool {
        self.section.encodings.len() <= 1 && self.thinning.as_ref().is_some_and(|thinning| thinning.has_upper_layers())
    }

    pub fn has_pending(&self) -> bool {
        !self.queue.pending.is_empty()
    }

    /// True if its packets still wait for the end of their frame.
    pub fn is_held(&self, now: Instant) -> bool {
        self.queue.held_until.is_some_and(|until| now < until)
    }

    pub fn held_until(&self) -> Option<Instant> {
        self.queue.held_until
    }

    /// Starts a round of sending with all waiting packets.
    pub fn begin_sending(&mut self, now: Instant) {
        self.queue.begin_sending(now);
    }

    pub fn sending(&self) -> &[u64] {
        &self.queue.sending
    }

    pub fn end_sending(&mut self) {
        self.queue.sending.clear();
    }

    pub fn packet(&self, index: u64) -> Option<Packet<'_>> {
        self.cache.find(index)
    }

    pub fn numbered(&self, tempo: Tempo, number: u64) -> Option<Packet<'_>> {
        let thinning = self.thinning.as_ref().filter(|_| tempo != Tempo::Full);
        self.packet(thinning.map_or(Some(number), |thinning| thinning.index_of(tempo, number))?)
    }
}
