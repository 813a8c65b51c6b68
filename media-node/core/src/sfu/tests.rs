//! Clients of our own and one shard on a virtual network: what a room hears, sees and is told.

mod bandwidth;
mod congestion;
mod h264;
mod layers;
mod quality;
mod record;
mod redundancy;
mod roaming;
mod world;

use super::*;
use crate::rtcp::{Compound, Packet};
use shared::rtp_parameters::Fingerprint;
use std::time::Duration;
use world::{AUDIO, AUDIO_SLOT, Received, VIDEO, VIDEO_SLOT, World, room};

/// Names of the RTCP packets of a client, reports left out.
fn feedback(world: &World, place: usize) -> Vec<String> {
    let compounds = world.clients[place].rtcp.iter().map(|datagram| Compound::parse(datagram).expect("a compound"));
    let packets = compounds.flatten().filter_map(|packet| match packet {
        Packet::PictureLoss { media_ssrc } => Some(format!("pli {media_ssrc}")),
        Packet::Nack { media_ssrc, lost } => Some(format!("nack {media_ssrc} {:?}", lost.collect::<Vec<_>>())),
        Packet::Estimate { bitrate_bps, .. } => Some(format!("estimate {bitrate_bps}")),
        _ => None,
    });
    packets.collect()
}

/// Sends a whole video frame of so many packets at once.
fn send_frame(world: &mut World, place: usize, is_keyframe: bool, sizes: &[usize]) {
    for (number, bytes) in sizes.iter().enumerate() {
        let is_last = number + 1 == sizes.len();
        let packet = world.clients[place].video(is_keyframe, number == 0, is_last, *bytes);
        world.send(place, packet);
    }
}

fn sequences(received: &[Received], ssrc: u32) -> Vec<u16> {
    received.iter().filter(|packet| packet.ssrc == ssrc).map(|packet| packet.sequence).collect()
}

fn is_continuous(sequences: &[u16]) -> bool {
    sequences.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1))
}

#[test]
fn what_one_publishes_the_other_receives() {
    let mut world = World::connected(2);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    world.forward(0, AUDIO, 1, AUDIO_SLOT);
    for number in 0..50 {
        send_frame(&mut world, 0, number == 0, &[700, 700, 300]);
        let sound = world.clients[0].sound(&[number; 80]);
        world.send(0, sound);
        world.run_for(20);
    }
    world.run_for(100);
    let viewer = &world.clients[1];
    let (audio, video) = (viewer.ssrc(AUDIO_SLOT), viewer.ssrc(VIDEO_SLOT));
    assert_eq!((sequences(&viewer.rtp, audio).len(), sequences(&viewer.rtp, video).len()), (50, 150));
    assert!(is_continuous(&sequences(&viewer.rtp, audio)) && is_continuous(&sequences(&viewer.rtp, video)));
    for packet in &viewer.rtp {
        let mid = if packet.ssrc == audio { AUDIO } else { VIDEO };
        assert_eq!(packet.csrcs, [world.clients[0].csrc(mid)], "the source is named");
        assert_eq!(packet.payload.len() == 80, packet.ssrc == audio);
    }
    assert!(world.clients[0].rtp.is_empty(), "nobody hears himself");
}

#[test]
fn sessions_come_up_on_a_lossy_network() {
    for seed in 0..10 {
        let mut world = World::new(2, seed);
        world.loss_percent = 15;
        (0..2).for_each(|place| world.open(place));
        for _ in 0..100 {
            for place in 0..2 {
                world.send(place, world.clients[place].check(true));
            }
            world.run_for(100);
        }
        let connected = world.outputs.iter().filter(|output| matches!(output, Output::SessionConnected { .. })).count();
        assert_eq!(connected, 2, "seed {seed}: {:?}", world.outputs);
        assert_eq!(world.sfu.connected_sessions(&room()).len(), 2);
    }
}

#[test]
fn handshakes_go_on_before_nomination() {
    let mut world = World::new(1, 1);
    world.open(0);
    world.send(0, world.clients[0].check(false));
    world.run_for(500);
    assert!(world.clients[0].keys.is_some());
}

