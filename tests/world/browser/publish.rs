//! One published track: an encoder's packets, their retransmissions, and sender reports.

use super::content::{Stamp, Turn};
use super::uplink::Kind;
use super::{answer, offer};
use crate::check::SourceName;
use crate::clock::Clock;
use media_core::random::Random;
use media_core::rtcp::ntp::NtpClock;
use media_core::rtcp::write::Sent;
use media_core::rtp::HeaderWriter;
use shared::Mid;
use shared::rtp_parameters::MediaKind;
use shared::signal::TrackSource;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Opus at 50 packets per second, VP8 at 20 frames per second.
const SOUND_INTERVAL: Duration = Duration::from_millis(20);
pub const PICTURE_INTERVAL: Duration = Duration::from_millis(50);
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// The level of a speaker.
const LEVEL: u8 = 30;
/// Payload length: small, because every byte is checked.
const PAYLOAD_BYTES: usize = 120;

/// The size of a picture.
#[derive(Clone, Copy, Debug)]
struct Size {
    lines: u16,
    /// Packets of a key frame and of any other.
    keyframe_parts: u8,
    parts: u8,
    payload_bytes: usize,
}

const SMALL: Size = Size { lines: 480, keyframe_parts: 6, parts: 2, payload_bytes: PAYLOAD_BYTES };
/// 150, 500 and 1,500 kbit/s.
const LAYERS: [Size; 3] = [
    Size { lines: 180, keyframe_parts: 3, parts: 1, payload_bytes: 930 },
    Size { lines: 360, keyframe_parts: 9, parts: 3, payload_bytes: 1_040 },
    Size { lines: 720, keyframe_parts: 27, parts: 9, payload_bytes: 1_040 },
];
/// 1,500 kbit/s while it moves.
const SCREEN: Size = Size { lines: 1_080, keyframe_parts: 27, parts: 9, payload_bytes: 1_040 };
/// Frames that make a still screen sharp, and those of them after which it is; then each frame repeats the last one.
const REFINING_FRAMES: u32 = 10;
const SHARP_AFTER_FRAMES: u32 = 5;
const REPEAT_INTERVAL: Duration = Duration::from_secs(1);
/// IP, UDP, RTP and SRTP.
const HEADERS_BYTES: u64 = 64;
/// The rate of a microphone, headers included.
pub const SOUND_BPS: u64 = 50 * 8 * (PAYLOAD_BYTES as u64 + HEADERS_BYTES);
/// Minimum size for the stamp and everything before it.
const PAYLOAD_BYTES_MIN: u64 = 60;
/// The smallest useful share of a layer's rate, as in libwebrtc.
const LAYER_MIN_PERCENT: u64 = 35;
/// Chromium ignores a PLI that arrives this soon after the last accepted one.
const KEYFRAME_INTERVAL_MIN: Duration = Duration::from_millis(300);
/// Packets that can be retransmitted.
const HISTORY_PACKETS: usize = 512;
/// Minimum interval between retransmissions of a packet.
const RESEND_INTERVAL: Duration = Duration::from_millis(20);

impl Size {
    /// At 20 frames per second, headers included.
    const fn bps(&self) -> u64 {
        Self::bps_per_byte(self.parts) * (self.payload_bytes as u64 + HEADERS_BYTES)
    }

    const fn bps_per_byte(parts: u8) -> u64 {
        parts as u64 * 8 * 20
    }
}

/// Divides a browser's send rate between its videos: each gets the same unless it needs less, as in libwebrtc.
pub fn divide(publishers: &mut [Publisher], bps: u64) {
    let mut videos: Vec<_> = publishers.iter_mut().filter(|publisher| publisher.kind() == MediaKind::Video).collect();
    videos.sort_by_key(|publisher| publisher.full_bps());
    let (mut left_bps, count) = (bps, videos.len() as u64);
    for (place, publisher) in (0..).zip(videos) {
        let share_bps = left_bps / (count - place);
        let full_bps = publisher.full_bps();
        publisher.limit_bps = (share_bps < full_bps).then_some(share_bps);
        left_bps -= share_bps.min(full_bps);
    }
}

