//! RFC 8656 §7: Allocate.

use super::world::{Answer, Client, KEYS, UDP, World, address, client};
use shared::turn_credential::{TurnKeys, TurnPolicy};
use turn_core::message::{AttributeType as A, Message, Method};

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
    assert_eq!(world.ask(&mut ada, Method::Allocate, &[(A::REQUESTED_TRANSPORT, vec![33, 0, 0, 0])]).code, 442);
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
    // A token is valid once.
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
