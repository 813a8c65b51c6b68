//! Situations that broke TURN servers in the field: requests of clients with credentials.

use crate::world::{Answer, Client, UDP, World, client};
use shared::turn_credential::TurnPolicy;
use std::collections::BTreeSet;
use std::io::Error;
use turn_core::message::{AttributeType as A, Class, Message, MessageWriter, Method};
use turn_core::pool::{Pool, Quotas};
use turn_core::{Output, RelayOpened, limits};

/// EVEN-PORT with the R bit.
fn pair() -> Vec<(A, Vec<u8>)> {
    vec![(A::EVEN_PORT, vec![0x80])]
}

pub(crate) fn family(kind: A, value: &[u8]) -> Vec<(A, Vec<u8>)> {
    vec![(kind, value.to_vec())]
}

fn claim(token: &[u8]) -> Vec<(A, Vec<u8>)> {
    vec![(A::RESERVATION_TOKEN, token.to_vec())]
}

fn small_pool(ports: u16, per_user: u32) -> World {
    let quotas = Quotas { per_user, per_address: 1_000 };
    World::with(|config| config.pool = Pool::new(50_000..=50_000 + ports - 1, quotas, [3; 32]))
}

/// The number of users who can still get an allocation.
fn free_ports(world: &mut World) -> usize {
    (0..200)
        .take_while(|n| world.allocate(&mut client(9_000 + n, TurnPolicy::Sfu, &format!("p{n}")), &[]).code == 0)
        .count()
}

// ---- Resources never escape the accounting ----

#[test]
fn ten_thousand_failed_binds_leave_the_pool_whole() {
    for failure in [RelayOpened::No, RelayOpened::NoSocket] {
        let mut world = small_pool(20, 3);
        let mut ada = client(4000, TurnPolicy::Sfu, "ada");
        for attempt in 0..10_000 {
            world.failures = (limits::PORT_TRIES_MAX.into(), failure);
            let more = if attempt % 2 == 0 { vec![] } else { pair() };
            assert_eq!(world.allocate(&mut ada, &more).code, 508, "attempt {attempt}");
        }
        world.failures.0 = 0;
        assert_eq!(world.server.allocation_count(), 0);
        assert_eq!(free_ports(&mut world), 20, "{failure:?}");
    }
}

#[test]
fn a_system_without_sockets_is_asked_once() {
    let mut world = World::new();
    world.failures = (100, RelayOpened::NoSocket);
    assert_eq!(world.allocate(&mut client(4000, TurnPolicy::Sfu, "ada"), &[]).code, 508);
    assert_eq!(world.failures.0, 99);
}

#[test]
fn only_a_port_that_is_in_use_is_worth_another_try() {
    let check = |errno, asked, tries, code| {
        let mut world = World::new();
        world.failures = (asked, RelayOpened::of(&Err(Error::from_raw_os_error(errno))));
        let answer = world.allocate(&mut client(4000, TurnPolicy::Sfu, "ada"), &[]);
        assert_eq!((asked - world.failures.0, answer.code), (tries, code), "{}", Error::from_raw_os_error(errno));
    };
    check(libc::EADDRINUSE, 1, 1, 0);
    check(libc::EADDRINUSE, 100, limits::PORT_TRIES_MAX.into(), 508);
    for errno in [libc::EADDRNOTAVAIL, libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM, libc::EACCES] {
        check(errno, 1, 1, 508);
    }
    assert_eq!(RelayOpened::of(&Ok(())), RelayOpened::Yes);
}

#[test]
fn ports_of_other_programs_are_passed_over_and_not_forgotten() {
    let mut world = small_pool(10, 3);
    world.foreign = BTreeSet::from([50_000, 50_003, 50_007]);
    let mut users: Vec<Client> = (0..7).map(|n| client(4000 + n, TurnPolicy::Sfu, &format!("p{n}"))).collect();
    for user in &mut users {
        assert_eq!(world.allocate(user, &[]).code, 0);
    }
    world.foreign.clear();
    assert_eq!(free_ports(&mut world), 3, "a port that its program gave back is used again");
}

