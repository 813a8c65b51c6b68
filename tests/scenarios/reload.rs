//! Reloading the page.

use std::time::Duration;
use world::World;

#[test]
fn a_reload_is_the_same_participant_with_another_session() {
    let mut world = World::seeded(1);
    world.gather(&["ada", "grace", "alan"]);
    let before = session(&world, "grace");
    world.reload("grace");
    world.run_for(Duration::from_secs(2));
    assert_ne!(session(&world, "grace"), before);
    assert_eq!(world.present(), ["ada", "alan", "grace"]);
    assert_eq!(world.node("media-1").load(), (3, 1));
    world.check_everybody_plays();
}

#[test]
fn three_reloads_in_a_row_leave_one() {
    let mut world = World::seeded(2);
    world.gather(&["ada", "grace"]);
    for pause_ms in [20, 60, 200] {
        world.reload("grace");
        world.run_for(Duration::from_millis(pause_ms));
    }
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.node("media-1").load(), (2, 1));
    world.check_everybody_plays();
}

#[test]
fn a_reload_right_after_an_ice_restart_gets_in() {
    for pause_ms in [30, 100, 217, 400] {
        let mut world = World::seeded(pause_ms);
        world.gather(&["ada", "grace"]);
        world.act("grace", |browser, clock| browser.restart_ice(clock));
        world.run_for(Duration::from_millis(pause_ms));
        world.reload("grace");
        world.run_for(Duration::from_secs(2));
        world.check_everybody_plays();
    }
}

fn session(world: &World, name: &str) -> String {
    let session = &world.browser(name).knowledge().session;
    session.as_ref().map(|(session, _)| session.to_string()).expect("is in the room")
}
