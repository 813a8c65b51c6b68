//! Repairs that take the network into account: the client's distance, and packets that merely overtake each other.

use shared::rtp_parameters::MediaKind;
use std::time::Duration;
use world::World;
use world::browser::Guest;
use world::net::{Link, Loss};
use world::people::guest;

const SEEDS: std::ops::RangeInclusive<u64> = 1..=10;
const SETTLED: Duration = Duration::from_secs(8);
const WATCHED: Duration = Duration::from_secs(20);

fn call(seed: u64) -> World {
    let mut world = World::seeded(seed);
    for name in ["ada", "grace"] {
        world.join_as(Guest { sends_layers: name == "ada", reports_arrivals: true, ..guest(name) });
    }
    world.run_for(SETTLED);
    world
}

#[test]
fn a_far_client_that_loses_packets_sees_every_picture() {
    for seed in SEEDS {
        let mut world = call(seed);
        let far = Link { delay: Duration::from_millis(100), ..Link::default() };
        let access = world.access("grace");
        (access.up, access.down) = (far, Link { loss: Loss::Random(0.05), ..far });
        world.run_for(Duration::from_secs(3));
        let before = (world.net().carried().lost, world.node("media-1").stats().clone());
        world.mark();
        world.run_for(WATCHED);
        let (lost, stats) = (world.net().carried().lost - before.0, world.node("media-1").stats());
        let seen = world.seen("grace", "ada", MediaKind::Video).expect("seen before");
        let frames_per_s = seen.frames as f64 / WATCHED.as_secs_f64();
        let repairs = stats.retransmitted - before.1.retransmitted;
        let asked = stats.keyframe_requests_out - before.1.keyframe_requests_out;
        // Browsers that request repairs show pictures a round trip later, so half a second becomes this much.
        let gap_max = Duration::from_millis(700);
        assert!(seen.longest_gap <= gap_max && frames_per_s >= 18.0, "seed {seed}: {seen:?}");
        assert!(repairs <= lost * 2, "seed {seed}: {repairs} repairs of {lost} losses");
        assert!(asked <= 2, "seed {seed}: {asked} key frames");
        world.check_all();
    }
}

#[test]
fn packets_that_overtake_each_other_are_not_repaired() {
    for seed in SEEDS {
        let mut world = call(seed);
        // On one side only, because a packet that is overtaken twice is as late as a loss.
        world.access("ada").up.reorder = if seed % 2 == 0 { 0.05 } else { 0.0 };
        world.access("grace").down.reorder = if seed % 2 == 0 { 0.0 } else { 0.05 };
        let repairs = |world: &World| {
            let stats = world.node("media-1").stats();
            (stats.nacked_upstream, stats.retransmitted, stats.keyframe_requests_out)
        };
        let before = repairs(&world);
        world.run_for(WATCHED);
        let after = repairs(&world);
        // Some are requested before the usual delay is known.
        assert!(after.0 - before.0 <= 6, "seed {seed}: {after:?}");
        assert_eq!((after.1, after.2), (before.1, before.2), "seed {seed}");
        world.check_nothing_lacks();
        world.check_all();
    }
}

/// Frames come every 50 ms, and a way takes 10 ms.
const FRAME: Duration = Duration::from_millis(50);
const ROUND_TRIP: Duration = Duration::from_millis(20);
/// The node waits this long for packets that may only have been overtaken, and a frame's packets leave one by one.
const SLACK: Duration = Duration::from_millis(30);

#[test]
fn a_lost_key_frame_is_back_after_a_round_trip_and_a_frame() {
    let mut most_cut = [0; 2];
    for (seed, is_up) in SEEDS.flat_map(|seed| [(seed, false), (seed, true)]) {
        let mut world = call(seed);
        let requests = |world: &World| world.node("media-1").stats().keyframe_requests_out;
        let before = requests(&world);
        // A newcomer needs a key frame, which all viewers get.
        world.join("alan");
        world.run_until(Duration::from_secs(2), "a key frame is requested", |world| requests(world) > before);
        world.mark();
        let cut = world.net().carried().cut;
        world.run_for(ROUND_TRIP / 2 + if is_up { Duration::ZERO } else { ROUND_TRIP / 2 });
        let set = |world: &mut World, is_cut| match is_up {
            true => world.access("ada").up.is_cut = is_cut,
            false => world.access("grace").down.is_cut = is_cut,
        };
        set(&mut world, true);
        world.run_for(FRAME);
        set(&mut world, false);
        world.run_for(Duration::from_secs(2));
        let most = &mut most_cut[usize::from(is_up)];
        *most = (*most).max(world.net().carried().cut - cut);
        let seen = world.seen("grace", "ada", MediaKind::Video).expect("seen before");
        // The frame before, the lost one, and the one that shows the loss.
        let gap_max = 2 * FRAME + ROUND_TRIP + SLACK;
        assert!(seen.longest_gap <= gap_max, "seed {seed}, up {is_up}: {:?} of {gap_max:?}", seen.longest_gap);
        world.check_all();
    }
    assert!(most_cut.iter().all(|cut| *cut > 8), "a key frame was among them: {most_cut:?}");
}
