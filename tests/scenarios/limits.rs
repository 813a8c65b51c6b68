//! The operator's limit on what a client sends, with a publisher whose browser adapts.

use super::viewing::watch;
use media_core::congestion::bandwidth::Bandwidth;
use shared::rtp_parameters::MediaKind;
use shared::signal::TrackSource;
use std::time::Duration;
use world::World;
use world::browser::Guest;
use world::browser::publish::SOUND_BPS;
use world::people::guest;

const SEEDS: std::ops::RangeInclusive<u64> = 1..=5;
const TIME: Duration = Duration::from_secs(10);

/// Bits per second that reach the node. Only Ada publishes.
fn received_bps(world: &mut World) -> u64 {
    let before = world.node("media-1").stats().bytes_in;
    let seen = watch(world, "grace", TIME);
    assert!(seen.frozen.is_zero() && seen.frames_per_s >= 15.0, "seed {}: {seen:?}", world.seed());
    (world.node("media-1").stats().bytes_in - before) * 8 / TIME.as_secs()
}

// Holds S3-DEP-07.
#[test]
fn a_client_sends_no_more_video_than_it_may() {
    for seed in SEEDS {
        for (limit_bps, lines) in [(None, 720), (Some(1_000_000), 360), (Some(300_000), 180)] {
            let bandwidth = Bandwidth { client_in_bps_max: limit_bps, ..Bandwidth::default() };
            let mut world = World::limited(seed, bandwidth);
            let sources = vec![TrackSource::Microphone, TrackSource::Camera];
            world.join_as(Guest { sends_layers: true, reports_arrivals: true, adapts: true, sources, ..guest("ada") });
            world.join_as(Guest { reports_arrivals: true, sources: Vec::new(), ..guest("grace") });
            world.run_for(TIME);
            let received = received_bps(&mut world);
            // Checks and reports take a little besides.
            let most = limit_bps.map_or(u64::MAX, |bps| bps + SOUND_BPS + 40_000);
            let least = limit_bps.map_or(1_800_000, |bps| bps / 2);
            assert!((least..most).contains(&received), "seed {seed}, {limit_bps:?}: {received} bit/s");
            let shown = world.seen("grace", "ada", MediaKind::Video).map(|seen| seen.lines);
            assert!(shown.is_some_and(|shown| shown >= 180 && shown <= lines), "seed {seed}, {limit_bps:?}: {shown:?}");
            world.check_all();
        }
    }
}
