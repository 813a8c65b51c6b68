//! Situations that broke TURN servers in the field: floods, data at the edges of what UDP allows, and forbidden peers.

use crate::situations::family;
use crate::world::{Client, NODE, UDP, World, address, client, xor};
use shared::turn_credential::TurnPolicy;
use turn_core::message::{AttributeType as A, Class, MessageWriter, Method};
use turn_core::{AllocationId, FiveTuple, limits};

// ---- What strangers send ----

#[test]
fn a_flood_without_credentials_is_not_amplified() {
    let mut world = World::new();
    let ada = client(4000, TurnPolicy::Sfu, "ada");
    let mut nobody = Client { nonce: None, ..ada.clone() };
    let allocate = nobody.request(Method::Allocate, &[(A::REQUESTED_TRANSPORT, UDP.to_vec())]);
    let unknown = MessageWriter::new(Method::Binding, Class::Request, [5; 12]).with(A(0x7f01), &[]).finish();
    let mut answered = 0;
    for n in 0..20_000_u16 {
        // Ports are as easily spoofed as addresses.
        let from = FiveTuple { client: (ada.tuple.client.ip(), 1 + n).into(), ..ada.tuple };
        answered += world.raw(from, if n % 2 == 0 { &allocate } else { &unknown }).1.len() as u64;
    }
    assert_eq!(answered, limits::UNPROVEN_ERRORS_BURST);
    assert_eq!(world.server.counters.unanswered, 20_000 - answered);
    let mut other = client(4000, TurnPolicy::Sfu, "grace");
    other.tuple.client = address("203.0.113.9:4000");
    assert_eq!(world.allocate(&mut other, &[]).code, 0, "other addresses are served");
    world.pass(1);
    assert_eq!(world.allocate(&mut client(4000, TurnPolicy::Sfu, "ada"), &[]).code, 0, "and so is this one later");
}

#[test]
fn a_known_client_is_never_limited() {
    let (mut world, mut ada, _) = World::allocated(TurnPolicy::Sfu);
    for _ in 0..2 * limits::UNPROVEN_ERRORS_BURST {
        assert_eq!(world.permit(&mut ada, &["8.8.8.8:1"]), 403);
    }
    assert_eq!(world.server.counters.unanswered, 0);
}

#[test]
fn a_binding_indication_keeps_a_nat_open_and_is_not_an_error() {
    let mut world = World::new();
    let keepalive = MessageWriter::new(Method::Binding, Class::Indication, [5; 12]).fingerprinted().finish();
    let (route, answers) = world.raw(client(4000, TurnPolicy::Sfu, "ada").tuple, &keepalive);
    assert!(route.is_none() && answers.is_empty());
    assert_eq!(world.server.counters.malformed, 0);
}

// ---- Data at the limits of UDP ----

#[test]
fn empty_data_is_relayed_both_ways() {
    let (mut world, mut ada, id) = World::allocated(TurnPolicy::Sfu);
    assert_eq!(world.permit(&mut ada, &[NODE]), 0);
    assert_eq!(world.send(&ada, NODE, b"").map(|route| route.payload.len()), Some(0));
    assert!(world.server.handle_peer(world.now, id, address(NODE), 0).is_some());
    assert_eq!(world.bind(&mut ada, 0x4001, NODE), 0);
    assert_eq!(world.channel_data(&ada, 0x4001, b"").map(|route| route.payload), Some(4..4));
}

#[test]
fn data_that_fits_no_message_is_dropped_and_counted() {
    fn longest(world: &mut World, id: AllocationId, peer: &str) -> usize {
        let fits =
            |world: &mut World, bytes: usize| world.server.handle_peer(world.now, id, address(peer), bytes).is_some();
        let longest = (65_400..=65_535).rev().find(|bytes| fits(world, *bytes)).expect("some length fits");
        let mut header = vec![];
        world.server.indication_header(address(peer), longest as u16, &mut header);
        assert_eq!(usize::from(u16::from_be_bytes([header[2], header[3]])) % 4, 0);
        longest
    }
    let generous = || World::with(|config| config.p2p_bytes_per_s = 1 << 40);
    for (peer, number, expected) in [
        ("8.8.8.8:1", Some(0x4001), 65_503),
        ("8.8.8.8:1", None, 65_468),
        ("[2600::1]:1", Some(0x4001), 65_503),
        ("[2600::1]:1", None, 65_456),
    ] {
        let mut world = generous();
        let mut ada = client(4000, TurnPolicy::P2p, "ada");
        let is_v6 = address(peer).is_ipv6();
        let wanted = if is_v6 { family(A::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0]) } else { vec![] };
        assert_eq!(world.allocate(&mut ada, &wanted).code, 0);
        let id = world.relays[0].0;
        let peers = [(A::XOR_PEER_ADDRESS, xor(address(peer)))];
        match number {
            Some(number) => assert_eq!(world.bind(&mut ada, number, peer), 0),
            None => assert_eq!(world.ask(&mut ada, Method::CreatePermission, &peers).code, 0),
        }
        assert_eq!(longest(&mut world, id, peer), expected, "{peer} {number:?}");
        assert!(world.server.counters.too_long > 0);
    }
}

// ---- Whom p2p credentials must not reach ----

#[test]
fn metadata_services_are_out_of_reach_whatever_is_allowed() {
    let mut world = World::with(|config| {
        config.policy.allowed = ["0.0.0.0/0", "::/0"].map(|all| all.parse().expect("a network")).to_vec();
    });
    let mut ada = client(4000, TurnPolicy::P2p, "ada");
    assert_eq!(world.allocate(&mut ada, &[]).code, 0);
    for peer in ["168.63.129.16:80", "169.254.169.254:80", "100.100.100.200:80", "192.0.0.192:80"] {
        assert_eq!(world.permit(&mut ada, &[peer]), 403, "{peer}");
        assert_eq!(world.bind(&mut ada, 0x4001, peer), 403, "{peer}");
        assert_eq!(world.send(&ada, peer, b"GET /"), None, "{peer}");
    }
    assert_eq!(world.permit(&mut ada, &["10.1.2.3:80"]), 0);
}