/// A packet that waits to be sealed.
#[derive(Clone, Debug)]
pub struct Plain {
    pub bytes: Vec<u8>,
    pub header_bytes: usize,
    pub ssrc: u32,
    pub kind: Kind,
    /// Extended sequence number.
    pub index: u64,
    /// Offset of the transport-wide sequence number, if it is negotiated.
    pub transport_sequence_at: Option<usize>,
}

#[derive(Clone, Debug)]
pub struct Publisher {
    pub mid: Mid,
    pub source: TrackSource,
    /// While muted, nothing is sent.
    pub is_muted: bool,
    pub picture_interval: Duration,
    /// The level of a microphone, in −dBov (RFC 6464).
    pub level: u8,
    /// SSRC, and that of retransmissions.
    pub ssrcs: (u32, u32),
    size: Size,
    /// The first frame since the screen stands still.
    still_since: Option<u32>,
    /// A limit for all layers together, if it is below their demand.
    limit_bps: Option<u64>,
    /// Larger layers of the same picture.
    upper: Vec<Self>,
    /// False for a layer that the room does not need.
    is_wanted: bool,
    /// The time of the last packet.
    sent_at: Option<Instant>,
    name: SourceName,
    page: u16,
    negotiated: Option<answer::Section>,
    index: u64,
    rtx_index: u64,
    frame: u32,
    /// The last key frame; only with temporal layers.
    keyframe: Option<u32>,
    picture_id: u16,
    base_layer_index: u8,
    timestamp_offset: u32,
    next_at: Instant,
    report_at: Instant,
    /// True if a key frame was requested.
    keyframe_wanted: bool,
    heard_at: Option<Instant>,
    history: BTreeMap<u64, Kept>,
    packets: u32,
    octets: u32,
    last_timestamp: u32,
}

/// A packet kept for retransmission.
#[derive(Clone, Debug)]
struct Kept {
    payload: Vec<u8>,
    timestamp: u32,
    marker: bool,
    resent_at: Option<Instant>,
}

impl Publisher {
    #[must_use]
    pub fn new(clock: &Clock, random: &mut Random, participant: &str, mid: Mid, source: TrackSource) -> Self {
        Self {
            name: SourceName::of(participant, mid.as_str()),
            page: random.next_u16(),
            mid,
            source,
            is_muted: false,
            picture_interval: PICTURE_INTERVAL,
            level: LEVEL,
            ssrcs: (random.next_u32() | 1, random.next_u32() & !1),
            size: SMALL,
            still_since: None,
            limit_bps: None,
            upper: Vec::new(),
            is_wanted: true,
            sent_at: None,
            negotiated: None,
            index: u64::from(random.next_u16()),
            rtx_index: u64::from(random.next_u16()),
            frame: 0,
            keyframe: None,
            picture_id: random.next_u16() & 0x7fff,
            base_layer_index: random.next_u16() as u8,
            timestamp_offset: random.next_u32(),
            next_at: clock.now(),
            report_at: clock.now() + REPORT_INTERVAL,
            keyframe_wanted: true,
            heard_at: None,
            history: BTreeMap::new(),
            packets: 0,
            octets: 0,
            last_timestamp: 0,
        }
    }

    /// The same track in three layers, each in three temporal layers.
    #[must_use]
    pub fn in_layers(mut self, clock: &Clock, random: &mut Random, participant: &str) -> Self {
        let upper = LAYERS[1..].iter().map(|size| {
            let layer = Self::new(clock, random, participant, self.mid.clone(), self.source);
            Self { size: *size, keyframe: Some(0), picture_interval: self.picture_interval, ..layer }
        });
        self.upper = upper.collect();
        (self.size, self.keyframe) = (LAYERS[0], Some(0));
        self
    }

    /// The same track with a screen's bitrate, in three temporal layers.
    #[must_use]
    pub fn of_a_screen(mut self) -> Self {
        (self.size, self.keyframe) = (SCREEN, Some(0));
        self
    }

