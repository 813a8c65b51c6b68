//! Packets copied for the recorder; a recorder that takes nothing affects nobody else.

use super::super::*;
use super::world::{VIDEO, VIDEO_SLOT, World};
use super::{feedback, send_frame};
use crate::record::limits::BATCH_PACKETS_MAX;
use shared::control::{RecordedParticipant, RecordedTrack, RecordingOrder, TrackRef};
use shared::signal::TrackSource;
use shared::{Mid, ParticipantId, RecordingId, TrackId, UnixMillis};

/// An order to record these sections of the first client.
pub(super) fn order(world: &World, mids: &[&str]) -> RoomToNode {
    let session = world.clients[0].id();
    let track = |mid: &&str| RecordedTrack {
        id: TrackId::parse(&format!("t{mid}")).expect("an id"),
        track: TrackRef { session: session.clone(), mid: Mid::parse(mid).expect("a mid") },
        source: TrackSource::Camera,
        muted: false,
    };
    let person =
        |id, tracks| RecordedParticipant { id: ParticipantId::parse(id).expect("an id"), name: String::new(), tracks };
    let recording = RecordingOrder {
        recording: RecordingId::parse("r").expect("an id"),
        key_prefix: "recordings/".into(),
        started_at: UnixMillis(0),
        sent_at: UnixMillis(0),
        trace: None,
        participants: vec![person("ada", mids.iter().map(track).collect()), person("alan", Vec::new())],
    };
    RoomToNode::SetRecording { recording: Some(recording) }
}

#[test]
fn what_is_ordered_is_copied_and_nothing_else() {
    let mut world = World::connected(2);
    send_frame(&mut world, 0, false, &[200]);
    world.run_for(50);
    let order = order(&world, &[VIDEO]);
    world.control(order);
    send_frame(&mut world, 0, true, &[700, 300]);
    send_frame(&mut world, 1, true, &[600]);
    let sound = world.clients[0].sound(b"not ordered");
    world.send(0, sound);
    world.run_for(50);
    let batch = world.sfu.exchange_recorded(Batch::default());
    assert_eq!(batch.opened.iter().map(|opened| opened.track.mid.as_str()).collect::<Vec<_>>(), [VIDEO]);
    let copied = batch.packets.iter().map(|packet| (packet.tap, batch.payload(packet).len(), packet.marker));
    let tap = batch.opened[0].tap;
    assert_eq!(copied.collect::<Vec<_>>(), [(tap, 700, false), (tap, 300, true)]);
    world.control(RoomToNode::SetRecording { recording: None });
    send_frame(&mut world, 0, false, &[500]);
    world.run_for(50);
    assert!(world.sfu.recorded().is_empty());
}

#[test]
fn a_key_frame_is_asked_for_until_it_comes_though_nobody_looks_any_more() {
    let mut world = World::connected(2);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    send_frame(&mut world, 0, false, &[200]);
    let order = order(&world, &[VIDEO]);
    world.control(order);
    world.run_for(50);
    world.set_slot(1, VIDEO_SLOT, None);
    world.run_for(10);
    let before = feedback(&world, 0).len();
    world.run_for(1_000);
    let asked = &feedback(&world, 0)[before..];
    assert!(asked.contains(&format!("pli {}", world.clients[0].ssrc(VIDEO))), "{asked:?}");
}

#[test]
fn packets_that_find_no_place_are_counted_and_forwarded_all_the_same() {
    const MORE: usize = 100;
    let mut world = World::connected(2);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    let order = order(&world, &[VIDEO]);
    world.control(order);
    for number in 0..BATCH_PACKETS_MAX + MORE {
        send_frame(&mut world, 0, number == 0, &[100]);
        world.run_for(2);
    }
    world.run_for(100);
    let stats = world.sfu.stats();
    assert_eq!((stats.recorded, stats.record_overflows), (BATCH_PACKETS_MAX as u64, MORE as u64));
    assert_eq!(world.clients[1].rtp.len(), BATCH_PACKETS_MAX + MORE);
    world.sfu.exchange_recorded(Batch::default());
    send_frame(&mut world, 0, false, &[100]);
    world.run_for(50);
    assert_eq!(world.sfu.recorded().packets.len(), 1, "it goes on when the batch was taken");
}

#[test]
fn more_than_is_kept_in_one_read_is_forwarded_and_recorded() {
    for packets in [130, 600, 1_700] {
        let mut world = World::connected(2);
        world.forward(0, VIDEO, 1, VIDEO_SLOT);
        let order = order(&world, &[VIDEO]);
        world.control(order);
        send_frame(&mut world, 0, true, &vec![300; packets]);
        world.run_for(100);
        assert_eq!(world.sfu.exchange_recorded(Batch::default()).packets.len(), packets);
        assert_eq!(world.clients[1].rtp.len(), packets);
        assert_eq!(world.sfu.stats().dropped(DropReason::Overflow), 0);
    }
}

#[test]
fn what_is_too_much_for_the_viewers_is_recorded() {
    let mut world = World::connected(2);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    let order = order(&world, &[VIDEO]);
    world.control(order);
    // A caller that does not send urgent packets.
    for number in 0..300 {
        let mut packet = world.clients[0].video(true, number == 0, number == 299, 300);
        let from = world.clients[0].address;
        world.sfu.handle_input(world.now, Input::Datagram { from: from.into(), bytes: &mut packet });
    }
    assert!(world.sfu.stats().dropped(DropReason::Overflow) > 0);
    assert_eq!(world.sfu.exchange_recorded(Batch::default()).packets.len(), 300);
}
