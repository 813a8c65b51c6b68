//! A node at its limit: newcomers are refused with a code, and everybody inside goes on.

use shared::ErrorCode;
use shared::rtp_parameters::MediaKind;
use std::time::Duration;
use world::World;
use world::browser::Phase;

/// Everybody inside sees and hears everybody without a pause.
const GAP_MAX: Duration = Duration::from_millis(300);

/// A room of three on a node for three.
fn full_world(seed: u64) -> World {
    let mut world = World::seeded(seed);
    world.kill_node("media-1");
    world.start_node_for("media-2", 3);
    world.run_for(Duration::from_millis(500));
    world.gather(&["ada", "grace", "alan"]);
    assert_eq!(world.node("media-2").load(), (3, 1));
    world.mark();
    world
}

#[test]
fn newcomers_are_refused_and_everybody_inside_stays_good() {
    for seed in 0..10 {
        let mut world = full_world(seed);
        // The second one comes after the node's heartbeat has said that it is full.
        for name in ["lin", "bob"] {
            world.join(name);
            world.run_for(Duration::from_secs(8));
            assert_eq!(world.browser(name).phase(), Phase::Gone(Some(ErrorCode::NoMediaNode)), "seed {seed}, {name}");
        }
        // Longer than a retired node is kept.
        world.run_for(Duration::from_secs(40));
        assert_eq!((world.serving(), world.node("media-2").load()), (vec!["media-2".into()], (3, 1)), "seed {seed}");
        let gaps = (world.longest_gap(MediaKind::Video), world.longest_gap(MediaKind::Audio));
        assert!(gaps.0 < GAP_MAX && gaps.1 < GAP_MAX, "seed {seed}: {gaps:?}");
        for name in ["ada", "grace", "alan"] {
            assert_eq!(world.browser(name).phase(), Phase::Inside);
        }
        world.check_everybody_plays();
    }
}

#[test]
fn a_place_that_becomes_free_is_given_to_the_next() {
    let mut world = full_world(1);
    world.join("lin");
    world.run_for(Duration::from_secs(8));
    world.leave("alan");
    world.run_for(Duration::from_secs(6));
    world.join("eve");
    world.run_for(Duration::from_secs(3));
    assert_eq!((world.browser("eve").phase(), world.node("media-2").load()), (Phase::Inside, (3, 1)));
    world.check_everybody_plays();
}

#[test]
fn with_a_larger_node_the_room_moves_there() {
    let mut world = full_world(2);
    world.start_node("media-3");
    world.run_for(Duration::from_secs(6));
    world.mark();
    world.join("lin");
    world.run_for(Duration::from_secs(6));
    assert_eq!((world.serving(), world.node("media-3").load()), (vec!["media-3".into()], (4, 1)));
    let gap = world.longest_gap(MediaKind::Video);
    assert!(gap < Duration::from_millis(1_500), "a picture stood still for {gap:?}");
    world.check_everybody_plays();
}
