//! Properties of streams with temporal layers through numbering and rewriting.

use super::*;
use crate::codec::Picture;
use crate::ingress::thinning::Thinning;
use crate::random::Random;
use shared::rtp_parameters::CodecName;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// The eight frames after a key frame as sent by libwebrtc: TID, Y, and the distances to their dependencies.
const PATTERN: [(u8, bool, &[u32]); 8] = [
    (0, false, &[4]),
    (2, true, &[1]),
    (1, true, &[2]),
    (2, false, &[3, 1]),
    (0, false, &[4]),
    (2, false, &[1, 3]),
    (1, false, &[2, 4]),
    (2, false, &[3, 1]),
];

#[derive(Clone, Copy, Debug)]
struct Sent {
    facts: Facts,
    frame: u32,
    /// Frames since the key frame.
    turn: u32,
}

/// An encoder and its path to the node.
struct Encoder {
    key: StreamKey,
    thinning: Option<Thinning>,
    index: u64,
    frame: u32,
    keyframe: u32,
    base_layer_index: u8,
    sent: Vec<Sent>,
}

impl Encoder {
    fn new(number: u32, random: &mut Random) -> Self {
        Self {
            key: StreamKey::numbered(number),
            thinning: None,
            index: (u64::from(number) << 40) + below(random, 70_000),
            frame: below(random, 1 << 15) as u32,
            keyframe: 0,
            base_layer_index: random.next_u16() as u8,
            sent: Vec::new(),
        }
    }

    fn next(&mut self, random: &mut Random, is_keyframe: bool) -> Vec<Sent> {
        self.frame += 1;
        if is_keyframe {
            self.keyframe = self.frame;
        }
        let turn = self.frame - self.keyframe;
        let (layer, is_sync, _) = PATTERN[turn as usize % 8];
        self.base_layer_index = self.base_layer_index.wrapping_add(u8::from(layer == 0));
        let parts = 1 + below(random, if is_keyframe { 6 } else { 3 });
        let packet = |part| {
            let [p0, p1] = ((self.frame & 0x7fff) as u16 | 0x8000).to_be_bytes();
            let octet = layer << 6 | u8::from(is_sync) << 5;
            let first = if part == 0 { 0x90 } else { 0x80 };
            let payload = [first, 0xe0, p0, p1, self.base_layer_index, octet, u8::from(!is_keyframe)];
            let facts = Facts {
                index: self.index + part,
                timestamp: self.frame.wrapping_mul(3_000),
                marker: part + 1 == parts,
                picture: Picture::read(CodecName::Vp8, &payload).expect("a VP8 descriptor"),
                ..Facts::none(CodecName::Vp8)
            };
            Sent { facts, frame: self.frame, turn }
        };
        let packets: Vec<_> = (0..parts).map(packet).collect();
        self.index += parts;
        packets
    }

    /// The packet after the node has received it.
    fn receive(&mut self, now: Instant, sent: Sent) -> Sent {
        let thinning = self.thinning.get_or_insert_with(|| Thinning::new(now, &sent.facts));
        let thinned = thinning.number(now, &sent.facts, 1_000, false);
        let sent = Sent { facts: Facts { thinned, ..sent.facts }, ..sent };
        self.sent.push(sent);
        sent
    }
}

/// Frames arrive late, reordered and up to twice delayed; none is lost for good.
struct Disorder {
    one_in: u64,
    waiting: Vec<(u32, Sent)>,
}

impl Disorder {
    fn pass(&mut self, random: &mut Random, packets: Vec<Sent>) -> Vec<Sent> {
        let mut come = Vec::new();
        self.waiting.iter_mut().for_each(|(left, _)| *left -= 1);
        self.waiting.retain(|(left, sent)| {
            if *left == 0 {
                come.push(*sent);
            }
            *left > 0
        });
        for sent in packets {
            if self.one_in > 0 && below(random, self.one_in) == 0 {
                self.waiting.push((1 + below(random, 6) as u32, sent));
            } else {
                come.push(sent);
            }
        }
        come
    }
}