#[test]
fn reservations_count_against_their_user() {
    let mut world = small_pool(200, 2);
    let mut ada = client(4000, TurnPolicy::P2p, "ada");
    let codes: Vec<u16> = (0..20)
        .map(|_| {
            let code = world.allocate(&mut ada, &pair()).code;
            world.end(&mut ada);
            code
        })
        .collect();
    assert_eq!((codes[0], codes[1], codes[19]), (0, 486, 486));
    assert_eq!(world.allocate(&mut ada, &[]).code, 0, "the other share is free");
    world.end(&mut ada);
    world.pass(30);
    assert_eq!(world.allocate(&mut ada, &pair()).code, 0, "an expired reservation counts no more");
    let mut grace = client(4001, TurnPolicy::P2p, "grace");
    assert_eq!(world.allocate(&mut grace, &pair()).code, 0, "others are not affected");
}

#[test]
fn a_claimed_reservation_counts_once() {
    let mut world = small_pool(10, 2);
    let (mut rtp, mut rtcp) = (client(4000, TurnPolicy::P2p, "ada"), client(4001, TurnPolicy::P2p, "ada"));
    let token = world.allocate(&mut rtp, &pair()).value(A::RESERVATION_TOKEN).expect("a token");
    assert_eq!(world.allocate(&mut rtcp, &claim(&token)).code, 0, "the reservation had a share already");
    assert_eq!(world.allocate(&mut client(4002, TurnPolicy::P2p, "ada"), &[]).code, 486);
    world.end(&mut rtp);
    world.end(&mut rtcp);
    assert_eq!(free_ports(&mut world), 10);
}

#[test]
fn a_port_is_not_used_again_before_its_socket_is_closed() {
    let mut world = small_pool(1, 3);
    let mut ada = client(4000, TurnPolicy::Sfu, "ada");
    assert_eq!(world.allocate(&mut ada, &[]).code, 0);
    let end = ada.request(Method::Refresh, &[(A::LIFETIME, vec![0; 4])]);
    assert!(world.server.handle_client(world.now, ada.tuple, &end).is_none());
    // The shell of this thread has not closed the socket yet; another thread shares the pool.
    let close: Vec<Output> = std::iter::from_fn(|| world.server.poll_output()).collect();
    assert_eq!(world.allocate(&mut client(4001, TurnPolicy::Sfu, "grace"), &[]).code, 508);
    drop(close);
    assert_eq!(world.allocate(&mut client(4002, TurnPolicy::Sfu, "grace"), &[]).code, 0);
}

#[test]
fn an_allocation_that_ends_while_its_socket_opens_leaves_no_socket() {
    let mut world = small_pool(4, 3);
    let mut ada = client(4000, TurnPolicy::Sfu, "ada");
    world.ask(&mut ada, Method::Refresh, &[]);
    let allocate = ada.request(Method::Allocate, &[(A::REQUESTED_TRANSPORT, UDP.to_vec())]);
    assert!(world.server.handle_client(world.now, ada.tuple, &allocate).is_none());
    world.server.link_closed(ada.tuple);
    world.drain();
    assert_eq!((world.relays.len(), world.server.allocation_count()), (0, 0));
    assert_eq!(free_ports(&mut world), 4);
}

// ---- Requests are carried out whole or not at all ----

#[test]
fn a_channel_whose_permission_does_not_fit_is_not_bound() {
    let (mut world, mut ada, id) = World::allocated(TurnPolicy::P2p);
    let peers: Vec<String> = (0..64).map(|n| format!("8.8.8.{n}:1")).collect();
    let peers: Vec<&str> = peers.iter().map(String::as_str).collect();
    assert_eq!(world.permit(&mut ada, &peers), 0);
    assert_eq!(world.bind(&mut ada, 0x4001, "9.9.9.9:1"), 508);
    assert_eq!(world.channel_data(&ada, 0x4001, b"x"), None);
    assert_eq!(world.hears(id, "9.9.9.9:1"), None);
    assert_eq!(world.bind(&mut ada, 0x4001, "8.8.8.3:1"), 0, "number and place are free");
}

#[test]
fn a_channel_that_does_not_fit_installs_no_permission() {
    let (mut world, mut ada, id) = World::allocated(TurnPolicy::P2p);
    for number in 0..64 {
        assert_eq!(world.bind(&mut ada, 0x4000 + number, &format!("8.8.8.8:{}", number + 1)), 0);
    }
    assert_eq!(world.bind(&mut ada, 0x5000, "9.9.9.9:1"), 508);
    assert_eq!(world.hears(id, "9.9.9.9:1"), None);
    assert_eq!(world.bind(&mut ada, 0x4000, "9.9.9.9:1"), 400);
    assert_eq!(world.hears(id, "9.9.9.9:1"), None);
}

