//! A subscriber's reports about its link, and the node's reaction.

use super::*;
use crate::rtcp::transport_feedback::Report;
use crate::virtual_time::start;

/// A call in which the second client receives numbered packets.
fn numbered() -> World {
    let mut world = World::new(2, 7);
    world.clients[1].is_sent_numbers = true;
    for place in 0..2 {
        world.open(place);
        world.send(place, world.clients[place].check(true));
    }
    world.run_for(500);
    world.forward(0, VIDEO, 1, VIDEO_SLOT);
    world
}

/// Reports the arrivals at the second client since the last report.
fn report(world: &mut World, reported: &mut usize) {
    let arrived = &world.clients[1].rtp[*reported..];
    let Some(first) = arrived.first().and_then(|packet| packet.transport_sequence) else { return };
    let ticks: Vec<_> = arrived.iter().map(|packet| Some((packet.at - start()).as_micros() as u64 / 250)).collect();
    *reported += ticks.len();
    let datagram = world.clients[1].report(|writer| {
        writer.receiver_report(1, std::iter::empty()).expect("room");
        let report = Report { ssrc: 1, first, number: 0, arrivals: ticks.iter().copied() };
        assert_eq!(writer.transport_feedback(1, report), Ok(ticks.len()));
    });
    world.send(1, datagram);
}

/// Sends this many frames of this size, one per 20 ms, with a report every 100 ms.
fn play(world: &mut World, frames: usize, bytes: usize, reported: &mut usize) {
    for number in 0..frames {
        send_frame(world, 0, number == 0, &[bytes]);
        world.run_for(20);
        if number % 5 == 4 {
            report(world, reported);
        }
    }
}

fn controller(world: &mut World) -> &mut crate::congestion::controller::Controller {
    let key = world.sfu.session_key(&room(), &world.clients[1].id()).expect("open");
    let session = world.sfu.sessions.get_mut(key).expect("open");
    session.congestion.as_mut().expect("it receives")
}

#[test]
fn what_a_client_is_sent_is_numbered_also_when_it_is_sent_again() {
    let mut world = numbered();
    play(&mut world, 10, 400, &mut 0);
    let lost = world.clients[1].rtp[3].clone();
    let nack = world.clients[1].report(|writer| {
        writer.receiver_report(1, std::iter::empty()).expect("room");
        writer.nack(1, lost.ssrc, [lost.sequence].into_iter()).expect("room");
    });
    world.send(1, nack);
    world.run_for(50);
    let numbers: Vec<_> = world.clients[1].rtp.iter().map(|packet| packet.transport_sequence).collect();
    assert_eq!(numbers, (1..=11).map(Some).collect::<Vec<_>>());
    assert_eq!(world.clients[1].rtp[10].payload_type, 97);
    assert!(world.clients[0].rtp.iter().all(|packet| packet.transport_sequence.is_none()));
}

/// The second client goes on at another address, where it is heard.
fn move_to(world: &mut World, address: &str) {
    world.clients[1].address = address.parse().expect("an address");
    world.send(1, world.clients[1].check(true));
    world.run_for(50);
    let report = world.clients[1].report(|writer| {
        writer.receiver_report(1, std::iter::empty()).expect("room");
    });
    world.send(1, report);
    world.run_for(50);
    let received = world.clients[1].rtp.len();
    send_frame(world, 0, false, &[600]);
    world.run_for(20);
    assert_eq!(world.clients[1].rtp.len(), received + 1);
}

#[test]
fn the_estimate_outlives_a_port_but_no_address() {
    let mut world = numbered();
    play(&mut world, 500, 600, &mut 0);
    let before = controller(&mut world).target_bps();
    assert!(before > 350_000, "{before}");
    move_to(&mut world, "192.0.2.1:20000");
    assert_eq!(
        (controller(&mut world).target_bps(), controller(&mut world).reason()),
        (before, EstimateReason::Growth)
    );
    move_to(&mut world, "198.51.100.7:20000");
    assert_eq!(
        (controller(&mut world).target_bps(), controller(&mut world).reason()),
        (300_000, EstimateReason::Start)
    );
}

#[test]
fn reports_of_arrivals_move_the_estimate() {
    let mut world = numbered();
    let mut reported = 0;
    play(&mut world, 100, 1_000, &mut reported);
    // 400 kbit/s arrive without delay.
    let target = controller(&mut world).target_bps();
    assert!((330_000..450_000).contains(&target), "{target}");
    assert_eq!(controller(&mut world).reason(), EstimateReason::Growth);
    for number in 0..150 {
        send_frame(&mut world, 0, number == 0, &[1_000]);
        world.run_for(20);
    }
    assert_eq!(controller(&mut world).reason(), EstimateReason::Starved);
}