fn below(random: &mut Random, bound: u64) -> u64 {
    random.next_u64() % bound
}

/// All sent packets by their index in the outgoing stream.
type Stream = BTreeMap<u64, (StreamKey, Sent, Rewritten)>;

fn play(seed: u64, one_in: u64) -> (Rewriter, [Encoder; 2], Stream) {
    let mut random = Random::seeded(seed);
    let mut encoders = [1, 2].map(|number| Encoder::new(number, &mut random));
    let mut disorder = [0, 1].map(|_| Disorder { one_in, waiting: Vec::new() });
    let mut rewriter = Rewriter::new(90_000, below(&mut random, 1 << 15), random.next_u32());
    let mut now = crate::virtual_time::start();
    let (mut playing, mut stream) = (None, Stream::new());
    for round in 0..600 {
        now += Duration::from_millis(33);
        if below(&mut random, 12) == 0 {
            rewriter.set_tempo(Tempo::ALL[below(&mut random, 3) as usize]);
        }
        let is_keyframe = round == 0 || below(&mut random, 90) == 0;
        for (place, encoder) in encoders.iter_mut().enumerate() {
            let packets = encoder.next(&mut random, is_keyframe);
            for sent in disorder[place].pass(&mut random, packets) {
                let sent = encoder.receive(now, sent);
                let may_switch = playing.is_none() || below(&mut random, 2) == 0;
                if sent.facts.is_entry() && playing != Some(encoder.key) && may_switch {
                    rewriter.switch(now, encoder.key, &sent.facts, None);
                    playing = Some(encoder.key);
                }
                let is_left_out = rewriter.leaves_out(encoder.key, &sent.facts);
                let Some(rewritten) = rewriter.rewrite(now, encoder.key, &sent.facts) else { continue };
                assert!(!is_left_out, "seed {seed}: {sent:?}");
                let twice = stream.insert(rewritten.index, (encoder.key, sent, rewritten));
                assert!(twice.is_none(), "seed {seed}: index {} is used twice, by {twice:?}", rewritten.index);
            }
        }
    }
    (rewriter, encoders, stream)
}

/// Checks that numbers are continuous, and each frame has its dependencies.
fn check_whole(seed: u64, stream: &Stream) {
    let mut decoded = BTreeSet::new();
    let mut before: Option<(StreamKey, Sent, Rewritten)> = None;
    for (key, sent, rewritten) in stream.values() {
        if let Some((key_before, sent_before, last)) = before {
            assert_eq!(rewritten.index, last.index + 1, "seed {seed}: a hole before {sent:?}");
            let is_same = (key_before, sent_before.frame) == (*key, sent.frame);
            let (layer, ..) = PATTERN[sent.turn as usize % 8];
            let step = Numbers { picture_id: 1, base_layer_index: u8::from(layer == 0) };
            let expected = if is_same { last.numbers } else { last.numbers.advance(step) };
            assert_eq!(rewritten.numbers, expected, "seed {seed}: {sent_before:?} {sent:?}");
            assert_eq!(is_same, last.timestamp == rewritten.timestamp, "seed {seed}: {sent:?}");
            assert!(!is_same || !sent_before.facts.marker, "seed {seed}: {sent:?}");
            assert!(is_same || sent_before.facts.marker && sent.facts.begins_frame(), "seed {seed}: cut {sent:?}");
        }
        if sent.turn == 0 {
            decoded.clear();
        }
        let (.., needs) = PATTERN[sent.turn as usize % 8];
        let is_decodable = sent.turn == 0 || needs.iter().all(|ago| decoded.contains(&(sent.frame - ago)));
        assert!(is_decodable, "seed {seed}: {sent:?} after {decoded:?}");
        decoded.insert(sent.frame);
        before = Some((*key, *sent, *rewritten));
    }
}

