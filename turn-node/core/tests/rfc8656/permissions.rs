//! RFC 8656 §9 to §12: permissions, data and channels.

use super::world::{NODE, World, XOR_TRANSACTION, address, client};
use shared::turn_credential::TurnPolicy;
use turn_core::Framing;
use turn_core::message::{AttributeType as A, Class, MessageWriter, Method};

#[test]
fn s10_2_several_peers_all_or_none() {
    let (mut world, mut ada, id) = World::allocated(TurnPolicy::P2p);
    assert_eq!(world.permit(&mut ada, &["8.8.8.8:1", "1.1.1.1:1"]), 0);
    assert!(world.hears(id, "8.8.8.8:99").is_some() && world.hears(id, "1.1.1.1:99").is_some());
    assert_eq!(world.permit(&mut ada, &["9.9.9.9:1", "127.0.0.1:1"]), 403);
    assert_eq!(world.hears(id, "9.9.9.9:1"), None);
    assert_eq!(world.permit(&mut ada, &["9.9.9.9:1", "[2600::1]:1"]), 443);
    assert_eq!(world.hears(id, "9.9.9.9:1"), None);
}

#[test]
fn s10_2_needs_an_allocation_and_a_peer() {
    let (mut world, mut ada, _) = World::allocated(TurnPolicy::P2p);
    assert_eq!(world.permit(&mut ada, &[]), 400);
    let mut grace = client(4001, TurnPolicy::P2p, "grace");
    assert_eq!(world.permit(&mut grace, &["8.8.8.8:1"]), 437);
}

#[test]
fn s9_a_permission_lives_five_minutes_and_data_does_not_prolong_it() {
    let (mut world, mut ada, id) = World::allocated(TurnPolicy::P2p);
    assert_eq!(world.permit(&mut ada, &["8.8.8.8:1"]), 0);
    world.pass(299);
    assert!(world.send(&ada, "8.8.8.8:9", b"x").is_some());
    assert_eq!(world.hears(id, "8.8.8.8:9"), Some(Framing::Indication));
    world.pass(1);
    assert_eq!(world.send(&ada, "8.8.8.8:9", b"x"), None);
    assert_eq!(world.hears(id, "8.8.8.8:9"), None);
}

#[test]
fn permissions_are_bounded() {
    let (mut world, mut ada, _) = World::allocated(TurnPolicy::P2p);
    let codes: Vec<u16> = (0..65).map(|n| world.permit(&mut ada, &[&format!("8.8.8.{n}:1")])).collect();
    assert_eq!((codes[..64].iter().sum::<u16>(), codes[64]), (0, 508));
    assert_eq!(world.permit(&mut ada, &["8.8.8.3:1"]), 0, "known ones can still be refreshed");
}

#[test]
fn s11_2_send_needs_a_permission() {
    let (mut world, mut ada, id) = World::allocated(TurnPolicy::Sfu);
    assert_eq!(world.send(&ada, NODE, b"hello"), None);
    assert_eq!(world.permit(&mut ada, &[NODE]), 0);
    let route = world.send(&ada, NODE, b"hello").expect("permitted");
    assert_eq!((route.allocation, route.peer, route.payload.len()), (id, address(NODE), 5));
}

#[test]
fn s11_2_and_s14_dont_fragment_is_passed_on() {
    let (mut world, mut ada, _) = World::allocated(TurnPolicy::Sfu);
    assert_eq!(world.permit(&mut ada, &[NODE]), 0);
    assert_eq!(world.send(&ada, NODE, b"x").map(|route| route.dont_fragment), Some(false));
    let message = MessageWriter::new(Method::Send, Class::Indication, XOR_TRANSACTION)
        .with_address(A::XOR_PEER_ADDRESS, address(NODE))
        .with(A::DONT_FRAGMENT, &[])
        .with(A::DATA, b"x")
        .finish();
    assert_eq!(world.raw(ada.tuple, &message).0.map(|route| route.dont_fragment), Some(true));
    assert_eq!(world.bind(&mut ada, 0x4001, NODE), 0);
    assert_eq!(world.channel_data(&ada, 0x4001, b"x").map(|route| route.dont_fragment), Some(false));
}

#[test]
fn s11_3_a_stranger_is_not_heard() {
    let (mut world, mut ada, id) = World::allocated(TurnPolicy::P2p);
    assert_eq!(world.hears(id, "8.8.8.8:9"), None);
    assert_eq!(world.permit(&mut ada, &["8.8.8.8:1"]), 0);
    assert_eq!(world.hears(id, "8.8.8.8:9"), Some(Framing::Indication));
    assert_eq!(world.hears(id, "8.8.4.4:9"), None);
}

#[test]
fn s12_2_binds_and_relays_both_ways() {
    let (mut world, mut ada, id) = World::allocated(TurnPolicy::Sfu);
    assert_eq!(world.bind(&mut ada, 0x4001, NODE), 0);
    let route = world.channel_data(&ada, 0x4001, b"hello").expect("bound");
    assert_eq!((route.peer, route.payload), (address(NODE), 4..9));
    assert_eq!(world.hears(id, NODE), Some(Framing::Channel(0x4001)));
}

#[test]
fn s12_2_a_number_and_a_peer_belong_to_one_channel() {
    let (mut world, mut ada, _) = World::allocated(TurnPolicy::P2p);
    assert_eq!(world.bind(&mut ada, 0x4001, "8.8.8.8:1"), 0);
    assert_eq!(world.bind(&mut ada, 0x4001, "8.8.8.8:2"), 400);
    assert_eq!(world.bind(&mut ada, 0x4002, "8.8.8.8:1"), 400);
    assert_eq!(world.bind(&mut ada, 0x4001, "8.8.8.8:1"), 0, "refreshed");
}

#[test]
fn s12_2_numbers_are_bounded() {
    let (mut world, mut ada, _) = World::allocated(TurnPolicy::P2p);
    for (number, code) in [(0x3fff, 400), (0x4000, 0), (0x7ffe, 0), (0x7fff, 400), (0xffff, 400)] {
        assert_eq!(world.bind(&mut ada, number, &format!("8.8.8.8:{}", number | 1)), code, "{number:#x}");
    }
}

#[test]
fn s12_a_channel_lives_ten_minutes_its_permission_five() {
    let (mut world, mut ada, id) = World::allocated(TurnPolicy::P2p);
    world.ask(&mut ada, Method::Refresh, &[(A::LIFETIME, 3600_u32.to_be_bytes().to_vec())]);
    assert_eq!(world.bind(&mut ada, 0x4001, "8.8.8.8:1"), 0);
    world.pass(300);
    assert_eq!(world.hears(id, "8.8.8.8:1"), None, "the permission is over");
    assert!(world.channel_data(&ada, 0x4001, b"x").is_some());
    world.pass(300);
    assert_eq!(world.channel_data(&ada, 0x4001, b"x"), None);
    assert_eq!(world.bind(&mut ada, 0x4001, "8.8.8.8:2"), 0, "the number is free again");
}

#[test]
fn s12_6_data_for_an_unbound_channel_is_dropped() {
    let (mut world, ada, _) = World::allocated(TurnPolicy::P2p);
    assert_eq!(world.channel_data(&ada, 0x4001, b"x"), None);
    assert_eq!(world.server.counters.not_permitted, 1);
}
