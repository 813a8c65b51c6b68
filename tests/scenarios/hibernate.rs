//! The edge may sleep after any step, and nobody can tell.

use shared::rtp_parameters::MediaKind;
use std::time::Duration;
use world::World;
use world::people::guest;

/// A call that exercises everything a room remembers. Returns the edge's messages in order, and the number of steps.
fn play(sleep: impl FnOnce(&mut World)) -> (Vec<String>, u64) {
    let mut world = World::seeded(1);
    world.start_node("media-2");
    sleep(&mut world);
    world.run_for(Duration::from_millis(200));
    for name in ["ada", "grace", "alan"] {
        let mut guest = guest(name);
        guest.slots = 2;
        world.join_as(guest);
        world.set_muted(name, MediaKind::Audio, true);
        world.set_muted(name, MediaKind::Video, true);
        world.run_for(Duration::from_millis(300));
    }
    world.set_muted("ada", MediaKind::Video, false);
    world.drop_socket("grace");
    world.run_for(Duration::from_millis(800));
    world.reload("alan");
    world.run_for(Duration::from_millis(500));
    let serving = world.serving();
    world.kill_node(&serving[0]);
    world.run_for(Duration::from_millis(4_000));
    world.leave("ada");
    world.run_for(Duration::from_millis(500));
    world.check_settled();
    world.check_all();
    (world.said().to_vec(), world.edge().steps())
}

#[test]
fn asleep_after_every_step_the_edge_says_the_same() {
    let (awake, _) = play(|_| {});
    let (asleep, _) = play(|world| world.edge().sleep_always());
    same(&asleep, &awake, "slept always");
}

#[test]
fn asleep_after_any_one_step_the_edge_says_the_same() {
    let (awake, steps) = play(|_| {});
    assert!(steps > 40, "{steps} steps");
    for step in 1..=steps {
        let (asleep, _) = play(|world| world.edge().sleep_after(step));
        same(&asleep, &awake, &format!("slept after step {step}"));
    }
}

fn same(asleep: &[String], awake: &[String], what: &str) {
    let differs = asleep.iter().zip(awake).position(|(asleep, awake)| asleep != awake);
    if let Some(at) = differs {
        panic!("{what}: frame {at} is\n{}\ninstead of\n{}", asleep[at], awake[at]);
    }
    assert_eq!(asleep.len(), awake.len(), "{what}");
}