#[test]
fn a_client_without_numbers_is_believed() {
    let mut world = World::connected(2);
    let datagram = world.clients[1].report(|writer| {
        writer.receiver_report(1, std::iter::empty()).expect("room");
        writer.estimate(1, 1_500_000, &[]).expect("room");
    });
    world.send(1, datagram);
    world.run_for(20);
    assert_eq!(
        (controller(&mut world).target_bps(), controller(&mut world).reason()),
        (1_500_000, EstimateReason::Remb)
    );
}

#[test]
fn a_link_that_carries_more_is_found_by_probes() {
    let mut world = numbered();
    world.run_for(20);
    let now = world.now;
    controller(&mut world).set_wanted(now, 2_500_000, 2_500_000);
    let mut reported = 0;
    play(&mut world, 50, 1_000, &mut reported);
    assert_eq!(controller(&mut world).reason(), EstimateReason::Probe);
    let target = controller(&mut world).target_bps();
    assert!(target > 2_000_000, "{target}");
    let probed = world.sfu.stats().probe_bytes_out;
    assert!((5_000..40_000).contains(&probed), "{probed}");
    // Repeated packets were sent before, and use the retransmission stream.
    let repeated = world.clients[1].rtp.iter().filter(|packet| packet.payload_type == 97);
    assert!(repeated.clone().count() > 5 && repeated.clone().all(|packet| packet.payload.len() > 1_000));
}

#[test]
fn a_large_frame_is_spread_and_audio_does_not_wait_for_it() {
    let mut world = numbered();
    world.forward(0, AUDIO, 1, AUDIO_SLOT);
    play(&mut world, 100, 1_000, &mut 0);
    world.clients[1].rtp.clear();
    let begun = world.now;
    // 20 kB on a link known to carry 400 kbit/s: 80 ms of that may leave at once, the rest at the rate.
    send_frame(&mut world, 0, true, &[1_000; 20]);
    for _ in 0..10 {
        let packet = world.clients[0].sound(b"sound");
        world.send(0, packet);
        world.run_for(20);
    }
    let viewer = &world.clients[1];
    let arrivals = |slot: &str| {
        let ssrc = viewer.ssrc(slot);
        viewer.rtp.iter().filter(move |packet| packet.ssrc == ssrc).map(|packet| (packet.at - begun).as_millis())
    };
    let frame: Vec<_> = arrivals(VIDEO_SLOT).collect();
    assert!(is_continuous(&sequences(&viewer.rtp, viewer.ssrc(VIDEO_SLOT))));
    assert_eq!(frame.len(), 20, "all of it");
    assert!((60..200).contains(&(frame[19] - frame[0])), "{frame:?}");
    for (number, at) in arrivals(AUDIO_SLOT).enumerate() {
        assert!(at <= 20 * number as u128 + 25, "sound {number} came after {at} ms");
    }
}

#[test]
fn what_could_not_leave_in_time_is_given_up_for_a_key_frame() {
    let mut world = numbered();
    play(&mut world, 100, 1_000, &mut 0);
    world.clients[0].rtcp.clear();
    (0..10).for_each(|_| send_frame(&mut world, 0, false, &[1_000; 20]));
    world.run_for(50);
    assert_eq!(feedback(&world, 0).iter().filter(|said| said.starts_with("pli")).count(), 1);
    assert!(world.sfu.stats().dropped(crate::stats::DropReason::Paced) > 50);
    world.clients[1].rtp.clear();
    send_frame(&mut world, 0, false, &[1_000; 2]);
    world.run_for(1_000);
    assert_eq!(world.clients[1].rtp.len(), 0, "a decoder could do nothing with it");
    send_frame(&mut world, 0, true, &[1_000; 2]);
    world.run_for(1_000);
    assert_eq!(world.clients[1].rtp.len(), 2);
}

#[test]
fn a_paused_video_comes_back_when_the_link_carries_it_again() {
    let mut world = numbered();
    world.forward(0, AUDIO, 1, AUDIO_SLOT);
    let mut reported = 0;
    play(&mut world, 100, 1_000, &mut reported);
    let key = world.sfu.session_key(&room(), &world.clients[1].id()).expect("open");
    let now = world.now;
    world.sfu.set_estimate(now, key, crate::congestion::allocate::Estimate::of(50_000));
    let before = world.clients[1].rtp.len();
    // Audio alone reveals little about the link, so paused video must be probed for with padding.
    let mut resumed_after = None;
    for number in 0..400 {
        send_frame(&mut world, 0, number % 20 == 0, &[1_000]);
        let sound = world.clients[0].sound(b"sound");
        world.send(0, sound);
        world.run_for(20);
        if number % 5 == 4 {
            report(&mut world, &mut reported);
        }
        let viewer = &world.clients[1];
        let shown = |packet: &Received| packet.ssrc == viewer.ssrc(VIDEO_SLOT) && packet.payload.len() > 500;
        if number > 25 && viewer.rtp[before..].iter().rev().take(3).any(shown) {
            resumed_after = resumed_after.or(Some(number * 20));
        }
    }
    assert!(resumed_after.is_some_and(|ms| ms < 5_000), "{resumed_after:?} ms");
}
