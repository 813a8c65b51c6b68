//! The track in a slot, and its unbroken stream.

use super::super::*;
use super::world::{AUDIO, AUDIO_SLOT, VIDEO, VIDEO_SLOT, World};
use super::{is_continuous, send_frame, sequences};

#[test]
fn a_slot_changes_tracks_without_a_gap() {
    let mut world = World::connected(3);
    world.forward(0, VIDEO, 2, VIDEO_SLOT);
    for number in 0..10 {
        send_frame(&mut world, 0, number == 0, &[500]);
        send_frame(&mut world, 1, number == 0, &[600]);
        world.run_for(20);
    }
    world.forward(1, VIDEO, 2, VIDEO_SLOT);
    for number in 0..10 {
        send_frame(&mut world, 0, false, &[500]);
        send_frame(&mut world, 1, number == 5, &[600]);
        world.run_for(20);
    }
    world.run_for(50);
    let viewer = &world.clients[2];
    assert!(is_continuous(&sequences(&viewer.rtp, viewer.ssrc(VIDEO_SLOT))));
    let sizes: Vec<_> = viewer.rtp.iter().map(|packet| packet.payload.len()).collect();
    assert_eq!(sizes, [vec![500; 16], vec![600; 5]].concat(), "the first plays until the second can begin");
    assert!(viewer.rtp.windows(2).all(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp) < 90_000));
    world.forward(0, VIDEO, 2, VIDEO_SLOT);
    send_frame(&mut world, 0, true, &[700]);
    world.run_for(50);
    let viewer = &world.clients[2];
    let sequences = sequences(&viewer.rtp, viewer.ssrc(VIDEO_SLOT));
    assert_eq!(sequences.len(), 22, "and back again, once each");
    assert!(is_continuous(&sequences));
}

#[test]
fn a_slot_waits_for_a_track_that_is_yet_to_come() {
    let mut world = World::new(2, 3);
    world.open(1);
    world.send(1, world.clients[1].check(true));
    world.run_for(500);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    world.open(0);
    world.send(0, world.clients[0].check(true));
    world.run_for(500);
    send_frame(&mut world, 0, true, &[500]);
    world.run_for(50);
    assert_eq!(world.clients[1].rtp.len(), 1);
}

#[test]
fn a_publisher_that_comes_back_under_the_same_number_continues_the_slot() {
    let mut world = World::connected(3);
    world.forward(0, VIDEO, 2, VIDEO_SLOT);
    send_frame(&mut world, 0, true, &[500]);
    world.run_for(50);
    // Another session of the same participant: the same contributing source, another index space.
    let mut session = world.clients[1].parameters();
    session.sections[1].csrc = world.clients[0].csrc(VIDEO);
    world.control(RoomToNode::SetSession { session });
    world.forward(1, VIDEO, 2, VIDEO_SLOT);
    world.control(RoomToNode::CloseSession { session: world.clients[0].id() });
    send_frame(&mut world, 1, false, &[600]);
    send_frame(&mut world, 1, true, &[600]);
    send_frame(&mut world, 1, false, &[600]);
    world.run_for(50);
    let viewer = &world.clients[2];
    assert_eq!(viewer.rtp.iter().map(|packet| packet.payload.len()).collect::<Vec<_>>(), [500, 600, 600]);
    assert!(is_continuous(&sequences(&viewer.rtp, viewer.ssrc(VIDEO_SLOT))));
}

#[test]
fn a_publisher_may_change_its_ssrc() {
    let mut world = World::connected(2);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    send_frame(&mut world, 0, true, &[500]);
    world.run_for(50);
    let other = |world: &World, index, first: u8| {
        world.clients[0].packet(4_242, 96, index, 77, true, &[0x90, 0x80, 0x80, 0x01, first, 9])
    };
    for (index, first) in [(100, 1), (101, 0), (102, 1)] {
        let packet = other(&world, index, first);
        world.send(0, packet);
        world.run_for(50);
    }
    let viewer = &world.clients[1];
    assert_eq!(viewer.rtp.iter().map(|packet| packet.payload.len()).collect::<Vec<_>>(), [500, 6, 6]);
    assert!(is_continuous(&sequences(&viewer.rtp, viewer.ssrc(VIDEO_SLOT))));
}

#[test]
fn an_emptied_slot_is_silent() {
    let mut world = World::connected(2);
    world.forward(0, AUDIO, 1, AUDIO_SLOT);
    let packet = world.clients[0].sound(b"heard");
    world.send(0, packet);
    world.run_for(50);
    world.set_slot(1, AUDIO_SLOT, None);
    let packet = world.clients[0].sound(b"unheard");
    world.send(0, packet);
    world.run_for(50);
    assert_eq!(world.clients[1].rtp.len(), 1);
}

