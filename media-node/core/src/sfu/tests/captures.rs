//! Real browsers' cameras in three layers, replayed with loss, reordering and switches: every viewer gets one continuous
//! stream.
//!
//! `tests/vectors/rtp` has the packets as a node received them: the beginning of each payload, and its length.

use super::super::*;
use super::h264::codecs;
use super::world::{Received, VIDEO, VIDEO_SLOT, World, room};
use crate::codec::vp8::{Descriptor, Numbers};
use crate::codec::{Picture, vp8};
use crate::congestion::allocate::Estimate;
use crate::random::Random;
use shared::Mid;
use shared::control::{Forward, TrackRef};
use shared::rtp_parameters::{CodecName, Encoding};
use std::collections::BTreeMap;

const CHROMIUM_VP8: &[u8] = include_bytes!("../../../../../tests/vectors/rtp/chromium-vp8.rtp");
const CHROMIUM_H264: &[u8] = include_bytes!("../../../../../tests/vectors/rtp/chromium-h264.rtp");
const FIREFOX_VP8: &[u8] = include_bytes!("../../../../../tests/vectors/rtp/firefox-vp8.rtp");
const SEEDS: u64 = 6;
const VP8: u8 = 96;
const H264: u8 = 102;
/// Packets that overtake others do so within this many packets of their layer.
const REORDERED_MAX: usize = 4;

/// A packet of a capture, with the place of its layer, the smallest first.
struct Captured {
    at_ms: u64,
    layer: usize,
    /// Extended sequence number.
    index: u64,
    timestamp: u32,
    marker: bool,
    payload: Vec<u8>,
}

struct Capture {
    codec: CodecName,
    ssrcs: Vec<u32>,
    packets: Vec<Captured>,
}

/// Reads records of 19 bytes and more: arrival in milliseconds, SSRC, sequence number, timestamp, marker, payload type,
/// length of the payload, and its beginning with a length of its own.
fn read(file: &[u8], codec: CodecName) -> Capture {
    let mut records = Vec::new();
    let mut rest = file;
    while let Some((head, tail)) = rest.split_first_chunk::<19>() {
        let [m0, m1, m2, m3, s0, s1, s2, s3, q0, q1, t0, t1, t2, t3, marker, _, l0, l1, kept] = *head;
        let (begin, tail) = tail.split_at(usize::from(kept));
        let mut payload = begin.to_vec();
        payload.resize(usize::from(u16::from_be_bytes([l0, l1])), 0);
        let sequence = u16::from_be_bytes([q0, q1]);
        let [at, ssrc, timestamp] = [[m0, m1, m2, m3], [s0, s1, s2, s3], [t0, t1, t2, t3]].map(u32::from_be_bytes);
        records.push((at, ssrc, sequence, timestamp, marker == 1, payload, usize::from(kept)));
        rest = tail;
    }
    let mut bytes: BTreeMap<u32, usize> = BTreeMap::new();
    records.iter().for_each(|record| *bytes.entry(record.1).or_default() += record.5.len());
    let mut ssrcs: Vec<u32> = bytes.keys().copied().collect();
    ssrcs.sort_by_key(|ssrc| bytes[ssrc]);
    let mut newest: BTreeMap<u32, u64> = BTreeMap::new();
    let packets = records.into_iter().map(|(at, ssrc, sequence, timestamp, marker, mut payload, kept)| {
        let last = newest.entry(ssrc).or_insert(1 << 16 | u64::from(sequence));
        let index = last.wrapping_add_signed(i64::from(sequence.wrapping_sub(*last as u16) as i16));
        *last = index.max(*last);
        let layer = ssrcs.iter().position(|known| *known == ssrc).expect("listed");
        // The last byte tells the layer, unless it is the encoder's.
        if payload.len() > kept + 1 {
            payload.truncate(payload.len() - 2);
            payload.extend([MARK, layer as u8]);
        }
        Captured { at_ms: u64::from(at), layer, index, timestamp, marker, payload }
    });
    let packets = packets.collect();
    Capture { codec, ssrcs, packets }
}

