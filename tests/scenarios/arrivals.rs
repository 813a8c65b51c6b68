//! Publishers get the arrival times of all their packets, which their congestion control needs.

use std::time::Duration;
use world::World;
use world::net::Loss;

const NAMES: [&str; 2] = ["ada", "grace"];

/// A call of ten seconds whose first member loses this share on the uplink.
fn call(seed: u64, loss: f64) -> World {
    let mut world = World::seeded(seed);
    world.gather(&NAMES);
    let access = world.access("ada");
    access.up.loss = if loss == 0.0 { Loss::None } else { Loss::Random(loss) };
    access.up.jitter = Duration::ZERO;
    world.run_for(Duration::from_secs(10));
    world
}

#[test]
fn every_packet_is_reported_with_its_time_and_often_enough() {
    let mut world = call(1, 0.0);
    world.run_for(Duration::from_millis(500));
    for name in NAMES {
        let sent = world.browser(name).sent();
        let heard = sent.heard();
        // Those of the last interval and a round trip are still in transit.
        assert!(sent.packets() > 500 && sent.packets() - heard.arrived < 40, "{name}: {heard:?} of {}", sent.packets());
        assert!(heard.silence < Duration::from_millis(320), "{name}: {heard:?}");
    }
}

#[test]
fn loss_is_told_apart_from_arrival() {
    let world = call(2, 0.2);
    let sent = world.browser("ada").sent();
    let share = 1.0 - sent.heard().arrived as f64 / sent.packets() as f64;
    assert!((0.13..0.27).contains(&share), "{share} lost");
}
