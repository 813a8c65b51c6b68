//! H.264 of a real encoder in two layers: a viewer gets whole pictures, each of which a decoder can show.

use super::super::*;
use super::world::{Received, VIDEO, VIDEO_SLOT, World, room};
use crate::codec::h264::{Unit, Units, kind, kind_of};
use crate::codec::vp8;
use crate::congestion::allocate::Estimate;
use crate::random::Random;
use shared::Mid;
use shared::control::{Forward, TrackRef};
use shared::rtp_parameters::{Codec, CodecName, Encoding};

/// Two layers encoded by x264, with a key frame every 9 pictures.
const FILES: [&[u8]; 2] = [
    include_bytes!("../../../../../tests/vectors/media/layer-90.h264"),
    include_bytes!("../../../../../tests/vectors/media/layer-180.h264"),
];
const SSRCS: [u32; 2] = [9_001, 9_002];
const FRAME_MS: u64 = 33;
/// The publisher's and the viewers' payload types of the codec.
const PUBLISHED: u8 = 102;
const VIEWED: u8 = 108;
const MTU: usize = 400;

/// The NAL units of one picture.
type Picture = Vec<Vec<u8>>;

/// A byte stream (ITU-T H.264 annex B) by pictures; each has two slices.
fn pictures(file: &[u8]) -> Vec<Picture> {
    let mut units = Vec::new();
    let mut rest = file;
    while let Some(start) = rest.windows(3).position(|window| window == [0, 0, 1]) {
        rest = &rest[start + 3..];
        let end = rest.windows(3).position(|window| window == [0, 0, 1]).unwrap_or(rest.len());
        let unit = &rest[..end];
        let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
        units.push(unit[..unit.len() - zeros].to_vec());
        rest = &rest[end..];
    }
    let mut pictures: Vec<Picture> = Vec::new();
    let is_slice = |unit: &[u8]| matches!(kind_of(unit), kind::SLICE | kind::IDR);
    for unit in units {
        let has_both = |picture: &Picture| picture.iter().filter(|unit| is_slice(unit)).count() == 2;
        if pictures.last().is_none_or(has_both) {
            pictures.push(Vec::new());
        }
        pictures.last_mut().expect("one at least").push(unit);
    }
    pictures
}

/// A picture as payloads: parameter sets together or each alone, long slices fragmented.
fn payloads(picture: &Picture, random: &mut Random) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    let (parameters, slices): (Vec<_>, Vec<_>) =
        picture.iter().partition(|unit| [kind::SPS, kind::PPS].contains(&kind_of(unit)));
    if parameters.len() > 1 && random.next_u64().is_multiple_of(2) {
        let length = |unit: &Vec<u8>| (unit.len() as u16).to_be_bytes();
        let body = parameters.iter().flat_map(|unit| [&length(unit)[..], unit].concat());
        payloads.push([0x78].into_iter().chain(body).collect());
    } else {
        payloads.extend(parameters.into_iter().cloned());
    }
    for unit in slices {
        if unit.len() <= MTU {
            payloads.push(unit.clone());
            continue;
        }
        let pieces: Vec<_> = unit[1..].chunks(MTU).collect();
        for (number, piece) in pieces.iter().enumerate() {
            let flags = u8::from(number == 0) << 7 | u8::from(number + 1 == pieces.len()) << 6;
            payloads.push([&[unit[0] & 0xe0 | kind::FU_A, flags | unit[0] & 0x1f], *piece].concat());
        }
    }
    payloads
}

/// The units in the packets of one timestamp.
fn picture_of(payloads: &[&[u8]]) -> Picture {
    let mut picture = Picture::new();
    for payload in payloads {
        for unit in Units::parse(payload).expect("well formed") {
            match unit {
                Unit::Whole(bytes) => picture.push(bytes.to_vec()),
                Unit::Fragment { header, is_first, bytes, .. } => {
                    if is_first {
                        picture.push(vec![header]);
                    }
                    picture.last_mut().expect("it has begun").extend_from_slice(bytes);
                }
            }
        }
    }
    picture
}

/// The first client publishes two layers in H.264, the second VP8; everybody else decodes both.
struct Call {
    world: World,
    random: Random,
    files: [Vec<Picture>; 2],
    frame: usize,
    sequences: [u64; 2],
    is_vp8: [bool; 2],
    is_on: [bool; 2],
}

