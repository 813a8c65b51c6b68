//! A camera in three layers: the layer that each viewer gets, in one continuous stream.

mod tempos;

use super::super::*;
use super::feedback;
use super::world::{AUDIO, AUDIO_SLOT, Received, VIDEO, VIDEO_SLOT, World, room};
use crate::codec::vp8::{self, Numbers};
use crate::congestion::allocate::Estimate;
use crate::random::Random;
use crate::rtcp::write::Sent;
use shared::Mid;
use shared::control::{Forward, TrackRef};
use shared::rtp_parameters::{self, Encoding};
use shared::signal::VideoLimit;
use shared::token::Bandwidth;
use std::time::Duration;

const FRAME_MS: u64 = 33;
const SSRCS: [u32; 3] = [9_001, 9_002, 9_003];
const KBPS: [u64; 3] = [150, 500, 2_000];
const LINES: [u16; 3] = [180, 360, 720];
/// TID and Y of the frames after a key frame, as sent by libwebrtc in three temporal layers.
const TEMPORAL_LAYERS: [(u8, bool); 8] =
    [(0, false), (2, true), (1, true), (2, false), (0, false), (2, false), (1, false), (2, false)];

/// The first client's camera. Its layers count independently, as in browsers.
pub(super) struct Camera {
    pub(super) world: World,
    is_on: [bool; 3],
    /// As of the last frame: a layer that was off begins with a key frame.
    was_on: [bool; 3],
    layers: usize,
    /// Frames since the start, which is also the capture time.
    frame: u64,
    /// Frames sent by each layer.
    sent: [u64; 3],
    answered: [usize; 3],
    /// With temporal layers: the last key frame of each layer, and its number of base layer frames.
    temporal: Option<[(u64, u8); 3]>,
    /// True if it marks frames at which a viewer can take more of them.
    has_sync: bool,
    /// Packets of one frame arrive in any order.
    shuffle: Option<Random>,
    /// Percentage of its packets that are lost on their way to the node.
    loss: u64,
    losses: Random,
}

impl Camera {
    /// The first client publishes this many layers, everybody else watches them.
    fn new(clients: u32, layers: usize) -> Self {
        Self::of(World::connected(clients), layers)
    }

    pub(super) fn of(mut world: World, layers: usize) -> Self {
        let clients = world.clients.len();
        world.clients[0].transport_sequence = Some(0);
        let session = Self::parameters(&world, 0, layers);
        world.control(RoomToNode::SetSession { session });
        for viewer in 1..clients {
            world.forward(0, AUDIO, viewer, AUDIO_SLOT);
            world.forward(0, VIDEO, viewer, VIDEO_SLOT);
        }
        Self {
            world,
            is_on: [true; 3],
            was_on: [true; 3],
            layers,
            frame: 0,
            sent: [0; 3],
            answered: [0; 3],
            temporal: None,
            has_sync: true,
            shuffle: None,
            loss: 0,
            losses: Random::seeded(1),
        }
    }

    fn parameters(world: &World, client: usize, layers: usize) -> rtp_parameters::Session {
        let mut session = world.clients[client].parameters();
        if client == 0 {
            let rids = ["q", "h", "f"];
            session.sections[1].encodings = (3 - layers..3)
                .map(|layer| Encoding { ssrc: Some(SSRCS[layer]), rtx_ssrc: None, rid: Some(rids[layer].to_owned()) })
                .collect();
        }
        session
    }

    pub(super) fn set_bandwidth(&mut self, client: usize, bandwidth: Bandwidth) {
        let session = rtp_parameters::Session { bandwidth, ..Self::parameters(&self.world, client, self.layers) };
        self.world.control(RoomToNode::SetSession { session });
    }

    pub(super) fn run_for(&mut self, milliseconds: u64) {
        for _ in 0..milliseconds / FRAME_MS {
            for layer in 3 - self.layers..3 {
                if self.is_on[layer] {
                    self.send_frame(layer);
                }
            }
            self.was_on = self.is_on;
            self.world.clients[0].count_packet();
            let sound = self.world.clients[0].sound(&[7; 60]);
            self.offer(sound);
            self.frame += 1;
            self.world.run_for(FRAME_MS);
        }
    }

