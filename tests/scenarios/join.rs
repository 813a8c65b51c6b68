//! Entering a room.

use media_core::stats::DropReason;
use shared::ErrorCode;
use shared::rtp_parameters::MediaKind;
use std::time::Duration;
use world::World;
use world::browser::Phase;
use world::browser::offer::Make;
use world::people::guest;

#[test]
fn a_join_is_one_round_trip_and_the_first_frame_follows_at_once() {
    let mut world = World::seeded(1);
    world.run_for(Duration::from_millis(500));
    world.gather(&["ada"]);
    world.run_for(Duration::from_secs(1));
    let clicked = world.clock();
    world.join("grace");
    world.run_until(Duration::from_secs(2), "grace sees ada", |world| {
        world.seen("grace", "ada", MediaKind::Video).is_some()
    });
    let took = world.clock().now() - clicked.now();
    assert!(took < Duration::from_millis(350), "first frame after {took:?}");
    world.check_everybody_plays();
    world.check_nothing_lacks();
}

#[test]
fn checks_that_come_before_the_node_was_told_are_kept_for_it() {
    let mut world = World::seeded(5);
    world.gather(&["ada"]);
    world.set_control_delay(Duration::from_millis(150));
    let clicked = world.clock();
    world.join("grace");
    world.run_until(Duration::from_secs(2), "grace is connected", |world| world.browser("grace").is_connected());
    let took = world.clock().now() - clicked.now();
    assert!(took < Duration::from_millis(300), "connected after {took:?}");
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.node("media-1").stats().dropped(DropReason::UnknownUfrag), 0);
    world.check_everybody_plays();
}

#[test]
fn chromium_and_firefox_hear_and_see_each_other() {
    let mut world = World::seeded(2);
    world.gather(&["ada"]);
    for (name, make) in [("grace", Make::Firefox), ("alan", Make::Chromium), ("edsger", Make::Firefox)] {
        let mut guest = guest(name);
        guest.make = make;
        world.join_as(guest);
    }
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.present().len(), 4);
    world.check_everybody_plays();
    world.check_nothing_lacks();
}

#[test]
fn those_who_click_in_the_same_moment_are_all_let_in() {
    let mut world = World::seeded(3);
    world.run_for(Duration::from_millis(500));
    for name in ["ada", "grace", "alan", "edsger"] {
        world.join(name);
    }
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.serving(), ["media-1"]);
    world.check_everybody_plays();
    world.check_nothing_lacks();
}

#[test]
fn without_a_node_the_client_is_told_and_gets_in_once_there_is_one() {
    let mut world = World::seeded(4);
    world.kill_node("media-1");
    world.join("ada");
    world.run_for(Duration::from_secs(4));
    assert_eq!(world.browser("ada").phase(), Phase::Joining);
    let refusals = &world.browser("ada").knowledge().refusals;
    assert!(refusals.len() >= 2 && refusals.iter().all(|code| *code == ErrorCode::NoMediaNode), "{refusals:?}");
    world.start_node("media-2");
    world.run_until(Duration::from_secs(3), "ada is in", |world| world.browser("ada").is_connected());
    world.join("grace");
    world.run_for(Duration::from_secs(1));
    world.check_everybody_plays();
}
