//! Sessions that connect, restart and end.

use super::super::*;
use super::world::{AUDIO, AUDIO_SLOT, VIDEO, VIDEO_SLOT, World, identity, room};
use super::{feedback, is_continuous, send_frame, sequences};
use shared::rtp_parameters::Fingerprint;

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
    (viewer.identity, viewer.keys, viewer.ice_generation) = (identity(55), None, 1);
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
fn welcome_is_the_whole_truth() {
    let mut world = World::connected(3);
    world.forward(0, AUDIO, 1, AUDIO_SLOT);
    world.forward(1, AUDIO, 0, AUDIO_SLOT);
    let sessions = vec![world.clients[0].parameters(), world.clients[1].parameters()];
    let track =
        shared::control::TrackRef { session: world.clients[0].id(), mid: shared::Mid::parse(AUDIO).expect("a mid") };
    let mid = shared::Mid::parse(AUDIO_SLOT).expect("a mid");
    let forwards = vec![shared::control::Forward::new(world.clients[1].id(), mid, Some(track))];
    world.control(RoomToNode::Welcome {
        sessions,
        forwards,
        recording: None,
        microphones: shared::control::Microphones::default(),
    });
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
