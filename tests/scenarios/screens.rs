//! A viewer on a slow link who watches a screen beside a viewer on a good one: resolution before frame rate.

use super::viewing::{Seen, seen_of, slow_down};
use shared::signal::TrackSource;
use std::time::Duration;
use world::World;
use world::browser::Guest;
use world::people::guest;

const SEEDS: std::ops::RangeInclusive<u64> = 1..=10;
const LINES: u16 = 1_080;
/// Packets per frame: 1,500 and 530 kbit/s.
const SCROLLED: u8 = 9;
const TYPED: u8 = 3;
const SECOND: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(20);

/// Ada shows her screen to grace, and to alan, whose link will be slow.
fn call(seed: u64, parts: u8) -> World {
    let mut world = World::seeded(seed);
    let sources = vec![TrackSource::Microphone, TrackSource::Screen];
    world.join_as(Guest { sends_layers: true, reports_arrivals: true, sources, ..guest("ada") });
    for viewer in ["grace", "alan"] {
        world.join_as(viewer_called(viewer));
    }
    world.set_motion("ada", Some(parts));
    world.run_for(10 * SECOND);
    world
}

fn viewer_called(name: &str) -> Guest {
    Guest { reports_arrivals: true, sources: Vec::new(), ..guest(name) }
}

/// Per second, at the good viewer and at the slow one.
fn watch(world: &mut World, time: Duration) -> [Seen; 2] {
    world.mark();
    world.run_for(time);
    ["grace", "alan"].map(|viewer| {
        let seen = seen_of(world, viewer, "ada", TrackSource::Screen);
        Seen { frames_per_s: seen.frames_per_s / time.as_secs_f64(), ..seen }
    })
}

/// How often a viewer was told that a video is paused.
fn pauses(world: &World) -> usize {
    let limits = world.said().iter().filter(|frame| frame.contains("\"video_limited\""));
    let paused: Vec<_> = limits.map(|frame| frame.contains("\"given_bps\":null")).collect();
    usize::from(paused.first() == Some(&true)) + paused.windows(2).filter(|pair| pair == &[false, true]).count()
}

/// The time until the slow viewer sees the still screen without blur.
fn sharp_after(world: &mut World, limit: Duration) -> Duration {
    world.set_motion("ada", None);
    let since = world.clock().now();
    loop {
        world.run_for(STEP);
        let (name, publisher) = world
            .browser("ada")
            .sources()
            .find(|(_, publisher)| publisher.source == TrackSource::Screen)
            .expect("shared");
        let seen = world.browser("alan").watch().of(name).expect("seen before");
        let after = world.clock().now().duration_since(since);
        if publisher.sharp_since().is_some_and(|frame| seen.frame >= frame) {
            return after;
        }
        if after > limit {
            world.fail(&format!("not sharp after {after:?}: {seen:?}"));
        }
    }
}

/// A link of this rate, and what a moving screen must look like on it.
struct Case {
    parts: u8,
    rate_bps: u64,
    frames_per_s: std::ops::Range<f64>,
}

impl Case {
    fn check(&self, seed: u64) {
        let mut world = call(seed, self.parts);
        slow_down(&mut world, "alan", self.rate_bps);
        let (asked, began) = (world.node("media-1").stats().keyframe_requests_out, world.clock().now());
        let [_, step] = watch(&mut world, 8 * SECOND);
        assert!(step.frozen <= SECOND, "seed {seed}: at the step {step:?}");
        for _ in 0..2 {
            let [good, slow] = watch(&mut world, 6 * SECOND);
            let is_good = good.frames_per_s > 18.0 && good.frozen.is_zero();
            let is_whole =
                slow.lines == LINES && slow.frozen.is_zero() && self.frames_per_s.contains(&slow.frames_per_s);
            assert!(is_good && is_whole, "seed {seed}: {slow:?} beside {good:?}");
            let sharp = sharp_after(&mut world, 3 * SECOND);
            assert!(sharp <= SECOND, "seed {seed}: sharp after {sharp:?}");
            world.run_for(4 * SECOND);
            world.set_motion("ada", Some(self.parts));
            // The first second shows more frames than fit.
            world.run_for(3 * SECOND);
        }
        assert_eq!(pauses(&world), 0, "seed {seed}");
        let asked = world.node("media-1").stats().keyframe_requests_out - asked;
        let time = world.clock().now().duration_since(began);
        assert!(asked <= 1 + time.as_secs() / 10, "seed {seed}: {asked} key frames asked for in {time:?}");
        slow_down(&mut world, "alan", 8_000_000);
        world.run_for(8 * SECOND);
        let [_, seen] = watch(&mut world, 2 * SECOND);
        assert!(seen.frames_per_s > 18.0 && seen.lines == LINES, "seed {seed}: {seen:?} on a good link again");
        world.check_all();
    }
}

#[test]
fn a_scrolled_page_at_600_has_a_quarter_of_its_frames() {
    SEEDS.for_each(|seed| Case { parts: SCROLLED, rate_bps: 600_000, frames_per_s: 4.0..11.0 }.check(seed));
}

#[test]
fn a_scrolled_page_at_1500_has_half_of_its_frames() {
    (1..=3).for_each(|seed| Case { parts: SCROLLED, rate_bps: 1_500_000, frames_per_s: 8.0..14.0 }.check(seed));
}

#[test]
fn a_typed_text_at_300_has_a_quarter_of_its_frames() {
    SEEDS.for_each(|seed| Case { parts: TYPED, rate_bps: 300_000, frames_per_s: 4.0..11.0 }.check(seed));
}

/// Not even a quarter of the frames fits.
#[test]
fn a_screen_that_fits_at_no_frame_rate_is_paused_once() {
    for seed in 1..=5 {
        let mut world = call(seed, SCROLLED);
        slow_down(&mut world, "alan", 300_000);
        world.run_for(30 * SECOND);
        assert_eq!(pauses(&world), 1, "seed {seed}");
        // It is back once it stands still.
        let sharp = sharp_after(&mut world, 10 * SECOND);
        assert!(sharp < 4 * SECOND, "seed {seed}: {sharp:?}");
        world.set_motion("ada", Some(SCROLLED));
        slow_down(&mut world, "alan", 1_000_000);
        world.run_for(12 * SECOND);
        let [good, slow] = watch(&mut world, 4 * SECOND);
        assert!(good.frames_per_s > 18.0 && good.frozen.is_zero(), "seed {seed}: {good:?}");
        assert!(slow.frames_per_s > 4.0 && slow.lines == LINES, "seed {seed}: {slow:?}");
        world.check_all();
    }
}

/// A key frame takes a second of this link.
#[test]
fn a_newcomer_on_a_slow_link_sees_a_still_screen_soon() {
    for seed in 1..=5 {
        let mut world = call(seed, SCROLLED);
        world.set_motion("ada", None);
        world.run_for(5 * SECOND);
        world.join_as(viewer_called("mary"));
        slow_down(&mut world, "mary", 300_000);
        world.run_for(4 * SECOND);
        let seen = seen_of(&world, "mary", "ada", TrackSource::Screen);
        assert!(seen.lines == LINES, "seed {seed}: {seen:?}");
        world.check_all();
    }
}
