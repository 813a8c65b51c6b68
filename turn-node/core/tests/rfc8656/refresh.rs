//! RFC 8656 §8: Refresh, and the end of allocations.

use super::world::{NODE, World, client};
use shared::turn_credential::TurnPolicy;
use turn_core::message::{AttributeType as A, Method};

#[test]
fn s8_2_prolongs_and_ends() {
    let (mut world, mut ada, _) = World::allocated(TurnPolicy::Sfu);
    world.pass(500);
    assert_eq!(world.ask(&mut ada, Method::Refresh, &[]).lifetime, Some(600));
    world.pass(599);
    assert_eq!(world.server.allocation_count(), 1);
    assert_eq!(world.ask(&mut ada, Method::Refresh, &[(A::LIFETIME, vec![0; 4])]).lifetime, Some(0));
    assert_eq!((world.server.allocation_count(), world.relays.len()), (0, 0));
    // After a lost answer, the client repeats the request.
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