#[test]
fn a_pair_whose_upper_port_another_program_holds_is_passed_over() {
    let mut world = small_pool(4, 4);
    world.foreign.insert(50_001);
    let mut ada = client(4000, TurnPolicy::P2p, "ada");
    let answer = world.allocate(&mut ada, &pair());
    assert_eq!(answer.relayed.map(|relayed| relayed.port()), Some(50_002));
    assert!(answer.value(A::RESERVATION_TOKEN).is_some());
}

#[test]
fn a_pair_whose_upper_port_is_taken_is_refused_whole() {
    for foreign in [true, false] {
        let mut world = small_pool(2, 4);
        let mut ada = client(4000, TurnPolicy::P2p, "ada");
        let mut grace = client(4001, TurnPolicy::P2p, "grace");
        if foreign {
            world.foreign.insert(50_001);
        } else {
            // The lower port is even, so the rest of the pool is the upper one.
            assert_eq!(world.allocate(&mut ada, &[(A::EVEN_PORT, vec![0])]).code, 0);
            assert_eq!(world.allocate(&mut client(4002, TurnPolicy::P2p, "ada"), &[]).code, 0);
            world.end(&mut ada);
        }
        let answer = world.allocate(&mut grace, &pair());
        assert_eq!((answer.code, answer.relayed), (508, None), "foreign: {foreign}");
        assert_eq!(world.allocate(&mut grace, &[(A::EVEN_PORT, vec![0])]).code, 0, "the lower one alone is free");
    }
}

#[test]
fn a_pair_beyond_the_quota_is_refused_whole() {
    let mut world = small_pool(10, 1);
    let mut ada = client(4000, TurnPolicy::P2p, "ada");
    assert_eq!(world.allocate(&mut ada, &pair()).code, 486);
    assert_eq!(world.allocate(&mut ada, &[]).code, 0);
    assert_eq!(free_ports(&mut world), 9);
}

#[test]
fn a_token_that_cannot_be_used_yet_stays_good() {
    let mut world = small_pool(10, 4);
    let (mut rtp, mut rtcp) = (client(4000, TurnPolicy::P2p, "ada"), client(4001, TurnPolicy::P2p, "ada"));
    let token = world.allocate(&mut rtp, &pair()).value(A::RESERVATION_TOKEN).expect("a token");
    let mut both = claim(&token);
    both.extend(pair());
    assert_eq!(world.allocate(&mut rtcp, &both).code, 400);
    assert_eq!(world.allocate(&mut rtcp, &claim(&token)).code, 0);
}

#[test]
fn a_token_belongs_to_its_user_and_cannot_be_guessed() {
    let mut world = small_pool(20, 6);
    let mut tokens = BTreeSet::new();
    for n in 0..3 {
        let token = world.allocate(&mut client(4000 + n, TurnPolicy::P2p, "ada"), &pair());
        tokens.insert(token.value(A::RESERVATION_TOKEN).expect("a token"));
    }
    assert_eq!(tokens.len(), 3);
    let token = tokens.first().expect("a token");
    assert_eq!(world.allocate(&mut client(4100, TurnPolicy::P2p, "eve"), &claim(token)).code, 508);
    assert_eq!(world.allocate(&mut client(4101, TurnPolicy::P2p, "ada"), &claim(token)).code, 0, "it is still there");
}

// ---- Bounds above what real clients need ----

#[test]
fn all_permissions_are_refreshed_in_one_request() {
    let (mut world, mut ada, _) = World::allocated(TurnPolicy::P2p);
    let peers: Vec<String> = (0..64).map(|n| format!("8.8.8.{n}:1")).collect();
    let peers: Vec<&str> = peers.iter().map(String::as_str).collect();
    for part in peers.chunks(16) {
        assert_eq!(world.permit(&mut ada, part), 0);
    }
    world.pass(200);
    assert_eq!(world.permit(&mut ada, &peers), 0);
    world.pass(200);
    assert!(peers.iter().all(|peer| world.send(&ada, peer, b"x").is_some()));
    let twice: Vec<&str> = peers.iter().chain(&peers).copied().collect();
    assert_eq!(world.permit(&mut ada, &twice), 0, "a peer may be named more than once");
    let one_more: Vec<&str> = peers.iter().copied().chain(["9.9.9.9:1"]).collect();
    assert_eq!(world.permit(&mut ada, &one_more), 508);
}

// ---- A repeat gets essentially the same answer ----