    fn send_frame(&mut self, layer: usize) {
        let asked = feedback(&self.world, 0).iter().filter(|name| **name == format!("pli {}", SSRCS[layer])).count();
        let is_asked = asked > std::mem::replace(&mut self.answered[layer], asked);
        let is_keyframe = is_asked || self.sent[layer] == 0 || !self.was_on[layer];
        if let Some(temporal) = &mut self.temporal {
            let (keyframe, base_layer_index) = &mut temporal[layer];
            *keyframe = if is_keyframe { self.sent[layer] } else { *keyframe };
            let (index, _) = TEMPORAL_LAYERS[(self.sent[layer] - *keyframe) as usize % 8];
            *base_layer_index = base_layer_index.wrapping_add(u8::from(index == 0));
        }
        let bytes = (KBPS[layer] * FRAME_MS / 8) as usize;
        let count = bytes.div_ceil(1_100);
        let mut packets: Vec<_> =
            (0..count).map(|place| self.packet(layer, is_keyframe, place, place + 1 == count, bytes / count)).collect();
        if let Some(random) = &mut self.shuffle {
            let first = random.next_u64() as usize % packets.len();
            packets.swap(0, first);
        }
        packets.into_iter().for_each(|packet| self.offer(packet));
        self.sent[layer] += 1;
    }

    fn offer(&mut self, packet: Vec<u8>) {
        if self.losses.next_u64() % 100 >= self.loss {
            self.world.send(0, packet);
        }
    }

    fn packet(&mut self, layer: usize, is_keyframe: bool, place: usize, marker: bool, bytes: usize) -> Vec<u8> {
        let number = self.sent[layer] + 1_000 * layer as u64;
        let [p0, p1] = (number as u16 & 0x7fff | 0x8000).to_be_bytes();
        let first = if place == 0 { 0x90 } else { 0x80 };
        let mut payload = match self.temporal {
            None => vec![first, 0xc0, p0, p1, number as u8],
            Some(temporal) => {
                let (keyframe, base_layer_index) = temporal[layer];
                let (index, is_sync) = TEMPORAL_LAYERS[(self.sent[layer] - keyframe) as usize % 8];
                vec![first, 0xe0, p0, p1, base_layer_index, index << 6 | u8::from(is_sync && self.has_sync) << 5]
            }
        };
        if place == 0 && is_keyframe {
            let [h0, h1] = LINES[layer].to_le_bytes();
            payload.extend([0x10, 0, 0, 0x9d, 0x01, 0x2a, h0, h1, h0, h1]);
        } else if place == 0 {
            payload.push(0x11);
        }
        payload.resize(bytes.max(20), layer as u8);
        let per_frame = (KBPS[layer] * FRAME_MS / 8).div_ceil(1_100);
        let index = 50_000 + 1_000 * layer as u64 + self.sent[layer] * per_frame + place as u64;
        self.world.clients[0].count_packet();
        self.world.clients[0].packet(SSRCS[layer], 96, index, Self::timestamp(layer, self.frame), marker, &payload)
    }

    fn timestamp(layer: usize, frame: u64) -> u32 {
        (0xffff_0000 + layer as u64 * 5_000_000 + frame * FRAME_MS * 90) as u32
    }

    /// Reports the clock of every layer, as of the next frame.
    fn report(&mut self) {
        let ntp = self.world.sfu.clock.at(self.world.now);
        for (layer, ssrc) in SSRCS.into_iter().enumerate() {
            let rtp_timestamp = Self::timestamp(layer, self.frame);
            let sent = Sent { ssrc, ntp, rtp_timestamp, packets: 1, octets: 1 };
            let report = self.world.clients[0].report(|writer| writer.sender_report(sent).expect("room"));
            self.world.send(0, report);
        }
    }

    fn set_target(&mut self, viewer: usize, kbps: u64) {
        let key = self.world.sfu.session_key(&room(), &self.world.clients[viewer].id()).expect("connected");
        self.world.sfu.set_estimate(self.world.now, key, Estimate::of(kbps * 1_000));
    }

