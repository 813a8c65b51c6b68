//! One test per MUST of RFC 8656 (and of RFC 8489 §9.2), named by its section.
#![allow(clippy::disallowed_methods, reason = "a test has a clock, and passes time by hand from there")]

#[path = "rfc8656/data_and_floods.rs"]
mod data_and_floods;
#[path = "rfc8656/situations.rs"]
mod situations;
#[path = "rfc8656/world.rs"]
mod world;

use shared::turn_credential::{TurnKeys, TurnPolicy};
use std::collections::BTreeSet;
use turn_core::auth::IntegrityKey;
use turn_core::message::{AttributeType as A, Class, Message, MessageWriter, Method};
use turn_core::{FiveTuple, Framing};
use world::{Answer, Client, KEYS, NODE, UDP, World, XOR_TRANSACTION, address, client};

// ---- RFC 8489 §9.2: long-term credentials ----

#[test]
fn rfc8489_9_2_4_asks_for_credentials_first() {
    let mut world = World::new();
    let bytes =
        client(4000, TurnPolicy::Sfu, "ada").request(Method::Allocate, &[(A::REQUESTED_TRANSPORT, UDP.to_vec())]);
    let (_, answers) = world.raw(client(4000, TurnPolicy::Sfu, "ada").tuple, &bytes);
    let message = Message::parse(&answers[0]).expect("sound");
    assert_eq!(Answer::read(&answers[0]).code, 401);
    assert_eq!(message.value(A::REALM), Some(&b"rotunda"[..]));
    assert!(message.value(A::NONCE).is_some());
    // A response to an unknown client must not be signed.
    assert!(message.value(A::MESSAGE_INTEGRITY).is_none());
}

#[test]
fn rfc8489_9_2_4_refuses_a_wrong_password() {
    let (mut world, mut ada, _) = World::allocated(TurnPolicy::Sfu);
    ada.username = "1800003600:sfu:eve".into();
    let nonce = ada.nonce.clone().expect("has one");
    let key = IntegrityKey::long_term(&ada.username, "rotunda", "a guess");
    let message = MessageWriter::new(Method::Refresh, Class::Request, [1; 12])
        .with(A::USERNAME, ada.username.as_bytes())
        .with(A::REALM, b"rotunda")
        .with(A::NONCE, &nonce)
        .signed(&key)
        .finish();
    assert_eq!(Answer::read(&world.raw(ada.tuple, &message).1[0]).code, 401);
}

#[test]
fn rfc8489_9_2_4_wants_name_realm_and_nonce_beside_the_integrity() {
    let mut world = World::new();
    let ada = client(4000, TurnPolicy::Sfu, "ada");
    let message = MessageWriter::new(Method::Allocate, Class::Request, [1; 12])
        .with(A::USERNAME, ada.username.as_bytes())
        .signed(&ada.key())
        .finish();
    assert_eq!(Answer::read(&world.raw(ada.tuple, &message).1[0]).code, 400);
}

#[test]
fn rfc8489_9_2_4_tells_when_a_nonce_is_stale() {
    let (mut world, mut ada, _) = World::allocated(TurnPolicy::Sfu);
    world.pass(599);
    let fresh = ada.request(Method::Refresh, &[]);
    assert_eq!(Answer::read(&world.raw(ada.tuple, &fresh).1[0]).code, 0);
    world.pass(1);
    let answer = Answer::read(&world.raw(ada.tuple, &fresh).1[0]);
    assert_eq!(answer.code, 438);
    assert!(answer.nonce.is_some_and(|nonce| Some(nonce) != ada.nonce));
}

#[test]
fn a_nonce_is_good_for_one_address() {
    let (mut world, mut ada, _) = World::allocated(TurnPolicy::Sfu);
    let request = ada.request(Method::Refresh, &[]);
    let elsewhere = FiveTuple { client: address("198.51.100.8:4000"), ..ada.tuple };
    assert_eq!(Answer::read(&world.raw(elsewhere, &request).1[0]).code, 438);
}

