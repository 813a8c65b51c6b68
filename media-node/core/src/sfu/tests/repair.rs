//! Losses are retransmitted, or a key frame replaces them.

use super::super::*;
use super::world::{VIDEO, VIDEO_SLOT, World};
use super::{feedback, is_continuous, send_frame, sequences};

#[test]
fn a_slot_that_waits_asks_for_a_key_frame_until_it_comes() {
    let mut world = World::connected(2);
    send_frame(&mut world, 0, true, &[500]);
    world.run_for(50);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    for _ in 0..20 {
        send_frame(&mut world, 0, false, &[500]);
        world.run_for(50);
    }
    let ssrc = world.clients[0].ssrc(VIDEO);
    let asked = feedback(&world, 0).iter().filter(|packet| **packet == format!("pli {ssrc}")).count();
    assert!((3..=4).contains(&asked), "about every 300 ms: {asked}");
    assert!(world.clients[1].rtp.is_empty(), "nothing can be decoded yet");
    send_frame(&mut world, 0, true, &[500]);
    send_frame(&mut world, 0, false, &[500]);
    world.run_for(1_000);
    assert_eq!(world.clients[1].rtp.len(), 2);
    let again = feedback(&world, 0).iter().filter(|packet| packet.starts_with("pli")).count();
    assert_eq!(again, asked, "nobody waits any more");
}

#[test]
fn a_viewer_that_cannot_decode_reaches_the_publisher() {
    let mut world = World::connected(2);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    send_frame(&mut world, 0, true, &[500]);
    world.run_for(1_000);
    let before = feedback(&world, 0).iter().filter(|packet| packet.starts_with("pli")).count();
    let slot = world.clients[1].ssrc(VIDEO_SLOT);
    for _ in 0..5 {
        let request = world.clients[1].report(|writer| writer.picture_loss(1, slot).expect("room"));
        world.send(1, request);
    }
    world.run_for(100);
    let after = feedback(&world, 0).iter().filter(|packet| packet.starts_with("pli")).count();
    assert_eq!(after - before, 1, "five requests at once are one");
}

#[test]
fn a_lost_packet_is_sent_again_on_the_retransmission_stream() {
    let mut world = World::connected(2);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    for number in 0..10 {
        send_frame(&mut world, 0, number == 0, &[400 + number]);
        world.run_for(20);
    }
    let slot = world.clients[1].ssrc(VIDEO_SLOT);
    let lost = world.clients[1].rtp[4].clone();
    for _ in 0..3 {
        let request = world.clients[1].report(|writer| {
            writer.nack(1, slot, [lost.sequence, lost.sequence.wrapping_sub(3_000)].into_iter()).expect("room");
        });
        world.send(1, request);
    }
    world.run_for(50);
    let rtx = world.clients[1].rtx_ssrc(VIDEO_SLOT);
    let again: Vec<_> = world.clients[1].rtp.iter().filter(|packet| packet.ssrc == rtx).collect();
    assert_eq!(again.len(), 1, "three requests within a round trip are one");
    assert_eq!((again[0].payload_type, &again[0].payload[..2]), (97, &lost.sequence.to_be_bytes()[..]));
    assert_eq!(again[0].payload[2..], lost.payload);
    assert_eq!(world.sfu.stats().retransmitted, 1);
}

/// Requests these packets of the viewer's slot once, and returns the sequence numbers that are sent again.
fn sent_again(world: &mut World, lost: &[u16]) -> Vec<u16> {
    let (slot, rtx) = (world.clients[1].ssrc(VIDEO_SLOT), world.clients[1].rtx_ssrc(VIDEO_SLOT));
    let before = world.clients[1].rtp.len();
    let request = world.clients[1].report(|writer| writer.nack(1, slot, lost.iter().copied()).expect("room"));
    world.send(1, request);
    world.run_for(25);
    let again = world.clients[1].rtp[before..].iter().filter(|packet| packet.ssrc == rtx);
    again.map(|packet| u16::from_be_bytes([packet.payload[0], packet.payload[1]])).collect()
}

