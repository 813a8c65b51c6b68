//! A node's sockets to the edge break, come back late, and change epochs; it drains, and loses a thread.

use shared::limits;
use std::time::Duration;
use world::{DRAIN_TIME, World};

const NAMES: [&str; 3] = ["ada", "grace", "alan"];
const SECOND: Duration = Duration::from_secs(1);
const HEARTBEAT_TIMEOUT_MS: u64 = limits::HEARTBEATS_MISSED_MAX * limits::HEARTBEAT_INTERVAL_MS;
/// A refused attempt takes a round trip to the edge.
const ROUND_TRIP: Duration = Duration::from_millis(20);
/// Bounds of the pauses between attempts.
const PAUSES_MS: [u64; 4] = [250, 500, 1_000, 2_000];

fn other(serving: &str) -> String {
    if serving == "media-1" { "media-2".into() } else { "media-1".into() }
}

/// Checks the pauses between attempts since `from`, which begin with the loss of a socket.
fn check_pauses(world: &World, name: &str, is_fleet: bool, from: Duration) {
    let dials = world.dials(name, is_fleet).into_iter().filter(|at| *at > from);
    let attempts: Vec<Duration> = [from].into_iter().chain(dials).take(PAUSES_MS.len() + 1).collect();
    assert_eq!(attempts.len(), PAUSES_MS.len() + 1, "too few attempts: {attempts:?}");
    for (number, (pair, most_ms)) in attempts.windows(2).zip(PAUSES_MS).enumerate() {
        let (most, refused) = (Duration::from_millis(most_ms), if number == 0 { Duration::ZERO } else { ROUND_TRIP });
        let pause = pair[1] - pair[0] - refused;
        assert!(pause >= most / 2 && pause <= most, "seed {}: pause {number} is {pause:?}", world.seed());
    }
}

#[test]
fn a_node_that_was_cut_off_dials_again_with_pauses_that_grow_and_is_soon_back() {
    for seed in 1..=10 {
        let mut world = World::seeded(seed);
        world.run_for(SECOND);
        world.gather(&["ada", "grace"]);
        // Each time the pauses begin anew, because the edge had accepted the node in between.
        for _ in 0..2 {
            assert!(world.node("media-1").is_registered());
            let from = world.clock().elapsed();
            world.cut_off("media-1");
            // Well below the 10 s for which a room waits for its node.
            world.run_for(4 * SECOND);
            assert!(!world.node("media-1").is_registered());
            check_pauses(&world, "media-1", true, from);
            check_pauses(&world, "media-1", false, from);
            world.reconnect("media-1");
            let back = |world: &World| world.node("media-1").is_registered();
            world.run_until(Duration::from_millis(4_100), "the node is back", back);
            world.run_for(6 * SECOND);
            world.check_everybody_plays();
        }
    }
}

