//! Audio that repeats the packets before it (RFC 2198): from publishers, and to clients that lose packets.

use super::world::{AUDIO, AUDIO_SLOT, Client, OPUS, RED, World};
use crate::codec::red::Blocks;
use crate::rtcp::ReportBlock;

/// A room in which `has_redundancy` lists who negotiated it, and everybody hears the first one.
fn hearing(has_redundancy: &[bool]) -> World {
    let mut world = World::new(has_redundancy.len() as u32, 7);
    for (client, has_redundancy) in world.clients.iter_mut().zip(has_redundancy) {
        client.has_redundancy = *has_redundancy;
    }
    world.connect();
    (1..has_redundancy.len()).for_each(|place| world.forward(0, AUDIO, place, AUDIO_SLOT));
    world
}

fn say(world: &mut World, text: &[u8]) {
    let packet = world.clients[0].sound(text);
    world.send(0, packet);
    world.run_for(20);
}

/// Reports that the client lost this share of its packets, in 256ths.
fn report_loss(world: &mut World, place: usize, fraction_lost: u8) {
    let (client, own) = (&mut world.clients[place], place as u32);
    let block = ReportBlock {
        ssrc: client.ssrc(AUDIO_SLOT),
        fraction_lost,
        packets_lost: 1,
        highest_sequence: 1,
        jitter: 0,
        last_sender_report: 0,
        delay_since_sender_report: 0,
    };
    let report = client.report(|writer| writer.receiver_report(own, std::iter::once(block)).expect("fits"));
    world.send(place, report);
    world.run_for(20);
}

/// The last packet's payload and its repeated ones, the last one first.
fn last(client: &Client) -> (u8, Vec<Vec<u8>>) {
    let packet = client.rtp.last().expect("something was heard");
    if packet.payload_type == OPUS {
        return (OPUS, vec![packet.payload.clone()]);
    }
    let blocks = Blocks::parse(&packet.payload, OPUS).expect("well formed");
    let payloads = std::iter::once(blocks.primary).chain(blocks.earlier().map(|earlier| earlier.payload));
    (packet.payload_type, payloads.map(<[u8]>::to_vec).collect())
}

fn words(words: &[&[u8]]) -> Vec<Vec<u8>> {
    words.iter().map(|word| word.to_vec()).collect()
}

#[test]
fn who_loses_packets_gets_them_again_with_the_next_ones_and_nobody_else() {
    let mut world = hearing(&[false, true, true, false]);
    [b"one", b"two"].iter().for_each(|text| say(&mut world, *text));
    assert_eq!(last(&world.clients[1]), (OPUS, words(&[b"two"])), "nothing is lost yet");
    report_loss(&mut world, 1, 2);
    report_loss(&mut world, 3, 20);
    say(&mut world, b"three");
    assert_eq!(last(&world.clients[1]), (RED, words(&[b"three", b"two"])));
    assert_eq!(last(&world.clients[2]), (OPUS, words(&[b"three"])), "this one loses nothing");
    assert_eq!(last(&world.clients[3]), (OPUS, words(&[b"three"])), "this one cannot read it");
    report_loss(&mut world, 1, 13);
    say(&mut world, b"four");
    assert_eq!(last(&world.clients[1]), (RED, words(&[b"four", b"three", b"two"])), "many are lost");
    world.run_for(20_100);
    say(&mut world, b"five");
    assert_eq!(last(&world.clients[1]), (OPUS, words(&[b"five"])), "that is long ago");
}

#[test]
fn what_was_sent_with_redundancy_is_never_sent_again() {
    let mut world = hearing(&[false, true]);
    say(&mut world, b"one");
    let sequence = world.clients[1].rtp[0].sequence;
    let ssrc = world.clients[1].ssrc(AUDIO_SLOT);
    let nack = world.clients[1].report(|writer| {
        writer.receiver_report(1, std::iter::empty()).expect("fits");
        writer.nack(1, ssrc, std::iter::once(sequence)).expect("fits");
    });
    world.send(1, nack);
    world.run_for(100);
    assert_eq!(world.clients[1].rtp.len(), 1);
}

#[test]
fn what_a_publishers_uplink_loses_comes_with_the_next_packet() {
    let mut world = hearing(&[true, false]);
    let (one, _two, three) = {
        let client = &mut world.clients[0];
        (
            client.redundant_sound(b"one", &[]),
            client.redundant_sound(b"two", &[b"one"]),
            client.redundant_sound(b"three", &[b"two", b"one"]),
        )
    };
    world.send(0, one);
    world.send(0, three);
    world.run_for(50);
    let heard: Vec<_> =
        world.clients[1].rtp.iter().map(|packet| (packet.payload_type, packet.payload.clone())).collect();
    assert_eq!(heard, words(&[b"one", b"two", b"three"]).into_iter().map(|word| (OPUS, word)).collect::<Vec<_>>());
    let times: Vec<_> = world.clients[1].rtp.iter().map(|packet| packet.timestamp).collect();
    assert!(times.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == 960), "{times:?}");
}