#[test]
fn a_lost_key_frame_is_sent_again_at_once_and_whole() {
    let mut world = World::connected(2);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    send_frame(&mut world, 0, true, &[400]);
    world.run_for(400);
    let asked = |world: &World| world.sfu.stats().keyframe_requests_out;
    let (before, had) = (world.clients[1].rtp.len(), asked(&world));
    send_frame(&mut world, 0, true, &[500; 12]);
    world.run_for(20);
    let slot = world.clients[1].ssrc(VIDEO_SLOT);
    let lost = sequences(&world.clients[1].rtp[before..], slot);
    assert_eq!(lost.len(), 12);
    // The viewer has none of them, and learns that from the next frame.
    send_frame(&mut world, 0, false, &[400]);
    world.run_for(20);
    assert_eq!(sent_again(&mut world, &lost), lost);
    assert_eq!(asked(&world), had, "the publisher is not bothered");
}

#[test]
fn what_would_come_too_late_is_not_sent_again_and_a_key_frame_is_asked_for() {
    for (age_ms, is_repaired) in [(700, true), (1_300, false)] {
        let mut world = World::connected(2);
        world.forward(0, VIDEO, 1, VIDEO_SLOT);
        send_frame(&mut world, 0, true, &[400]);
        world.run_for(20);
        for _ in 0..age_ms / 33 {
            send_frame(&mut world, 0, false, &[400]);
            world.run_for(33);
        }
        let lost = world.clients[1].rtp[1].sequence;
        let asked = world.sfu.stats().keyframe_requests_out;
        assert_eq!(sent_again(&mut world, &[lost]) == [lost], is_repaired, "{age_ms}");
        let asked = world.sfu.stats().keyframe_requests_out - asked;
        assert_eq!(asked, u64::from(!is_repaired), "{age_ms}");
    }
}

#[test]
fn what_a_later_key_frame_replaces_is_not_sent_again() {
    let mut world = World::connected(2);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    for number in 0..6 {
        send_frame(&mut world, 0, number % 4 == 0, &[400, 400]);
        world.run_for(20);
    }
    let slot = world.clients[1].ssrc(VIDEO_SLOT);
    let sent = sequences(&world.clients[1].rtp, slot);
    let asked = world.sfu.stats().keyframe_requests_out;
    // Frames 0 to 3 precede the second key frame.
    assert!(sent_again(&mut world, &sent[..8]).is_empty());
    assert_eq!(sent_again(&mut world, &sent[8..]), sent[8..]);
    assert_eq!(world.sfu.stats().keyframe_requests_out, asked);
}

#[test]
fn what_a_publisher_loses_is_asked_for_and_passed_on() {
    let mut world = World::connected(2);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    send_frame(&mut world, 0, true, &[400]);
    let lost = world.clients[0].video(false, true, true, 444);
    let sequence = u16::from_be_bytes([lost[2], lost[3]]);
    send_frame(&mut world, 0, false, &[400]);
    world.run_for(30);
    let ssrc = world.clients[0].ssrc(VIDEO);
    assert_eq!(feedback(&world, 0).last(), Some(&format!("nack {ssrc} [{sequence}]")));
    world.send(0, lost);
    world.run_for(300);
    let viewer = &world.clients[1];
    let slot = sequences(&viewer.rtp, viewer.ssrc(VIDEO_SLOT));
    assert_eq!((slot[2].wrapping_sub(slot[0]), slot[1].wrapping_sub(slot[0])), (1, 2), "where it belongs");
    let nacks = feedback(&world, 0).iter().filter(|packet| packet.starts_with("nack")).count();
    assert!(nacks <= 2, "not asked for any more: {nacks}");
}

#[test]
fn what_a_publisher_sends_again_on_its_retransmission_stream_is_passed_on() {
    let mut world = World::connected(2);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    send_frame(&mut world, 0, true, &[400]);
    world.run_for(20);
    let index = 60_000 + 1_000 + 2;
    let original = [&(index as u16).to_be_bytes()[..], &[0x90, 0x80, 0x80, 0x01, 1, 9, 9]].concat();
    let (ssrc, rtx) = (world.clients[0].ssrc(VIDEO), world.clients[0].rtx_ssrc(VIDEO));
    let later = world.clients[0].packet(ssrc, 96, index + 1, 9_000, true, &[0x90, 0x80, 0x80, 0x02, 1]);
    let repair = world.clients[0].packet(rtx, 97, 5, 6_000, true, &original);
    let probe = world.clients[0].packet(rtx, 97, 6, 6_000, true, &[]);
    [later, repair, probe].into_iter().for_each(|packet| world.send(0, packet));
    world.run_for(50);
    let viewer = &world.clients[1];
    let mut slot = sequences(&viewer.rtp, viewer.ssrc(VIDEO_SLOT));
    slot.sort_unstable();
    assert_eq!(slot.len(), 3);
    assert!(is_continuous(&slot));
    assert_eq!(world.sfu.stats().dropped(DropReason::Probe), 1);
}

