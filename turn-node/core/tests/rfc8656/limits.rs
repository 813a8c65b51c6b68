//! RFC 8656 §21: reachable peers, and the bandwidth limit.

use super::world::{Client, NODE, World, address, client};
use shared::turn_credential::TurnPolicy;
use std::collections::BTreeSet;
use turn_core::message::{AttributeType as A, Method};
use turn_core::pool::{Pool, Quotas};

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
    world.server.set_media_nodes(world.now, BTreeSet::new());
    assert_eq!(world.send(&ada, NODE, b"x"), None, "a node that is gone is reached no more");
    assert_eq!(world.channel_data(&ada, 0x4001, b"x"), None, "nor through a channel");
    assert_eq!(world.hears(id, NODE), None, "nor heard");
    world.server.set_media_nodes(world.now, BTreeSet::from([address(NODE)]));
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

/// RFC 8656 §21.2.5: with open guest access, anybody can have any number of users.
#[test]
fn one_address_cannot_hold_every_relay_port_with_many_users() {
    let from = |ip: &str, port: u16| {
        let mut user = client(port, TurnPolicy::Sfu, &format!("p{port}"));
        user.tuple.client.set_ip(ip.parse().expect("an address"));
        user
    };
    for (crowd, others) in [
        (["198.51.100.7", "198.51.100.7", "::ffff:198.51.100.7"], ["198.51.100.8", "2600:0:0:100::7"]),
        (["2600:0:0:1::7", "2600:0:0:1::8", "2600:0:0:ff::7"], ["2600:0:0:100::7", "198.51.100.7"]),
    ] {
        let quotas = Quotas { per_user: 3, per_address: 40 };
        let mut world = World::with(|config| config.pool = Pool::new(50_000..=50_099, quotas, [7; 32]));
        let mut users: Vec<Client> = (0..100).map(|n| from(crowd[n % 3], 4_000 + n as u16)).collect();
        let codes: Vec<u16> = users.iter_mut().map(|user| world.allocate(user, &[]).code).collect();
        assert_eq!(codes, [[0; 40].as_slice(), &[486; 60]].concat(), "{crowd:?}");
        // A pair, whose upper half is reserved, counts twice.
        world.end(&mut users[0]);
        assert_eq!(world.allocate(&mut users[99], &[(A::EVEN_PORT, vec![0x80])]).code, 486);
        world.end(&mut users[1]);
        assert_eq!(world.allocate(&mut users[99], &[(A::EVEN_PORT, vec![0x80])]).code, 0);
        assert_eq!(world.allocate(&mut users[0], &[]).code, 486);
        for (number, other) in (7_000..).zip(others) {
            assert_eq!(world.allocate(&mut from(other, number), &[]).code, 0, "{other}");
        }
        // The reservation expires, and its place is free again.
        world.pass(31);
        assert_eq!(world.allocate(&mut users[0], &[]).code, 0);
        assert_eq!(world.allocate(&mut users[1], &[]).code, 486);
    }
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
