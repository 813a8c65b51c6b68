//! TCP connections with peers (RFC 6062).

use crate::world::{Answer, Client, Link, NODE, TCP, UDP, World, address, client, xor};
use shared::turn_credential::TurnPolicy;
use turn_core::message::{AttributeType as A, Class, Message, Method};
use turn_core::pool::{Pool, Quotas};
use turn_core::{AllocationId, ConnectionId, FiveTuple, Transport, limits};

const PEER: &str = "8.8.8.8:5000";

/// A client that sends its messages over the connection with this number.
fn over_stream(link: u32, participant: &str) -> Client {
    let plain = client(4000 + link as u16, TurnPolicy::P2p, participant);
    Client { tuple: FiveTuple { link, ..plain.tuple }, ..plain }
}

fn allocate_tcp(world: &mut World, client: &mut Client, more: &[(A, Vec<u8>)]) -> Answer {
    let attributes = [&[(A::REQUESTED_TRANSPORT, TCP.to_vec())], more].concat();
    world.ask(client, Method::Allocate, &attributes)
}

/// A server with these quotas and more ports than they allow.
fn world_with(quotas: Quotas) -> World {
    World::with(|config| config.pool = Pool::new(50_000..=59_999, quotas, [7; 32]))
}

/// The node's default settings.
const QUOTAS: Quotas = Quotas { per_user: 72, per_address: 4_096 };

/// A server, a client with an allocation for TCP, and the allocation.
fn allocated() -> (World, Client, AllocationId) {
    let mut world = world_with(QUOTAS);
    let mut ada = over_stream(1, "ada");
    assert_eq!(allocate_tcp(&mut world, &mut ada, &[]).code, 0);
    assert_eq!(world.transport, Some(Transport::Tcp));
    let id = world.relays[0].0;
    (world, ada, id)
}

/// Sends a Connect request; it stays unanswered until the peer accepts.
fn connect(world: &mut World, client: &mut Client, peer: &str) -> Option<u16> {
    let bytes = client.request(Method::Connect, &[(A::XOR_PEER_ADDRESS, xor(address(peer)))]);
    let (_, answers) = world.raw(client.tuple, &bytes);
    answers.first().map(|answer| Answer::read(answer).code)
}

fn connection(answer: &Answer) -> ConnectionId {
    let number = answer.value(A::CONNECTION_ID).expect("a number");
    ConnectionId(u32::from_be_bytes(number.try_into().expect("four bytes")))
}

fn bind(world: &mut World, client: &mut Client, id: ConnectionId) -> u16 {
    world.ask(client, Method::ConnectionBind, &[(A::CONNECTION_ID, id.0.to_be_bytes().to_vec())]).code
}

fn connected(world: &mut World, ada: &mut Client) -> ConnectionId {
    assert_eq!(connect(world, ada, PEER), None, "the answer waits");
    let Some(Link::Connect(id, peer)) = world.links.pop() else { panic!("no attempt") };
    assert_eq!(peer, address(PEER));
    world.server.peer_connected(world.now, id, true);
    let sent = world.drain();
    let answer = Answer::read(&sent[0].1);
    assert_eq!((answer.code, connection(&answer), sent[0].0), (0, id, ada.tuple));
    id
}

#[test]
fn section_5_1_allocates_only_over_a_stream_and_without_what_is_for_datagrams() {
    let mut world = World::new();
    let mut over_udp = client(4000, TurnPolicy::P2p, "ada");
    assert_eq!(allocate_tcp(&mut world, &mut over_udp, &[]).code, 400);
    let mut ada = over_stream(1, "ada");
    for more in [(A::DONT_FRAGMENT, vec![]), (A::EVEN_PORT, vec![0]), (A::RESERVATION_TOKEN, vec![0; 8])] {
        assert_eq!(allocate_tcp(&mut world, &mut ada, &[more]).code, 400);
    }
    assert_eq!(world.allocate(&mut ada, &[]).code, 0, "and of UDP as everywhere");
    assert_eq!(world.transport, Some(Transport::Udp));
    assert_eq!(connect(&mut world, &mut ada, PEER), Some(437), "an allocation of UDP has no connections");
}