pub(super) fn codecs(payload_types: [u8; 2], is_first: bool) -> Vec<Codec> {
    let [vp8, h264] = payload_types;
    let codec = |name, of: u8| Codec { name, payload_type: of, rtx_payload_type: Some(of + 1), clock_rate: 90_000 };
    let mut codecs = vec![codec(CodecName::Vp8, vp8), codec(CodecName::H264ConstrainedBaseline, h264)];
    if is_first {
        codecs.reverse();
    }
    codecs
}

impl Call {
    fn new(clients: usize, seed: u64) -> Self {
        let mut world = World::new(clients as u32, seed);
        world.connect();
        let mut session = world.clients[0].parameters();
        session.sections[1].codecs = codecs([96, PUBLISHED], true);
        let layer = |(ssrc, rid): (u32, &str)| Encoding { ssrc: Some(ssrc), rtx_ssrc: None, rid: Some(rid.to_owned()) };
        session.sections[1].encodings = SSRCS.into_iter().zip(["q", "h"]).map(layer).collect();
        world.control(RoomToNode::SetSession { session });
        let random = Random::seeded(seed);
        Self {
            world,
            random,
            files: FILES.map(pictures),
            frame: 0,
            sequences: [1_000, 60_000],
            is_vp8: [false; 2],
            is_on: [true; 2],
        }
    }

    /// Lets a viewer watch the first client, in a slot with these codecs.
    fn watch(&mut self, viewer: usize, codecs: Vec<Codec>) {
        let mut session = self.world.clients[viewer].parameters();
        session.sections[3].codecs = codecs;
        // Under another SSRC it is another slot.
        session.sections[3].encodings[0].ssrc = Some(self.slot_ssrc(viewer));
        session.sections[3].encodings[0].rtx_ssrc = Some(self.slot_ssrc(viewer) + 1);
        self.world.control(RoomToNode::SetSession { session });
        self.world.forward(0, VIDEO, viewer, VIDEO_SLOT);
    }

    fn slot_ssrc(&self, viewer: usize) -> u32 {
        7_000 + 10 * viewer as u32
    }

    fn run_for(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds / FRAME_MS {
            let number = self.frame % self.files[0].len();
            for layer in 0..2 {
                if !self.is_on[layer] {
                    continue;
                }
                let timestamp = (layer * 5_000_000 + self.frame * FRAME_MS as usize * 90) as u32;
                if self.is_vp8[layer] {
                    self.send_vp8(layer, timestamp);
                    continue;
                }
                let payloads = payloads(&self.files[layer][number], &mut self.random);
                for (place, payload) in payloads.iter().enumerate() {
                    self.send(layer, PUBLISHED, timestamp, place + 1 == payloads.len(), payload);
                }
            }
            let packet = self.world.clients[1].video(self.frame.is_multiple_of(9), true, true, 500);
            self.world.send(1, packet);
            self.frame += 1;
            self.world.run_for(FRAME_MS);
        }
    }

    fn send_vp8(&mut self, layer: usize, timestamp: u32) {
        let mut payload = vec![0x90, 0xc0, 0x80, self.frame as u8 & 0x7f, self.frame as u8];
        payload.extend([0x10, 0, 0, 0x9d, 0x01, 0x2a, 90, 0, 90 << layer, 0, 7]);
        self.send(layer, 96, timestamp, true, &payload);
    }

    fn send(&mut self, layer: usize, payload_type: u8, timestamp: u32, marker: bool, payload: &[u8]) {
        self.sequences[layer] += 1;
        let index = self.sequences[layer];
        let packet = self.world.clients[0].packet(SSRCS[layer], payload_type, index, timestamp, marker, payload);
        self.world.send(0, packet);
    }

    fn take(&mut self, viewer: usize) -> Vec<Received> {
        let ssrc = self.slot_ssrc(viewer);
        let all = std::mem::take(&mut self.world.clients[viewer].rtp);
        all.into_iter().filter(|packet| packet.ssrc == ssrc).collect()
    }

    fn set_target(&mut self, viewer: usize, kbps: u64) {
        let key = self.world.sfu.session_key(&room(), &self.world.clients[viewer].id()).expect("connected");
        self.world.sfu.set_estimate(self.world.now, key, Estimate::of(kbps * 1_000));
    }

    /// The reports to a room about undecodable slots.
    fn told(&mut self) -> Vec<Vec<Mid>> {
        let told = std::mem::take(&mut self.world.outputs).into_iter().filter_map(|output| match output {
            Output::VideoUndecodable { mids, .. } => Some(mids),
            Output::SessionConnected { .. }
            | Output::SessionClosed { .. }
            | Output::LayersWanted { .. }
            | Output::VideoLimited { .. }
            | Output::Loudest { .. }
            | Output::Quality(_) => None,
        });
        told.collect()
    }

