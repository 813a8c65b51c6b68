//! Speakers in a room with more open microphones than slots.

use super::super::*;
use super::world::{AUDIO, AUDIO_SLOT, World, room};
use shared::control::Microphones;

/// An Opus packet that stands for silence.
const SILENCE: &[u8] = &[0x78];

fn track(world: &World, place: usize) -> TrackRef {
    TrackRef { session: world.clients[place].id(), mid: Mid::parse(AUDIO).expect("a mid") }
}

fn microphones(world: &World, heard: &[usize], waiting: &[usize]) -> Microphones {
    let tracks = |places: &[usize]| places.iter().map(|place| track(world, *place)).collect();
    Microphones { heard: tracks(heard), waiting: tracks(waiting) }
}

fn list(world: &mut World, heard: &[usize], waiting: &[usize]) {
    let microphones = microphones(world, heard, waiting);
    world.control(RoomToNode::SetMicrophones { microphones });
}

/// Everybody in the list sends so many packets of 20 ms.
fn say(world: &mut World, places: &[usize], payload: &[u8], packets: usize) {
    for _ in 0..packets {
        for place in places {
            let packet = world.clients[*place].sound(payload);
            world.send(*place, packet);
        }
        world.run_for(20);
    }
}

/// The reports to the room since the last call.
fn reports(world: &mut World) -> Vec<Vec<TrackRef>> {
    let outputs = std::mem::take(&mut world.outputs);
    let report = |output| if let Output::Loudest { microphones, .. } = output { Some(microphones) } else { None };
    outputs.into_iter().filter_map(report).collect()
}

#[test]
fn a_room_that_does_not_ask_hears_nothing() {
    let mut world = World::connected(3);
    say(&mut world, &[0, 1, 2], b"word", 100);
    assert_eq!(reports(&mut world), Vec::<Vec<TrackRef>>::new());
    assert!(world.sfu.streams_listened() == 0);
}

#[test]
fn a_speaker_is_reported_once_and_a_microphone_that_is_not_listed_never() {
    let mut world = World::connected(4);
    list(&mut world, &[0, 1], &[2]);
    say(&mut world, &[0, 1], SILENCE, 60);
    say(&mut world, &[2, 3], b"word", 100);
    let expected = vec![vec![track(&world, 2), track(&world, 0)]];
    assert_eq!(reports(&mut world), expected);
    // The room agrees, and then a moderator mutes the speaker.
    list(&mut world, &[2, 0], &[1]);
    list(&mut world, &[0, 1], &[]);
    say(&mut world, &[2], b"word", 100);
    assert_eq!(reports(&mut world), Vec::<Vec<TrackRef>>::new());
    list(&mut world, &[], &[]);
    assert_eq!(world.sfu.streams_listened(), 0);
}

#[test]
fn a_track_that_is_negotiated_again_is_still_listened_to() {
    let mut world = World::connected(2);
    list(&mut world, &[0], &[1]);
    world.clients[1].has_redundancy = true;
    let session = world.clients[1].parameters();
    world.control(RoomToNode::SetSession { session });
    say(&mut world, &[], SILENCE, 60);
    for _ in 0..3 {
        let packet = world.clients[1].redundant_sound(b"word", &[b"before"]);
        world.send(1, packet);
        world.run_for(20);
    }
    let expected = vec![vec![track(&world, 1)]];
    assert_eq!(reports(&mut world), expected);
}

#[test]
fn a_welcome_replaces_the_list_and_the_speaker_is_reported_again() {
    let mut world = World::connected(2);
    list(&mut world, &[0], &[1]);
    say(&mut world, &[], SILENCE, 60);
    say(&mut world, &[1], b"word", 10);
    assert_eq!(reports(&mut world).len(), 1);
    // The room never got the report.
    let sessions = world.clients.iter().map(|client| client.parameters()).collect();
    let microphones = microphones(&world, &[0], &[1]);
    world.control(RoomToNode::Welcome { sessions, forwards: Vec::new(), recording: None, microphones });
    say(&mut world, &[1], b"word", 60);
    let expected = vec![vec![track(&world, 1)]];
    assert_eq!(reports(&mut world), expected);
    let sessions = world.clients.iter().map(|client| client.parameters()).collect();
    let microphones = Microphones::default();
    world.control(RoomToNode::Welcome { sessions, forwards: Vec::new(), recording: None, microphones });
    assert_eq!(world.sfu.streams_listened(), 0);
}

#[test]
fn a_room_that_is_left_waits_for_nothing() {
    let mut world = World::connected(2);
    list(&mut world, &[0], &[1]);
    say(&mut world, &[0, 1], b"word", 10);
    let key = *world.sfu.rooms_by_id.get(&room()).expect("a room");
    assert!(world.sfu.deadlines.is_set(Timer::Loudest(key)), "the speaker waits for a slot");
    world.control(RoomToNode::Release {});
    assert!(!world.sfu.deadlines.is_set(Timer::Loudest(key)));
}

#[test]
fn the_slot_follows_with_the_next_packet() {
    let mut world = World::connected(3);
    world.forward(0, AUDIO, 2, AUDIO_SLOT);
    list(&mut world, &[0], &[1]);
    say(&mut world, &[0], SILENCE, 60);
    say(&mut world, &[0, 1], b"word", 3);
    assert_eq!(reports(&mut world), Vec::<Vec<TrackRef>>::new(), "both speak");
    say(&mut world, &[1], b"word", 200);
    assert_eq!(reports(&mut world).len(), 1);
    let before = world.clients[2].rtp.len();
    world.forward(1, AUDIO, 2, AUDIO_SLOT);
    list(&mut world, &[1], &[0]);
    say(&mut world, &[0, 1], b"word", 5);
    world.run_for(50);
    let heard: Vec<u32> = world.clients[2].rtp[before..].iter().flat_map(|packet| packet.csrcs.clone()).collect();
    let [silent, speaking] = [0, 1].map(|place| world.clients[place].csrc(AUDIO));
    assert_eq!(heard, [[silent].as_slice(), &[speaking; 5]].concat(), "the one plays until the other begins");
}
