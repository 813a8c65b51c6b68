//! Viewers that get a layer without some of its frames.

use super::*;

/// Frames within a second, without gaps between them; losses are retransmitted.
fn frames_in_a_second(camera: &mut Camera) -> usize {
    camera.take(1);
    camera.run_for(1_000);
    let (video, _) = camera.take(1);
    assert!(video.iter().all(|packet| layer_of(packet) == Some(0)));
    for pair in video.windows(2) {
        let descriptors = [&pair[0], &pair[1]].map(|packet| vp8::Descriptor::parse(&packet.payload).expect("VP8"));
        let [before, this] = descriptors.map(|descriptor| descriptor.numbers());
        let is_base = descriptors[1].temporal_layer.is_some_and(|layer| layer.index == 0);
        let step = Numbers { picture_id: 1, base_layer_index: u8::from(is_base) };
        assert_eq!((pair[1].sequence, this), (pair[0].sequence.wrapping_add(1), before.advance(step)));
    }
    let Some(lost) = video.len().checked_sub(5).map(|place| &video[place]) else { return 0 };
    let viewer = &mut camera.world.clients[1];
    let (slot, repairs) = (viewer.ssrc(VIDEO_SLOT), viewer.rtx_ssrc(VIDEO_SLOT));
    let request = viewer.report(|writer| writer.nack(1, slot, std::iter::once(lost.sequence)).expect("room"));
    camera.world.send(1, request);
    camera.world.run_for(50);
    let repaired: Vec<_> = camera.world.clients[1].rtp.iter().filter(|packet| packet.ssrc == repairs).collect();
    let original = [&lost.sequence.to_be_bytes(), &lost.payload[..]].concat();
    assert_eq!(repaired.iter().map(|packet| &packet.payload).collect::<Vec<_>>(), [&original]);
    video.len()
}

#[test]
fn the_smallest_layer_loses_frames_before_it_is_paused() {
    let mut camera = Camera::new(2, 3);
    camera.temporal = Some(Default::default());
    camera.set_target(1, 5_000);
    camera.run_for(4_000);
    for (kbps, expected) in
        [(300, 30), (150, 15), (100, 8), (60, 0), (100, 0), (300, 30), (100, 8), (160, 15), (300, 30)]
    {
        camera.set_target(1, kbps);
        for _ in 0..if expected == 0 { 1 } else { 12 } {
            for place in 0..2 {
                camera.world.send(place, camera.world.clients[place].check(true));
            }
            camera.run_for(1_000);
        }
        let frames = frames_in_a_second(&mut camera);
        assert!(frames.abs_diff(expected) <= 1, "{kbps} kbit/s: {frames} frames");
    }
    let told = camera.told();
    assert_eq!(told.iter().filter(|said| said.starts_with("limited paused")).count(), 1, "{told:?}");
}

#[test]
fn a_camera_that_tells_no_frame_to_speed_up_with_is_asked_for_a_key_frame() {
    let mut camera = Camera::new(2, 3);
    (camera.temporal, camera.has_sync) = (Some(Default::default()), false);
    camera.set_target(1, 5_000);
    camera.run_for(4_000);
    let keyframes = |camera: &Camera| feedback(&camera.world, 0).iter().filter(|name| **name == "pli 9001").count();
    let mut within = |kbps, milliseconds, expected: std::ops::Range<usize>| {
        camera.set_target(1, kbps);
        for place in 0..2 {
            camera.world.send(place, camera.world.clients[place].check(true));
        }
        camera.run_for(milliseconds);
        let frames = frames_in_a_second(&mut camera);
        assert!(expected.contains(&frames), "{kbps} kbit/s: {frames} frames");
        keyframes(&camera)
    };
    let before = within(100, 4_000, 7..10);
    assert_eq!(within(300, 1_000, 7..10), before, "it may tell one yet");
    assert_eq!(within(300, 2_000, 29..32), before + 1);
    // It is slowed down again: another key frame waits.
    assert_eq!(within(100, 1_000, 7..10), before + 1);
    assert_eq!(within(300, 4_000, 7..10), before + 1);
    assert_eq!(within(300, 3_000, 29..32), before + 2);
}

#[test]
fn a_layer_that_is_left_goes_on_with_its_base_until_the_next_can_begin() {
    let mut camera = Camera::new(2, 3);
    camera.temporal = Some(Default::default());
    camera.set_target(1, 5_000);
    camera.run_for(4_000);
    camera.set_target(1, 900);
    // The next layer's key frame is delayed.
    camera.is_on[1] = false;
    camera.run_for(120);
    camera.take(1);
    camera.run_for(200);
    let (video, _) = camera.take(1);
    let layer = |packet: &Received| vp8::Descriptor::parse(&packet.payload).and_then(|found| found.temporal_layer);
    assert!(!video.is_empty());
    for packet in &video {
        assert_eq!((layer_of(packet), layer(packet).map(|layer| layer.index)), (Some(2), Some(0)));
    }
}
