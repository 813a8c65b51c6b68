//! Random calls: the guarantees hold for any events in any order. `WORLD_SEED=7` replays one of them,
//! `WORLD_SEEDS=5000` plays more than the default number.

use media_core::random::Random;
use shared::rtp_parameters::MediaKind;
use shared::{ParticipantId, limits};
use std::time::Duration;
use world::World;
use world::browser::offer::Make;
use world::net::Loss;
use world::people::guest;

const SEEDS: u64 = 50;
const STEPS: u32 = 8;
const NAMES: [&str; 4] = ["ada", "grace", "alan", "edsger"];

#[test]
fn random_calls_with_even_seeds_end_well() {
    play_all(0);
}

#[test]
fn random_calls_with_odd_seeds_end_well() {
    play_all(1);
}

/// Every second seed, so that two tests share the work.
fn play_all(remainder: u64) {
    let number = |name| std::env::var(name).ok().map(|value: String| value.parse::<u64>().expect("a number"));
    let seeds = match number("WORLD_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("WORLD_SEEDS").unwrap_or(SEEDS),
    };
    seeds.filter(|seed| seed % 2 == remainder).for_each(play);
}

fn play(seed: u64) {
    let mut world = World::seeded(seed);
    let mut random = Random::seeded(world.random().next_u64());
    if seed.is_multiple_of(3) {
        world.edge().sleep_always();
    }
    world.start_node("media-2");
    world.run_for(Duration::from_millis(200));
    for _ in 0..STEPS {
        let happened = act(&mut world, &mut random);
        println!("seed {seed}, {:?}: {happened}", world.clock().elapsed());
        world.run_for(Duration::from_millis(u64::from(random.next_u16() % 700)));
        world.check_all();
    }
    mend(&mut world);
    // Lost consents expire, sockets reconnect, rooms are placed again.
    world.run_for(Duration::from_secs(6));
    world.check_everybody_plays();
    everybody_leaves(&mut world);
}

/// After any call, no state remains.
fn everybody_leaves(world: &mut World) {
    for name in world.present() {
        world.leave(&name);
    }
    world.run_for(Duration::from_millis(limits::RESUME_WINDOW_MS + limits::EMPTY_ROOM_LIFETIME_MS + 5_000));
    world.check_all();
    if world.edge().rows() != 0 {
        world.fail("the room is empty, and rows of it are still stored");
    }
    if !world.serving().is_empty() {
        world.fail(&format!("the room is empty, and still served by {:?}", world.serving()));
    }
    for (name, load) in world.loads() {
        if load != (0, 0) {
            world.fail(&format!("the room is empty, and {name} still has {load:?} sessions and rooms"));
        }
    }
}

/// Performs one random event; returns its name.
fn act(world: &mut World, random: &mut Random) -> String {
    let name = NAMES[usize::from(random.next_u16()) % NAMES.len()];
    let is_here = world.present().iter().any(|present| present == name);
    let choice = random.next_u16() % 16;
    match choice {
        _ if !is_here => {
            if world.is_known(name) {
                return "nothing".into();
            }
            let mut guest = guest(name);
            guest.make = if random.next_u16().is_multiple_of(2) { Make::Chromium } else { Make::Firefox };
            guest.slots = 1 + usize::from(random.next_u16() % 8);
            let what = format!("{name} joins with {:?} and {} slots", guest.make, guest.slots);
            world.join_as(guest);
            return what;
        }
        0 => world.leave(name),
        1 => world.reload(name),
        2 => world.drop_socket(name),
        3 | 4 => {
            let kind = if choice == 3 { MediaKind::Audio } else { MediaKind::Video };
            world.set_muted(name, kind, random.next_u16().is_multiple_of(2));
        }
        5 => world.act(name, |browser, clock| browser.restart_ice(clock)),
        6 => world.act(name, |browser, clock| browser.renew_transport(clock)),
        7 => world.restart_edge(),
        8 => {
            let loss = Loss::Bursts { rate: 0.05, length: 3.0 };
            (world.access(name).up.loss, world.access(name).down.loss) = (loss, loss);
        }
        9 => world.access(name).up.is_cut = true,
        10 => cut_off(world),
        11 => replace_node(world),
        12 => drain_node(world),
        13 => {
            let others = NAMES.iter().filter_map(|name| ParticipantId::parse(name).ok()).collect();
            world.act(name, |browser, clock| browser.view(clock, others));
        }
        14 => {
            let link = &mut world.access(name).down;
            (link.jitter, link.reorder, link.repeat) = (Duration::from_millis(20), 0.02, 0.02);
        }
        _ => world.set_control_delay(Duration::from_millis(u64::from(random.next_u16() % 120))),
    }
    format!("{name} {choice}")
}

fn cut_off(world: &mut World) {
    if let Some(node) = world.serving().first() {
        world.cut_off(&node.clone());
    }
}

/// The serving node dies, and another one starts.
fn replace_node(world: &mut World) {
    if let Some(node) = world.serving().first().cloned() {
        world.kill_node(&node);
        start_node(world);
    }
}

/// The serving node gets SIGTERM, and another one starts.
fn drain_node(world: &mut World) {
    if let Some(node) = world.serving().first().cloned() {
        start_node(world);
        world.drain_node(&node);
    }
}

fn start_node(world: &mut World) {
    let name = format!("media-{}", world.clock().elapsed().as_millis());
    world.start_node(&name);
}

/// Repairs everything that was broken.
fn mend(world: &mut World) {
    for name in NAMES.into_iter().filter(|name| world.is_known(name)).collect::<Vec<_>>() {
        let access = world.access(name);
        for link in [&mut access.up, &mut access.down] {
            (link.loss, link.is_cut) = (Loss::None, false);
        }
    }
    world.reconnect_all();
}