    pub(super) fn set_lines(&mut self, viewer: usize, lines_max: Option<u16>) {
        let mid = |mid| Mid::parse(mid).expect("a mid");
        let track = TrackRef { session: self.world.clients[0].id(), mid: mid(VIDEO) };
        let forward = Forward::new(self.world.clients[viewer].id(), mid(VIDEO_SLOT), Some(track));
        self.world.control(RoomToNode::SetForwards { forwards: vec![Forward { lines_max, ..forward }] });
    }

    /// Video packets that a viewer got since the last call, and the number of audio packets.
    pub(super) fn take(&mut self, viewer: usize) -> (Vec<Received>, usize) {
        let ssrc = self.world.clients[viewer].ssrc(VIDEO_SLOT);
        let (video, audio): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.world.clients[viewer].rtp).into_iter().partition(|packet| packet.ssrc == ssrc);
        (video, audio.len())
    }

    /// The layers that a viewer got within this time, without repetitions.
    pub(super) fn layers_within(&mut self, viewer: usize, milliseconds: u64) -> Vec<u8> {
        self.take(viewer);
        self.run_for(milliseconds);
        let (video, audio) = self.take(viewer);
        assert!(audio as u64 >= milliseconds / FRAME_MS - 2, "no audio is dropped: {audio}");
        let mut layers: Vec<_> = video.iter().filter_map(layer_of).collect();
        layers.dedup();
        layers
    }

    pub(super) fn told(&mut self) -> Vec<String> {
        let told = std::mem::take(&mut self.world.outputs).into_iter().filter_map(|output| match output {
            Output::LayersWanted { rids, .. } => Some(format!("wanted {}", rids.join(","))),
            Output::VideoLimited { slots, reason, .. } => {
                let given = |slot: &VideoLimit| match slot.given_bps {
                    None => " paused",
                    Some(..300_000) => " q",
                    Some(..1_000_000) => " h",
                    Some(1_000_000..) => " f",
                };
                let by = if slots.is_empty() { String::new() } else { format!(" by {}", reason.label()) };
                Some(format!("limited{}{by}", slots.iter().map(given).collect::<String>()))
            }
            Output::SessionConnected { .. }
            | Output::SessionClosed { .. }
            | Output::VideoUndecodable { .. }
            | Output::Loudest { .. }
            | Output::Quality(_) => None,
        });
        told.collect()
    }
}

fn layer_of(packet: &Received) -> Option<u8> {
    packet.payload.last().copied()
}

/// Checks for one continuous stream: time and picture numbers never go back, and each layer begins with a key frame.
/// Returns the number of layer changes.
fn check_stream(received: &[Received]) -> usize {
    let mut in_order = received.to_vec();
    let first = in_order.first().map_or(0, |packet| packet.sequence).wrapping_sub(100);
    in_order.sort_by_key(|packet| packet.sequence.wrapping_sub(first));
    let mut switches = 0;
    for pair in in_order.windows(2) {
        let (a, b) = (&pair[0], &pair[1]);
        let numbers = |packet: &Received| vp8::Descriptor::parse(&packet.payload).expect("VP8").numbers();
        let (ticks, is_next) = (b.timestamp.wrapping_sub(a.timestamp), b.sequence == a.sequence.wrapping_add(1));
        assert!(ticks < 1 << 31, "time goes back by {}", ticks.wrapping_neg());
        assert_eq!(ticks == 0, numbers(a) == numbers(b), "a frame has one timestamp and one number");
        if ticks != 0 && is_next {
            let next = numbers(a).advance(Numbers { picture_id: 1, base_layer_index: 1 });
            assert_eq!(numbers(b), next, "pictures are numbered without a gap");
        }
        if layer_of(a) != layer_of(b) && is_next {
            let begins = vp8::Descriptor::parse(&b.payload).is_some_and(|descriptor| descriptor.starts_keyframe);
            assert!(begins, "layer {:?} begins in the middle", layer_of(b));
            switches += 1;
        }
    }
    switches
}

#[test]
fn without_an_estimate_a_viewer_gets_the_largest_layer() {
    let mut camera = Camera::new(2, 3);
    camera.run_for(1_500);
    assert_eq!(camera.layers_within(1, 1_000), [2]);
}