#[test]
fn an_expired_credential_makes_no_allocation_but_keeps_one_alive() {
    let (mut world, mut ada, _) = World::allocated(TurnPolicy::Sfu);
    for _ in 0..8 {
        world.pass(590);
        assert_eq!(world.ask(&mut ada, Method::Refresh, &[]).code, 0, "its call goes on");
    }
    let mut again =
        Client { tuple: FiveTuple { client: address("198.51.100.7:4001"), ..ada.tuple }, nonce: None, ..ada };
    let answer = world.raw(again.tuple, &again.request(Method::Allocate, &[])).1;
    again.nonce = Answer::read(&answer[0]).nonce;
    let request = again.request(Method::Allocate, &[(A::REQUESTED_TRANSPORT, UDP.to_vec())]);
    assert_eq!(Answer::read(&world.raw(again.tuple, &request).1[0]).code, 401);
}

#[test]
fn rfc8489_9_2_4_success_is_signed() {
    let mut world = World::new();
    let mut ada = client(4000, TurnPolicy::Sfu, "ada");
    let answer = world.allocate(&mut ada, &[]);
    assert!(Message::parse(&answer.bytes).expect("sound").is_signed_with(&ada.key()));
}

#[test]
fn rfc8489_6_3_1_names_unknown_attributes() {
    let mut world = World::new();
    let mut ada = client(4000, TurnPolicy::Sfu, "ada");
    let answer = world.allocate(&mut ada, &[(A(0x0026), vec![]), (A(0x7f01), vec![1])]);
    assert_eq!(answer.code, 420);
    let message = Message::parse(&answer.bytes).expect("sound");
    assert_eq!(message.value(A::UNKNOWN_ATTRIBUTES), Some(&[0x00, 0x26, 0x7f, 0x01][..]));
}

// Holds S0-SIG-01.
#[test]
fn rfc8489_12_1_binding_tells_the_address() {
    let mut world = World::new();
    let ada = client(4000, TurnPolicy::Sfu, "ada");
    let request = MessageWriter::new(Method::Binding, Class::Request, [5; 12]).fingerprinted().finish();
    let answer = Answer::read(&world.raw(ada.tuple, &request).1[0]);
    assert_eq!(answer.mapped, Some(ada.tuple.client));
    assert!(Message::parse(&answer.bytes).expect("sound").has_fingerprint());
}

// ---- §7: Allocate ----

#[test]
fn s7_2_gives_a_relayed_address() {
    let mut world = World::new();
    let mut ada = client(4000, TurnPolicy::Sfu, "ada");
    let answer = world.allocate(&mut ada, &[]);
    let relayed = answer.relayed.expect("an address");
    assert_eq!(
        (relayed.ip(), answer.mapped, answer.lifetime),
        (address("93.184.216.99:0").ip(), Some(ada.tuple.client), Some(600))
    );
    assert!((50_000..=50_009).contains(&relayed.port()));
    assert_eq!(world.relays[0].1, relayed);
}

#[test]
fn s7_2_one_allocation_per_five_tuple() {
    let (mut world, mut ada, _) = World::allocated(TurnPolicy::Sfu);
    assert_eq!(world.allocate(&mut ada, &[]).code, 437);
}

#[test]
fn s7_2_a_repeated_request_gets_the_same_answer() {
    let mut world = World::new();
    let mut ada = client(4000, TurnPolicy::Sfu, "ada");
    let first = world.raw(ada.tuple, &ada.request(Method::Allocate, &[])).1;
    ada.nonce = Answer::read(&first[0]).nonce;
    let request = ada.request(Method::Allocate, &[(A::REQUESTED_TRANSPORT, UDP.to_vec())]);
    let one = world.raw(ada.tuple, &request).1;
    let two = world.raw(ada.tuple, &request).1;
    assert_eq!(one, two);
    assert_eq!(world.relays.len(), 1);
}

#[test]
fn s7_2_transport_must_be_there_and_udp() {
    let mut world = World::new();
    let mut ada = client(4000, TurnPolicy::Sfu, "ada");
    assert_eq!(world.ask(&mut ada, Method::Allocate, &[]).code, 400);
    assert_eq!(world.ask(&mut ada, Method::Allocate, &[(A::REQUESTED_TRANSPORT, vec![6, 0, 0, 0])]).code, 442);
    assert_eq!(world.ask(&mut ada, Method::Allocate, &[(A::REQUESTED_TRANSPORT, vec![17])]).code, 400);
}

