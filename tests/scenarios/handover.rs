//! A viewer's host moves to another network in the middle of a call, or its NAT gives it another port.

use super::viewing::{call, watch};
use shared::rtp_parameters::MediaKind;
use std::time::Duration;
use world::World;
use world::browser::Guest;
use world::browser::offer::Make;
use world::check::Seen;
use world::net::nat::Kind;
use world::net::{Access, Link};
use world::people::guest;

const QUEUE: Duration = Duration::from_millis(200);
const JITTER: Duration = Duration::from_millis(3);
/// One-way delays.
const NEAR: Duration = Duration::from_millis(10);
const FAR: Duration = Duration::from_millis(90);
const LASTS: Duration = Duration::from_secs(15);
/// A key frame of the layer that fits, from its request on: without a queue it takes little more than its time on the
/// link.
const KEYFRAME_MAX: Duration = Duration::from_millis(250);

fn network(rate_bps: u64, delay: Duration) -> Access {
    let up = Link { delay, jitter: JITTER, ..Link::default() };
    Access { up, down: Link { rate_bps, queue: QUEUE, ..up }, only_port: None }
}

fn seen(world: &World, kind: MediaKind) -> Seen {
    world.seen("grace", "ada", kind).expect("seen before")
}

/// The effects of a move, besides the interruption that audio shows as well.
#[derive(Debug)]
struct Effects {
    /// Time for which the picture stood still after audio was back.
    frozen: Duration,
    /// Datagrams dropped by a full queue.
    overflowed: u64,
    frames_per_s: f64,
    lines: u16,
    /// Time until the picture had these lines.
    resized_after: Duration,
}

/// Moves grace to another network and lets time pass.
fn go(world: &mut World, access: Access) -> Effects {
    let overflowed = world.net().carried().overflowed;
    let moved = world.clock().now();
    world.mark();
    world.change_network("grace", access);
    world.run_for(LASTS);
    let (video, audio) = (seen(world, MediaKind::Video), seen(world, MediaKind::Audio));
    Effects {
        frozen: video.longest_gap.saturating_sub(audio.longest_gap),
        overflowed: world.net().carried().overflowed - overflowed,
        frames_per_s: video.frames as f64 / LASTS.as_secs_f64(),
        lines: video.lines,
        resized_after: video.resized.now().saturating_duration_since(moved),
    }
}

/// Nothing that is known about the previous network counts on the next one.
#[test]
fn a_viewer_moves_to_a_slow_distant_network_and_back() {
    for seed in 1..=3 {
        let mut world = call(seed, &["grace"]);
        *world.access("grace") = network(5_000_000, NEAR);
        world.run_for(Duration::from_millis(10_000 + 333 * seed));
        assert_eq!(seen(&world, MediaKind::Video).lines, 720, "seed {seed}");
        let away = go(&mut world, network(600_000, FAR));
        let is_good = away.frozen <= KEYFRAME_MAX && away.overflowed == 0 && away.frames_per_s > 18.0;
        assert!(is_good && away.lines < 720, "seed {seed}: {away:?}");
        for network in [network(5_000_000, NEAR), network(5_000_000, FAR)] {
            let back = go(&mut world, network);
            let is_good = back.frozen <= KEYFRAME_MAX && back.overflowed == 0 && back.frames_per_s > 19.0;
            let is_large = back.lines == 720 && back.resized_after < Duration::from_secs(3);
            assert!(is_good && is_large, "seed {seed}: {back:?}");
        }
        world.check_all();
    }
}

/// While a NAT's mapping is gone nothing arrives, which shows nothing about the link.
#[test]
fn another_port_costs_hardly_more_than_the_interruption() {
    for (seed, make) in [(1, Make::Chromium), (2, Make::Firefox), (3, Make::Firefox)] {
        let mut world = World::seeded(seed);
        world.join_as(Guest { sends_layers: true, reports_arrivals: true, ..guest("ada") });
        let grace = Guest { make, is_patient: true, reports_arrivals: true, ..guest("grace") };
        world.join_behind_nat(grace, Kind::PORT_RESTRICTED);
        *world.access("grace") = network(5_000_000, NEAR);
        world.run_for(Duration::from_millis(10_000 + 333 * seed));
        assert_eq!(seen(&world, MediaKind::Video).lines, 720, "seed {seed}");
        world.rebind("grace");
        let seconds: Vec<_> = (0..10)
            .map(|_| {
                let rate = watch(&mut world, "grace", Duration::from_secs(1)).frames_per_s;
                (seen(&world, MediaKind::Video).lines, rate)
            })
            .collect();
        let plays_again = seconds.iter().skip(1).position(|(_, rate)| *rate > 0.0).expect("it plays again") + 1;
        let is_good = |(lines, rate): &(u16, f64)| *lines == 720 && *rate >= 18.0;
        assert!(seconds.iter().skip(plays_again + 2).all(is_good), "seed {seed}: {seconds:?}");
        world.check_all();
    }
}