#[test]
fn a_viewer_gets_what_its_downlink_takes_and_others_are_untouched() {
    let mut camera = Camera::new(3, 3);
    camera.set_target(1, 5_000);
    camera.set_target(2, 5_000);
    camera.run_for(4_000);
    for (kbps, expected) in [(5_000, vec![2]), (600, vec![1]), (300, vec![0]), (100, vec![]), (300, vec![0])] {
        camera.set_target(1, kbps);
        camera.run_for(1_500);
        assert_eq!(camera.layers_within(1, 500), expected, "{kbps} kbit/s");
    }
    camera.take(2);
    camera.set_target(1, 5_000);
    camera.run_for(3_500);
    assert_eq!(camera.layers_within(1, 500), [2]);
    assert_eq!(camera.layers_within(2, 500), [2]);
    assert_eq!(camera.told(), ["limited q by start", "limited paused by start", "limited q by start", "limited"]);
}

#[test]
fn a_layer_that_is_far_too_large_stops_before_the_smaller_one_begins() {
    let mut camera = Camera::new(2, 3);
    camera.set_target(1, 5_000);
    camera.run_for(4_000);
    camera.take(1);
    camera.set_target(1, 300);
    // The camera answers no request for a while.
    camera.answered = [usize::MAX; 3];
    let before = camera.world.now;
    camera.is_on[0] = false;
    camera.run_for(300);
    let (video, audio) = camera.take(1);
    let last = video.last().map_or(before, |packet| packet.at);
    assert!(last < before + Duration::from_millis(150), "{:?}", last - before);
    assert!(audio >= 8, "{audio}");
}

#[test]
fn a_layer_that_comes_back_is_taken_at_its_own_key_frame() {
    let mut camera = Camera::new(2, 3);
    camera.run_for(2_000);
    camera.is_on[2] = false;
    camera.run_for(2_000);
    assert_eq!(camera.layers_within(1, 500), [1]);
    let asked_before = feedback(&camera.world, 0).len();
    camera.is_on[2] = true;
    camera.run_for(FRAME_MS);
    assert_eq!(camera.layers_within(1, 500), [2]);
    let asked = feedback(&camera.world, 0).split_off(asked_before);
    assert!(!asked.iter().any(|name| name.starts_with("pli")), "{asked:?}");
}

#[test]
fn losses_are_requested_only_on_the_layer_that_is_watched() {
    let mut camera = Camera::new(2, 3);
    camera.run_for(2_000);
    camera.loss = 5;
    camera.run_for(2_000);
    let nacks: Vec<_> = feedback(&camera.world, 0).into_iter().filter(|name| name.starts_with("nack")).collect();
    assert!(!nacks.is_empty() && nacks.iter().all(|name| name.starts_with("nack 9003")), "{nacks:?}");
}

#[test]
fn a_stopped_layer_is_replaced_and_comes_back() {
    let mut camera = Camera::new(2, 3);
    camera.run_for(2_000);
    camera.is_on[2] = false;
    camera.run_for(1_000);
    assert_eq!(camera.layers_within(1, 500), [1]);
    camera.is_on[2] = true;
    camera.run_for(2_000);
    assert_eq!(camera.layers_within(1, 500), [2]);
}

#[test]
fn a_tile_gets_the_lines_it_shows_and_the_publisher_hears_which_layers_are_needed() {
    let mut camera = Camera::new(2, 3);
    camera.run_for(1_500);
    camera.set_lines(1, Some(300));
    assert_eq!(camera.layers_within(1, 1_000).last(), Some(&1));
    assert_eq!(camera.told(), Vec::<String>::new());
    camera.run_for(800);
    assert_eq!(camera.told(), ["wanted q,h"]);
    camera.set_lines(1, None);
    camera.world.run_for(1);
    assert_eq!(camera.told(), ["wanted q,h,f"], "at once");
    assert_eq!(camera.layers_within(1, 1_000).last(), Some(&2));
    camera.world.set_slot(1, VIDEO_SLOT, None);
    camera.run_for(1_800);
    assert_eq!(camera.told(), ["wanted "]);
}