    /// Makes a screen move, with this many packets per frame, or stand still.
    pub fn set_motion(&mut self, clock: &Clock, parts: Option<u8>) {
        self.size.parts = parts.unwrap_or(self.size.parts);
        self.still_since = parts.is_none().then(|| self.still_since.unwrap_or(self.frame));
        self.next_at = self.next_at.min(clock.now() + self.picture_interval);
    }

    /// The first frame that shows a still screen without blur.
    #[must_use]
    pub fn sharp_since(&self) -> Option<u32> {
        self.still_since.map(|frame| frame + SHARP_AFTER_FRAMES)
    }

    fn only_repeats(&self) -> bool {
        self.still_since.is_some_and(|since| self.frame >= since + REFINING_FRAMES)
    }

    /// Its rate, if that is below its demand.
    #[must_use]
    pub fn limit_bps(&self) -> Option<u64> {
        self.limit_bps
    }

    /// True if it sends less than its demand.
    #[must_use]
    pub fn is_limited(&self) -> bool {
        self.limit_bps.is_some()
    }

    /// The demand of all its layers together.
    fn full_bps(&self) -> u64 {
        self.streams().map(Self::needed_bps).sum()
    }

    fn needed_bps(&self) -> u64 {
        if self.is_wanted { self.size.bps() } else { 0 }
    }

    /// Sends these layers and no others. A layer that comes back begins with a key frame.
    pub fn set_layers(&mut self, is_wanted: impl Fn(usize) -> bool) {
        self.set_wanted(is_wanted(0));
        for (place, layer) in (1..).zip(&mut self.upper) {
            layer.set_wanted(is_wanted(place));
        }
    }

    fn set_wanted(&mut self, is_wanted: bool) {
        self.keyframe_wanted |= is_wanted && !self.is_wanted;
        self.is_wanted = is_wanted;
    }

    /// The time of the last packet of a layer, the lowest first.
    #[must_use]
    pub fn sent_at(&self, layer: usize) -> Option<Instant> {
        self.streams().nth(layer)?.sent_at
    }

