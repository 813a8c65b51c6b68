//! A publisher that knows REMB, but no transport-wide congestion control.

use super::viewing::{call_with, watch};
use shared::rtp_parameters::MediaKind;
use std::time::Duration;
use world::World;
use world::browser::Guest;
use world::net::Link;
use world::people::guest;

/// The losses are reported once a second, and repairs of the first seconds keep the link busy.
const STEP: Duration = Duration::from_secs(6);
const SEEDS: std::ops::RangeInclusive<u64> = 1..=10;

fn call(seed: u64) -> World {
    call_with(seed, Guest { lacks_transport_cc: true, ..guest("ada") }, &[guest("grace")])
}

fn set_uplink(world: &mut World, rate_bps: u64) {
    let up = &mut world.access("ada").up;
    *up = Link { rate_bps, queue: Duration::from_millis(200), ..*up };
}

fn is_limited(world: &World) -> bool {
    world.browser("ada").sources().any(|(_, publisher)| publisher.is_limited())
}

#[test]
fn its_video_follows_what_its_uplink_carries_and_returns() {
    for seed in SEEDS {
        let mut world = call(seed);
        assert!(!is_limited(&world), "seed {seed}: a good link limits nothing");
        for (rate_bps, frames_min) in [(600_000, 15.0), (300_000, 10.0)] {
            set_uplink(&mut world, rate_bps);
            let step = watch(&mut world, "grace", STEP);
            let rest = watch(&mut world, "grace", Duration::from_secs(20));
            if std::env::var_os("WORLD_FIGURES").is_some() {
                println!("{rate_bps} {seed}: {step:?}, then {rest:?}");
            }
            let is_good = rest.frozen.is_zero() && rest.frames_per_s >= frames_min;
            assert!(is_good && rest.concealed < 0.02, "seed {seed}, {rate_bps}: {step:?}, then {rest:?}");
            assert!(is_limited(&world), "seed {seed}, {rate_bps}");
        }
        set_uplink(&mut world, 5_000_000);
        world.run_for(Duration::from_secs(80));
        assert!(!is_limited(&world), "seed {seed}: what is gone limits nothing");
        let lines = world.seen("grace", "ada", MediaKind::Video).map(|seen| seen.lines);
        assert_eq!(lines, Some(720), "seed {seed}");
        world.check_all();
    }
}