#[test]
fn section_5_2_connects_and_section_5_4_binds() {
    let (mut world, mut ada, _) = allocated();
    let id = connected(&mut world, &mut ada);
    assert_eq!(connect(&mut world, &mut ada, PEER), Some(446), "pending");
    let mut data = over_stream(2, "ada");
    assert_eq!(bind(&mut world, &mut data, ConnectionId(id.0 + 1)), 400, "no such connection");
    assert_eq!(bind(&mut world, &mut ada, id), 400, "a connection with an allocation carries messages");
    assert_eq!(bind(&mut world, &mut client(4_002, TurnPolicy::P2p, "ada"), id), 400, "no connection at all");
    assert_eq!(bind(&mut world, &mut over_stream(3, "eve"), id), 441);
    assert_eq!(bind(&mut world, &mut data, id), 0);
    assert_eq!(world.links, [Link::Join(id, data.tuple)]);
    assert_eq!(bind(&mut world, &mut over_stream(4, "ada"), id), 400, "bound already");
    assert_eq!(connect(&mut world, &mut ada, PEER), Some(446), "active");
    world.pass(limits::CONNECTION_BIND_TIMEOUT.as_secs() + 1);
    world.drain();
    assert_eq!(world.links.len(), 1, "what is bound stays");
    assert!(world.server.spend_on(world.now, id, 5_000) && !world.server.spend_on(world.now, id, 1));
    world.server.peer_gone(id);
    assert!(!world.server.spend_on(world.now, id, 0));
    assert_eq!(connect(&mut world, &mut ada, PEER), None, "the next one");
}

#[test]
fn section_5_2_tells_a_failure_and_gives_up_in_time() {
    let (mut world, mut ada, _) = allocated();
    assert_eq!(connect(&mut world, &mut ada, PEER), None);
    let Some(Link::Connect(id, _)) = world.links.pop() else { panic!("no attempt") };
    world.server.peer_connected(world.now, id, false);
    assert_eq!(Answer::read(&world.drain()[0].1).code, 447);
    assert_eq!(connect(&mut world, &mut ada, PEER), None);
    let Some(Link::Connect(id, _)) = world.links.pop() else { panic!("no attempt") };
    world.pass(limits::CONNECT_TIMEOUT.as_secs() - 1);
    assert!(world.drain().is_empty(), "RFC 6062 §5.2: at least 30 s");
    world.pass(1);
    assert_eq!(Answer::read(&world.drain()[0].1).code, 447);
    assert_eq!(world.links, [Link::Disconnect(id)]);
    world.server.peer_connected(world.now, id, true);
    assert!(world.drain().is_empty(), "too late");
}

#[test]
fn section_5_2_refuses_what_the_policy_forbids() {
    let (mut world, mut ada, _) = allocated();
    for (peer, code) in [
        ("8.8.8.8:25", 403),
        ("10.0.0.1:5000", 403),
        ("169.254.169.254:80", 403),
        ("93.184.216.99:22", 403),
        ("[2600::1]:5000", 443),
    ] {
        assert_eq!(connect(&mut world, &mut ada, peer), Some(code), "{peer}");
    }
    assert_eq!(ask_without_peer(&mut world, &mut ada), 400);
    assert!(world.links.is_empty());
    let mut of_the_room = Client {
        tuple: FiveTuple { link: 2, ..client(5_000, TurnPolicy::Sfu, "grace").tuple },
        ..client(5_000, TurnPolicy::Sfu, "grace")
    };
    assert_eq!(allocate_tcp(&mut world, &mut of_the_room, &[]).code, 0);
    assert_eq!(connect(&mut world, &mut of_the_room, PEER), Some(403));
    assert_eq!(connect(&mut world, &mut of_the_room, NODE), None);
}