/// Sends the same Allocate twice and returns both answers.
fn allocate_twice(more: &[(A, Vec<u8>)]) -> [Vec<u8>; 2] {
    let mut world = World::new();
    let mut ada = client(4000, TurnPolicy::P2p, "ada");
    world.ask(&mut ada, Method::Refresh, &[]);
    let mut attributes = vec![(A::REQUESTED_TRANSPORT, UDP.to_vec())];
    attributes.extend_from_slice(more);
    let request = ada.request(Method::Allocate, &attributes);
    [(); 2].map(|()| world.raw(ada.tuple, &request).1.pop().expect("an answer"))
}

#[test]
fn a_repeated_allocate_brings_the_reservation_token_again() {
    let [one, two] = allocate_twice(&pair());
    assert_eq!(one, two);
    assert!(Answer::read(&two).value(A::RESERVATION_TOKEN).is_some());
}

#[test]
fn a_repeated_allocate_brings_the_address_error_code_again() {
    let [one, two] = allocate_twice(&family(A::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0]));
    assert_eq!(one, two);
    assert_eq!(Answer::read(&two).value(A::ADDRESS_ERROR_CODE), Some(vec![2, 0, 4, 40]));
}

#[test]
fn a_claim_is_repeated_like_any_allocate() {
    let mut world = World::new();
    let (mut rtp, mut rtcp) = (client(4000, TurnPolicy::P2p, "ada"), client(4001, TurnPolicy::P2p, "ada"));
    let token = world.allocate(&mut rtp, &pair()).value(A::RESERVATION_TOKEN).expect("a token");
    world.ask(&mut rtcp, Method::Refresh, &[]);
    let request =
        rtcp.request(Method::Allocate, &[(A::REQUESTED_TRANSPORT, UDP.to_vec()), (A::RESERVATION_TOKEN, token)]);
    let (_, one) = world.raw(rtcp.tuple, &request);
    assert_eq!(Answer::read(&one[0]).code, 0);
    assert_eq!(world.raw(rtcp.tuple, &request).1, one);
}

// ---- Address families ----

#[test]
fn values_of_families_are_validated() {
    for (kind, value, code) in [
        (A::ADDITIONAL_ADDRESS_FAMILY, &[1, 0, 0, 0][..], 400),
        (A::ADDITIONAL_ADDRESS_FAMILY, &[9, 0, 0, 0], 440),
        (A::ADDITIONAL_ADDRESS_FAMILY, &[], 400),
        (A::ADDITIONAL_ADDRESS_FAMILY, &[2], 400),
        (A::REQUESTED_ADDRESS_FAMILY, &[], 400),
        (A::REQUESTED_ADDRESS_FAMILY, &[2, 0], 400),
        (A::REQUESTED_ADDRESS_FAMILY, &[0, 0, 0, 0], 440),
        (A::LIFETIME, &[9], 400),
        (A::EVEN_PORT, &[0, 0, 0, 0], 400),
        (A::RESERVATION_TOKEN, &[1, 2, 3], 400),
    ] {
        let mut world = World::new();
        let mut ada = client(4000, TurnPolicy::P2p, "ada");
        assert_eq!(world.allocate(&mut ada, &family(kind, value)).code, code, "{kind:?} {value:?}");
        assert_eq!(world.allocate(&mut ada, &[]).code, 0, "nothing was allocated");
    }
}

#[test]
fn a_refresh_names_the_allocations_own_family() {
    let (mut world, mut ada, _) = World::allocated(TurnPolicy::P2p);
    for (value, code) in [(&[1, 0, 0, 0][..], 0), (&[2, 0, 0, 0], 443), (&[9, 0, 0, 0], 443), (&[], 400)] {
        let attributes = family(A::REQUESTED_ADDRESS_FAMILY, value);
        assert_eq!(world.ask(&mut ada, Method::Refresh, &attributes).code, code, "{value:?}");
    }
    assert_eq!(world.ask(&mut ada, Method::Refresh, &family(A::LIFETIME, &[0])).code, 400);
    assert_eq!(world.server.allocation_count(), 1);
}

#[test]
fn a_token_keeps_its_family() {
    for only_v6 in [false, true] {
        let mut world = World::with(|config| {
            config.relay_v4 = config.relay_v4.filter(|_| !only_v6);
        });
        let (mut rtp, mut rtcp) = (client(4000, TurnPolicy::P2p, "ada"), client(4001, TurnPolicy::P2p, "ada"));
        let mut wanted = pair();
        wanted.extend(family(A::REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0]));
        let answer = world.allocate(&mut rtp, &wanted);
        let (lower, token) = (answer.relayed.expect("an address"), answer.value(A::RESERVATION_TOKEN));
        let upper = world.allocate(&mut rtcp, &claim(&token.expect("a token"))).relayed.expect("an address");
        assert_eq!((upper.ip(), upper.port()), (lower.ip(), lower.port() + 1), "only IPv6: {only_v6}");
    }
}