#[test]
fn s7_2_families() {
    let mut world = World::new();
    let mut ada = client(4000, TurnPolicy::P2p, "ada");
    let family = |number: u8| (A::REQUESTED_ADDRESS_FAMILY, vec![number, 0, 0, 0]);
    assert_eq!(world.allocate(&mut ada, &[family(9)]).code, 440);
    let both = [family(1), (A::ADDITIONAL_ADDRESS_FAMILY, vec![2, 0, 0, 0])];
    assert_eq!(world.allocate(&mut ada, &both).code, 400);
    let answer = world.allocate(&mut ada, &[family(2)]);
    assert!(answer.relayed.is_some_and(|relayed| relayed.is_ipv6()));
    let mut grace = client(4001, TurnPolicy::P2p, "grace");
    let answer = world.allocate(&mut grace, &[(A::ADDITIONAL_ADDRESS_FAMILY, vec![2, 0, 0, 0])]);
    let message = Message::parse(&answer.bytes).expect("sound");
    assert_eq!(message.value(A::ADDRESS_ERROR_CODE), Some(&[2, 0, 4, 40][..]));
    assert!(answer.relayed.is_some_and(|relayed| relayed.is_ipv4()));
}

#[test]
fn s7_2_even_port_and_reservation() {
    let mut world = World::new();
    let mut ada = client(4000, TurnPolicy::P2p, "ada");
    let answer = world.allocate(&mut ada, &[(A::EVEN_PORT, vec![0x80])]);
    let port = answer.relayed.expect("an address").port();
    assert_eq!(port % 2, 0);
    let message = Message::parse(&answer.bytes).expect("sound");
    let token = message.value(A::RESERVATION_TOKEN).expect("a token").to_vec();
    let mut rtcp = client(4001, TurnPolicy::P2p, "ada");
    let both = [(A::RESERVATION_TOKEN, token.clone()), (A::EVEN_PORT, vec![0])];
    assert_eq!(world.allocate(&mut rtcp, &both).code, 400);
    let answer = world.allocate(&mut rtcp, &[(A::RESERVATION_TOKEN, token.clone())]);
    assert_eq!(answer.relayed.expect("an address").port(), port + 1);
    // A token is good once.
    let mut third = client(4002, TurnPolicy::P2p, "ada");
    assert_eq!(world.allocate(&mut third, &[(A::RESERVATION_TOKEN, token)]).code, 508);
}

#[test]
fn s7_2_a_reservation_ends() {
    let mut world = World::new();
    let mut ada = client(4000, TurnPolicy::P2p, "ada");
    let answer = world.allocate(&mut ada, &[(A::EVEN_PORT, vec![0x80])]);
    let message = Message::parse(&answer.bytes).expect("sound");
    let token = message.value(A::RESERVATION_TOKEN).expect("a token").to_vec();
    world.pass(31);
    let mut rtcp = client(4001, TurnPolicy::P2p, "ada");
    assert_eq!(world.allocate(&mut rtcp, &[(A::RESERVATION_TOKEN, token)]).code, 508);
}

#[test]
fn s7_2_lifetime_is_bounded() {
    for (asked, given) in [(1_u32, 600), (600, 600), (1200, 1200), (999_999, 3600)] {
        let mut world = World::new();
        let mut ada = client(4000, TurnPolicy::Sfu, "ada");
        let answer = world.allocate(&mut ada, &[(A::LIFETIME, asked.to_be_bytes().to_vec())]);
        assert_eq!(answer.lifetime, Some(given), "asked for {asked}");
    }
}

#[test]
fn s7_2_quota_per_user() {
    let mut world = World::new();
    let mut clients: Vec<Client> = (0..4).map(|port| client(4000 + port, TurnPolicy::Sfu, "ada")).collect();
    let codes: Vec<u16> = clients.iter_mut().map(|client| world.allocate(client, &[]).code).collect();
    assert_eq!(codes, [0, 0, 0, 486]);
    assert_eq!(world.allocate(&mut client(4100, TurnPolicy::Sfu, "grace"), &[]).code, 0, "others have their own");
    assert_eq!(world.ask(&mut clients[0], Method::Refresh, &[(A::LIFETIME, vec![0; 4])]).code, 0);
    assert_eq!(world.allocate(&mut clients[3], &[]).code, 0, "what ended counts no more");
}

#[test]
fn while_draining_nothing_new_is_allocated_and_what_is_there_goes_on() {
    let (mut world, mut ada, _) = World::allocated(TurnPolicy::Sfu);
    world.server.drain();
    assert_eq!(world.allocate(&mut client(4001, TurnPolicy::Sfu, "grace"), &[]).code, 508);
    assert_eq!(world.ask(&mut ada, Method::Refresh, &[]).code, 0);
    let refused: Vec<_> = world.server.counters.refused.counts().filter(|(_, count)| *count > 0).collect();
    assert_eq!(refused, [(401, 2), (508, 1)]);
}