#[test]
fn a_slot_that_was_away_goes_on_where_it_was() {
    let mut world = World::connected(2);
    world.forward(0, AUDIO, 1, AUDIO_SLOT);
    for round in 0..3 {
        let packet = world.clients[0].sound(b"x");
        world.send(0, packet);
        world.run_for(50);
        let mut session = world.clients[1].parameters();
        if round == 0 {
            session.sections[2].flow = shared::rtp_parameters::Flow::Inactive;
        }
        world.control(RoomToNode::SetSession { session });
        if round > 0 {
            world.forward(0, AUDIO, 1, AUDIO_SLOT);
        }
    }
    let viewer = &world.clients[1];
    let sequences = sequences(&viewer.rtp, viewer.ssrc(AUDIO_SLOT));
    assert_eq!(sequences.len(), 2);
    assert!(is_continuous(&sequences), "one SRTP index is never used twice");
}

#[test]
fn a_slot_whose_next_track_vanishes_takes_nothing_any_more() {
    let mut world = World::connected(3);
    world.forward(0, VIDEO, 2, VIDEO_SLOT);
    send_frame(&mut world, 0, true, &[500]);
    world.run_for(50);
    world.forward(1, VIDEO, 2, VIDEO_SLOT);
    world.control(RoomToNode::CloseSession { session: world.clients[1].id() });
    send_frame(&mut world, 0, false, &[500]);
    world.run_for(50);
    assert_eq!(world.clients[2].rtp.len(), 1, "the edge wanted another track there");
    world.forward(0, VIDEO, 2, VIDEO_SLOT);
    send_frame(&mut world, 0, true, &[500]);
    world.run_for(50);
    let viewer = &world.clients[2];
    let sequences = sequences(&viewer.rtp, viewer.ssrc(VIDEO_SLOT));
    assert_eq!(sequences.len(), 2, "once each");
    assert!(is_continuous(&sequences));
}

#[test]
fn a_track_that_begins_anew_does_not_change_what_is_wished_for() {
    let mut world = World::connected(3);
    world.forward(0, VIDEO, 2, VIDEO_SLOT);
    send_frame(&mut world, 0, true, &[500]);
    world.run_for(50);
    world.forward(1, VIDEO, 2, VIDEO_SLOT);
    let packet = world.clients[0].packet(4_242, 96, 100, 77, true, &[0x90, 0x80, 0x80, 0x01, 0, 9]);
    world.send(0, packet);
    send_frame(&mut world, 1, true, &[600]);
    world.run_for(50);
    let sizes: Vec<_> = world.clients[2].rtp.iter().map(|packet| packet.payload.len()).collect();
    assert_eq!(sizes, [500, 600]);
}

#[test]
fn two_slots_never_share_an_ssrc() {
    let mut world = World::connected(2);
    let mut session = world.clients[1].parameters();
    let mut copy = session.sections[3].clone();
    copy.mid = shared::Mid::parse("9").expect("a mid");
    session.sections.push(copy);
    world.control(RoomToNode::SetSession { session });
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    world.forward(0, VIDEO, 1, "9");
    send_frame(&mut world, 0, true, &[500]);
    world.run_for(50);
    assert_eq!(world.clients[1].rtp.len(), 1);
}

#[test]
fn of_two_tracks_under_one_number_the_chosen_one_plays_and_begins_with_a_key_frame() {
    let mut world = World::connected(3);
    let mut session = world.clients[1].parameters();
    session.sections[1].csrc = world.clients[0].csrc(VIDEO);
    world.control(RoomToNode::SetSession { session });
    world.forward(0, VIDEO, 2, VIDEO_SLOT);
    send_frame(&mut world, 0, true, &[500]);
    world.run_for(50);
    world.forward(1, VIDEO, 2, VIDEO_SLOT);
    send_frame(&mut world, 0, false, &[500]);
    send_frame(&mut world, 1, false, &[600]);
    world.run_for(50);
    assert_eq!(world.clients[2].rtp.len(), 2, "the first goes on until the second can begin");
    send_frame(&mut world, 1, true, &[600]);
    send_frame(&mut world, 0, false, &[500]);
    world.run_for(50);
    let viewer = &world.clients[2];
    assert_eq!(viewer.rtp.iter().map(|packet| packet.payload.len()).collect::<Vec<_>>(), [500, 500, 600]);
    assert!(is_continuous(&sequences(&viewer.rtp, viewer.ssrc(VIDEO_SLOT))));
}

#[test]
fn a_packet_without_a_picture_continues_a_video_and_never_begins_one() {
    let mut world = World::connected(2);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    let ssrc = world.clients[0].ssrc(VIDEO);
    let (empty, key): (&[u8], &[u8]) = (&[], &[0x90, 0x80, 0x80, 0x01, 0, 9]);
    for (index, payload) in [(100, empty), (101, key), (102, empty), (103, key)] {
        let packet = world.clients[0].packet(ssrc, 96, index, 77, true, payload);
        world.send(0, packet);
        world.run_for(20);
    }
    let viewer = &world.clients[1];
    assert_eq!(viewer.rtp.iter().map(|packet| packet.payload.len()).collect::<Vec<_>>(), [6, 0, 6]);
    assert!(is_continuous(&sequences(&viewer.rtp, viewer.ssrc(VIDEO_SLOT))));
}
