//! The limits of the operator and the room, on links without any.

use super::feedback;
use super::layers::Camera;
use super::world::World;
use crate::congestion::bandwidth::Bandwidth;
use shared::token;

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

#[test]
fn a_full_node_reserves_nothing_that_a_client_may_not_get() {
    let shard = Bandwidth { shard_out_bps_max: Some(3_000_000), ..Bandwidth::default() };
    let mut camera = camera(2, shard);
    camera.run_for(4_000);
    assert_eq!((camera.layers_within(1, 500), camera.layers_within(2, 500)), (vec![1], vec![1]));
    camera.set_bandwidth(1, token::Bandwidth { receive_bps_max: Some(250_000), send_bps_max: None });
    camera.run_for(4_000);
    assert_eq!((camera.layers_within(1, 500), camera.layers_within(2, 500)), (vec![0], vec![2]));
    let limited = Bandwidth { client_out_bps_max: Some(700_000), shard_out_bps_max: Some(1_500_000), ..shard };
    let mut camera = self::camera(2, limited);
    camera.run_for(4_000);
    assert_eq!(camera.world.sfu.share_bps(), None, "there is enough for what they may get");
}

#[test]
fn a_client_is_sent_no_more_than_the_room_allows_it_and_changes_apply_at_once() {
    let mut camera = camera(2, Bandwidth::default());
    camera.run_for(4_000);
    let limit = |receive_bps_max| token::Bandwidth { receive_bps_max, send_bps_max: None };
    camera.set_bandwidth(1, limit(Some(700_000)));
    camera.run_for(1_000);
    assert!(kbps_to(&mut camera, 1, 5) <= 700);
    assert_eq!(camera.told(), ["limited h by operator"], "and is told why");
    assert_eq!((camera.layers_within(1, 500), camera.layers_within(2, 500)), (vec![1], vec![2]), "no other client");
    camera.set_bandwidth(1, limit(Some(250_000)));
    camera.run_for(1_000);
    assert_eq!(camera.layers_within(1, 500), [0]);
    camera.set_bandwidth(1, limit(None));
    camera.run_for(4_000);
    assert_eq!(camera.layers_within(1, 500), [2]);
}

#[test]
fn a_publisher_is_asked_at_once_for_no_more_than_the_room_allows_it() {
    let mut camera = camera(1, Bandwidth { client_in_bps_max: Some(1_500_000), ..Bandwidth::default() });
    camera.run_for(3_000);
    let mut asked = 0;
    let mut estimates = |camera: &Camera| {
        let all: Vec<_> = feedback(&camera.world, 0)
            .into_iter()
            .filter_map(|name| Some(name.strip_prefix("estimate ")?.to_owned()))
            .collect();
        let new = all[asked..].to_vec();
        asked = all.len();
        new
    };
    estimates(&camera);
    let limit = |send_bps_max| token::Bandwidth { send_bps_max, receive_bps_max: None };
    for (limited, expected) in
        [(limit(Some(400_000)), "400000"), (limit(Some(2_000_000)), "1500000"), (limit(None), "1500000")]
    {
        camera.set_bandwidth(0, limited);
        camera.run_for(100);
        assert_eq!(estimates(&camera).first().map(String::as_str), Some(expected));
        camera.run_for(3_000);
        let repeated = estimates(&camera);
        assert!(repeated.len() >= 2 && repeated.iter().all(|bps| bps == expected), "{repeated:?}");
    }
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
