//! Everybody receives what the others send.

use std::time::Duration;
use world::World;

const NAMES: [&str; 3] = ["ada", "grace", "alan"];

// Holds S0-TEST-02.
#[test]
fn three_decode_each_other_without_a_gap() {
    let mut world = World::seeded(1);
    world.gather(&NAMES);
    for _ in 0..5 {
        world.run_for(Duration::from_secs(1));
        world.check_everybody_plays();
    }
    world.check_nothing_lacks();
}

#[test]
fn jitter_reordering_and_repeated_datagrams_cost_nothing() {
    let mut world = World::seeded(2);
    world.gather(&NAMES);
    for name in NAMES {
        let access = world.access(name);
        for link in [&mut access.up, &mut access.down] {
            (link.jitter, link.reorder, link.repeat) = (Duration::from_millis(8), 0.05, 0.05);
        }
    }
    world.run_for(Duration::from_secs(4));
    world.check_everybody_plays();
    world.check_nothing_lacks();
}
