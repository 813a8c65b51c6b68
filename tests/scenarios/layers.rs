//! Layers of a camera that nobody watches: its publisher stops them, and sends them again as soon as one is wanted.

use super::viewing::call;
use shared::ParticipantId;
use shared::rtp_parameters::MediaKind;
use shared::signal::TrackSource;
use std::time::{Duration, Instant};
use world::World;

const SEEDS: std::ops::RangeInclusive<u64> = 1..=10;
const TOP: usize = 2;
/// From a layer's last viewer until its publisher stops it: 2 s, of which a client may gather its view for 400 ms.
const STOPPED_WITHIN: Duration = Duration::from_millis(2_000 - 400);
/// From the wish of a viewer until the publisher sends a layer again, besides the way of the messages.
const BACK_WITHIN: Duration = Duration::from_millis(200);
/// Client to edge, edge to node and back, edge to client.
const ROUND_TRIP: Duration = Duration::from_millis(50);

fn sent_at(world: &World, layer: usize) -> Instant {
    let mut sources = world.browser("ada").sources();
    let camera = sources.find(|(_, publisher)| publisher.source == TrackSource::Camera).expect("a camera");
    camera.1.sent_at(layer).expect("sent before")
}

/// Sets the lines in which a viewer sees Ada, and returns the time until the top layer was sent last, or first again.
fn changed_after(world: &mut World, viewer: &str, lines: u16, limit: Duration) -> Duration {
    let (asked, before) = (world.clock().now(), sent_at(world, TOP));
    let is_silent = asked.duration_since(before) > Duration::from_millis(200);
    world.act(viewer, |browser, clock| browser.view_in(clock, ParticipantId::parse("ada").expect("a name"), lines));
    if is_silent {
        world.run_until(limit, "the top layer is sent", |world| sent_at(world, TOP) != before);
    } else {
        world.run_for(limit + Duration::from_secs(2));
    }
    sent_at(world, TOP).duration_since(asked)
}

#[test]
fn a_layer_that_nobody_watches_stops_within_2_s_and_is_back_within_200_ms_of_being_wanted() {
    for seed in SEEDS {
        let mut world = call(seed, &["grace", "alan"]);
        changed_after(&mut world, "alan", 180, STOPPED_WITHIN);
        let spread = Duration::from_millis(world.random().next_u64() % 1_000);
        world.run_for(spread);
        assert!(world.clock().now().duration_since(sent_at(&world, TOP)) < Duration::from_millis(100), "Grace watches");
        let stopped = changed_after(&mut world, "grace", 180, STOPPED_WITHIN);
        assert!(stopped <= STOPPED_WITHIN, "seed {seed}: {stopped:?}");
        assert!(stopped > Duration::from_secs(1), "seed {seed}: a viewer may change their mind: {stopped:?}");
        world.run_for(spread);
        let back = changed_after(&mut world, "grace", 720, Duration::from_secs(2));
        assert!(back < BACK_WITHIN + ROUND_TRIP, "seed {seed}: {back:?}");
        world.run_for(Duration::from_secs(1));
        let lines = world.seen("grace", "ada", MediaKind::Video).map(|seen| seen.lines);
        assert_eq!(lines, Some(720), "seed {seed}");
        world.check_all();
    }
}
