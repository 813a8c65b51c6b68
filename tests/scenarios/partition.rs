//! A client loses its network for a while.

use std::time::Duration;
use world::World;

fn cut(world: &mut World, name: &str, is_cut: bool) {
    let access = world.access(name);
    (access.up.is_cut, access.down.is_cut) = (is_cut, is_cut);
}

#[test]
fn a_short_cut_heals_by_itself() {
    let mut world = World::seeded(1);
    world.gather(&["ada", "grace", "alan"]);
    cut(&mut world, "grace", true);
    world.run_for(Duration::from_millis(1_000));
    cut(&mut world, "grace", false);
    world.run_for(Duration::from_secs(2));
    world.check_everybody_plays();
}

// Holds S2-SM-01.
#[test]
fn a_long_cut_is_mended_by_an_ice_restart() {
    let mut world = World::seeded(2);
    world.gather(&["ada", "grace", "alan"]);
    cut(&mut world, "grace", true);
    world.run_for(Duration::from_secs(8));
    cut(&mut world, "grace", false);
    world.run_for(Duration::from_secs(5));
    world.check_everybody_plays();
}

#[test]
fn another_network_is_another_path_for_the_same_streams() {
    let mut world = World::seeded(3);
    world.gather(&["ada", "grace"]);
    world.run_for(Duration::from_secs(1));
    world.act("grace", |browser, clock| browser.restart_ice(clock));
    world.run_for(Duration::from_secs(2));
    world.check_everybody_plays();
    world.check_nothing_lacks();
}

#[test]
fn a_browser_that_cannot_move_opens_a_new_transport() {
    let mut world = World::seeded(4);
    world.gather(&["ada", "grace"]);
    world.act("grace", |browser, clock| browser.renew_transport(clock));
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.node("media-1").load(), (2, 1));
    world.check_everybody_plays();
}
