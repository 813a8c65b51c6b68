//! A call of two on a bad link, from the moment at which it becomes bad. See also `slow_links`.

use super::viewing::{Seen, call, call_with, seen, slow_down, watch};
use shared::rtp_parameters::MediaKind;
use std::time::Duration;
use world::World;
use world::browser::Guest;
use world::net::{Link, Loss};
use world::people::guest;

const SEEDS: std::ops::RangeInclusive<u64> = 1..=10;
const LASTS: Duration = Duration::from_secs(32);
const QUEUE: Duration = Duration::from_millis(200);

/// The requirements for the whole time on a bad link.
struct Row {
    frozen_max: Duration,
    frames_per_s_min: f64,
    concealed_max: f64,
}

impl Row {
    fn check(&self, world: &mut World) {
        let seen = watch(world, "grace", LASTS);
        self.check_seen(world, &seen);
    }

    fn check_seen(&self, world: &World, seen: &Seen) {
        let is_good = seen.frozen <= self.frozen_max
            && seen.frames_per_s >= self.frames_per_s_min
            && seen.concealed < self.concealed_max + 1e-9;
        if !is_good {
            world.fail(&format!("{seen:?}"));
        }
        world.check_all();
    }
}

fn lines(world: &World) -> u16 {
    world.seen("grace", "ada", MediaKind::Video).expect("seen before").lines
}

/// Ada's browser adapts to her uplink. In every second call she alone publishes, so that nothing shows the node her
/// round trip.
fn call_over_slow_uplink(seed: u64, rate_bps: u64) -> World {
    let sources = if seed.is_multiple_of(2) { Vec::new() } else { guest("grace").sources };
    let grace = Guest { sources, ..guest("grace") };
    let mut world = call_with(seed, Guest { adapts: true, ..guest("ada") }, &[grace]);
    let up = &mut world.access("ada").up;
    *up = Link { rate_bps, queue: QUEUE, ..*up };
    world
}

#[test]
fn up_600() {
    let row = Row { frozen_max: Duration::from_secs(1), frames_per_s_min: 15.0, concealed_max: 0.005 };
    SEEDS.for_each(|seed| row.check(&mut call_over_slow_uplink(seed, 600_000)));
}

#[test]
fn up_300() {
    let row = Row { frozen_max: Duration::from_secs(2), frames_per_s_min: 12.0, concealed_max: 0.01 };
    SEEDS.for_each(|seed| row.check(&mut call_over_slow_uplink(seed, 300_000)));
}

#[test]
fn down_1500() {
    for seed in SEEDS {
        let mut world = call(seed, &["grace"]);
        slow_down(&mut world, "grace", 1_500_000);
        let begin = Duration::from_secs(2);
        let (step, rest) = (watch(&mut world, "grace", begin), watch(&mut world, "grace", LASTS - begin));
        let share = begin.as_secs_f64() / LASTS.as_secs_f64();
        let concealed = step.concealed * share + rest.concealed * (1.0 - share);
        let row = Row { frozen_max: Duration::ZERO, frames_per_s_min: 18.0, concealed_max: 0.005 };
        row.check_seen(&world, &Seen { concealed, ..rest });
    }
}

#[test]
fn random_loss_costs_neither_frames_nor_size() {
    for (loss, concealed_max) in [(0.02, 0.001), (0.05, 0.003), (0.1, 0.008)] {
        for seed in SEEDS {
            let mut world = call(seed, &["grace"]);
            world.access("grace").down.loss = Loss::Random(loss);
            Row { frozen_max: Duration::ZERO, frames_per_s_min: 19.0, concealed_max }.check(&mut world);
            assert_eq!(lines(&world), 720, "seed {seed}, {loss}");
        }
    }
}

/// The path becomes longer in the middle of the call, as after a change of networks.
#[test]
fn a_long_way_with_loss() {
    for seed in SEEDS {
        let mut world = call(seed, &["grace"]);
        let far = Link { delay: Duration::from_millis(100), ..Link::default() };
        let access = world.access("grace");
        (access.up, access.down) = (far, Link { loss: Loss::Random(0.05), ..far });
        let row = Row { frozen_max: Duration::ZERO, frames_per_s_min: 18.0, concealed_max: 0.005 };
        let begin = Duration::from_secs(3);
        world.mark();
        world.run_for(begin);
        assert_eq!(lines(&world), 720, "seed {seed}: a longer path is no narrower one");
        world.run_for(LASTS - begin);
        row.check_seen(&world, &seen(&world, "grace", LASTS));
        assert_eq!(lines(&world), 720, "seed {seed}");
    }
}

#[test]
fn down_and_up_again() {
    for seed in SEEDS {
        let mut world = call(seed, &["grace"]);
        slow_down(&mut world, "grace", 5_000_000);
        world.mark();
        world.run_for(Duration::from_secs(10));
        slow_down(&mut world, "grace", 600_000);
        world.run_for(Duration::from_secs(2));
        assert!([180, 360].contains(&lines(&world)), "seed {seed}: down within 2 s to {}", lines(&world));
        world.run_for(Duration::from_secs(13));
        assert!([180, 360].contains(&lines(&world)), "seed {seed}: and stays down: {}", lines(&world));
        slow_down(&mut world, "grace", 5_000_000);
        let restored = world.clock().now();
        world.run_for(Duration::from_secs(25));
        let video = world.seen("grace", "ada", MediaKind::Video).expect("seen before");
        let back = video.resized.now().saturating_duration_since(restored);
        assert!(video.lines == 720 && back <= Duration::from_secs(5), "seed {seed}: {video:?} after {back:?}");
        assert!(video.longest_gap <= Duration::from_secs(1), "seed {seed}: {video:?}");
        let concealed = seen(&world, "grace", Duration::from_secs(50)).concealed;
        assert!(concealed <= 0.005, "seed {seed}: {concealed}");
        world.check_all();
    }
}
