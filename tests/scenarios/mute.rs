//! Muting and unmuting.

use shared::rtp_parameters::MediaKind;
use std::time::Duration;
use world::World;

#[test]
fn everybody_learns_of_it_and_the_track_comes_back() {
    let mut world = World::seeded(1);
    world.gather(&["ada", "grace", "alan"]);
    for kind in [MediaKind::Audio, MediaKind::Video] {
        world.set_muted("ada", kind, true);
        world.run_for(Duration::from_secs(2));
        assert_eq!(muted_as_seen_by(&world, "grace"), [kind]);
        world.check_everybody_plays();
        world.set_muted("ada", kind, false);
        world.run_for(Duration::from_secs(1));
        assert_eq!(muted_as_seen_by(&world, "alan"), []);
        world.check_everybody_plays();
    }
    world.check_nothing_lacks();
}

#[test]
fn a_participant_who_joins_muted_is_seen_as_soon_as_the_camera_is_on() {
    let mut world = World::seeded(2);
    world.gather(&["ada", "grace"]);
    world.join("alan");
    world.set_muted("alan", MediaKind::Video, true);
    world.run_for(Duration::from_secs(2));
    world.check_everybody_plays();
    world.set_muted("alan", MediaKind::Video, false);
    let unmuted = world.clock();
    world.run_until(Duration::from_secs(2), "ada sees alan", |world| {
        world.seen("ada", "alan", MediaKind::Video).is_some()
    });
    let took = world.clock().now() - unmuted.now();
    assert!(took < Duration::from_millis(600), "first frame after {took:?}");
    world.run_for(Duration::from_secs(1));
    world.check_everybody_plays();
}

fn muted_as_seen_by(world: &World, name: &str) -> Vec<MediaKind> {
    let roster = world.browser(name).knowledge().roster.values();
    roster.flat_map(|info| &info.tracks).filter(|track| track.muted).map(|track| track.kind).collect()
}