    /// The layers last reported as needed.
    fn wanted(&mut self) -> Option<Vec<String>> {
        let mut wanted = std::mem::take(&mut self.world.outputs).into_iter().filter_map(|output| match output {
            Output::LayersWanted { rids, .. } => Some(rids),
            Output::VideoUndecodable { .. }
            | Output::VideoLimited { .. }
            | Output::Loudest { .. }
            | Output::Quality(_)
            | Output::SessionConnected { .. }
            | Output::SessionClosed { .. } => None,
        });
        wanted.next_back()
    }

    /// The position of a picture in the files.
    fn find(&self, picture: &Picture) -> Option<(usize, usize)> {
        (0..2).find_map(|layer| Some((layer, self.files[layer].iter().position(|known| known == picture)?)))
    }

    /// Checks for one continuous stream of whole pictures: each is the next of its layer, or a key frame. Returns the
    /// number of source changes.
    fn check_stream(&self, received: &[Received]) -> usize {
        let (mut switches, mut last) = (0, None);
        let (mut packets, mut before) = (received.iter().peekable(), None);
        while let Some(first) = packets.next() {
            let mut payloads = vec![&first.payload[..]];
            let mut sequence = first.sequence;
            while let Some(more) = packets.next_if(|more| more.timestamp == first.timestamp) {
                sequence = sequence.wrapping_add(1);
                assert_eq!((more.sequence, more.payload_type), (sequence, first.payload_type));
                payloads.push(&more.payload);
            }
            if let Some((sequence, timestamp)) = before {
                assert_eq!(first.sequence.wrapping_sub(sequence), 1, "no number is missing");
                assert!(first.timestamp.wrapping_sub(timestamp) < 1 << 31, "time goes back");
            }
            before = Some((sequence, first.timestamp));
            let source = if first.payload_type == VIEWED {
                let picture = picture_of(&payloads);
                let (layer, number) = self.find(&picture).expect("a whole picture");
                let follows = last == Some((layer, (number + self.files[layer].len() - 1) % self.files[layer].len()));
                let is_key = picture.iter().any(|unit| kind_of(unit) == kind::IDR);
                assert!(
                    follows || is_key && kind_of(&picture[0]) == kind::SPS,
                    "{number} of layer {layer} after {last:?}"
                );
                (layer, number)
            } else {
                (2, 0)
            };
            switches += usize::from(last.is_some_and(|last: (usize, usize)| last.0 != source.0));
            last = Some(source);
        }
        switches
    }
}

#[test]
fn a_viewer_gets_it_under_its_own_payload_type_from_a_key_frame_on() {
    let mut call = Call::new(3, 1);
    call.run_for(100);
    call.watch(2, codecs([96, VIEWED], false));
    call.run_for(2_000);
    let received = call.take(2);
    assert!(received.len() > 100 && received.iter().all(|packet| packet.payload_type == VIEWED));
    assert_eq!(call.check_stream(&received), 0, "the large layer");
    // Its parameters contain the size.
    let mid = |mid| Mid::parse(mid).expect("a mid");
    let track = TrackRef { session: call.world.clients[0].id(), mid: mid(VIDEO) };
    let forward = Forward::new(call.world.clients[2].id(), mid(VIDEO_SLOT), Some(track));
    call.world.control(RoomToNode::SetForwards { forwards: vec![Forward { lines_max: Some(90), ..forward }] });
    call.run_for(1_000);
    let received = [received, call.take(2)].concat();
    assert_eq!(call.check_stream(&received), 1, "down to the small one");
}

#[test]
fn every_switch_gives_one_stream_of_whole_pictures() {
    let mut switches = 0;
    for seed in 0..12 {
        let mut call = Call::new(3, seed);
        call.watch(2, codecs([96, VIEWED], false));
        let mut random = Random::seeded(seed + 100);
        let mut received = Vec::new();
        for _ in 0..15 {
            match random.next_u64() % 3 {
                0 => call.set_target(2, [5_000, 130][random.next_u64() as usize % 2]),
                1 => call.world.forward(0, VIDEO, 2, VIDEO_SLOT),
                _ => call.world.forward(1, VIDEO, 2, VIDEO_SLOT),
            }
            call.run_for(300 + random.next_u64() % 900);
            received.extend(call.take(2));
        }
        switches += call.check_stream(&received);
    }
    assert!(switches > 30, "{switches}");
}

