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
