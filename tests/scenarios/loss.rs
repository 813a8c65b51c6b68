//! Networks that lose datagrams.

use shared::rtp_parameters::MediaKind;
use std::time::Duration;
use world::World;
use world::browser::slot::Slot;
use world::net::Loss;

const NAMES: [&str; 3] = ["ada", "grace", "alan"];
const BURSTS: Loss = Loss::Bursts { rate: 0.08, length: 4.0 };

/// Ten seconds of a call over lossy links: video continues, and losses are repaired.
fn check(seed: u64, up: Loss, down: Loss, gap_ms_max: u64) {
    let mut world = World::seeded(seed);
    world.gather(&NAMES);
    world.run_for(Duration::from_secs(1));
    for name in NAMES {
        let access = world.access(name);
        (access.up.loss, access.down.loss) = (up, down);
    }
    world.mark();
    world.run_for(Duration::from_secs(10));
    let gap = world.longest_gap(MediaKind::Video);
    if gap > Duration::from_millis(gap_ms_max) {
        world.fail(&format!("a picture stood still for {gap:?}"));
    }
    let lost = world.net().carried().lost;
    assert!(lost > 200, "{lost} lost");
    for name in NAMES {
        let access = world.access(name);
        (access.up.loss, access.down.loss) = (Loss::None, Loss::None);
    }
    // Audio is not retransmitted. Almost no video is missing in the end, and no key frame was needed.
    let pictures = || slots(&world).filter(|slot| slot.section().kind == MediaKind::Video);
    let (jumps, lacking): (u64, u64) = (pictures().map(Slot::jumps).sum(), pictures().map(Slot::lacking).sum());
    assert!(jumps <= 1 && lacking * 20 < lost, "{lost} datagrams lost, {lacking} never repaired, {jumps} key frames");
    // Once the network is good again, no effect remains.
    world.run_for(Duration::from_secs(2));
    world.check_everybody_plays();
}

fn slots(world: &World) -> impl Iterator<Item = &Slot> {
    NAMES.iter().flat_map(|name| world.browser(name).slots())
}

#[test]
fn bursts_on_the_way_to_the_node_are_repaired() {
    check(1, BURSTS, Loss::None, 700);
}

#[test]
fn bursts_on_the_way_from_the_node_are_repaired() {
    check(2, Loss::None, BURSTS, 700);
}

#[test]
fn loss_everywhere_is_repaired() {
    check(3, Loss::Random(0.05), Loss::Random(0.05), 700);
}

#[test]
fn a_little_loss_is_repaired_without_a_key_frame() {
    let mut world = World::seeded(4);
    world.gather(&NAMES);
    for name in NAMES {
        world.access(name).down.loss = Loss::Random(0.015);
    }
    world.run_for(Duration::from_secs(8));
    assert_eq!(slots(&world).map(Slot::jumps).sum::<u64>(), 0);
    assert!(world.node("media-1").stats().retransmitted > 20);
    world.check_all();
}

#[test]
fn everybody_gets_in_over_a_bad_network() {
    for seed in 10..16 {
        let mut world = World::seeded(seed);
        world.gather(&["ada"]);
        for name in ["grace", "alan"] {
            world.join(name);
            let access = world.access(name);
            (access.up.loss, access.down.loss) = (Loss::Random(0.15), Loss::Random(0.15));
        }
        world.run_until(Duration::from_secs(8), "everybody is connected", |world| {
            ["grace", "alan"].iter().all(|name| world.browser(name).is_connected())
        });
        world.run_for(Duration::from_secs(1));
        world.check_all();
    }
}
