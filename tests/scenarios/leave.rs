//! Leaving, orderly or not.

use shared::{ErrorCode, ParticipantId, limits};
use std::time::Duration;
use world::World;
use world::browser::Phase;

#[test]
fn nothing_is_left_of_those_who_leave() {
    let mut world = World::seeded(1);
    world.gather(&["ada", "grace", "alan"]);
    world.leave("alan");
    world.run_for(Duration::from_millis(500));
    assert_eq!(world.present(), ["ada", "grace"]);
    assert_eq!(world.node("media-1").load(), (2, 1));
    world.check_everybody_plays();
    world.check_nothing_lacks();

    world.leave("ada");
    world.leave("grace");
    world.run_for(Duration::from_millis(limits::EMPTY_ROOM_LIFETIME_MS + 5_000));
    assert_eq!(world.node("media-1").load(), (0, 0));
    assert_eq!((world.edge().rows(), world.serving()), (0, vec![]));
    world.check_all();
}

#[test]
fn a_participant_who_vanishes_keeps_the_place_for_a_while() {
    let mut world = World::seeded(2);
    world.gather(&["ada", "grace", "alan"]);
    world.vanish("alan");
    world.run_for(Duration::from_millis(limits::RESUME_WINDOW_MS - 2_000));
    assert_eq!(world.browser("ada").knowledge().roster.len(), 3);
    world.run_for(Duration::from_millis(5_000));
    assert_eq!(world.browser("ada").knowledge().roster.len(), 2);
    assert_eq!(world.node("media-1").load(), (2, 1));
    world.check_everybody_plays();
}

#[test]
fn a_kicked_participant_is_told_and_gone() {
    let mut world = World::seeded(3);
    world.gather(&["ada", "grace", "mallory"]);
    let mallory = ParticipantId::parse("mallory").expect("a name");
    world.act("ada", |browser, clock| browser.kick(clock, mallory));
    world.run_for(Duration::from_millis(500));
    assert_eq!(world.browser("mallory").phase(), Phase::Gone(Some(ErrorCode::Kicked)));
    assert_eq!(world.node("media-1").load(), (2, 1));
    world.check_everybody_plays();
}
