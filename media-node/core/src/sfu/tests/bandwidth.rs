//! The operator's limits, on links without any.

use super::feedback;
use super::layers::Camera;
use super::world::World;
use crate::congestion::bandwidth::Bandwidth;

fn camera(viewers: u32, bandwidth: Bandwidth) -> Camera {
    let mut world = World::limited(1 + viewers, 7, bandwidth);
    world.connect();
    Camera::of(world, 3)
}

/// Kilobits per second received by a viewer.
fn kbps_to(camera: &mut Camera, viewer: usize, seconds: u64) -> u64 {
    camera.take(viewer);
    camera.run_for(seconds * 1_000);
    let received = &camera.world.clients[viewer].rtp;
    received.iter().map(|packet| packet.payload.len() as u64 + 50).sum::<u64>() * 8 / 1_000 / seconds
}

// Holds S3-DEP-07, S3-QUAL-04.
#[test]
fn a_client_is_sent_no_more_than_it_may() {
    let mut camera = camera(1, Bandwidth { client_out_bps_max: Some(700_000), ..Bandwidth::default() });
    camera.run_for(4_000);
    assert_eq!(camera.layers_within(1, 1_000), [1]);
    assert!(kbps_to(&mut camera, 1, 5) <= 700);
    assert_eq!(camera.told(), ["limited h by operator"], "and is told why");
}

// Holds S3-DEP-07, S1-ROOM-04.
#[test]
fn a_full_node_is_shared_fairly_and_what_one_leaves_the_other_gets() {
    let mut camera = camera(2, Bandwidth { shard_out_bps_max: Some(3_000_000), ..Bandwidth::default() });
    camera.run_for(4_000);
    assert_eq!((camera.layers_within(1, 500), camera.layers_within(2, 500)), (vec![1], vec![1]));
    let both = kbps_to(&mut camera, 1, 3) + kbps_to(&mut camera, 2, 3);
    assert!(both <= 3_000, "{both} kbit/s");
    camera.set_lines(2, Some(180));
    camera.run_for(4_000);
    assert_eq!((camera.layers_within(1, 500), camera.layers_within(2, 500)), (vec![2], vec![0]));
}

// Holds S3-DEP-07.
#[test]
fn a_publisher_is_asked_for_no_more_than_it_may_send() {
    let mut camera = camera(1, Bandwidth { client_in_bps_max: Some(1_500_000), ..Bandwidth::default() });
    camera.run_for(3_000);
    let asked: Vec<_> = feedback(&camera.world, 0).into_iter().filter(|name| name.starts_with("estimate")).collect();
    assert!(asked.len() >= 2, "{asked:?}");
    assert!(asked.iter().all(|name| name == "estimate 1500000"), "{asked:?}");
}
