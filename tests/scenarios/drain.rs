//! A node gets SIGTERM.

use shared::rtp_parameters::MediaKind;
use std::time::Duration;
use world::World;

#[test]
fn everybody_moves_before_the_node_stops() {
    let mut world = World::seeded(1);
    world.run_for(Duration::from_millis(200));
    world.gather(&["ada", "grace", "alan"]);
    world.start_node("media-2");
    world.run_for(Duration::from_secs(1));
    world.mark();
    world.drain_node("media-1");
    world.run_for(Duration::from_secs(4));
    assert_eq!((world.serving(), world.node("media-1").load()), (vec!["media-2".into()], (0, 0)));
    assert_eq!(world.node("media-2").load(), (3, 1));
    let gap = world.longest_gap(MediaKind::Video);
    assert!(gap < Duration::from_millis(800), "a picture stood still for {gap:?}");
    world.kill_node("media-1");
    world.check_everybody_plays();
}

#[test]
fn a_draining_node_gets_no_new_room() {
    let mut world = World::seeded(2);
    world.start_node("media-2");
    world.run_for(Duration::from_millis(200));
    world.drain_node("media-1");
    world.run_for(Duration::from_millis(200));
    world.gather(&["ada", "grace"]);
    assert_eq!(world.serving(), ["media-2"]);
    world.check_everybody_plays();
}