#[test]
fn a_new_credential_brings_no_new_quota() {
    let mut world = World::new();
    let mut codes = vec![];
    for port in 0..4 {
        let later = client(4000 + port, TurnPolicy::Sfu, "ada");
        let (_, rest) = later.username.split_once(':').expect("a time");
        let mut later = Client { username: format!("180000360{port}:{rest}"), ..later };
        codes.push(world.allocate(&mut later, &[]).code);
    }
    assert_eq!(codes, [0, 0, 0, 486]);
}

#[test]
fn a_password_of_any_key_is_good() {
    let mut world = World::new();
    let (_, before) = KEYS.split_once(',').expect("two keys");
    let mut ada = Client { keys: TurnKeys::parse(before).expect("a key"), ..client(4000, TurnPolicy::Sfu, "ada") };
    assert_eq!(world.allocate(&mut ada, &[]).code, 0);
}

#[test]
fn s7_2_other_ports_are_tried_and_then_508() {
    let mut world = World::new();
    world.failures.0 = 3;
    assert_eq!(world.allocate(&mut client(4000, TurnPolicy::Sfu, "ada"), &[]).code, 0);
    let mut world = World::new();
    world.failures.0 = 100;
    let mut ada = client(4000, TurnPolicy::Sfu, "ada");
    assert_eq!(world.allocate(&mut ada, &[]).code, 508);
    assert_eq!(world.server.allocation_count(), 0);
}

#[test]
fn ports_run_out_with_508_and_come_back() {
    let mut world = World::new();
    let mut clients: Vec<Client> = (0..11).map(|n| client(4000 + n, TurnPolicy::Sfu, &format!("p{n}"))).collect();
    let codes: Vec<u16> = clients.iter_mut().map(|client| world.allocate(client, &[]).code).collect();
    assert_eq!((codes[..10].iter().sum::<u16>(), codes[10]), (0, 508));
    world.pass(601);
    assert!(world.drain().is_empty());
    assert_eq!(world.allocate(&mut clients[10], &[]).code, 0);
}

// ---- §8: Refresh ----

#[test]
fn s8_2_prolongs_and_ends() {
    let (mut world, mut ada, _) = World::allocated(TurnPolicy::Sfu);
    world.pass(500);
    assert_eq!(world.ask(&mut ada, Method::Refresh, &[]).lifetime, Some(600));
    world.pass(599);
    assert_eq!(world.server.allocation_count(), 1);
    assert_eq!(world.ask(&mut ada, Method::Refresh, &[(A::LIFETIME, vec![0; 4])]).lifetime, Some(0));
    assert_eq!((world.server.allocation_count(), world.relays.len()), (0, 0));
    // A lost answer is asked for again.
    assert_eq!(world.ask(&mut ada, Method::Refresh, &[(A::LIFETIME, vec![0; 4])]).code, 0);
    assert_eq!(world.ask(&mut ada, Method::Refresh, &[]).code, 437);
}

#[test]
fn s8_2_other_family_is_refused() {
    let (mut world, mut ada, _) = World::allocated(TurnPolicy::Sfu);
    assert_eq!(world.ask(&mut ada, Method::Refresh, &[(A::REQUESTED_ADDRESS_FAMILY, vec![2, 0, 0, 0])]).code, 443);
    assert_eq!(world.ask(&mut ada, Method::Refresh, &[(A::REQUESTED_ADDRESS_FAMILY, vec![1, 0, 0, 0])]).code, 0);
}

#[test]
fn s7_an_allocation_ends_by_itself() {
    let (mut world, ada, _) = World::allocated(TurnPolicy::Sfu);
    world.pass(599);
    assert_eq!(world.server.allocation_count(), 1);
    world.pass(1);
    world.drain();
    assert_eq!((world.server.allocation_count(), world.relays.len()), (0, 0));
    assert_eq!(world.send(&ada, NODE, b"x"), None);
}

