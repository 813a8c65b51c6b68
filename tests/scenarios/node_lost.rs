//! A node dies, or loses only the edge.

use shared::rtp_parameters::MediaKind;
use std::time::Duration;
use world::World;

const NAMES: [&str; 3] = ["ada", "grace", "alan"];

fn world_with_two_nodes(seed: u64) -> (World, String, String) {
    let mut world = World::seeded(seed);
    world.start_node("media-2");
    world.run_for(Duration::from_millis(200));
    world.gather(&NAMES);
    let serving = world.serving();
    assert_eq!(serving.len(), 1);
    let other = if serving[0] == "media-1" { "media-2" } else { "media-1" };
    (world, serving[0].clone(), other.into())
}

#[test]
fn clients_move_to_another_node_when_theirs_dies() {
    for seed in 1..4 {
        let (mut world, serving, other) = world_with_two_nodes(seed);
        world.check_everybody_plays();
        world.mark();
        world.kill_node(&serving);
        world.run_for(Duration::from_secs(5));
        assert_eq!((world.serving(), world.node(&other).load()), (vec![other.clone()], (3, 1)));
        let gap = world.longest_gap(MediaKind::Video);
        assert!(gap < Duration::from_millis(3_000), "seed {seed}: a picture stood still for {gap:?}");
        world.check_everybody_plays();
    }
}

#[test]
fn with_no_other_node_they_wait_for_one() {
    let mut world = World::seeded(4);
    world.gather(&NAMES);
    world.kill_node("media-1");
    world.run_for(Duration::from_secs(6));
    world.start_node("media-2");
    world.run_for(Duration::from_secs(12));
    assert_eq!(world.node("media-2").load(), (3, 1));
    world.check_everybody_plays();
}

#[test]
fn a_node_that_lost_only_the_edge_keeps_forwarding_and_catches_up() {
    let mut world = World::seeded(5);
    world.gather(&NAMES);
    world.run_for(Duration::from_secs(2));
    world.mark();
    world.cut_off("media-1");
    world.run_for(Duration::from_secs(1));
    // Decisions made by the room in the meantime are executed when the node returns.
    world.leave("alan");
    world.run_for(Duration::from_secs(3));
    assert_eq!(world.node("media-1").load(), (3, 1), "the node has not heard of it");
    world.reconnect("media-1");
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.node("media-1").load(), (2, 1));
    for kind in [MediaKind::Audio, MediaKind::Video] {
        let gap = world.longest_gap(kind);
        assert!(gap < Duration::from_millis(120), "{kind:?} stood still for {gap:?}");
    }
    world.join("edsger");
    world.run_for(Duration::from_secs(1));
    world.check_everybody_plays();
    world.check_nothing_lacks();
}

#[test]
fn a_gap_in_one_clients_link_moves_nobody_while_the_node_has_lost_the_edge() {
    let (mut world, serving, _) = world_with_two_nodes(7);
    world.cut_off(&serving);
    world.access("grace").down.is_cut = true;
    world.run_for(Duration::from_millis(2_500));
    world.access("grace").down.is_cut = false;
    world.run_for(Duration::from_secs(3));
    assert_eq!((world.serving(), world.node(&serving).load()), (vec![serving.clone()], (3, 1)));
    world.reconnect(&serving);
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.serving(), [serving]);
    world.check_everybody_plays();
}

#[test]
fn a_node_that_comes_back_too_late_gives_the_room_up() {
    let (mut world, serving, other) = world_with_two_nodes(6);
    world.cut_off(&serving);
    world.run_for(Duration::from_secs(20));
    assert!(world.serving().contains(&other));
    world.check_everybody_plays();
    world.reconnect(&serving);
    world.run_for(Duration::from_secs(10));
    assert_eq!((world.serving(), world.node(&serving).load()), (vec![other], (0, 0)));
    world.check_everybody_plays();
}
