//! A viewer's experience of a publisher's camera and microphone.

use shared::rtp_parameters::MediaKind;
use shared::signal::TrackSource;
use std::time::Duration;
use world::World;
use world::browser::Guest;
use world::check::FROZEN;
use world::net::Link;
use world::people::guest;

/// A camera of 20 frames per second, audio of 50 packets per second.
const SOUNDS_PER_S: f64 = 50.0;
/// Time for a low initial estimate to grow until it limits nothing.
const SETTLED: Duration = Duration::from_secs(8);

/// A viewer's experience of the publisher.
#[derive(Debug)]
pub(super) struct Seen {
    /// For video: the sum of gaps above half a second.
    pub(super) frozen: Duration,
    pub(super) frames_per_s: f64,
    /// Share of missing audio.
    pub(super) concealed: f64,
    /// Lines of the current picture.
    pub(super) lines: u16,
}

/// Ada publishes in layers, the others watch.
pub(super) fn call(seed: u64, viewers: &[&str]) -> World {
    let viewers: Vec<_> = viewers.iter().map(|viewer| guest(viewer)).collect();
    call_with(seed, guest("ada"), &viewers)
}

/// Ada and the viewers may have other properties than an ordinary guest.
pub(super) fn call_with(seed: u64, ada: Guest, viewers: &[Guest]) -> World {
    let mut world = World::seeded(seed);
    let ada = Guest { sends_layers: true, ..ada };
    for guest in [&ada].into_iter().chain(viewers) {
        world.join_as(Guest { reports_arrivals: true, ..guest.clone() });
        world.run_for(Duration::from_millis(50));
    }
    let viewers: Vec<_> = viewers.iter().map(|viewer| viewer.participant.as_str()).collect();
    world.run_for(SETTLED);
    for viewer in viewers {
        let seen = watch(&mut world, viewer, Duration::from_secs(2));
        assert!(seen.frames_per_s > 18.0 && seen.frozen.is_zero(), "seed {seed}: {viewer} before: {seen:?}");
    }
    world
}

pub(super) fn watch(world: &mut World, viewer: &str, time: Duration) -> Seen {
    world.mark();
    world.run_for(time);
    seen(world, viewer, time)
}

pub(super) fn seen(world: &World, viewer: &str, time: Duration) -> Seen {
    let video = world.seen(viewer, "ada", MediaKind::Video).expect("seen before");
    let audio = world.seen(viewer, "ada", MediaKind::Audio).expect("heard before");
    let last = world.clock().now().duration_since(video.last.now());
    let seconds = time.as_secs_f64();
    Seen {
        frozen: video.frozen + if last > FROZEN { last } else { Duration::ZERO },
        frames_per_s: video.frames as f64 / seconds,
        concealed: (1.0 - audio.frames as f64 / (seconds * SOUNDS_PER_S)).max(0.0),
        lines: video.lines,
    }
}

/// A viewer's experience of a participant's track since the last mark.
pub(super) fn seen_of(world: &World, viewer: &str, of: &str, source: TrackSource) -> Seen {
    let browser = world.browser(of);
    let (name, _) = browser.sources().find(|(_, publisher)| publisher.source == source).expect("published");
    let video = world.browser(viewer).watch().of(name).expect("seen before");
    let last = world.clock().now().duration_since(video.last.now());
    let frozen = video.frozen + if last > FROZEN { last } else { Duration::ZERO };
    Seen { frozen, frames_per_s: video.frames as f64, concealed: 0.0, lines: video.lines }
}

pub(super) fn slow_down(world: &mut World, viewer: &str, rate_bps: u64) {
    let down = &mut world.access(viewer).down;
    *down = Link { rate_bps, queue: Duration::from_millis(200), ..*down };
}

/// True if a limit was told with a cause that the link has: a queue, or losses.
pub(super) fn is_told_why(world: &World) -> bool {
    let has_cause = |frame: &String| ["\"delay\"", "\"loss\""].iter().any(|reason| frame.contains(reason));
    world.said().iter().filter(|frame| frame.contains("\"video_limited\"")).any(has_cause)
}

/// True if the viewer's last message was that their video is paused.
pub(super) fn is_told_of_pause(world: &World) -> bool {
    let told = world.said().iter().rfind(|frame| frame.contains("\"video_limited\""));
    told.is_some_and(|frame| frame.contains("\"given_bps\":null"))
}