#[test]
fn the_largest_layer_is_needed_by_the_recorder_whatever_the_tiles_show() {
    let mut camera = Camera::new(2, 3);
    let order = super::record::order(&camera.world, &[VIDEO]);
    camera.world.control(order);
    camera.set_lines(1, Some(180));
    camera.run_for(4_000);
    assert_eq!(camera.layers_within(1, 500), [0], "the tile is small");
    assert_eq!(camera.told(), Vec::<String>::new());
    camera.world.control(RoomToNode::SetRecording { recording: None });
    camera.run_for(2_000);
    assert_eq!(camera.told(), ["wanted q"]);
}

#[test]
fn a_recorded_publisher_of_one_layer_is_not_capped() {
    let mut camera = Camera::new(2, 1);
    camera.set_target(1, 5_000);
    camera.run_for(3_000);
    let order = super::record::order(&camera.world, &[VIDEO]);
    camera.world.control(order);
    camera.set_target(1, 700);
    camera.run_for(1_500);
    let estimates = |camera: &Camera| -> Vec<String> {
        feedback(&camera.world, 0).into_iter().filter(|name| name.starts_with("estimate")).collect()
    };
    assert!(estimates(&camera).iter().all(|name| *name == "estimate 8000000"), "{:?}", estimates(&camera));
    camera.world.control(RoomToNode::SetRecording { recording: None });
    camera.run_for(500);
    assert_ne!(estimates(&camera).last().map(String::as_str), Some("estimate 8000000"));
}

#[test]
fn layers_are_aligned_by_their_clocks() {
    let mut camera = Camera::new(2, 3);
    camera.run_for(1_500);
    camera.report();
    camera.take(1);
    for lines in [Some(180), None, Some(360), None] {
        camera.set_lines(1, lines);
        camera.run_for(1_500);
    }
    let (video, _) = camera.take(1);
    assert!(check_stream(&video) >= 4);
    let layer = |packet: &Received| u64::from(layer_of(packet).unwrap_or_default());
    let capture = |packet: &Received| {
        // The picture number identifies the frame only until it is rewritten; so does the time since the first packet.
        (packet.at - video[0].at).as_millis() as u32 * 90
    };
    let drifts = video.iter().map(|packet| {
        let drift = packet.timestamp.wrapping_sub(video[0].timestamp).wrapping_sub(capture(packet)) as i32;
        (drift, layer(packet))
    });
    for (drift, layer) in drifts {
        assert!(drift.abs() <= 180, "layer {layer} is {drift} ticks off");
    }
}

#[test]
fn random_switches_with_loss_and_reordering_make_one_stream() {
    let mut switches = 0;
    for seed in 0..12 {
        let mut random = Random::seeded(seed);
        let mut camera = Camera::new(2, 3);
        camera.set_target(1, 5_000);
        camera.world.loss_percent = random.next_u64() % 6;
        camera.shuffle = Some(Random::seeded(seed + 100));
        let mut video = Vec::new();
        for _ in 0..30 {
            match random.next_u64() % 4 {
                0 => camera.set_target(1, [120, 300, 600, 5_000][random.next_u64() as usize % 4]),
                1 => camera.set_lines(1, [None, Some(180), Some(360)][random.next_u64() as usize % 3]),
                2 => camera.is_on[random.next_u64() as usize % 3] ^= true,
                _ => camera.report(),
            }
            camera.run_for(100 + random.next_u64() % 900);
            video.extend(camera.take(1).0);
        }
        switches += check_stream(&video);
    }
    assert!(switches > 30, "{switches}");
}