const MARK: u8 = 0xa5;

fn layer_of(packet: &Received) -> Option<u8> {
    match packet.payload[..] {
        [.., MARK, layer] => Some(layer),
        _ => None,
    }
}

/// A world in which the first client sends the capture to the second.
fn world(capture: &Capture, seed: u64) -> World {
    let mut world = World::new(2, seed);
    world.connect();
    for (client, section) in [(0, 1), (1, 3)] {
        let mut session = world.clients[client].parameters();
        session.sections[section].codecs = codecs([VP8, H264], capture.codec != CodecName::Vp8);
        if client == 0 {
            let layer =
                |(ssrc, rid): (&u32, &str)| Encoding { ssrc: Some(*ssrc), rtx_ssrc: None, rid: Some(rid.into()) };
            session.sections[section].encodings = capture.ssrcs.iter().zip(["q", "h", "f"]).map(layer).collect();
        } else {
            // With other codecs it is another slot.
            session.sections[section].encodings[0].ssrc = Some(SLOT);
            session.sections[section].encodings[0].rtx_ssrc = Some(SLOT + 1);
        }
        world.control(RoomToNode::SetSession { session });
    }
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    world
}

const SLOT: u32 = 7_010;

fn set_target(world: &mut World, kbps: u64) {
    let key = world.sfu.session_key(&room(), &world.clients[1].id()).expect("connected");
    world.sfu.set_estimate(world.now, key, Estimate::of(kbps * 1_000));
}

fn set_lines(world: &mut World, lines_max: Option<u16>) {
    let mid = |mid| Mid::parse(mid).expect("a mid");
    let track = TrackRef { session: world.clients[0].id(), mid: mid(VIDEO) };
    let forward = Forward::new(world.clients[1].id(), mid(VIDEO_SLOT), Some(track));
    world.control(RoomToNode::SetForwards { forwards: vec![Forward { lines_max, ..forward }] });
}

/// Plays a capture with random losses, overtaking and switches; returns what the viewer received.
fn play(capture: &Capture, seed: u64) -> Vec<Received> {
    let mut random = Random::seeded(seed);
    let mut world = world(capture, seed);
    let loss_percent = [0, 1, 5][seed as usize % 3];
    let (mut now_ms, mut acts_at_ms) = (0, 500);
    let mut late: Vec<(usize, &Captured)> = Vec::new();
    let mut received = Vec::new();
    for packet in &capture.packets {
        world.run_for(packet.at_ms.saturating_sub(now_ms));
        now_ms = now_ms.max(packet.at_ms);
        if now_ms >= acts_at_ms {
            acts_at_ms = now_ms + 100 + random.next_u64() % 700;
            match random.next_u64() % 2 {
                0 => set_target(&mut world, [60, 100, 150, 300, 800, 5_000][random.next_u64() as usize % 6]),
                _ => set_lines(&mut world, [None, Some(180), Some(360)][random.next_u64() as usize % 3]),
            }
            for place in 0..2 {
                let check = world.clients[place].check(true);
                world.send(place, check);
            }
        }
        late.iter_mut().for_each(|(left, _)| *left -= 1);
        let is_overtaken = random.next_u64().is_multiple_of(20);
        if random.next_u64() % 100 >= loss_percent {
            late.push((if is_overtaken { 1 + random.next_u64() as usize % REORDERED_MAX } else { 0 }, packet));
        }
        for (_, packet) in late.extract_if(.., |(left, _)| *left == 0) {
            send(&mut world, capture, packet);
        }
        received.append(&mut world.clients[1].rtp);
    }
    world.run_for(500);
    received.append(&mut world.clients[1].rtp);
    received.retain(|packet| packet.ssrc == SLOT);
    received
}

fn send(world: &mut World, capture: &Capture, packet: &Captured) {
    let payload_type = if capture.codec == CodecName::Vp8 { VP8 } else { H264 };
    let Captured { layer, index, timestamp, marker, payload, .. } = packet;
    let sealed = world.clients[0].packet(capture.ssrcs[*layer], payload_type, *index, *timestamp, *marker, payload);
    world.send(0, sealed);
}