#[test]
fn any_tempo_makes_a_whole_stream() {
    let mut left_out = 0;
    for seed in 0..200 {
        let (_, encoders, stream) = play(seed, 0);
        check_whole(seed, &stream);
        left_out += encoders[0].sent.len().saturating_sub(stream.len());
    }
    assert!(left_out > 10_000, "{left_out}");
}

#[test]
fn disorder_makes_no_number_twice_and_costs_no_frame_its_order() {
    for seed in 0..200 {
        let (_, _, stream) = play(seed, 12);
        let mut before: Option<(StreamKey, Sent, Rewritten)> = None;
        for (key, sent, rewritten) in stream.values() {
            if let Some((_, sent_before, last)) = before.filter(|(before, ..)| before == key) {
                assert!(sent.facts.index > sent_before.facts.index, "seed {seed}: {sent_before:?} {sent:?}");
                let is_same = sent_before.frame == sent.frame;
                assert_eq!(is_same, rewritten.numbers.picture_id == last.numbers.picture_id, "seed {seed}: {sent:?}");
                let frames = (sent.frame - sent_before.frame) as u16;
                let pictures = rewritten.numbers.step_from(last.numbers).picture_id;
                assert!(pictures <= frames, "seed {seed}: {sent_before:?} {sent:?}: {pictures} pictures");
            }
            before = Some((*key, *sent, *rewritten));
        }
    }
}

#[test]
fn a_lost_packet_is_found_again_whatever_was_left_out() {
    let mut found = 0;
    for seed in 0..100 {
        for one_in in [0, 12] {
            let (rewriter, encoders, stream) = play(seed, one_in);
            for (key, sent, rewritten) in stream.values().rev().take(200) {
                let Some(origin) = rewriter.origin(rewritten.index as u16) else { continue };
                assert_eq!((origin.source, origin.index), (*key, rewritten.index), "seed {seed}");
                let encoder = encoders.iter().find(|encoder| encoder.key == *key).expect("one of them");
                if encoder.index - sent.facts.index > 400 {
                    continue;
                }
                let index = match origin.tempo {
                    Tempo::Full => Some(origin.number),
                    tempo => encoder.thinning.as_ref().and_then(|thinning| thinning.index_of(tempo, origin.number)),
                };
                assert_eq!(index, Some(sent.facts.index), "seed {seed}: {origin:?} {sent:?}");
                assert_eq!(rewriter.rewrite_again(origin, &sent.facts), Some(*rewritten), "seed {seed}");
                found += 1;
            }
        }
    }
    assert!(found > 10_000, "{found}");
}

#[test]
fn less_is_taken_at_once_and_more_with_the_next_frame_that_needs_no_other() {
    let mut random = Random::seeded(1);
    let mut encoder = Encoder::new(1, &mut random);
    let mut rewriter = Rewriter::new(90_000, 0, 0);
    let now = crate::virtual_time::start();
    let mut taken = String::new();
    for frame in 0..26 {
        match frame {
            4 => rewriter.set_tempo(Tempo::Base),
            11 => rewriter.set_tempo(Tempo::Full),
            _ => {}
        }
        let mut is_taken = false;
        for sent in encoder.next(&mut random, frame == 0) {
            let sent = encoder.receive(now, sent);
            if frame == 0 && sent.facts.begins_frame() {
                rewriter.switch(now, encoder.key, &sent.facts, None);
            }
            is_taken |= rewriter.rewrite(now, encoder.key, &sent.facts).is_some();
        }
        taken.push(if is_taken { char::from(b'0' + PATTERN[frame % 8].0) } else { '.' });
    }
    // Y of TID 1 comes with the 19th frame, and of TID 2 with the 26th.
    assert_eq!(taken, "0212 0... 0... 0... 0.1. 0.1. 02".replace(' ', ""));
}
