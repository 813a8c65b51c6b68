//! Late joiners see a picture at once.

use shared::rtp_parameters::MediaKind;
use std::time::Duration;
use world::World;

/// ICE, DTLS, a key frame request and its answer over links of 10 ms, frames of 50 ms, and Chromium's 300 ms without
/// reaction to a second request.
const FIRST_FRAME_MAX: Duration = Duration::from_millis(400);

#[test]
fn a_key_frame_comes_for_everyone_who_joins() {
    let mut world = World::seeded(1);
    world.gather(&["ada", "grace"]);
    world.run_for(Duration::from_secs(10));
    for name in ["alan", "edsger", "barbara"] {
        world.join(name);
        world
            .run_until(Duration::from_secs(2), "the newcomer is connected", |world| world.browser(name).is_connected());
        let connected = world.clock();
        world.run_until(Duration::from_secs(2), "the newcomer sees everybody", |world| {
            ["ada", "grace"].iter().all(|of| world.seen(name, of, MediaKind::Video).is_some())
        });
        let took = world.clock().now() - connected.now();
        assert!(took < FIRST_FRAME_MAX, "{name}: first frames after {took:?}");
    }
    world.run_for(Duration::from_secs(1));
    world.check_everybody_plays();
    world.check_nothing_lacks();
}

#[test]
fn jitter_does_not_make_the_publisher_deaf() {
    let mut worst = Duration::ZERO;
    for seed in 0..6 {
        let mut world = World::seeded(seed);
        world.gather(&["ada"]);
        let jitter = Duration::from_millis(6);
        (world.access("ada").up.jitter, world.access("ada").down.jitter) = (jitter, jitter);
        for name in ["grace", "alan"] {
            world.join(name);
            world.run_until(Duration::from_secs(2), "the newcomer is connected", |world| {
                world.browser(name).is_connected()
            });
            let connected = world.clock();
            world.run_until(Duration::from_secs(2), "the newcomer sees ada", |world| {
                world.seen(name, "ada", MediaKind::Video).is_some()
            });
            worst = worst.max(world.clock().now() - connected.now());
        }
    }
    assert!(worst < FIRST_FRAME_MAX, "first frames after {worst:?}");
}