#[test]
fn what_an_earlier_track_sent_is_never_answered_with_a_packet_of_a_later_one() {
    let mut world = World::connected(3);
    world.forward(0, VIDEO, 2, VIDEO_SLOT);
    let index = 61_001;
    let packet = |world: &World, place: usize| {
        let client = &world.clients[place];
        // The key frame of the second continues, so the first's may still be missing.
        client.packet(client.ssrc(VIDEO), 96, index, 77, place == 0, &[0x90, 0x80, 0x80, 0x01, 0, place as u8])
    };
    let first = packet(&world, 0);
    world.send(0, first);
    world.run_for(50);
    // Another track under the same number, with a packet of the same index.
    let mut session = world.clients[1].parameters();
    session.sections[1].csrc = world.clients[0].csrc(VIDEO);
    world.control(RoomToNode::SetSession { session });
    world.forward(1, VIDEO, 2, VIDEO_SLOT);
    let second = packet(&world, 1);
    world.send(1, second);
    world.run_for(50);
    let (slot, received) = (world.clients[2].ssrc(VIDEO_SLOT), world.clients[2].rtp.clone());
    assert_eq!(received.len(), 2);
    let asked = [received[0].sequence, received[1].sequence];
    let request = world.clients[2].report(|writer| writer.nack(1, slot, asked.into_iter()).expect("room"));
    world.send(2, request);
    world.run_for(50);
    let again: Vec<_> = world.clients[2].rtp[2..].iter().map(|packet| &packet.payload).collect();
    let expected: Vec<_> =
        received.iter().map(|packet| [&packet.sequence.to_be_bytes()[..], &packet.payload].concat()).collect();
    assert_eq!(again, expected.iter().collect::<Vec<_>>(), "each its own");
}

#[test]
fn a_late_repair_of_the_stream_before_is_not_of_this_one() {
    let mut world = World::connected(2);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    send_frame(&mut world, 0, true, &[500]);
    world.run_for(50);
    // Another stream fills the track, and lacks the packet between these two.
    let fill = |world: &mut World, ssrc, index| {
        for (index, first) in [(index, 0), (index + 2, 1)] {
            let packet = world.clients[0].packet(ssrc, 96, index, 77, true, &[0x90, 0x80, 0x80, 0x01, first, 9]);
            world.send(0, packet);
        }
    };
    fill(&mut world, 4_242, 61_000);
    world.run_for(50);
    let before = world.clients[1].rtp.len();
    let late = [&61_001_u16.to_be_bytes()[..], &[0x90, 0x80, 0x80, 0x01, 1, 7]].concat();
    let rtx = world.clients[0].rtx_ssrc(VIDEO);
    let repair = world.clients[0].packet(rtx, 97, 5, 6_000, true, &late);
    let own = world.clients[0].packet(4_243, 97, 5, 6_000, true, &late);
    world.send(0, repair);
    world.run_for(50);
    assert_eq!(world.clients[1].rtp.len(), before, "it repairs the stream before");
    world.send(0, own);
    world.run_for(50);
    assert_eq!(world.clients[1].rtp.len(), before + 1, "the stream's own repair is taken");
    // No offer announced it: it is known by its repairs.
    fill(&mut world, 4_444, 200);
    world.run_for(50);
    let before = world.clients[1].rtp.len();
    let late = [&201_u16.to_be_bytes()[..], &[0x90, 0x80, 0x80, 0x01, 1, 7]].concat();
    let repair = world.clients[0].packet(4_243, 97, 6, 6_000, true, &late);
    world.send(0, repair);
    world.run_for(50);
    assert_eq!(world.clients[1].rtp.len(), before, "it repairs the stream before this one, too");
}