#[test]
fn dtls_from_an_address_that_nobody_verified_is_dropped() {
    let mut world = World::new(1, 1);
    world.open(0);
    world.run_for(300);
    assert!(world.clients[0].answers.is_empty());
    assert!(world.sfu.stats().dropped(DropReason::UnknownAddress) > 0);
    assert_eq!(world.sfu.stats().datagrams_out, 0);
}

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
fn a_replayed_packet_is_dropped() {
    let mut world = World::connected(2);
    world.forward(0, AUDIO, 1, AUDIO_SLOT);
    let packet = world.clients[0].sound(b"once");
    for _ in 0..3 {
        world.send(0, packet.clone());
    }
    world.run_for(100);
    assert_eq!(world.clients[1].rtp.len(), 1);
    assert_eq!(world.sfu.stats().dropped(DropReason::SrtpReplay), 2);
}

#[test]
fn a_forged_packet_is_dropped() {
    let mut world = World::connected(2);
    world.forward(0, AUDIO, 1, AUDIO_SLOT);
    let mut packet = world.clients[0].sound(b"forged");
    *packet.last_mut().expect("not empty") ^= 1;
    world.send(0, packet);
    world.run_for(100);
    assert!(world.clients[1].rtp.is_empty());
    assert_eq!(world.sfu.stats().dropped(DropReason::SrtpAuthentication), 1);
}

#[test]
fn a_client_with_another_certificate_is_refused() {
    let mut world = World::new(1, 1);
    let mut session = world.clients[0].parameters();
    session.client_fingerprint = Fingerprint([1; 32]);
    world.control(RoomToNode::SetSession { session });
    world.send(0, world.clients[0].check(true));
    world.run_for(2_000);
    let session = world.clients[0].id();
    assert_eq!(world.outputs, [Output::SessionClosed { room: room(), session, end: SessionEnd::WrongFingerprint }]);
    assert_eq!((world.sfu.session_count(), world.sfu.room_count()), (0, 0));
}

#[test]
fn a_client_may_show_any_of_the_certificates_it_announced() {
    let mut world = World::new(1, 1);
    let mut session = world.clients[0].parameters();
    session.other_fingerprints = vec![session.client_fingerprint];
    session.client_fingerprint = Fingerprint([1; 32]);
    world.control(RoomToNode::SetSession { session });
    world.send(0, world.clients[0].check(true));
    world.run_for(2_000);
    let session = world.clients[0].id();
    assert_eq!(world.outputs, [Output::SessionConnected { room: room(), session }]);
}

#[test]
fn a_check_that_comes_before_its_session_is_answered_when_it_opens() {
    let mut world = World::new(1, 1);
    world.send(0, world.clients[0].check(true));
    world.run_for(400);
    assert!(world.clients[0].answers.is_empty());
    world.open(0);
    world.run_for(50);
    assert_eq!(world.clients[0].answers.len(), 1);
}