/// Gathers two participants in each of several rooms of one node.
fn several_rooms(world: &mut World, rooms: &[(&str, [&'static str; 2])]) {
    for (room, names) in rooms {
        world.enter(room);
        world.gather(names);
    }
}

const ROOMS: [(&str, [&str; 2]); 4] = [
    ("red", ["ada", "grace"]),
    ("green", ["alan", "edsger"]),
    ("blue", ["tony", "barbara"]),
    ("grey", ["ken", "lynn"]),
];

#[test]
fn the_rooms_of_a_node_do_not_dial_all_at_once() {
    let mut world = World::seeded(1);
    world.run_for(SECOND);
    several_rooms(&mut world, &ROOMS);
    let from = world.clock().elapsed();
    world.restart_edge();
    world.run_for(SECOND);
    let dials: Vec<Duration> = world.dials("media-1", false).into_iter().filter(|at| *at > from).collect();
    assert_eq!(dials.len(), ROOMS.len());
    let closest = dials.windows(2).map(|pair| pair[1] - pair[0]).min().expect("several rooms");
    assert!(closest >= Duration::from_millis(1), "{dials:?}");
    for (room, _) in ROOMS {
        world.enter(room);
        world.check_everybody_plays();
    }
}

#[test]
fn a_draining_node_stays_until_every_room_has_moved() {
    let mut world = World::seeded(2);
    world.run_for(SECOND);
    several_rooms(&mut world, &ROOMS);
    assert_eq!(world.node("media-1").load(), (8, 4));
    world.start_node("media-2");
    world.run_for(SECOND);
    world.drain_node("media-1");
    let end = world.clock().elapsed() + 10 * SECOND;
    while !world.node("media-1").is_drained() {
        assert!(world.clock().elapsed() < end, "it does not end: {:?}", world.node("media-1").load());
        world.run_for(Duration::from_millis(20));
        let (sessions, _) = world.node("media-1").load();
        assert!(sessions == 0 || !world.node("media-1").is_drained(), "it ends before {sessions} sessions have moved");
    }
    world.kill_node("media-1");
    for (room, _) in ROOMS {
        world.enter(room);
        assert_eq!(world.serving(), ["media-2"]);
        world.check_everybody_plays();
    }
}

#[test]
fn a_draining_node_whose_room_cannot_move_ends_at_its_deadline() {
    let mut world = World::seeded(3);
    world.run_for(SECOND);
    world.gather(&NAMES);
    world.drain_node("media-1");
    world.run_for(DRAIN_TIME - Duration::from_millis(10));
    assert!(!world.node("media-1").is_drained());
    world.check_everybody_plays();
    let mut world = World::seeded(3);
    world.run_for(SECOND);
    world.gather(&NAMES);
    world.drain_node("media-1");
    world.run_for(DRAIN_TIME);
    assert!(world.node("media-1").is_drained());
    assert_eq!(world.node("media-1").load(), (3, 1));
}

#[test]
fn a_node_that_was_cut_off_when_it_began_to_drain_tells_the_edge_later() {
    let mut world = World::seeded(4);
    world.start_node("media-2");
    world.run_for(SECOND);
    world.gather(&NAMES);
    let serving = world.serving().remove(0);
    world.cut_off(&serving);
    world.drain_node(&serving);
    world.run_for(3 * SECOND);
    assert!(!world.node(&serving).is_drained() && world.serving() == [serving.clone()]);
    world.reconnect(&serving);
    world.run_for(8 * SECOND);
    assert!(world.node(&serving).is_drained());
    assert_eq!(world.serving(), [other(&serving)]);
    world.check_everybody_plays();
}

/// The room moves away from a node that is cut off, and back to it under a newer epoch, before or after the node has
/// dialed for the old one.
#[test]
fn a_newer_epoch_reaches_a_node_whose_socket_for_the_old_one_is_down() {
    let mut refused_first = 0;
    for seed in 1..=12 {
        let mut world = World::seeded(seed);
        world.start_node("media-2");
        world.run_for(SECOND);
        world.gather(&NAMES);
        let first = world.serving().remove(0);
        world.cut_off(&first);
        world.run_for(20 * SECOND);
        let second = other(&first);
        assert_eq!(world.node(&second).load(), (3, 1));
        let epochs: Vec<u64> = world.node(&first).rooms().map(|(_, epoch)| epoch).collect();
        let [old] = epochs[..] else { panic!("the node has not heard that its room moved") };
        world.kill_node(&second);
        world.reconnect(&first);
        let holds = |world: &World| world.node(&first).rooms().any(|(_, epoch)| epoch > old);
        let end = world.clock().elapsed() + 15 * SECOND;
        let mut was_left = false;
        while !holds(&world) {
            assert!(world.clock().elapsed() < end, "seed {seed}: no newer epoch");
            world.run_for(Duration::from_millis(5));
            was_left |= world.node(&first).rooms().next().is_none();
        }
        refused_first += u32::from(was_left);
        world.run_for(5 * SECOND);
        assert_eq!((world.serving(), world.node(&first).load()), (vec![first.clone()], (3, 1)), "seed {seed}");
        world.check_everybody_plays();
    }
    assert!((1..12).contains(&refused_first), "both orders must have occurred, not {refused_first} of 12");
}

#[test]
fn the_room_of_a_thread_that_ended_moves() {
    let mut world = World::seeded(5);
    world.start_node("media-2");
    world.run_for(SECOND);
    world.gather(&NAMES);
    let serving = world.serving().remove(0);
    world.lose_shard(&serving);
    world.run_for(5 * SECOND);
    assert_eq!((world.serving(), world.node(&serving).load()), (vec![other(&serving)], (0, 0)));
    world.check_everybody_plays();
}

#[test]
fn a_thread_that_ended_while_its_node_was_cut_off_is_reported_later() {
    let mut world = World::seeded(6);
    world.start_node("media-2");
    world.run_for(SECOND);
    world.gather(&NAMES);
    let serving = world.serving().remove(0);
    world.cut_off(&serving);
    world.lose_shard(&serving);
    world.run_for(2 * SECOND);
    world.reconnect(&serving);
    world.run_for(8 * SECOND);
    assert_eq!(world.serving(), [other(&serving)]);
    world.check_everybody_plays();
}

#[test]
fn a_call_survives_steps_of_the_edges_clock() {
    for (seed, step_ms) in (1..).zip([-3_600_000, -20_000, -500, 500, 20_000, 3_600_000]) {
        let mut world = World::seeded(seed);
        world.start_node("media-2");
        world.run_for(SECOND);
        world.gather(&NAMES);
        world.step_wall_clock(step_ms);
        world.run_for(10 * SECOND);
        assert_eq!(world.serving().len(), 1, "{step_ms}");
        world.check_everybody_plays();
        // The room still heals: a lost node is replaced.
        let serving = world.serving().remove(0);
        world.kill_node(&serving);
        world.run_for(Duration::from_millis(HEARTBEAT_TIMEOUT_MS));
        assert_eq!(world.serving(), [other(&serving)], "{step_ms}");
        world.check_everybody_plays();
    }
}

#[test]
fn a_call_survives_nodes_whose_clocks_are_off() {
    for (seed, ahead_ms) in (1..).zip([-3_600_000, -2_000, 2_000, 3_600_000]) {
        let mut world = World::seeded(seed);
        world.run_for(SECOND);
        world.gather(&NAMES);
        world.start_node_ahead("media-2", ahead_ms);
        world.run_for(SECOND);
        let serving = world.serving().remove(0);
        assert_eq!(serving, "media-1", "{ahead_ms}");
        world.kill_node(&serving);
        world.run_for(Duration::from_millis(HEARTBEAT_TIMEOUT_MS));
        assert_eq!(world.serving(), ["media-2"], "{ahead_ms}");
        world.run_for(5 * SECOND);
        world.check_everybody_plays();
        world.check_all();
    }
}