#[test]
fn a_publisher_of_one_layer_is_capped_at_what_its_best_viewer_takes() {
    let mut camera = Camera::new(3, 1);
    camera.set_target(1, 5_000);
    camera.set_target(2, 5_000);
    camera.run_for(3_000);
    camera.set_target(1, 300);
    camera.run_for(500);
    assert!(!feedback(&camera.world, 0).iter().any(|name| name.starts_with("estimate") && *name != "estimate 8000000"));
    camera.set_target(2, 700);
    camera.run_for(500);
    let estimates =
        feedback(&camera.world, 0).into_iter().filter_map(|name| name.strip_prefix("estimate ")?.parse().ok());
    let last: Option<u64> = estimates.collect::<Vec<_>>().last().copied();
    assert!(last.is_some_and(|bps| (500_000..700_000).contains(&bps)), "{last:?}");
    camera.set_target(2, 5_000);
    camera.run_for(1_500);
    assert_eq!(feedback(&camera.world, 0).last().map(String::as_str), Some("estimate 8000000"));
    camera.run_for(1_000);
    assert_eq!((camera.layers_within(1, 500), camera.layers_within(2, 500)), (vec![], vec![2]));
}

#[test]
fn the_recorder_takes_the_largest_layer_and_changes_at_a_key_frame() {
    let mut camera = Camera::new(1, 3);
    camera.is_on[2] = false;
    camera.run_for(500);
    let order = super::record::order(&camera.world, &[VIDEO]);
    camera.world.control(order);
    camera.run_for(500);
    camera.is_on[2] = true;
    camera.run_for(1_500);
    camera.is_on[2] = false;
    camera.run_for(1_500);
    let batch = camera.world.sfu.exchange_recorded(Batch::default());
    assert_eq!(batch.opened.len(), 1);
    let payloads: Vec<_> = batch.packets.iter().map(|packet| batch.payload(packet)).collect();
    let mut layers: Vec<_> = payloads.iter().filter_map(|payload| payload.last().copied()).collect();
    for pair in payloads.windows(2).filter(|pair| pair[0].last() != pair[1].last()) {
        assert!(vp8::Descriptor::parse(pair[1]).is_some_and(|descriptor| descriptor.starts_keyframe));
    }
    layers.dedup();
    assert_eq!(layers, [1, 2, 1]);
}

#[test]
fn a_camera_whose_uplink_shrinks_is_asked_for_no_repairs_and_its_viewers_move_to_what_is_left() {
    let mut camera = Camera::new(2, 3);
    camera.set_target(1, 5_000);
    camera.run_for(4_000);
    assert_eq!(camera.layers_within(1, 500), [2]);
    let asked_before = feedback(&camera.world, 0).len();
    camera.loss = 70;
    camera.run_for(400);
    camera.is_on = [true, true, false];
    camera.run_for(200);
    camera.loss = 0;
    camera.take(1);
    camera.run_for(800);
    let (video, _) = camera.take(1);
    assert_eq!(video.last().and_then(layer_of), Some(1), "the next layer plays");
    let mut layers: Vec<_> = video.iter().filter_map(layer_of).collect();
    layers.dedup();
    assert_eq!(layers[layers.len() - 2..], [0, 1], "after the smallest: {layers:?}");
    let asked = feedback(&camera.world, 0).split_off(asked_before);
    let repairs = asked.iter().filter(|name| name.starts_with("nack")).count();
    assert!(repairs <= 3, "{asked:?}");
    let keyframes: Vec<_> = asked.iter().filter(|name| name.starts_with("pli")).collect();
    assert_eq!(keyframes.first().map(|name| name.as_str()), Some("pli 9001"), "the smallest layer is asked at once");
    assert!(
        !keyframes.iter().any(|name| *name == "pli 9003"),
        "nothing is asked of a layer that is gone: {keyframes:?}"
    );
    let limit = |name: &String| name.strip_prefix("estimate ").and_then(|bps| bps.parse::<u64>().ok());
    let limits: Vec<_> = asked.iter().filter_map(limit).collect();
    let lowest = (0..limits.len()).min_by_key(|place| limits[*place]).expect("limits");
    assert!(limits[lowest] < 900_000 && limits[..lowest].is_sorted_by(|a, b| a >= b), "{limits:?}");
    assert!(limits[lowest + 1..].is_sorted(), "then it is asked for more: {limits:?}");
    camera.run_for(8_000);
    let limits: Vec<_> = feedback(&camera.world, 0).iter().filter_map(limit).collect();
    assert!(limits.last().is_some_and(|bps| *bps > 2_650_000), "and in the end for as much as it likes: {limits:?}");
}
