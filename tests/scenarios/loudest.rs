//! More open microphones than slots: who speaks is heard.

use shared::limits;
use shared::rtp_parameters::MediaKind;
use shared::signal::TrackSource;
use std::time::Duration;
use world::World;
use world::people::guest;

const QUIET: u8 = 70;
const SPEAKING: u8 = 30;
/// From the first word until everybody hears it.
const HEARD_WITHIN: Duration = Duration::from_millis(300);

fn name(number: usize) -> String {
    format!("p{number:02}")
}

/// A room in which nobody speaks, and every microphone is open.
fn crowd(world: &mut World, count: usize) {
    for number in 0..count {
        let mut robot = guest(&name(number));
        robot.sources = vec![TrackSource::Microphone];
        robot.slots = limits::SLOTS_PER_KIND_MAX;
        world.join_as(robot);
        world.set_level(&name(number), QUIET);
        world.run_for(Duration::from_millis(20));
    }
    world.run_until(Duration::from_secs(5), "everybody is connected", |world| {
        (0..count).all(|number| world.browser(&name(number)).is_connected())
    });
    world.run_for(Duration::from_millis(1_500));
}

/// Everybody else plays a packet of this participant.
fn run_until_heard(world: &mut World, whom: &str) -> Duration {
    let began = world.clock().elapsed();
    let others: Vec<String> = world.present().into_iter().filter(|name| name != whom).collect();
    world.mark();
    world.run_until(HEARD_WITHIN, &format!("everybody hears {whom}"), |world| {
        others.iter().all(|by| world.seen(by, whom, MediaKind::Audio).is_some_and(|seen| seen.frames > 0))
    });
    world.clock().elapsed() - began
}

fn count_said(world: &World, kind: &str) -> usize {
    world.said().iter().filter(|said| said.contains(&format!("\"type\":\"{kind}\""))).count()
}

/// The first 24 say a word, so that only they are heard afterwards.
fn speak_first(world: &mut World) {
    for level in [SPEAKING, QUIET] {
        (0..limits::SLOTS_PER_KIND_MAX).for_each(|number| world.set_level(&name(number), level));
        world.run_for(Duration::from_millis(200));
    }
    world.run_for(Duration::from_secs(3));
}

/// True if everybody else has the participant in a slot.
fn is_heard_by_all(world: &World, whom: &str) -> bool {
    let mut others = world.present().into_iter().filter(|name| name != whom);
    let hears = |by: String| {
        let slots = &world.browser(&by).knowledge().slots;
        slots.values().any(|(slot, _)| slot.participant.as_ref().is_some_and(|playing| playing.as_str() == whom))
    };
    others.all(hears)
}

#[test]
fn of_thirty_robots_the_thirtieth_speaks_and_everybody_hears_him_within_300_ms() {
    let mut world = World::seeded(1);
    crowd(&mut world, 30);
    speak_first(&mut world);
    let (thirtieth, another) = (name(29), name(27));
    assert!(!is_heard_by_all(&world, &thirtieth));
    let reports = world.reports("loudest").len();
    let (changed, negotiated) = (count_said(&world, "slots_changed"), count_said(&world, "negotiated"));
    // A message to the edge and back takes 140 ms.
    world.set_control_delay(Duration::from_millis(70));
    world.set_level(&thirtieth, SPEAKING);
    run_until_heard(&mut world, &thirtieth);
    world.run_for(Duration::from_millis(1_100));
    assert!(is_heard_by_all(&world, &thirtieth));
    assert_eq!(world.reports("loudest").len() - reports, 1, "one message, however long he speaks");
    assert!(count_said(&world, "slots_changed") - changed <= 30, "one slot changes for each");
    // He falls silent and stays; a second speaker takes another slot.
    world.set_control_delay(Duration::from_millis(10));
    world.set_level(&thirtieth, QUIET);
    world.set_level(&another, SPEAKING);
    let took = run_until_heard(&mut world, &another);
    assert!(took < Duration::from_millis(150), "{took:?}");
    world.run_for(Duration::from_millis(500));
    run_until_heard(&mut world, &thirtieth);
    assert_eq!(world.reports("loudest").len() - reports, 2);
    assert_eq!(count_said(&world, "negotiated"), negotiated, "no session is negotiated for it");
    world.check_settled();
    world.check_nothing_lacks();
    world.check_all();
}

#[test]
fn of_many_who_speak_in_turn_the_node_reports_at_most_once_a_second() {
    let mut world = World::seeded(3);
    world.edge().sleep_always();
    crowd(&mut world, 28);
    for turn in 0..20 {
        let speaker = name(turn * 11 % 28);
        world.set_level(&speaker, SPEAKING);
        world.run_for(Duration::from_millis(200));
        world.set_level(&speaker, QUIET);
    }
    let reports = world.reports("loudest");
    assert!(reports.len() > 2, "{reports:?}");
    let interval = Duration::from_millis(limits::LOUDEST_INTERVAL_MS);
    assert!(reports.windows(2).all(|pair| pair[1] - pair[0] >= interval), "{reports:?}");
    // A speaker who mutes makes way, and comes back as soon as he unmutes.
    world.set_muted(&name(5), MediaKind::Audio, true);
    world.run_for(Duration::from_secs(2));
    world.set_muted(&name(5), MediaKind::Audio, false);
    run_until_heard(&mut world, &name(5));
    (6..12).for_each(|number| world.leave(&name(number)));
    world.run_for(Duration::from_millis(500));
    let reports = world.reports("loudest").len();
    world.set_level(&name(20), SPEAKING);
    world.run_for(Duration::from_secs(1));
    assert_eq!(world.reports("loudest").len(), reports, "there is a slot for each again");
    assert!((0..6).chain(12..28).all(|number| is_heard_by_all(&world, &name(number))));
    world.check_settled();
    world.check_all();
}

#[test]
fn another_node_and_one_that_was_out_of_reach_hear_who_speaks() {
    let mut world = World::seeded(4);
    world.start_node("media-2");
    world.run_for(Duration::from_millis(200));
    crowd(&mut world, 27);
    speak_first(&mut world);
    let serving = world.serving().remove(0);
    world.kill_node(&serving);
    world.run_for(Duration::from_secs(5));
    assert_ne!(world.serving(), [serving]);
    assert!(!is_heard_by_all(&world, &name(26)), "the same are heard as before");
    world.set_level(&name(26), SPEAKING);
    run_until_heard(&mut world, &name(26));
    let other = world.serving().remove(0);
    world.cut_off(&other);
    world.set_level(&name(25), SPEAKING);
    world.run_for(Duration::from_secs(1));
    assert!(!is_heard_by_all(&world, &name(25)), "the room cannot know");
    world.reconnect(&other);
    world.run_for(Duration::from_secs(4));
    assert!(is_heard_by_all(&world, &name(25)));
    assert!(is_heard_by_all(&world, &name(26)), "who speaks is never dropped");
    world.check_settled();
    world.check_all();
}

#[test]
fn with_a_slot_for_everybody_the_node_says_nothing() {
    let mut world = World::seeded(2);
    crowd(&mut world, limits::SLOTS_PER_KIND_MAX);
    world.set_level(&name(3), SPEAKING);
    world.run_for(Duration::from_millis(300));
    assert!(world.reports("loudest").is_empty());
    assert_eq!(count_said(&world, "set_microphones"), 0);
    world.check_all();
}
