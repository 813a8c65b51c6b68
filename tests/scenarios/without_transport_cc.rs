//! A publisher that knows REMB, but no transport-wide congestion control.

use super::viewing::{call_with, watch};
use shared::rtp_parameters::MediaKind;
use shared::signal::TrackSource;
use std::time::Duration;
use world::World;
use world::browser::Guest;
use world::net::{Link, Loss};
use world::people::guest;

const SECOND: Duration = Duration::from_secs(1);
/// Of all layers of a camera, at 20 frames per second.
const ALL_BPS: u64 = 2_300_000;
const SEEDS: std::ops::RangeInclusive<u64> = 1..=10;

fn call(seed: u64) -> World {
    call_with(seed, Guest { lacks_transport_cc: true, ..guest("ada") }, &[guest("grace")])
}

fn set_uplink(world: &mut World, rate_bps: u64) {
    let up = &mut world.access("ada").up;
    *up = Link { rate_bps, queue: Duration::from_millis(200), ..*up };
}

/// The rate that ada's videos may have, if it is less than they need.
fn limit_bps(world: &World) -> Option<u64> {
    world.browser("ada").sources().filter_map(|(_, publisher)| publisher.limit_bps()).min()
}

/// The lowest limit in this time.
fn least_bps(world: &mut World, time: Duration) -> Option<u64> {
    let limits = (0..time.as_millis() / 100).filter_map(|_| {
        world.run_for(Duration::from_millis(100));
        limit_bps(world)
    });
    limits.min()
}

/// The path is 50 ms longer than before.
fn far() -> Link {
    Link { delay: Duration::from_millis(60), ..Link::default() }
}

fn lines(world: &World) -> Option<u16> {
    world.seen("grace", "ada", MediaKind::Video).map(|seen| seen.lines)
}

#[test]
fn its_video_follows_what_its_uplink_carries_and_returns() {
    let mut wrong = Vec::new();
    for seed in SEEDS {
        let mut world = call(seed);
        assert_eq!(limit_bps(&world), None, "seed {seed}: a good link limits nothing");
        for (rate_bps, frames_min) in [(600_000, 15.0), (300_000, 18.0)] {
            set_uplink(&mut world, rate_bps);
            let first = watch(&mut world, "grace", SECOND);
            let limit = limit_bps(&world);
            let rest = watch(&mut world, "grace", 20 * SECOND);
            let follows = limit.is_some_and(|limit| (rate_bps / 2..rate_bps).contains(&limit));
            let is_good = rest.frozen <= SECOND && rest.frames_per_s >= frames_min;
            if !follows || !is_good || rest.concealed > 0.005 {
                wrong.push(format!("seed {seed}, {rate_bps}: {limit:?} after {first:?}, then {rest:?}"));
            }
            world.check_all();
        }
        set_uplink(&mut world, 5_000_000);
        world.run_for(30 * SECOND);
        let back = (limit_bps(&world), lines(&world));
        if back != (None, Some(720)) {
            wrong.push(format!("seed {seed}: {back:?} on a good link again"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn losses_and_a_longer_path_do_not_narrow_it() {
    for seed in SEEDS {
        let mut world = call(seed);
        world.access("ada").up = Link { loss: Loss::Random(0.03), ..far() };
        let least = least_bps(&mut world, 20 * SECOND);
        assert!(least.is_none_or(|least| least >= ALL_BPS / 2), "seed {seed}: {least:?}");
        assert_eq!((limit_bps(&world), lines(&world)), (None, Some(720)), "seed {seed}");
        world.check_all();
    }
}

#[test]
fn a_longer_path_limits_little_of_15_frames_per_second_without_audio() {
    for seed in SEEDS {
        let sources = vec![TrackSource::Camera];
        let picture_interval = Duration::from_micros(66_667);
        let ada = Guest { lacks_transport_cc: true, sends_layers: true, sources, picture_interval, ..guest("ada") };
        let mut world = World::seeded(seed);
        [ada, guest("grace")].into_iter().for_each(|guest| world.join_as(guest));
        assert_eq!(least_bps(&mut world, 8 * SECOND), None, "seed {seed}");
        world.access("ada").up = far();
        let least = least_bps(&mut world, 40 * SECOND);
        assert!(least.is_none_or(|least| least >= ALL_BPS * 3 / 4 * 2 / 5), "seed {seed}: {least:?}");
        assert_eq!((limit_bps(&world), lines(&world)), (None, Some(720)), "seed {seed}");
    }
}