#[test]
fn a_relay_with_ipv6_only_refuses_the_other_family() {
    let mut world = World::with(|config| config.relay_v4 = None);
    let mut ada = client(4000, TurnPolicy::P2p, "ada");
    assert_eq!(world.allocate(&mut ada, &[]).code, 440);
    let answer = world.allocate(&mut ada, &family(A::ADDITIONAL_ADDRESS_FAMILY, &[2, 0, 0, 0]));
    assert!(answer.relayed.is_some_and(|relayed| relayed.is_ipv6()));
    assert_eq!(answer.value(A::ADDRESS_ERROR_CODE), Some(vec![1, 0, 4, 40]));
}

// ---- Every request runs the common checks ----

#[test]
fn a_binding_with_unknown_attributes_is_told_which() {
    let mut world = World::new();
    let ada = client(4000, TurnPolicy::Sfu, "ada");
    let request = MessageWriter::new(Method::Binding, Class::Request, [5; 12])
        .with(A(0x7f01), &[1])
        .with(A(0x8f01), &[])
        .with(A(0x0026), &[])
        .finish();
    let answer = Answer::read(&world.raw(ada.tuple, &request).1[0]);
    assert_eq!((answer.code, answer.mapped), (420, None));
    assert_eq!(answer.value(A::UNKNOWN_ATTRIBUTES), Some(vec![0x7f, 0x01, 0x00, 0x26]));
}

#[test]
fn every_method_names_unknown_attributes_once_the_client_is_known() {
    let (mut world, mut ada, _) = World::allocated(TurnPolicy::Sfu);
    for method in [Method::Allocate, Method::Refresh, Method::CreatePermission, Method::ChannelBind] {
        let answer = world.ask(&mut ada, method, &[(A(0x7f01), vec![])]);
        assert_eq!((answer.code, answer.value(A::UNKNOWN_ATTRIBUTES)), (420, Some(vec![0x7f, 1])), "{method:?}");
        assert!(Message::parse(&answer.bytes).expect("sound").is_signed_with(&ada.key()), "{method:?}");
    }
}

#[test]
fn an_expired_credential_is_told_realm_and_nonce() {
    let mut world = World::new();
    world.pass(3_601);
    let mut ada = client(4000, TurnPolicy::Sfu, "ada");
    let answer = world.allocate(&mut ada, &[]);
    assert_eq!((answer.code, answer.realm.clone()), (401, Some(b"rotunda".to_vec())));
    assert!(answer.nonce.is_some());
    assert_eq!(answer.value(A::MESSAGE_INTEGRITY), None);
}

#[test]
fn an_expired_credential_refreshes_what_it_has_and_reaches_no_new_peer() {
    let (mut world, mut ada, id) = World::allocated(TurnPolicy::P2p);
    assert_eq!(world.bind(&mut ada, 0x4001, "8.8.8.8:1"), 0);
    for _ in 0..20 {
        world.pass(200);
        assert_eq!(world.ask(&mut ada, Method::Refresh, &[]).code, 0);
        assert_eq!(world.permit(&mut ada, &["8.8.8.8:1"]), 0);
        assert_eq!(world.bind(&mut ada, 0x4001, "8.8.8.8:1"), 0);
    }
    assert_eq!(world.bind(&mut ada, 0x4002, "8.8.8.8:2"), 0, "a peer that it reaches anyway");
    for peers in [&["9.9.9.9:1"][..], &["8.8.8.8:1", "9.9.9.9:1"]] {
        assert_eq!(world.permit(&mut ada, peers), 401);
    }
    assert_eq!(world.bind(&mut ada, 0x4003, "9.9.9.9:1"), 401);
    assert_eq!(world.hears(id, "9.9.9.9:1"), None);
    assert!(world.hears(id, "8.8.8.8:1").is_some());
}

#[test]
fn a_request_that_is_none_is_refused() {
    let (mut world, mut ada, _) = World::allocated(TurnPolicy::Sfu);
    assert_eq!(world.ask(&mut ada, Method::Send, &[]).code, 400);
    assert_eq!(world.ask(&mut ada, Method::Data, &[]).code, 400);
}