#[test]
fn a_check_whose_session_never_opens_is_forgotten() {
    let mut world = World::new(1, 1);
    world.send(0, world.clients[0].check(true));
    world.run_for(600);
    assert_eq!(world.sfu.stats().dropped(DropReason::UnknownUfrag), 1);
    assert_eq!(world.sfu.poll_timeout(), None);
    world.open(0);
    world.run_for(50);
    assert!(world.clients[0].answers.is_empty());
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
fn publishers_hear_how_they_arrive_and_what_they_may_send() {
    let mut world = World::connected(2);
    for number in 0..60 {
        send_frame(&mut world, 0, number == 0, &[400]);
        world.run_for(20);
    }
    let (video, mut blocks) = (world.clients[0].ssrc(VIDEO), Vec::new());
    for datagram in &world.clients[0].rtcp {
        for packet in Compound::parse(datagram).expect("a compound") {
            if let Packet::ReceiverReport(reported) = packet {
                blocks.extend(reported);
            }
        }
    }
    let last = blocks.last().expect("a report");
    assert_eq!((last.ssrc, last.fraction_lost, last.packets_lost), (video, 0, 0));
    assert!(feedback(&world, 0).contains(&"estimate 8000000".to_owned()));
}

#[test]
fn publishers_who_number_their_packets_hear_when_each_came_and_no_estimate() {
    let mut world = World::connected(1);
    world.clients[0].transport_sequence = Some(65_530);
    world.open(0);
    for number in 0..40_u16 {
        world.clients[0].transport_sequence = Some(number.wrapping_sub(6));
        // Every tenth gets lost.
        let packet = world.clients[0].video(number == 0, true, true, 400);
        if number % 10 != 9 {
            world.send(0, packet);
        }
        world.run_for(5);
    }
    world.run_for(1_500);
    let mut told = std::collections::BTreeMap::new();
    for datagram in &world.clients[0].rtcp {
        for packet in Compound::parse(datagram).expect("a compound") {
            if let Packet::TransportCongestion(feedback) = packet {
                told.extend(feedback.arrivals().map(|(sequence, ticks)| (sequence.wrapping_add(6), ticks)));
            }
        }
    }
    // The last one is lost, and nothing tells of its existence.
    assert_eq!(told.keys().copied().collect::<Vec<_>>(), (0..39).collect::<Vec<_>>());
    let first = told[&0].expect("arrived");
    for (number, ticks) in told {
        let expected = (number % 10 != 9).then_some(first + 20 * i64::from(number));
        assert_eq!(ticks, expected, "{number}");
    }
    assert!(feedback(&world, 0).iter().all(|said| said.starts_with("nack")));
    assert!((4..=6).contains(&world.sfu.stats().arrival_reports_out), "{}", world.sfu.stats().arrival_reports_out);
}

#[test]
fn subscribers_hear_which_moment_a_timestamp_is() {
    let mut world = World::connected(2);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    send_frame(&mut world, 0, true, &[400]);
    world.run_for(20);
    let ssrc = world.clients[0].ssrc(VIDEO);
    let ntp = crate::rtcp::ntp::NtpTime(0x1234_0000_0000_0000);
    let sent = crate::rtcp::write::Sent { ssrc, ntp, rtp_timestamp: 3_000, packets: 1, octets: 400 };
    let report = world.clients[0].report(|writer| writer.sender_report(sent).expect("room"));
    world.send(0, report);
    world.run_for(2_500);
    let viewer = &world.clients[1];
    let mut reports = Vec::new();
    for datagram in &viewer.rtcp {
        let compound = Compound::parse(datagram).expect("a compound");
        reports.extend(compound.filter_map(|packet| match packet {
            Packet::SenderReport(report) => Some((report.ssrc, report.ntp, report.rtp_timestamp, report.packets)),
            _ => None,
        }));
    }
    let (first, last) = (reports[0], reports[reports.len() - 1]);
    assert_eq!((first.0, first.3), (viewer.ssrc(VIDEO_SLOT), 1));
    let elapsed = last.1.nanos_since(first.1) as f64 / 1e9;
    let ticks = f64::from(last.2.wrapping_sub(first.2));
    assert!(elapsed > 0.9 && (ticks - elapsed * 90_000.0).abs() < 2.0, "{elapsed} s, {ticks} ticks");
}

// Holds S3-DEP-08.
#[test]
fn a_client_that_stops_asking_is_closed() {
    let mut world = World::connected(2);
    for _ in 0..10 {
        world.run_for(2_500);
        world.send(0, world.clients[0].check(true));
    }
    world.run_for(10_000);
    let session = world.clients[1].id();
    let closed = Output::SessionClosed { room: room(), session, end: SessionEnd::ConsentExpired };
    assert_eq!(world.outputs.iter().filter(|output| matches!(output, Output::SessionClosed { .. })).count(), 1);
    assert_eq!(world.outputs.last(), Some(&closed));
    assert_eq!(world.sfu.connected_sessions(&room()), [world.clients[0].id()]);
}

#[test]
fn a_frame_reaches_each_viewer_in_one_run_of_equal_packets() {
    let mut world = World::connected(4);
    for viewer in 1..4 {
        world.forward(0, VIDEO, viewer, VIDEO_SLOT);
    }
    send_frame(&mut world, 0, true, &[900]);
    world.run_for(100);
    world.runs.clear();
    // As libwebrtc cuts a frame: the shorter packets first.
    send_frame(&mut world, 0, false, &[1_100, 1_100, 1_101, 1_101, 1_101, 1_101, 1_101, 1_101]);
    world.run_for(20);
    let to: Vec<_> = world.runs.iter().map(|(to, _, segments)| (to.port(), *segments)).collect();
    assert_eq!(to, [(10_002, 8), (10_003, 8), (10_004, 8)]);
    assert_eq!(world.sfu.stats().padding_bytes_out, 3 * 2, "two bytes each");
}

#[test]
fn the_first_packets_of_a_frame_wait_a_moment_for_the_last() {
    let mut world = World::connected(2);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    send_frame(&mut world, 0, true, &[900]);
    world.run_for(100);
    world.runs.clear();
    let first = world.clients[0].video(false, true, false, 1_000);
    world.send(0, first);
    world.now += Duration::from_micros(500);
    let last = world.clients[0].video(false, false, true, 1_000);
    world.send(0, last);
    world.run_for(50);
    assert_eq!(world.runs.iter().map(|run| run.2).collect::<Vec<_>>(), [2]);
    let (first, last) = (&world.clients[1].rtp[1], &world.clients[1].rtp[2]);
    assert_eq!(first.at, last.at);
    // Alone, it leaves after a millisecond.
    let alone = world.clients[0].video(false, true, false, 1_000);
    let sent_at = world.now;
    world.send(0, alone);
    world.run_for(50);
    assert_eq!(world.clients[1].rtp[3].at - sent_at, 2 * world::ONE_WAY + Duration::from_millis(1));
}

#[test]
fn waiting_ends_where_it_brings_nothing() {
    let mut world = World::connected(2);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    send_frame(&mut world, 0, true, &[900]);
    world.run_for(100);
    let mut waits = Vec::new();
    for _ in 0..6 {
        let packet = world.clients[0].video(false, true, false, 1_000);
        let sent_at = world.now;
        world.send(0, packet);
        world.run_for(50);
        waits.push((world.clients[1].rtp.last().expect("forwarded").at - sent_at - 2 * world::ONE_WAY).as_millis());
    }
    assert_eq!(waits, [1, 1, 1, 1, 0, 0]);
}

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
    // Another session of the same participant: same number as contributing source, another index space.
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
fn welcome_is_the_whole_truth() {
    let mut world = World::connected(3);
    world.forward(0, AUDIO, 1, AUDIO_SLOT);
    world.forward(1, AUDIO, 0, AUDIO_SLOT);
    let sessions = vec![world.clients[0].parameters(), world.clients[1].parameters()];
    let track =
        shared::control::TrackRef { session: world.clients[0].id(), mid: shared::Mid::parse(AUDIO).expect("a mid") };
    let mid = shared::Mid::parse(AUDIO_SLOT).expect("a mid");
    let forwards = vec![shared::control::Forward::new(world.clients[1].id(), mid, Some(track))];
    world.control(RoomToNode::Welcome { sessions, forwards, recording: None });
    assert_eq!(world.sfu.connected_sessions(&room()), [world.clients[0].id(), world.clients[1].id()]);
    let (a, b) = (world.clients[0].sound(b"a"), world.clients[1].sound(b"b"));
    world.send(0, a);
    world.send(1, b);
    world.run_for(50);
    assert_eq!((world.clients[0].rtp.len(), world.clients[1].rtp.len()), (0, 1));
}

#[test]
fn a_released_room_leaves_nothing_and_says_nothing() {
    let mut world = World::connected(3);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    world.forward(1, VIDEO, 0, VIDEO_SLOT);
    send_frame(&mut world, 0, true, &[500, 500]);
    world.clients[0].ice_generation = 1;
    world.open(0);
    world.run_for(50);
    world.runs.clear();
    world.outputs.clear();
    world.control(RoomToNode::Release {});
    world.run_for(60_000);
    assert!(world.runs.is_empty() && world.outputs.is_empty());
    let sfu = &world.sfu;
    assert_eq!((sfu.session_count(), sfu.room_count(), sfu.tracks.count()), (0, 0, 0));
    assert_eq!((sfu.demux.is_empty(), sfu.poll_timeout()), (true, None));
}

// Holds S1-ROOM-04.
#[test]
fn a_full_node_refuses() {
    let mut world = World::new(2, 1);
    world.sfu.places = Arc::new(Places::new(1));
    (0..2).for_each(|place| world.open(place));
    let session = world.clients[1].id();
    assert_eq!(world.outputs, [Output::SessionClosed { room: room(), session, end: SessionEnd::Refused }]);
    world.open(0);
    assert_eq!((world.outputs.len(), world.sfu.session_count()), (1, 1), "an open one may be told again");
    let session = world.clients[0].id();
    world.control(RoomToNode::CloseSession { session });
    world.open(1);
    assert_eq!((world.outputs.len(), world.sfu.session_count()), (1, 1), "there is a place again");
    assert!(!world.sfu.places.take(), "and no more than that");
}

#[test]
fn repeating_a_session_changes_nothing() {
    let mut world = World::connected(2);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    send_frame(&mut world, 0, true, &[500]);
    world.run_for(50);
    (0..2).for_each(|place| world.open(place));
    send_frame(&mut world, 0, false, &[500]);
    world.run_for(50);
    let viewer = &world.clients[1];
    assert_eq!(viewer.rtp.len(), 2);
    assert!(is_continuous(&sequences(&viewer.rtp, viewer.ssrc(VIDEO_SLOT))));
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
fn more_than_the_arena_takes_comes_in_several_batches() {
    let mut world = World::connected(40);
    for viewer in 1..40 {
        world.forward(0, VIDEO, viewer, VIDEO_SLOT);
    }
    send_frame(&mut world, 0, true, &[1_100; 40]);
    world.run_for(100);
    for viewer in &world.clients[1..] {
        let sequences = sequences(&viewer.rtp, viewer.ssrc(VIDEO_SLOT));
        assert_eq!(sequences.len(), 40);
        assert!(is_continuous(&sequences));
    }
    assert_eq!(world.sfu.stats().dropped(DropReason::Overflow), 0);
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
fn a_publisher_hears_early_what_it_may_send() {
    // Whenever it begins, not only where the report of every second happens to be near.
    for offset_ms in [0, 250, 500, 750] {
        let mut world = World::connected(1);
        world.run_for(3_000 + offset_ms);
        send_frame(&mut world, 0, true, &[500]);
        world.run_for(2 * world::ONE_WAY.as_millis() as u64 + 60);
        assert_eq!(feedback(&world, 0), ["estimate 8000000"]);
    }
}

#[test]
fn an_ice_restart_keeps_the_keys_and_moves_the_path() {
    let mut world = World::connected(2);
    world.forward(0, AUDIO, 1, AUDIO_SLOT);
    world.clients[1].ice_generation = 1;
    // The client's first check may overtake the edge's message.
    let old = world.clients[1].address;
    world.clients[1].address.set_port(30_000);
    world.send(1, world.clients[1].check(true));
    world.run_for(100);
    world.runs.clear();
    let packet = world.clients[0].sound(b"on the old path");
    world.send(0, packet);
    world.run_for(50);
    assert_eq!(world.runs.iter().map(|run| run.0).collect::<Vec<_>>(), [old]);
    world.open(1);
    world.run_for(50);
    let packet = world.clients[0].sound(b"on the new path");
    world.send(0, packet);
    world.run_for(50);
    assert_eq!(world.clients[1].rtp.iter().map(|packet| &packet.payload[..]).collect::<Vec<_>>(), [b"on the new path"]);
    world.clients[1].ice_generation = 0;
    let answered = world.sfu.stats().stun_answered;
    world.send(1, world.clients[1].check(true));
    world.run_for(1_000);
    assert_eq!(world.sfu.stats().stun_answered, answered, "the old credentials are gone");
}

#[test]
fn another_certificate_is_another_handshake_and_another_session() {
    let mut world = World::connected(2);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    send_frame(&mut world, 0, true, &[500]);
    world.run_for(500);
    let node = world.sfu.identity.fingerprint();
    let now = world.now;
    let under_old_keys = world.clients[1].sound(b"x");
    let viewer = &mut world.clients[1];
    (viewer.identity, viewer.keys, viewer.ice_generation) = (world::identity(55), None, 1);
    viewer.dtls = crate::session::dtls::Dtls::client(now, &viewer.identity, node);
    let before = feedback(&world, 0).len();
    world.open(1);
    let rtp_in = world.sfu.stats().rtp_in;
    world.send(1, under_old_keys);
    world.run_for(20);
    assert_eq!(world.sfu.stats().rtp_in, rtp_in, "its address is unknown until it checks");
    assert!(world.sfu.stats().dropped(DropReason::UnknownAddress) > 0);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    world.send(1, world.clients[1].check(true));
    world.run_for(500);
    assert!(feedback(&world, 0).iter().skip(before).any(|packet| packet.starts_with("pli")));
    send_frame(&mut world, 0, true, &[600]);
    world.run_for(50);
    let viewer = &world.clients[1];
    assert_eq!(viewer.rtp.iter().map(|packet| packet.payload.len()).collect::<Vec<_>>(), [500, 600]);
    assert_eq!(world.outputs.len(), 3, "connected, connected, connected anew");
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
fn what_an_earlier_track_sent_is_never_answered_with_a_packet_of_a_later_one() {
    let mut world = World::connected(3);
    world.forward(0, VIDEO, 2, VIDEO_SLOT);
    let index = 61_001;
    let packet = |world: &World, place: usize| {
        let client = &world.clients[place];
        client.packet(client.ssrc(VIDEO), 96, index, 77, true, &[0x90, 0x80, 0x80, 0x01, 0, place as u8])
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

#[test]
fn another_certificate_is_another_client_that_counts_from_nothing() {
    let mut world = World::connected(2);
    world.forward(0, AUDIO, 1, AUDIO_SLOT);
    // A slot far beyond its first 65,536 packets.
    for _ in 0..66_000 / 500 {
        for _ in 0..500 {
            let packet = world.clients[0].sound(b"x");
            world.send(0, packet);
        }
        world.send(0, world.clients[0].check(true));
        world.send(1, world.clients[1].check(true));
        world.run_for(20);
    }
    let (now, node) = (world.now, world.sfu.identity.fingerprint());
    world.clients[1].begin_anew(now, node);
    world.open(1);
    world.send(1, world.clients[1].check(true));
    world.run_for(500);
    assert!(world.clients[1].keys.is_some());
    world.forward(0, AUDIO, 1, AUDIO_SLOT);
    let packet = world.clients[0].sound(b"heard by the new one");
    world.send(0, packet);
    world.run_for(50);
    assert_eq!(world.clients[1].rtp.len(), 1);
    assert_eq!(world.sfu.session_count(), 2);
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
    // No offer announced it: it is known by what it repaired.
    fill(&mut world, 4_444, 200);
    world.run_for(50);
    let before = world.clients[1].rtp.len();
    let late = [&201_u16.to_be_bytes()[..], &[0x90, 0x80, 0x80, 0x01, 1, 7]].concat();
    let repair = world.clients[0].packet(4_243, 97, 6, 6_000, true, &late);
    world.send(0, repair);
    world.run_for(50);
    assert_eq!(world.clients[1].rtp.len(), before, "it repairs the stream before this one, too");
}
