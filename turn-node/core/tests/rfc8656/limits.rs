//! RFC 8656 §21: who may be reached, and how much may be sent.

use super::world::{NODE, World, address, client};
use shared::turn_credential::TurnPolicy;
use std::collections::BTreeSet;
use turn_core::message::{AttributeType as A, Method};

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
