//! The tracks in receive slots.

use shared::ParticipantId;
use shared::rtp_parameters::MediaKind;
use std::time::Duration;
use world::World;
use world::people::guest;

#[test]
fn a_slot_that_became_free_plays_the_next_who_comes() {
    let mut world = World::seeded(1);
    world.gather(&["ada", "grace"]);
    world.check_everybody_plays();
    for round in 0..3 {
        let name = format!("guest-{round}");
        world.join(&name);
        world.run_for(Duration::from_secs(1));
        world.check_everybody_plays();
        world.leave(&name);
        world.run_for(Duration::from_secs(1));
        world.check_everybody_plays();
    }
    let used: usize = world.browser("ada").knowledge().slots.len();
    assert_eq!(used, 16, "no slot was added");
    world.check_nothing_lacks();
}

#[test]
fn who_has_too_few_slots_is_told_how_many_to_offer() {
    let mut world = World::seeded(2);
    let mut few = guest("ada");
    few.slots = 1;
    world.join_as(few);
    world.gather(&["grace", "alan", "edsger"]);
    world.run_for(Duration::from_secs(2));
    let knowledge = world.browser("ada").knowledge();
    assert!(knowledge.sections_needed.is_some_and(|(audio, video)| audio >= 3 && video >= 3));
    world.check_everybody_plays();
    world.check_nothing_lacks();
}

/// The second request comes before the answer to the offer that the first one caused.
#[test]
fn who_needs_even_more_slots_while_offering_some_gets_all() {
    let mut world = World::seeded(5);
    let mut few = guest("ada");
    few.slots = 1;
    world.join_as(few);
    let crowd: Vec<String> = (0..10).map(|number| format!("guest-{number}")).collect();
    world.gather(&["grace"]);
    crowd.iter().for_each(|name| world.join(name));
    world.run_for(Duration::from_secs(4));
    let knowledge = world.browser("ada").knowledge();
    assert_eq!(knowledge.sections_needed, Some((16, 16)));
    assert_eq!(knowledge.slots.len(), 32, "every slot that the room asked for is offered");
    world.check_everybody_plays();
    world.check_nothing_lacks();
}

#[test]
fn who_was_away_when_slots_became_too_few_is_told_on_return() {
    let mut world = World::seeded(4);
    let mut few = guest("ada");
    few.slots = 1;
    world.join_as(few);
    world.gather(&["grace"]);
    world.drop_socket("ada");
    world.gather(&["alan", "edsger"]);
    world.run_for(Duration::from_secs(1));
    world.check_everybody_plays();
}

#[test]
fn with_fewer_slots_than_tracks_the_slot_follows_the_view() {
    let mut world = World::seeded(3);
    let mut few = guest("ada");
    (few.slots, few.takes_more_slots) = (1, false);
    world.join_as(few);
    world.gather(&["grace", "alan"]);
    for wanted in ["grace", "alan", "grace"] {
        let participant = ParticipantId::parse(wanted).expect("a name");
        world.act("ada", |browser, clock| browser.view(clock, vec![participant]));
        world.run_for(Duration::from_millis(800));
        world.mark();
        world.run_for(Duration::from_secs(1));
        let frames = |of| world.seen("ada", of, MediaKind::Video).map_or(0, |seen| seen.frames);
        let other = if wanted == "grace" { "alan" } else { "grace" };
        assert!(frames(wanted) >= 18 && frames(other) == 0, "{wanted}: {}, {other}: {}", frames(wanted), frames(other));
    }
    world.check_nothing_lacks();
    world.check_all();
}