#[test]
fn s5_only_the_owner_touches_an_allocation() {
    let (mut world, ada, _) = World::allocated(TurnPolicy::Sfu);
    // Another user's valid credentials from the same address.
    let mut eve = client(4000, TurnPolicy::Sfu, "eve");
    eve.nonce = ada.nonce;
    assert_eq!(world.ask(&mut eve, Method::Refresh, &[(A::LIFETIME, vec![0; 4])]).code, 441);
    assert_eq!(world.permit(&mut eve, &[NODE]), 441);
    assert_eq!(world.bind(&mut eve, 0x4000, NODE), 441);
    assert_eq!(world.server.allocation_count(), 1);
}

// ---- §9, §10: permissions ----

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

// ---- §11: Send and Data ----

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

// ---- §12: channels ----

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

// ---- §21: who may be reached ----

#[test]
fn s21_sfu_credentials_reach_media_nodes_only() {
    let (mut world, mut ada, id) = World::allocated(TurnPolicy::Sfu);
    assert_eq!(world.permit(&mut ada, &["8.8.8.8:1"]), 403);
    assert_eq!(world.bind(&mut ada, 0x4001, "93.184.216.34:22"), 403);
    assert_eq!(world.permit(&mut ada, &[NODE]), 0);
    assert_eq!(world.send(&ada, "93.184.216.34:22", b"x"), None, "another port of a media node");
    assert_eq!(world.hears(id, "93.184.216.34:22"), None);
    assert!(world.send(&ada, NODE, b"x").is_some());
    assert_eq!(world.bind(&mut ada, 0x4001, NODE), 0);
    assert!(world.channel_data(&ada, 0x4001, b"x").is_some() && world.hears(id, NODE).is_some());
    world.server.set_media_nodes(BTreeSet::new());
    assert_eq!(world.send(&ada, NODE, b"x"), None, "a node that is gone is reached no more");
    assert_eq!(world.channel_data(&ada, 0x4001, b"x"), None, "nor through a channel");
    assert_eq!(world.hears(id, NODE), None, "nor heard");
    world.server.set_media_nodes(BTreeSet::from([address(NODE)]));
    assert!(world.channel_data(&ada, 0x4001, b"x").is_some(), "until it is back");
}

#[test]
fn bandwidth_is_bounded_per_user() {
    let (mut world, mut ada, id) = World::allocated(TurnPolicy::P2p);
    assert_eq!(world.bind(&mut ada, 0x4001, "8.8.8.8:1"), 0);
    let sent = (0..10).filter(|_| world.channel_data(&ada, 0x4001, &[0; 1000]).is_some()).count();
    assert_eq!(sent, 5, "one second's worth of 5,000 bytes a second");
    assert_eq!(world.hears(id, "8.8.8.8:1"), None, "both ways together");
    assert!(world.server.counters.over_quota > 0);
    // Neither a second allocation nor a new one helps.
    let mut other = client(4001, TurnPolicy::P2p, "ada");
    assert_eq!((world.allocate(&mut other, &[]).code, world.bind(&mut other, 0x4001, "8.8.8.8:1")), (0, 0));
    assert_eq!(world.channel_data(&other, 0x4001, &[0; 1000]), None);
    for client in [&mut ada, &mut other] {
        assert_eq!(world.ask(client, Method::Refresh, &[(A::LIFETIME, vec![0; 4])]).code, 0);
    }
    assert_eq!((world.allocate(&mut ada, &[]).code, world.bind(&mut ada, 0x4001, "8.8.8.8:1")), (0, 0));
    assert_eq!(world.channel_data(&ada, 0x4001, &[0; 1000]), None);
    let mut grace = client(4002, TurnPolicy::P2p, "grace");
    assert_eq!((world.allocate(&mut grace, &[]).code, world.bind(&mut grace, 0x4001, "8.8.8.8:1")), (0, 0));
    assert!(world.channel_data(&grace, 0x4001, &[0; 1000]).is_some(), "others have their own");
    world.pass(1);
    assert!(world.channel_data(&ada, 0x4001, &[0; 1000]).is_some());
}

#[test]
fn hostile_bytes_are_counted_and_dropped() {
    let (mut world, ada, _) = World::allocated(TurnPolicy::P2p);
    for bytes in [&[][..], &[0; 20], &[0x40], &[0xff; 40], &[0x40, 0, 0xff, 0xff, 1]] {
        let (route, answers) = world.raw(ada.tuple, bytes);
        assert!(route.is_none() && answers.is_empty(), "{bytes:?}");
    }
    assert!(world.server.counters.malformed >= 4);
}