fn ask_without_peer(world: &mut World, client: &mut Client) -> u16 {
    world.ask(client, Method::Connect, &[]).code
}

#[test]
fn section_5_3_tells_of_permitted_peers_and_closes_the_others() {
    let (mut world, mut ada, id) = allocated();
    assert_eq!(world.server.peer_arrived(world.now, id, address(PEER)), None);
    assert_eq!(world.server.counters.peer_not_permitted, 1);
    assert_eq!(world.permit(&mut ada, &[PEER]), 0);
    let arrived = world.server.peer_arrived(world.now, id, address(PEER)).expect("permitted");
    let sent = world.drain();
    let message = Message::parse(&sent[0].1).expect("sound");
    assert_eq!((message.method, message.class), (Method::ConnectionAttempt, Class::Indication));
    let peer = message.value(A::XOR_PEER_ADDRESS).and_then(|value| message.xor_address(value));
    assert_eq!((peer, sent[0].0), (Some(address(PEER)), ada.tuple));
    assert_eq!(message.value(A::CONNECTION_ID), Some(&arrived.0.to_be_bytes()[..]));
    world.pass(limits::CONNECTION_BIND_TIMEOUT.as_secs());
    assert!(world.drain().is_empty());
    assert_eq!(world.links, [Link::Disconnect(arrived)], "its client never came");
    assert_eq!(bind(&mut world, &mut over_stream(2, "ada"), arrived), 400);
}

#[test]
fn a_peer_that_floods_gets_no_more_than_its_places() {
    let (mut world, mut ada, id) = allocated();
    assert_eq!(world.permit(&mut ada, &[PEER]), 0);
    let peers = (0..1_000).map(|port| address(&format!("8.8.8.8:{}", 10_000 + port)));
    let taken = peers.filter(|peer| world.server.peer_arrived(world.now, id, *peer).is_some()).count();
    assert_eq!((taken, world.drain().len()), (limits::CONNECTIONS_PER_ALLOCATION_MAX, taken));
    assert_eq!(connect(&mut world, &mut ada, "8.8.4.4:5000"), Some(508));
    world.pass(limits::CONNECTION_BIND_TIMEOUT.as_secs());
    assert_eq!(connect(&mut world, &mut ada, "8.8.4.4:5000"), None);
}

/// The codes of as many attempts at silent peers as an allocation may have, without those that wait for their peer.
fn attempts(world: &mut World, client: &mut Client) -> Vec<u16> {
    let ports = 5_000..5_000 + limits::CONNECTIONS_PER_ALLOCATION_MAX;
    ports.filter_map(|port| connect(world, client, &format!("8.8.8.8:{port}"))).collect()
}

#[test]
fn a_user_with_many_allocations_leaves_the_places_of_the_thread_to_others() {
    let mut world = world_with(QUOTAS);
    let mut eve: Vec<Client> = (1..=64).map(|link| over_stream(link, "eve")).collect();
    eve.iter_mut().for_each(|client| assert_eq!(allocate_tcp(&mut world, client, &[]).code, 0));
    let refused: Vec<u16> = eve.iter_mut().flat_map(|client| attempts(&mut world, client)).collect();
    let share = QUOTAS.per_user as usize - eve.len();
    assert_eq!(refused.len(), eve.len() * limits::CONNECTIONS_PER_ALLOCATION_MAX - share);
    assert!(refused.iter().all(|code| *code == 486));
    assert_eq!(world.links.len(), share);
    let mut ada = over_stream(100, "ada");
    assert_eq!(allocate_tcp(&mut world, &mut ada, &[]).code, 0);
    assert_eq!(attempts(&mut world, &mut ada), [0; 0], "another user");
    assert_eq!(allocate_tcp(&mut world, &mut over_stream(101, "eve"), &[]).code, 486, "they count like allocations");
    world.pass(limits::CONNECT_TIMEOUT.as_secs());
    world.drain();
    assert_eq!(attempts(&mut world, &mut eve[0]).len(), limits::CONNECTIONS_PER_ALLOCATION_MAX - share);
    world.server.link_closed(eve[0].tuple);
    world.drain();
    assert_eq!(attempts(&mut world, &mut eve[1]).len(), limits::CONNECTIONS_PER_ALLOCATION_MAX - share - 1);
}

