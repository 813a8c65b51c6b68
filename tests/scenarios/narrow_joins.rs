//! Guests who join over a link that is narrow already.

use super::viewing::{is_told_of_pause, seen, slow_down};
use shared::rtp_parameters::MediaKind;
use std::time::Duration;
use world::World;
use world::browser::Guest;
use world::check::FROZEN;
use world::people::guest;

const SEEDS: std::ops::RangeInclusive<u64> = 1..=10;
/// The first seconds of a call.
const BEGIN: Duration = Duration::from_secs(5);
const FROZEN_MAX: Duration = Duration::from_millis(1_500);

/// Grace joins Ada's call over a link with this rate. Returns the time without a picture in the first seconds, the
/// beginning included, and the share of missing audio after the first second.
fn join(seed: u64, rate_bps: u64) -> (World, Duration, f64) {
    let mut world = World::seeded(seed);
    world.join_as(Guest { sends_layers: true, reports_arrivals: true, ..guest("ada") });
    world.run_for(BEGIN);
    world.join_as(Guest { reports_arrivals: true, ..guest("grace") });
    slow_down(&mut world, "grace", rate_bps);
    world.run_until(BEGIN, "Grace is connected", |world| world.browser("grace").is_connected());
    let connected = world.clock().now();
    let sees = |world: &World| world.seen("grace", "ada", MediaKind::Video).is_some();
    world.run_until(BEGIN, "there is a picture", sees);
    let begun = world.clock().now().duration_since(connected);
    world.run_for(BEGIN.saturating_sub(begun));
    let beginning = if begun > FROZEN { begun } else { Duration::ZERO };
    let frozen = beginning + seen(&world, "grace", BEGIN).frozen;
    world.mark();
    world.run_for(BEGIN);
    let concealed = seen(&world, "grace", BEGIN).concealed;
    (world, frozen, concealed)
}

#[test]
fn the_picture_comes_soon_and_stays() {
    for rate_bps in [300_000, 600_000, 1_500_000] {
        for seed in SEEDS {
            let (mut world, frozen, concealed) = join(seed, rate_bps);
            if std::env::var_os("WORLD_FIGURES").is_some() {
                println!("{rate_bps} {seed}: {frozen:?} {concealed:.3}");
                continue;
            }
            let is_good = frozen <= FROZEN_MAX || is_told_of_pause(&world);
            assert!(is_good && concealed < 0.02, "seed {seed}, {rate_bps}: {frozen:?} frozen, {concealed} concealed");
            world.mark();
            world.run_for(BEGIN);
            let settled = seen(&world, "grace", BEGIN);
            assert!(settled.frozen.is_zero(), "seed {seed}, {rate_bps}: then {settled:?}");
            world.check_all();
        }
    }
}
