//! RFC 8489 §9.2: long-term credentials, and requests that need none.

use super::world::{Answer, Client, UDP, World, address, client};
use shared::turn_credential::TurnPolicy;
use turn_core::FiveTuple;
use turn_core::auth::IntegrityKey;
use turn_core::message::{AttributeType as A, Class, Message, MessageWriter, Method};

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
