//! The edge is killed and comes back.

use shared::rtp_parameters::MediaKind;
use std::time::Duration;
use world::World;

#[test]
fn media_goes_on_and_everybody_resumes() {
    let mut world = World::seeded(1);
    world.gather(&["ada", "grace", "alan"]);
    world.run_for(Duration::from_secs(2));
    world.mark();
    world.restart_edge();
    world.run_for(Duration::from_secs(4));
    assert!(
        world.longest_gap(MediaKind::Video) < Duration::from_millis(120),
        "{:?}",
        world.longest_gap(MediaKind::Video)
    );
    assert!(
        world.longest_gap(MediaKind::Audio) < Duration::from_millis(60),
        "{:?}",
        world.longest_gap(MediaKind::Audio)
    );
    world.join("edsger");
    world.run_for(Duration::from_secs(1));
    world.check_everybody_plays();
    world.check_nothing_lacks();
}

#[test]
fn a_join_that_was_under_way_is_done_once() {
    for after_ms in [5, 20, 25, 35, 45, 60, 100] {
        let mut world = World::seeded(after_ms);
        world.gather(&["ada"]);
        world.join("grace");
        world.run_for(Duration::from_millis(after_ms));
        world.restart_edge();
        world.run_for(Duration::from_secs(4));
        assert_eq!(world.node("media-1").load(), (2, 1), "killed after {after_ms} ms");
        world.check_everybody_plays();
    }
}

#[test]
fn a_broken_socket_changes_nothing() {
    let mut world = World::seeded(2);
    world.gather(&["ada", "grace"]);
    world.mark();
    world.drop_socket("grace");
    world.run_for(Duration::from_secs(2));
    assert!(world.longest_gap(MediaKind::Video) < Duration::from_millis(120));
    world.set_muted("grace", MediaKind::Audio, true);
    world.run_for(Duration::from_secs(1));
    world.check_everybody_plays();
    world.check_nothing_lacks();
}