#[test]
fn a_viewer_that_cannot_read_it_is_told_and_gets_what_it_can_read_again() {
    let mut call = Call::new(3, 3);
    call.watch(2, codecs([96, VIEWED], false).into_iter().take(1).collect());
    call.run_for(1_100);
    assert!(call.take(2).is_empty());
    let slot = Mid::parse(VIDEO_SLOT).expect("a mid");
    assert_eq!(call.told(), [vec![slot.clone()]]);
    call.world.forward(1, VIDEO, 2, VIDEO_SLOT);
    call.run_for(1_100);
    assert!(!call.take(2).is_empty());
    assert_eq!(call.told(), [vec![]]);
    call.world.forward(0, VIDEO, 2, VIDEO_SLOT);
    call.run_for(1_100);
    assert_eq!(call.told(), [vec![slot]]);
    call.take(2);
    call.is_vp8 = [true; 2];
    call.run_for(500);
    assert_eq!(call.told(), [vec![]], "the publisher has changed its codec");
    let received = call.take(2);
    assert!(!received.is_empty() && received.iter().all(|packet| packet.payload_type == 96));
}

#[test]
fn a_publisher_that_changes_its_codec_with_every_picture_does_not_wake_the_room_with_each() {
    let mut call = Call::new(3, 5);
    call.watch(2, codecs([96, VIEWED], false).into_iter().take(1).collect());
    for _ in 0..150 {
        call.is_vp8 = call.is_vp8.map(|is_vp8| !is_vp8);
        call.run_for(FRAME_MS);
    }
    let told = call.told().len();
    assert!((1..=6).contains(&told), "{told} times in 5 s");
}

#[test]
fn the_layers_of_those_who_cannot_read_them_are_not_needed() {
    let mut call = Call::new(3, 4);
    call.watch(2, codecs([96, VIEWED], false).into_iter().take(1).collect());
    call.run_for(5_000);
    assert_eq!(call.wanted(), Some(vec!["q".to_owned()]), "the smallest shows when they can");
    call.is_on[1] = false;
    call.is_vp8[0] = true;
    call.take(2);
    call.run_for(500);
    assert!(!call.take(2).is_empty());
    assert_eq!(call.wanted(), Some(vec!["q".to_owned(), "h".to_owned()]));
}

#[test]
fn a_layer_that_becomes_readable_is_taken_beside_one_that_was() {
    let mut call = Call::new(3, 6);
    call.is_vp8[0] = true;
    call.watch(2, codecs([96, VIEWED], false).into_iter().take(1).collect());
    call.run_for(2_000);
    let lines = |received: &[Received]| received.last().and_then(|packet| vp8::resolution(&packet.payload));
    assert_eq!(lines(&call.take(2)), Some((90, 90)));
    call.is_vp8[1] = true;
    call.run_for(2_000);
    assert_eq!(lines(&call.take(2)), Some((90, 180)));
}

#[test]
fn a_codec_that_a_later_offer_adds_is_used() {
    let mut call = Call::new(3, 7);
    call.watch(2, codecs([96, VIEWED], false).into_iter().take(1).collect());
    call.run_for(1_200);
    assert!(call.take(2).is_empty());
    call.watch(2, codecs([96, VIEWED], false));
    call.run_for(1_200);
    let received = call.take(2);
    assert!(!received.is_empty() && received.iter().all(|packet| packet.payload_type == VIEWED));
    assert_eq!(call.told().last(), Some(&Vec::new()));
}

#[test]
fn what_comes_late_of_the_codec_before_changes_nothing() {
    let mut call = Call::new(3, 8);
    call.watch(2, codecs([96, VIEWED], false).into_iter().take(1).collect());
    call.run_for(1_200);
    let late = [0, 1].map(|layer| {
        call.sequences[layer] += 1;
        call.sequences[layer]
    });
    call.is_vp8 = [true; 2];
    call.run_for(1_200);
    assert_eq!(call.told().last(), Some(&Vec::new()), "it is readable");
    for layer in 0..2 {
        let packet = call.world.clients[0].packet(SSRCS[layer], PUBLISHED, late[layer], 7, false, &[0x41, 0x9a]);
        call.world.send(0, packet);
    }
    call.world.run_for(1_200);
    assert_eq!(call.told(), Vec::<Vec<Mid>>::new());
}