#[test]
fn an_address_with_many_users_leaves_the_places_of_the_thread_to_others() {
    let mut world = world_with(QUOTAS);
    let mut crowd: Vec<Client> = (1..=80).map(|link| over_stream(link, &format!("p{link}"))).collect();
    crowd.iter_mut().for_each(|client| assert_eq!(allocate_tcp(&mut world, client, &[]).code, 0));
    let refused: Vec<u16> = crowd.iter_mut().flat_map(|client| attempts(&mut world, client)).collect();
    let all = crowd.len() * limits::CONNECTIONS_PER_ALLOCATION_MAX;
    assert!(all > limits::CONNECTIONS_PER_SHARD_MAX);
    assert_eq!(refused.len(), all - limits::CONNECTIONS_PER_ADDRESS_MAX);
    assert!(refused.iter().all(|code| *code == 486));
    let mut ada = over_stream(100, "ada");
    ada.tuple.client.set_ip([203, 0, 113, 9].into());
    assert_eq!(allocate_tcp(&mut world, &mut ada, &[]).code, 0);
    assert_eq!(attempts(&mut world, &mut ada), [0; 0], "another address");
}

#[test]
fn a_peer_that_floods_takes_no_more_than_the_share_of_its_user() {
    let mut world = world_with(Quotas { per_user: 5, per_address: 1_000 });
    let mut ada = over_stream(1, "ada");
    assert_eq!(allocate_tcp(&mut world, &mut ada, &[]).code, 0);
    let id = world.relays[0].0;
    assert_eq!(world.permit(&mut ada, &[PEER]), 0);
    let peers = (0..100).map(|port| address(&format!("8.8.8.8:{}", 10_000 + port)));
    assert_eq!(peers.filter(|peer| world.server.peer_arrived(world.now, id, *peer).is_some()).count(), 4);
}

#[test]
fn connections_end_with_their_allocation() {
    let (mut world, mut ada, _) = allocated();
    let id = connected(&mut world, &mut ada);
    world.server.link_closed(ada.tuple);
    world.drain();
    assert_eq!(world.links, [Link::Disconnect(id)]);
    assert_eq!(bind(&mut world, &mut over_stream(2, "ada"), id), 400);
    assert!(world.relays.is_empty());
}

#[test]
fn an_allocation_of_tcp_has_no_channels_and_no_indications() {
    let (mut world, mut ada, id) = allocated();
    assert_eq!(world.permit(&mut ada, &[PEER]), 0);
    assert_eq!(world.bind(&mut ada, 0x4001, PEER), 403);
    assert_eq!(world.send(&ada, PEER, b"data"), None);
    assert_eq!(world.hears(id, PEER), None);
}

#[test]
fn errors_over_streams_are_never_held_back() {
    let mut world = World::new();
    let ask = |world: &mut World, link| {
        let mut stranger = over_stream(link, "ada");
        let bytes = stranger.request(Method::Allocate, &[(A::REQUESTED_TRANSPORT, UDP.to_vec())]);
        world.raw(FiveTuple { link, ..stranger.tuple }, &bytes).1.len()
    };
    let most = limits::UNPROVEN_ERRORS_BURST as usize + 500;
    assert_eq!((0..most).map(|_| ask(&mut world, 1)).sum::<usize>(), most);
    assert!((0..most).map(|_| ask(&mut world, FiveTuple::UDP)).sum::<usize>() < most);
}