#[derive(Debug, Default)]
struct Seen {
    frames: usize,
    switches: usize,
    /// Frames of the base layer that follow each other, so that those between them were left out.
    thinned: usize,
}

/// Checks that the packets are one stream without a jump.
fn check(received: &[Received], codec: CodecName) -> Seen {
    let mut in_order = received.to_vec();
    let first = in_order.first().map_or(0, |packet| packet.sequence).wrapping_sub(1_000);
    in_order.sort_by_key(|packet| packet.sequence.wrapping_sub(first));
    let mut seen = Seen::default();
    for pair in in_order.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        let ticks = b.timestamp.wrapping_sub(a.timestamp);
        assert_ne!(a.sequence, b.sequence, "a number is used twice");
        assert!(ticks < 1 << 31, "time goes back by {}", ticks.wrapping_neg());
        assert!(ticks < 5 * 90_000, "time leaps by {} ms", ticks / 90);
        seen.frames += usize::from(ticks != 0);
        if b.sequence != a.sequence.wrapping_add(1) {
            continue;
        }
        if codec == CodecName::Vp8 {
            check_numbers(a, b, &mut seen);
        }
        let (Some(before), Some(after)) = (layer_of(a), layer_of(b)) else { continue };
        if before != after {
            let picture = Picture::read(codec, &b.payload).expect("well formed");
            assert!(picture.is_some_and(|picture| picture.starts_keyframe()), "layer {after} begins in the middle");
            seen.switches += 1;
        }
    }
    seen
}

fn check_numbers(a: &Received, b: &Received, seen: &mut Seen) {
    let [before, after] = [a, b].map(|packet| Descriptor::parse(&packet.payload).expect("VP8"));
    if a.timestamp == b.timestamp {
        assert_eq!(before.numbers(), after.numbers(), "a frame has one number");
        return;
    }
    let layer = |descriptor: &vp8::Descriptor| descriptor.temporal_layer.map(|layer| layer.index);
    let is_base = layer(&after).is_some_and(|layer| layer == 0);
    let is_numbered = after.base_layer_index.is_some() && before.base_layer_index.is_some();
    let step = Numbers { picture_id: 1, base_layer_index: u8::from(is_base && is_numbered) };
    let (next, found) = (before.numbers().advance(step), after.numbers());
    assert_eq!(found.picture_id, next.picture_id, "pictures are numbered without a gap");
    if is_numbered {
        assert_eq!(found.base_layer_index, next.base_layer_index, "so are those of the base layer");
        seen.thinned += usize::from(is_base && layer(&before) == Some(0));
    }
}

fn check_all(file: &[u8], codec: CodecName) -> Seen {
    let capture = read(file, codec);
    assert_eq!(capture.ssrcs.len(), 3, "three layers");
    let lasts = capture.packets.last().map_or(0, |packet| packet.at_ms);
    assert!((9_000..20_000).contains(&lasts), "{lasts} ms");
    let mut all = Seen::default();
    for seed in 0..SEEDS {
        let Seen { frames, switches, thinned } = check(&play(&capture, seed), codec);
        assert!(frames > 60, "seed {seed}: {frames} frames");
        (all.frames, all.switches, all.thinned) = (all.frames + frames, all.switches + switches, all.thinned + thinned);
    }
    all
}

#[test]
fn chromiums_vp8_is_one_stream() {
    let seen = check_all(CHROMIUM_VP8, CodecName::Vp8);
    assert!(seen.switches >= 10 && seen.thinned >= 10, "{seen:?}");
}

#[test]
fn chromiums_h264_is_one_stream() {
    let seen = check_all(CHROMIUM_H264, CodecName::H264ConstrainedBaseline);
    assert!(seen.switches >= 10, "{seen:?}");
}

#[test]
fn firefoxs_vp8_is_one_stream() {
    let seen = check_all(FIREFOX_VP8, CodecName::Vp8);
    assert!(seen.switches >= 10, "{seen:?}");
}
