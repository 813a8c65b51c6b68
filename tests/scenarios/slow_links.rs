//! Rooms with a viewer on a slow link: the viewer's experience, and no effect on others.

use super::viewing::{call, is_told_of_pause, is_told_why, seen, seen_of, slow_down, watch};
use shared::rtp_parameters::MediaKind;
use shared::signal::TrackSource;
use std::time::Duration;
use world::World;
use world::browser::Guest;
use world::browser::slot::Slot;
use world::net::Loss;
use world::people::guest;

const SEEDS: std::ops::RangeInclusive<u64> = 1..=10;
/// The layers below the largest.
const LOWER_LINES: [u16; 2] = [180, 360];
const SLOW: Duration = Duration::from_secs(25);

/// The requirements for a link that becomes slow, unless the viewer is told in time that the video is paused.
struct Row {
    rate_bps: u64,
    lasts: Duration,
    /// At the step.
    frozen_max: Duration,
    /// Once it has settled.
    frames_per_s_min: f64,
    concealed_max: f64,
    may_pause: bool,
}

impl Row {
    /// Makes a viewer's link slow and checks the requirements.
    fn check(&self, world: &mut World, viewer: &str) {
        slow_down(world, viewer, self.rate_bps);
        let step = watch(world, viewer, self.frozen_max);
        let is_paused = self.may_pause && is_told_of_pause(world);
        let rest = watch(world, viewer, self.lasts);
        let (all, seconds) = (self.frozen_max + self.lasts, self.frozen_max.as_secs_f64());
        let concealed = (step.concealed * seconds + rest.concealed * self.lasts.as_secs_f64()) / all.as_secs_f64();
        let is_lower = LOWER_LINES.contains(&step.lines) && LOWER_LINES.contains(&rest.lines);
        let is_fluent = rest.frozen + step.frozen <= self.frozen_max && rest.frames_per_s >= self.frames_per_s_min;
        let plays = is_lower && is_fluent;
        let is_good = (plays || is_paused) && concealed <= self.concealed_max;
        if !is_good {
            let seen = format!("at the step {step:?}, then {rest:?}, {concealed} concealed, paused: {is_paused}");
            world.fail(&seen);
        }
    }
}

const DOWN_600: Row = Row {
    rate_bps: 600_000,
    lasts: SLOW,
    frozen_max: Duration::from_secs(1),
    frames_per_s_min: 15.0,
    concealed_max: 0.01,
    may_pause: false,
};
const DOWN_300: Row = Row {
    rate_bps: 300_000,
    lasts: SLOW,
    frozen_max: Duration::from_millis(1_500),
    frames_per_s_min: 7.0,
    concealed_max: 0.02,
    may_pause: false,
};
#[test]
fn down_600() {
    for seed in SEEDS {
        let mut world = call(seed, &["grace"]);
        DOWN_600.check(&mut world, "grace");
        world.check_all();
    }
}

#[test]
fn down_300() {
    for seed in SEEDS {
        let mut world = call(seed, &["grace"]);
        DOWN_300.check(&mut world, "grace");
        assert!(is_told_why(&world), "seed {seed}");
        world.check_all();
    }
}

/// No probe in this time may pause the video.
#[test]
fn down_300_for_long() {
    for seed in 1..=3 {
        let mut world = call(seed, &["grace"]);
        Row { lasts: Duration::from_secs(90), ..DOWN_300 }.check(&mut world, "grace");
        world.check_all();
    }
}

/// Packets with redundant audio that the viewer gets within 10 s.
fn redundant(world: &mut World, viewer: &str) -> u64 {
    let count = |world: &World| world.browser(viewer).slots().map(Slot::redundant).sum::<u64>();
    let before = count(world);
    world.run_for(Duration::from_secs(10));
    count(world) - before
}

#[test]
fn audio_is_redundant_on_a_lossy_link_but_not_on_a_narrow_one() {
    for seed in 1..=5 {
        let mut world = call(seed, &["grace", "alan"]);
        slow_down(&mut world, "grace", 300_000);
        world.access("alan").down.loss = Loss::Random(0.05);
        // The losses of the step are recognised only after a while.
        world.run_for(Duration::from_secs(3));
        let (narrow, lossy) = (redundant(&mut world, "grace"), redundant(&mut world, "alan"));
        assert!(narrow < 50 && lossy > 400, "seed {seed}: {narrow} and {lossy} packets");
        world.check_all();
    }
}

#[test]
fn a_publishers_losses_do_not_make_audio_redundant_on_a_clean_link() {
    for seed in 1..=3 {
        let mut world = call(seed, &["grace", "alan"]);
        world.access("ada").up.loss = Loss::Random(0.1);
        world.access("alan").down.loss = Loss::Random(0.02);
        world.run_for(Duration::from_secs(3));
        let (clean, lossy) = (redundant(&mut world, "grace"), redundant(&mut world, "alan"));
        assert!(clean == 0 && lossy > 400, "seed {seed}: {clean} and {lossy} packets");
        world.check_all();
    }
}

#[test]
fn one_slow_viewer_beside_a_good_one() {
    for seed in SEEDS {
        let mut world = call(seed, &["grace", "alan"]);
        let asked = world.node("media-1").stats().keyframe_requests_out;
        let started = world.clock().now();
        // Both voices and two pictures may be too much.
        Row { may_pause: true, ..DOWN_300 }.check(&mut world, "grace");
        let time = world.clock().now().duration_since(started);
        let good = seen(&world, "alan", SLOW);
        let is_untouched = good.frozen.is_zero() && good.frames_per_s > 19.0 && good.concealed < 0.001;
        assert!(is_untouched, "seed {seed}: good {good:?}");
        let asked = world.node("media-1").stats().keyframe_requests_out - asked;
        assert!(asked <= 1 + time.as_secs() / 10, "seed {seed}: {asked} key frames asked for in {time:?}");
        world.check_all();
    }
}

