//! Our own clients and one shard on a virtual network: the media and messages that they receive.

mod bandwidth;
mod captures;
mod congestion;
mod connecting;
mod h264;
mod layers;
mod loudest;
mod quality;
mod record;
mod redundancy;
mod repair;
mod roaming;
mod slots;
mod world;

use super::*;
use crate::rtcp::{Compound, Packet};
use std::time::Duration;
use world::{AUDIO, AUDIO_SLOT, Received, VIDEO, VIDEO_SLOT, World, room};

/// Names of a client's received RTCP packets, without reports.
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

/// Sends a whole video frame, with packets of these sizes, at once.
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
        // Every tenth is lost.
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
    // The last one is lost, and nothing reveals its existence.
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

#[test]
fn a_frame_reaches_each_viewer_in_one_run_of_equal_packets() {
    let mut world = World::connected(4);
    for viewer in 1..4 {
        world.forward(0, VIDEO, viewer, VIDEO_SLOT);
    }
    send_frame(&mut world, 0, true, &[900]);
    world.run_for(100);
    world.runs.clear();
    // As libwebrtc splits a frame: the shorter packets first.
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
fn a_publisher_hears_early_what_it_may_send() {
    // At any time, not only close to the report of every second.
    for offset_ms in [0, 250, 500, 750] {
        let mut world = World::connected(1);
        world.run_for(3_000 + offset_ms);
        send_frame(&mut world, 0, true, &[500]);
        world.run_for(2 * world::ONE_WAY.as_millis() as u64 + 60);
        assert_eq!(feedback(&world, 0), ["estimate 8000000"]);
    }
}
