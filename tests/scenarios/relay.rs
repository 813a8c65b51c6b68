//! Clients that cannot reach a media node directly are relayed, and continue when the TURN node dies.

use shared::rtp_parameters::MediaKind;
use std::time::Duration;
use world::World;
use world::net::Loss;

/// A call in which grace is behind a firewall; the TURN nodes exist before it begins.
fn relayed_call(seed: u64, relays: &[&str]) -> World {
    let mut world = World::seeded(seed);
    relays.iter().for_each(|relay| world.start_relay(relay));
    world.run_for(Duration::from_millis(500));
    world.gather(&["ada"]);
    world.join_behind_firewall("grace");
    world.run_until(Duration::from_secs(5), "grace is connected", |world| world.browser("grace").is_connected());
    world.run_for(Duration::from_millis(700));
    assert_eq!(world.relay_of("ada"), None, "the direct path is the shorter one");
    assert!(world.relay_of("grace").is_some());
    world
}

fn lose(world: &mut World, loss: Loss) {
    for name in ["ada", "grace"] {
        let access = world.access(name);
        (access.up.loss, access.down.loss) = (loss, loss);
    }
}

#[test]
fn a_participant_behind_a_firewall_is_relayed_and_seen() {
    let mut world = relayed_call(1, &["turn-1"]);
    world.check_everybody_plays();
    world.check_nothing_lacks();
}

#[test]
fn without_a_turn_node_a_firewall_keeps_everything_out() {
    let mut world = World::seeded(2);
    world.gather(&["ada"]);
    world.join_behind_firewall("grace");
    world.run_for(Duration::from_secs(8));
    assert!(!world.browser("grace").is_connected());
    world.check_all();
}

#[test]
fn loss_on_the_way_through_a_relay_is_repaired() {
    let mut world = relayed_call(3, &["turn-1"]);
    lose(&mut world, Loss::Random(0.05));
    world.mark();
    world.run_for(Duration::from_secs(8));
    let gap = world.longest_gap(MediaKind::Video);
    assert!(gap < Duration::from_millis(700), "a picture stood still for {gap:?}");
    lose(&mut world, Loss::None);
    world.run_for(Duration::from_secs(2));
    world.check_everybody_plays();
}

#[test]
fn when_the_relay_dies_an_ice_restart_leads_through_another() {
    for seed in 4..8 {
        let mut world = relayed_call(seed, &["turn-1", "turn-2"]);
        if seed.is_multiple_of(2) {
            world.edge().sleep_always();
        }
        lose(&mut world, Loss::Random(0.02));
        let before = world.relay_of("grace").expect("is relayed");
        world.mark();
        world.kill_relay(&before);
        world.run_for(Duration::from_secs(5));
        let gap = world.longest_gap(MediaKind::Video);
        assert!(gap < Duration::from_millis(3_000), "seed {seed}: a picture stood still for {gap:?}");
        let after = world.relay_of("grace");
        assert!(after.is_some() && after.as_ref() != Some(&before), "seed {seed}: from {before} to {after:?}");
        lose(&mut world, Loss::None);
        world.run_for(Duration::from_secs(2));
        world.check_everybody_plays();
    }
}

#[test]
fn when_every_relay_is_replaced_the_answer_names_the_new_one() {
    let mut world = relayed_call(8, &["turn-1"]);
    world.start_relay("turn-2");
    // Longer than a room trusts its list of TURN nodes.
    world.run_for(Duration::from_millis(shared::limits::TURN_NODES_FRESH_MS + 500));
    world.kill_relay("turn-1");
    world.run_until(Duration::from_secs(15), "grace is relayed again", |world| {
        world.relay_of("grace").is_some_and(|relay| relay == "turn-2")
    });
    world.run_for(Duration::from_secs(1));
    world.check_everybody_plays();
}
