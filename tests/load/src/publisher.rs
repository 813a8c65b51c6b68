//! Publishes a VP8 stream of three temporal layers whose packets have the lengths of a [`Shape`]; their content is not a
//! picture.

use crate::client::{Client, Memory};
use crate::clock::{Pacer, wall_ns};
use crate::parameters::{ClientNumber, EXTENSIONS, VP8_PAYLOAD_TYPE};
use crate::shape::{PAYLOAD_BYTES_MAX, Shape};
use anyhow::{Context, Result};
use media_core::rtcp::ntp::NtpClock;
use media_core::rtcp::write::{Sent, Writer};
use media_core::rtp::HeaderWriter;
use media_core::session::srtp::OVERHEAD_BYTES_MAX;
use shared::UnixMillis;
use std::time::{Duration, Instant};

/// Key frame interval: a slot can only start with one.
const KEYFRAME_INTERVAL: Duration = Duration::from_millis(250);
/// Sender report interval.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// The fixed header, and a block of all [`EXTENSIONS`].
const HEADER_BYTES: usize = 12 + 4 + 12;
/// The time at which a packet was sent, behind the beginning of a key frame.
pub const STAMP: std::ops::Range<usize> = 16..24;
/// Bytes of the VP8 payload descriptor with a 15-bit picture id and a temporal layer (RFC 7741 §4.2).
const DESCRIPTOR_BYTES: usize = 6;
/// The temporal layers of consecutive frames, as Chromium's L1T3 has them.
const TEMPORAL_LAYERS: [u8; 4] = [0, 2, 1, 2];
/// The beginning of a key frame of 640 × 360, and the first byte of any other frame (RFC 6386 §9.1).
const KEYFRAME_HEADER: [u8; 10] = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];
const DELTA_FRAME_TAG: u8 = 0x11;
const PACKET_BYTES_MAX: usize = HEADER_BYTES + PAYLOAD_BYTES_MAX + OVERHEAD_BYTES_MAX;

#[derive(Debug)]
pub struct Publisher {
    client: Client,
    /// Its layers, the smallest first.
    streams: Vec<Stream>,
    frames: u64,
    keyframe_at: Instant,
    report_at: Instant,
    clock: NtpClock,
    started: Instant,
    /// Transport-wide sequence number of the next packet.
    transport_sequence: u16,
    /// Base frames so far.
    base_frames: u8,
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Stream {
    ssrc: u32,
    /// Packets of a frame, at most.
    packets_max: usize,
    /// Width and height.
    size: [u16; 2],
    /// Extended sequence number: wraps are counted.
    index: u64,
    octets: u32,
}

/// The packets of each layer's frames, at most, and the size of its pictures.
pub const LAYERS: [(usize, [u16; 2]); 3] = [(1, [320, 180]), (3, [640, 360]), (8, [1_280, 720])];

impl Publisher {
    /// A publisher of one layer.
    #[must_use]
    pub fn new(client: Client, number: ClientNumber) -> Self {
        Self::with(client, vec![Stream::new(number.ssrc(), (usize::MAX, [640, 360]))])
    }

    #[must_use]
    pub fn of_layers(client: Client, number: ClientNumber) -> Self {
        let layers = std::iter::zip(number.layer_ssrcs(), LAYERS);
        Self::with(client, layers.map(|(ssrc, layer)| Stream::new(ssrc, layer)).collect())
    }

    fn with(client: Client, streams: Vec<Stream>) -> Self {
        let now = Instant::now();
        Self {
            client,
            streams,
            frames: 0,
            keyframe_at: now,
            report_at: now,
            clock: NtpClock::new(now, UnixMillis(0)),
            started: now,
            transport_sequence: 0,
            base_frames: 0,
            buffer: vec![0x55; 16 * PACKET_BYTES_MAX],
        }
    }

    /// Publishes the next frame, and handles due timers.
    pub fn publish_frame(&mut self, shape: Shape, memory: &mut Memory) -> Result<()> {
        self.frame(shape, memory)?;
        self.report(memory)?;
        self.idle(memory)
    }

    /// Keeps the session alive, and discards what is no check.
    pub fn idle(&mut self, memory: &mut Memory) -> Result<()> {
        self.client.tick(Instant::now(), memory);
        memory.incoming.clear();
        memory.incoming.fill(self.client.socket(), 0, usize::MAX, &mut memory.counters)?;
        memory.incoming.for_each(|_, datagram| {
            if datagram.first().is_some_and(|first| *first <= 3) {
                self.client.handle_stun(datagram);
            }
        });
        self.client.answer_check(memory);
        Ok(())
    }

    /// Sends a sender report once a second, as browsers do.
    fn report(&mut self, memory: &mut Memory) -> Result<()> {
        let now = Instant::now();
        if now < self.report_at {
            return Ok(());
        }
        self.report_at = now + REPORT_INTERVAL;
        let (ntp, rtp_timestamp) = (self.clock.at(now), self.timestamp(now));
        for Stream { ssrc, index, octets, .. } in &self.streams {
            let sent = Sent { ssrc: *ssrc, ntp, rtp_timestamp, packets: *index as u32, octets: *octets };
            let mut buffer = [0; 128];
            let mut writer = Writer::new(&mut buffer);
            writer.sender_report(sent).and_then(|()| writer.canonical_name(*ssrc, b"load"))?;
            let plain_bytes = writer.bytes();
            let sealer = self.client.sealer().context("the publisher is not connected")?;
            let bytes = sealer.seal_rtcp(&mut buffer, plain_bytes).context("no room for the tag")?;
            self.client.send(memory, buffer.get(..bytes).into_iter());
        }
        Ok(())
    }