    /// Its streams, lowest layer first.
    pub fn streams(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.upper)
    }

    pub fn stream_mut(&mut self, ssrc: u32) -> Option<&mut Self> {
        if self.ssrcs.0 == ssrc { Some(self) } else { self.upper.iter_mut().find(|layer| layer.ssrcs.0 == ssrc) }
    }

    #[must_use]
    pub fn kind(&self) -> MediaKind {
        match self.source {
            TrackSource::Microphone | TrackSource::ScreenAudio => MediaKind::Audio,
            TrackSource::Camera | TrackSource::Screen => MediaKind::Video,
        }
    }

    #[must_use]
    pub fn section(&self) -> offer::Section {
        let purpose = offer::Purpose::Publish(self.ssrcs.0, self.ssrcs.1);
        let is_layered = !self.upper.is_empty();
        let layers = self.streams().filter(|_| is_layered).map(|layer| layer.ssrcs).collect();
        offer::Section { mid: self.mid.clone(), kind: self.kind(), purpose, layers }
    }

    pub fn negotiated(&mut self, section: &answer::Section) {
        self.negotiated = section.is_active.then(|| section.clone());
        self.upper.iter_mut().for_each(|layer| layer.negotiated(section));
    }

    /// With new keys, rollover counters begin anew (RFC 3711 §3.3.1), and earlier packets cannot be requested.
    pub fn rekeyed(&mut self, clock: &Clock) {
        self.index &= 0xffff;
        self.rtx_index &= 0xffff;
        self.history.clear();
        self.next_at = clock.now();
        self.upper.iter_mut().for_each(|layer| layer.rekeyed(clock));
    }

    /// The time of the next packet or report.
    #[must_use]
    pub fn poll_timeout(&self) -> Instant {
        self.streams().map(|layer| layer.next_at.min(layer.report_at)).min().unwrap_or(self.next_at)
    }

    pub fn handle_picture_loss(&mut self, clock: &Clock) {
        if self.heard_at.is_none_or(|at| clock.now() >= at + KEYFRAME_INTERVAL_MIN) {
            self.heard_at = Some(clock.now());
            self.keyframe_wanted = true;
            self.next_at = self.next_at.min(clock.now() + self.picture_interval);
        }
    }

    pub fn poll(&mut self, clock: &Clock) -> Vec<Plain> {
        let mut packets = self.poll_stream(clock);
        let mut left_bps = self.limit_bps.map(|limit| limit.saturating_sub(self.needed_bps()));
        for layer in &mut self.upper {
            // A layer gets what the smaller ones leave, if it is enough.
            let full_bps = layer.needed_bps();
            layer.is_muted = self.is_muted || left_bps.is_some_and(|left| left < full_bps * LAYER_MIN_PERCENT / 100);
            layer.limit_bps = left_bps.filter(|left| *left < full_bps);
            left_bps = left_bps.map(|left| if layer.is_muted { 0 } else { left.saturating_sub(full_bps) });
            packets.extend(layer.poll_stream(clock));
        }
        packets
    }

    fn poll_stream(&mut self, clock: &Clock) -> Vec<Plain> {
        if clock.now() < self.next_at {
            return Vec::new();
        }
        let interval = match self.kind() {
            MediaKind::Audio => SOUND_INTERVAL,
            MediaKind::Video if self.only_repeats() => REPEAT_INTERVAL,
            MediaKind::Video => self.picture_interval,
        };
        self.next_at = clock.now() + interval;
        let is_on = !self.is_muted && self.is_wanted;
        let Some(section) = self.negotiated.clone().filter(|_| is_on) else { return Vec::new() };
        self.sent_at = Some(clock.now());
        match self.kind() {
            MediaKind::Audio => self.sound(clock, &section),
            MediaKind::Video => self.picture(clock, &section),
        }
    }

    fn sound(&mut self, clock: &Clock, section: &answer::Section) -> Vec<Plain> {
        let stamp = Stamp {
            source: self.name,
            page: self.page,
            frame: self.frame,
            part: 0,
            parts: 1,
            is_keyframe: false,
            turn: Turn::NONE,
        };
        self.frame += 1;
        let timestamp = self.timestamp(clock, 48_000);
        self.packet(section, stamp.to_sound(PAYLOAD_BYTES), timestamp, false).into_iter().collect()
    }

    fn picture(&mut self, clock: &Clock, section: &answer::Section) -> Vec<Plain> {
        let is_keyframe = std::mem::take(&mut self.keyframe_wanted);
        let Size { lines, keyframe_parts, parts, payload_bytes } = self.size;
        let payload_bytes = match self.limit_bps {
            Some(limit) if limit < self.size.bps() => (limit / Size::bps_per_byte(self.size.parts))
                .saturating_sub(HEADERS_BYTES)
                .max(PAYLOAD_BYTES_MIN) as usize,
            Some(_) | None => payload_bytes,
        };
        let (parts, payload_bytes) = match () {
            () if is_keyframe => (keyframe_parts, payload_bytes),
            () if self.only_repeats() => (1, PAYLOAD_BYTES),
            () => (parts, payload_bytes),
        };
        let timestamp = self.timestamp(clock, 90_000);
        if is_keyframe {
            self.keyframe = self.keyframe.map(|_| self.frame);
        }
        let turn = self.keyframe.map_or(Turn::NONE, |keyframe| Turn::after_keyframe(self.frame - keyframe));
        self.base_layer_index = self.base_layer_index.wrapping_add(u8::from(turn.layer().0 == 0));
        let mut packets = Vec::new();
        for part in 0..parts {
            let stamp = Stamp { source: self.name, page: self.page, frame: self.frame, part, parts, is_keyframe, turn };
            // libwebrtc splits a frame into packets that differ by one byte.
            let bytes = payload_bytes + usize::from(part > parts / 2);
            let payload = stamp.to_picture(self.picture_id, self.base_layer_index, lines, bytes);
            packets.extend(self.packet(section, payload, timestamp, part + 1 == parts));
        }
        self.frame += 1;
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        packets
    }

    fn timestamp(&mut self, clock: &Clock, clock_rate: u64) -> u32 {
        let ticks = clock.elapsed().as_micros() as u64 * clock_rate / 1_000_000;
        self.last_timestamp = self.timestamp_offset.wrapping_add(ticks as u32);
        self.last_timestamp
    }

    fn packet(&mut self, section: &answer::Section, payload: Vec<u8>, timestamp: u32, marker: bool) -> Option<Plain> {
        let index = self.index;
        self.index += 1;
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload.len() as u32);
        let kind = if self.kind() == MediaKind::Audio { Kind::Audio } else { Kind::Video };
        let (ssrc, numbers) = (self.ssrcs.0, (index, timestamp, marker));
        let plain = write(section, (ssrc, kind), section.payload_type, numbers, self.level, &payload);
        self.history.insert(index, Kept { payload, timestamp, marker, resent_at: None });
        if self.history.len() > HISTORY_PACKETS {
            self.history.pop_first();
        }
        plain
    }

    /// Retransmits packets that the node lacks (RFC 4588).
    pub fn handle_nack(&mut self, clock: &Clock, lost: impl Iterator<Item = u16>) -> Vec<Plain> {
        let Some(section) = self.negotiated.clone() else { return Vec::new() };
        let Some(rtx_payload_type) = section.rtx_payload_type else { return Vec::new() };
        let mut packets = Vec::new();
        for sequence in lost {
            let index = self.index - u64::from((self.index as u16).wrapping_sub(sequence));
            let Some(kept) = self.history.get_mut(&index) else { continue };
            if kept.resent_at.is_some_and(|at| clock.now() < at + RESEND_INTERVAL) {
                continue;
            }
            kept.resent_at = Some(clock.now());
            let payload = [&sequence.to_be_bytes(), &kept.payload[..]].concat();
            let ssrc = (self.ssrcs.1, Kind::Retransmission);
            let numbers = (self.rtx_index, kept.timestamp, kept.marker);
            packets.extend(write(&section, ssrc, rtx_payload_type, numbers, self.level, &payload));
            self.rtx_index += 1;
        }
        packets
    }

    pub fn poll_reports(&mut self, clock: &Clock, ntp: &NtpClock) -> Vec<Sent> {
        let own = self.poll_report(clock, ntp);
        own.into_iter().chain(self.upper.iter_mut().filter_map(|layer| layer.poll_report(clock, ntp))).collect()
    }

    fn poll_report(&mut self, clock: &Clock, ntp: &NtpClock) -> Option<Sent> {
        if clock.now() < self.report_at {
            return None;
        }
        self.report_at = clock.now() + REPORT_INTERVAL;
        (self.packets > 0 && !self.is_muted && self.is_wanted).then(|| {
            let clock_rate = if self.kind() == MediaKind::Audio { 48_000 } else { 90_000 };
            Sent {
                ssrc: self.ssrcs.0,
                ntp: ntp.at(clock.now()),
                rtp_timestamp: self.timestamp(clock, clock_rate),
                packets: self.packets,
                octets: self.octets,
            }
        })
    }
}

/// Writes one packet with the given index, timestamp and marker, and the mid as header extension.
fn write(
    section: &answer::Section,
    (ssrc, kind): (u32, Kind),
    payload_type: u8,
    (index, timestamp, marker): (u64, u32, bool),
    level: u8,
    payload: &[u8],
) -> Option<Plain> {
    let mut header = [0; 64];
    let mut writer = HeaderWriter::new(&mut header, ssrc, None)?;
    if let Some(id) = section.extensions.mid {
        writer.extension(id, section.mid.as_str().as_bytes());
    }
    if let Some(id) = section.extensions.audio_level.filter(|_| section.kind == MediaKind::Audio) {
        writer.extension(id, &[0x80 | level]);
    }
    let transport_sequence_at = section.extensions.transport_cc.and_then(|id| writer.extension(id, &[0; 2]));
    let header_bytes = writer.finish()?;
    header[1] = u8::from(marker) << 7 | payload_type;
    header[2..4].copy_from_slice(&(index as u16).to_be_bytes());
    header[4..8].copy_from_slice(&timestamp.to_be_bytes());
    let bytes = [&header[..header_bytes], payload].concat();
    Some(Plain { bytes, header_bytes, ssrc, kind, index, transport_sequence_at })
}
