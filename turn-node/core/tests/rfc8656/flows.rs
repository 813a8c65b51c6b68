//! Flows that the kernel may relay: each is named while the server would relay its data, and not longer.

use super::world::{Client, NODE, World, address, client};
use shared::turn_credential::TurnPolicy;
use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use turn_core::budget::SharedBudgets;
use turn_core::flow::Until;
use turn_core::message::{AttributeType as A, Method};

const PEER: &str = "8.8.8.8:1";

/// A client with an allocation, on a node whose kernel relays.
fn world(policy: TurnPolicy) -> (World, Client) {
    let (mut world, mut ada) = (World::new(), client(4000, policy, "ada"));
    let numbers = Box::leak(Box::new([const { AtomicU64::new(0) }; 8]));
    world.pool().share_budgets(SharedBudgets::new(numbers, world.now.instant));
    assert_eq!(world.allocate(&mut ada, &[(A::LIFETIME, 3_600_u32.to_be_bytes().to_vec())]).code, 0);
    (world, ada)
}

/// Changes since the last call, as seconds from now to peers and to clients.
fn changes(world: &mut World) -> Vec<(Option<u64>, Option<u64>)> {
    world.drain();
    let seconds = |at: std::time::Instant| at.saturating_duration_since(world.now.instant).as_secs();
    world
        .flows
        .drain(..)
        .map(|(_, Until { to_peer, to_client })| (to_peer.map(seconds), to_client.map(seconds)))
        .collect()
}

#[test]
fn a_bound_channel_is_named_with_its_ends() {
    let (mut world, mut ada) = world(TurnPolicy::P2p);
    assert_eq!(world.bind(&mut ada, 0x4001, PEER), 0);
    let (flow, _) = *world.flows.first().expect("a flow");
    assert_eq!((flow.client, flow.channel, flow.peer), (ada.tuple.client, 0x4001, address(PEER)));
    assert_eq!(Some(flow.relay_port), world.relays.first().map(|(_, relayed)| relayed.port()));
    assert_eq!(changes(&mut world), [(Some(600), Some(300))]);
    // Another binding of the same prolongs both.
    world.pass(100);
    assert_eq!(world.bind(&mut ada, 0x4001, PEER), 0);
    assert_eq!(changes(&mut world), [(Some(600), Some(300))]);
}

#[test]
fn each_direction_ends_with_what_permits_it() {
    let (mut world, mut ada) = world(TurnPolicy::P2p);
    assert_eq!(world.bind(&mut ada, 0x4001, PEER), 0);
    assert_eq!(changes(&mut world).len(), 1);
    world.pass(299);
    assert_eq!(changes(&mut world), []);
    assert_eq!(world.server.poll_timeout(), Some(world.now.instant + std::time::Duration::from_secs(1)));
    world.pass(1);
    assert_eq!(changes(&mut world), [(Some(300), None)], "the permission is over, the channel is not");
    assert_eq!(world.permit(&mut ada, &[PEER]), 0);
    assert_eq!(changes(&mut world), [(Some(300), Some(300))]);
    world.pass(300);
    assert_eq!(changes(&mut world), [(None, None)]);
}

#[test]
fn flows_end_before_their_allocation() {
    let (mut world, mut ada) = world(TurnPolicy::P2p);
    assert_eq!((world.bind(&mut ada, 0x4001, PEER), world.bind(&mut ada, 0x4002, "1.1.1.1:1")), (0, 0));
    assert_eq!(changes(&mut world).len(), 2);
    assert_eq!(world.ask(&mut ada, Method::Refresh, &[(A::LIFETIME, 700_u32.to_be_bytes().to_vec())]).code, 0);
    assert_eq!(changes(&mut world), [], "a longer lifetime than the channels' changes nothing");
    world.end(&mut ada);
    assert_eq!(changes(&mut world), [(None, None); 2]);
    // The lifetime of an allocation may be the shortest of all.
    assert_eq!(world.allocate(&mut ada, &[]).code, 0);
    world.pass(590);
    assert_eq!(world.bind(&mut ada, 0x4001, PEER), 0);
    assert_eq!(changes(&mut world), [(Some(10), Some(10))]);
    world.pass(10);
    assert_eq!(changes(&mut world), [(None, None)]);
}

#[test]
fn a_media_node_that_is_gone_is_reached_no_more() {
    let (mut world, mut ada) = world(TurnPolicy::Sfu);
    assert_eq!(world.bind(&mut ada, 0x4001, NODE), 0);
    assert_eq!(changes(&mut world), [(Some(600), Some(300))]);
    world.server.set_media_nodes(world.now, BTreeSet::new());
    assert_eq!(changes(&mut world), [(None, None)]);
    world.server.set_media_nodes(world.now, BTreeSet::from([address(NODE)]));
    assert_eq!(changes(&mut world), [(Some(600), Some(300))]);
}

#[test]
fn refused_and_unusual_channels_are_not_named() {
    let (mut world, mut ada) = world(TurnPolicy::Sfu);
    assert_eq!(world.bind(&mut ada, 0x4001, PEER), 403);
    assert_eq!(world.bind(&mut ada, 0x4001, "93.184.216.34:7001"), 403);
    assert_eq!(changes(&mut world), [], "a peer that is denied");
    let (mut other, mut grace) = self::world(TurnPolicy::P2p);
    assert_eq!(other.bind(&mut grace, 0x4001, "93.184.216.99:50001"), 0);
    assert_eq!(changes(&mut other), [], "a peer on this host");
    let mut ivan = client(4001, TurnPolicy::P2p, "ivan");
    ivan.tuple.link = 7;
    assert_eq!((other.allocate(&mut ivan, &[]).code, other.bind(&mut ivan, 0x4001, PEER)), (0, 0));
    assert_eq!(changes(&mut other), [], "a client that came by TCP");
    let mut judy = client(4002, TurnPolicy::P2p, "judy");
    judy.tuple.client = address("[2600::5]:4002");
    assert_eq!((other.allocate(&mut judy, &[]).code, other.bind(&mut judy, 0x4001, PEER)), (0, 0));
    assert_eq!(changes(&mut other), [], "a client of another family than the peer");
    let (mut plain, mut ken, _) = World::allocated(TurnPolicy::P2p);
    assert_eq!(plain.bind(&mut ken, 0x4001, PEER), 0);
    assert_eq!(changes(&mut plain), [], "a node whose kernel relays nothing");
}