    fn timestamp(&self, now: Instant) -> u32 {
        (now.duration_since(self.started).as_micros() * 90 / 1_000) as u32
    }

    fn frame(&mut self, shape: Shape, memory: &mut Memory) -> Result<()> {
        let now = Instant::now();
        let is_key = self.keyframe_at <= now;
        if is_key {
            self.keyframe_at = now + KEYFRAME_INTERVAL;
        }
        let layer = if is_key { 0 } else { TEMPORAL_LAYERS[self.frames as usize % TEMPORAL_LAYERS.len()] };
        self.base_frames = self.base_frames.wrapping_add(u8::from(layer == 0));
        let picture = Picture { id: self.frames as u16, base: self.base_frames, layer };
        let (lengths, timestamp) = (shape.frame(self.frames), self.timestamp(now));
        for stream in &mut self.streams {
            let lengths = lengths.get(..stream.packets_max).unwrap_or(lengths);
            let sealer = self.client.sealer().context("the publisher is not connected")?;
            let mut sealed = [0; 16];
            for (place, payload_bytes) in lengths.iter().enumerate() {
                let packet = self.buffer.get_mut(place * PACKET_BYTES_MAX..(place + 1) * PACKET_BYTES_MAX);
                let (packet, sealed) = packet.zip(sealed.get_mut(place)).context("a frame of too many packets")?;
                let is_last = place + 1 == lengths.len();
                write_header(packet, stream.index, timestamp, stream.ssrc, is_last, self.transport_sequence)
                    .context("a header of another length")?;
                self.transport_sequence = self.transport_sequence.wrapping_add(1);
                write_descriptor(packet, picture, place == 0, is_key.then_some(stream.size));
                packet[HEADER_BYTES..][STAMP].copy_from_slice(&wall_ns().to_be_bytes());
                let plain_bytes = HEADER_BYTES + payload_bytes;
                *sealed = sealer
                    .seal_rtp(packet, HEADER_BYTES, plain_bytes, stream.ssrc, stream.index)
                    .context("no room for the tag")?;
                stream.index += 1;
                stream.octets = stream.octets.wrapping_add(*payload_bytes as u32);
            }
            let packets = self.buffer.chunks(PACKET_BYTES_MAX).zip(sealed).take(lengths.len());
            self.client.send(memory, packets.filter_map(|(packet, bytes)| packet.get(..bytes)));
        }
        self.frames += 1;
        Ok(())
    }
}

impl Stream {
    fn new(ssrc: u32, (packets_max, size): (usize, [u16; 2])) -> Self {
        Self { ssrc, packets_max, size, index: 1_000, octets: 0 }
    }
}

/// Publishes in turn, each at this packet rate, for the given time.
pub fn publish(
    publishers: &mut [Publisher],
    shape: Shape,
    packets_per_s: u32,
    time: Duration,
    memory: &mut Memory,
) -> Result<()> {
    let interval = shape.interval(packets_per_s) / publishers.len().max(1) as u32;
    let (end, mut pacer) = (Instant::now() + time, Pacer::new(interval));
    while Instant::now() < end {
        for publisher in &mut *publishers {
            publisher.publish_frame(shape, memory)?;
            pacer.wait();
        }
    }
    Ok(())
}

/// A frame's place in its stream.
#[derive(Clone, Copy)]
struct Picture {
    id: u16,
    /// Number of the last frame of the base layer.
    base: u8,
    layer: u8,
}

/// `None` if the header does not have [`HEADER_BYTES`].
fn write_header(
    packet: &mut [u8],
    index: u64,
    timestamp: u32,
    ssrc: u32,
    is_last: bool,
    transport_sequence: u16,
) -> Option<()> {
    let mut header = HeaderWriter::new(packet, ssrc, None)?;
    // 6.18 fixed point seconds.
    let sent = (wall_ns() << 18) / 1_000_000_000;
    header.extension(EXTENSIONS.abs_send_time?, sent.to_be_bytes().get(5..)?)?;
    header.extension(EXTENSIONS.transport_cc?, &transport_sequence.to_be_bytes())?;
    header.extension(EXTENSIONS.mid?, b"0")?;
    if header.finish()? != HEADER_BYTES {
        return None;
    }
    packet[1] = u8::from(is_last) << 7 | VP8_PAYLOAD_TYPE;
    packet[2..4].copy_from_slice(&(index as u16).to_be_bytes());
    packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
    Some(())
}

/// Extended descriptor with a 15-bit picture id and a temporal layer, followed by the frame's header; key frames have a
/// size.
fn write_descriptor(packet: &mut [u8], picture: Picture, is_first: bool, size: Option<[u16; 2]>) {
    let payload = &mut packet[HEADER_BYTES..];
    payload[..2].copy_from_slice(&[if is_first { 0x90 } else { 0x80 }, 0xe0]);
    payload[2..4].copy_from_slice(&(picture.id | 0x8000).to_be_bytes());
    payload[4..DESCRIPTOR_BYTES].copy_from_slice(&[picture.base, picture.layer << 6 | 0x20]);
    let begin = &mut payload[DESCRIPTOR_BYTES..DESCRIPTOR_BYTES + KEYFRAME_HEADER.len()];
    match (is_first, size) {
        (true, Some([width, height])) => {
            begin.copy_from_slice(&KEYFRAME_HEADER);
            begin[6..8].copy_from_slice(&width.to_le_bytes());
            begin[8..].copy_from_slice(&height.to_le_bytes());
        }
        (_, _) => begin[0] = DELTA_FRAME_TAG,
    }
}