/// Capacity left for a while after each time that it was too low for all frames of the smallest layer.
#[test]
fn frames_that_come_and_go_do_not_delay_the_return_to_the_top() {
    for seed in SEEDS {
        let mut world = call(seed, &["grace"]);
        slow_down(&mut world, "grace", 420_000);
        world.run_for(Duration::from_secs(8));
        for rate_bps in [240_000, 420_000].repeat(4) {
            slow_down(&mut world, "grace", rate_bps);
            world.run_for(Duration::from_secs(5));
        }
        slow_down(&mut world, "grace", 5_000_000);
        let restored = world.clock().now();
        world.run_for(Duration::from_secs(12));
        let seen = world.seen("grace", "ada", MediaKind::Video).expect("seen before");
        let after = seen.resized.now().saturating_duration_since(restored);
        assert_eq!(seen.lines, 720, "seed {seed}");
        assert!(after < Duration::from_secs(8), "seed {seed}: after {after:?}");
        world.check_all();
    }
}

/// Time until the picture has, and keeps, all its lines.
fn whole_after(world: &mut World, viewer: &str, limit: Duration) -> Duration {
    let restored = world.clock().now();
    world.run_for(limit);
    let seen = world.seen(viewer, "ada", MediaKind::Video).expect("seen before");
    if seen.lines != 720 {
        world.fail(&format!("{} lines after {limit:?}", seen.lines));
    }
    seen.resized.now().saturating_duration_since(restored)
}

/// Losses and failed raises of the narrow link do not hold on the wide one.
#[test]
fn the_whole_picture_is_soon_back_after_a_link_for_sound_alone() {
    for seed in SEEDS {
        let mut world = call(seed, &["grace"]);
        for rate_bps in [500_000, 1_000_000, 500_000, 1_000_000, 500_000] {
            slow_down(&mut world, "grace", rate_bps);
            world.run_for(Duration::from_secs(5));
        }
        slow_down(&mut world, "grace", 120_000);
        // Soon after the raises, and once the losses of the step are long past.
        world.run_for(Duration::from_secs(if seed % 2 == 0 { 5 } else { 15 }));
        assert!(is_told_of_pause(&world), "seed {seed}");
        slow_down(&mut world, "grace", 8_000_000);
        let after = whole_after(&mut world, "grace", Duration::from_secs(20));
        assert!(after < Duration::from_secs(4), "seed {seed}: after {after:?}");
        world.check_all();
    }
}

#[test]
fn a_screen_beside_a_camera_is_asked_for_what_its_best_viewer_can_take() {
    for seed in SEEDS {
        let mut world = World::seeded(seed);
        let sources = vec![TrackSource::Microphone, TrackSource::Camera, TrackSource::Screen];
        world.join_as(Guest { sends_layers: true, reports_arrivals: true, sources, ..guest("ada") });
        world.join_as(Guest { reports_arrivals: true, ..guest("grace") });
        world.run_for(Duration::from_secs(10));
        let is_limited = |world: &World| world.browser("ada").sources().any(|(_, publisher)| publisher.is_limited());
        assert!(!is_limited(&world), "seed {seed}: a good link limits nothing");
        slow_down(&mut world, "grace", 700_000);
        world.run_for(Duration::from_secs(8));
        let mut slow = Vec::new();
        for source in [TrackSource::Screen, TrackSource::Camera] {
            world.mark();
            world.run_for(Duration::from_secs(1));
            slow.push(seen_of(&world, "grace", "ada", source));
        }
        assert!(is_limited(&world), "seed {seed}");
        // The screen comes first: the camera may be reduced to its base layer, or be paused.
        let has_camera = slow[1].frames_per_s >= 4.0 || is_told_of_pause(&world);
        assert!(slow[0].frames_per_s >= 15.0 && has_camera, "seed {seed}: {slow:?}");
        slow_down(&mut world, "grace", 8_000_000);
        world.run_for(Duration::from_secs(12));
        assert!(!is_limited(&world), "seed {seed}: what is gone limits nothing");
        world.mark();
        world.run_for(Duration::from_secs(1));
        let screen = seen_of(&world, "grace", "ada", TrackSource::Screen);
        assert!(screen.frames_per_s > 18.0, "seed {seed}: {screen:?}");
        world.check_all();
    }
}

#[test]
fn a_newcomer_on_a_good_link_soon_sees_the_top() {
    for seed in SEEDS {
        let mut world = World::seeded(seed);
        world.join_as(Guest { sends_layers: true, reports_arrivals: true, ..guest("ada") });
        world.run_for(Duration::from_secs(5));
        world.join_as(Guest { reports_arrivals: true, ..guest("grace") });
        slow_down(&mut world, "grace", 5_000_000);
        let joined = world.clock().now();
        world.run_for(Duration::from_secs(6));
        let seen = world.seen("grace", "ada", MediaKind::Video).expect("seen");
        let after = seen.resized.now().saturating_duration_since(joined);
        assert!(seen.lines == 720 && after < Duration::from_secs(2), "seed {seed}: {seen:?} after {after:?}");
        assert!(seen.frames > 110 && seen.longest_gap < Duration::from_millis(200), "seed {seed}: {seen:?}");
        world.check_all();
    }
}
