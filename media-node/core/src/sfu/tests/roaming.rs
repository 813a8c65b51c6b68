//! Clients whose address changes, and participants who lie about theirs.

use super::*;
use crate::path::Link;
use std::net::SocketAddr;

/// A NAT's way of forgetting a client's mapping.
#[derive(Clone, Copy, Debug)]
enum Rebind {
    Port,
    Address,
    Both,
    /// From IPv4 to IPv6, as when a phone leaves the Wi-Fi.
    Family,
}

/// A browser's way of keeping consent (RFC 7675 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Checks {
    /// Chromium nominates with each check of the current pair, twice a second.
    Nominating,
    /// Firefox's consent checks are plain Binding requests, every few seconds.
    Plain,
}

/// The client's activity besides receiving.
#[derive(Clone, Copy, Debug)]
enum Role {
    Speaks,
    Reports,
    Nothing,
}

impl Rebind {
    fn apply(self, before: SocketAddr) -> SocketAddr {
        let port = before.port();
        match self {
            Self::Port => SocketAddr::new(before.ip(), port + 10_000),
            Self::Address => SocketAddr::from(([198, 51, 100, 7], port)),
            Self::Both => SocketAddr::from(([198, 51, 100, 7], port + 10_000)),
            Self::Family => SocketAddr::from(([0x2001, 0xdb8, 0, 0, 0, 0, 0, 7], port)),
        }
    }
}

/// Runs for this many milliseconds with client 1 active according to `checks` and `role`; client 0 speaks.
fn live(world: &mut World, checks: Checks, role: Role, milliseconds: u64) {
    let interval = if checks == Checks::Nominating { 480 } else { 2_500 };
    for ms in (0..milliseconds).step_by(20) {
        if ms % interval == 0 {
            world.send(1, world.clients[1].check(checks == Checks::Nominating));
        }
        let spoken = world.clients[0].sound(b"hello");
        world.send(0, spoken);
        match role {
            Role::Speaks => {
                let spoken = world.clients[1].sound(b"too");
                world.send(1, spoken);
            }
            Role::Reports if ms % 1_000 == 500 => {
                let report = world.clients[1].report(|writer| {
                    writer.receiver_report(7, std::iter::empty()).expect("room");
                });
                world.send(1, report);
            }
            Role::Reports | Role::Nothing => {}
        }
        world.run_for(20);
    }
}

#[test]
fn media_follows_a_client_through_every_rebind() {
    for rebind in [Rebind::Port, Rebind::Address, Rebind::Both, Rebind::Family] {
        for checks in [Checks::Nominating, Checks::Plain] {
            for role in [Role::Speaks, Role::Reports, Role::Nothing] {
                for still_receives in [false, true] {
                    let mut world = World::connected(2);
                    world.forward(0, AUDIO, 1, AUDIO_SLOT);
                    live(&mut world, checks, role, 5_000);
                    let before = world.clients[1].address;
                    world.clients[1].address = rebind.apply(before);
                    world.clients[1].earlier = still_receives.then_some(before);
                    live(&mut world, checks, role, 5_000);
                    world.clients[1].rtp.clear();
                    world.clients[1].earlier = None;
                    live(&mut world, checks, role, 1_000);
                    let heard = world.clients[1].rtp.len();
                    assert!(heard >= 49, "{rebind:?} {checks:?} {role:?} {still_receives}: {heard} of 50 packets");
                }
            }
        }
    }
}

/// A participant that sends and reports from its own address, and forged checks from another one.
#[test]
fn a_check_in_the_name_of_a_stranger_sends_him_next_to_nothing() {
    for use_candidate in [true, false] {
        let mut world = World::connected(2);
        world.forward(0, AUDIO, 1, AUDIO_SLOT);
        let victim = SocketAddr::from(([203, 0, 113, 9], 443));
        world.run_for(3_000);
        world.runs.clear();
        for _ in 0..100 {
            world.send_from(victim, world.clients[1].check(use_candidate));
            let spoken = world.clients[1].sound(b"from there");
            world.send_from(victim, spoken);
            live(&mut world, Checks::Plain, Role::Nothing, 40);
        }
        let heard = world.clients[1].rtp.len();
        assert!(heard >= 190, "media goes on where the client is: {heard}");
        let to_victim: Vec<_> = world.runs.iter().filter(|(to, ..)| *to == victim).collect();
        assert!(to_victim.iter().all(|(_, bytes, _)| *bytes < 120), "answers and checks alone: {to_victim:?}");
        let checks = world.sfu.stats().stun_answered as usize;
        assert!(to_victim.iter().map(|run| run.2).sum::<usize>() < checks + 8);
    }
}

#[test]
fn an_address_in_use_is_not_taken_by_another_sessions_check() {
    for use_candidate in [true, false] {
        let mut world = World::connected(3);
        world.forward(2, AUDIO, 0, AUDIO_SLOT);
        world.forward(0, AUDIO, 2, AUDIO_SLOT);
        let taken = world.clients[0].address;
        for _ in 0..50 {
            world.send_from(taken, world.clients[1].check(use_candidate));
            let packets = [world.clients[0].sound(b"a"), world.clients[2].sound(b"c")];
            let [from_first, from_third] = packets;
            world.send(0, from_first);
            world.send(2, from_third);
            world.run_for(20);
        }
        assert_eq!((world.clients[0].rtp.len(), world.clients[2].rtp.len()), (50, 50));
    }
}

#[test]
fn an_address_belongs_to_the_session_that_answers_there() {
    let mut world = World::connected(2);
    // Behind one NAT, the second client gets the first one's old mapping.
    let taken = world.clients[0].address;
    world.clients[0].address.set_port(1);
    world.clients[1].address = taken;
    world.send(1, world.clients[1].check(true));
    world.run_for(50);
    world.forward(1, AUDIO, 0, AUDIO_SLOT);
    world.runs.clear();
    let packet = world.clients[1].sound(b"x");
    world.send(1, packet);
    world.run_for(50);
    assert!(world.runs.is_empty(), "the first session has no address left: {:?}", world.runs);
    assert_eq!(world.sfu.stats().rtp_in, 1);
}

#[test]
fn an_unproven_claim_keeps_nobody_out() {
    let mut world = World::new(2, 5);
    world.open(0);
    world.open(1);
    // The second participant claims the first one's next address.
    let claimed = world.clients[0].address;
    world.send_from(claimed, world.clients[1].check(true));
    world.run_for(20);
    world.send(0, world.clients[0].check(true));
    world.run_for(500);
    assert!(world.clients[0].keys.is_some());
}

fn tcp(number: u32) -> Link {
    Link::Tcp(number.try_into().expect("not zero"))
}

#[test]
fn a_client_over_tcp_is_served_on_its_connection_alone() {
    let mut world = World::new(2, 7);
    world.clients[1].link = tcp(1);
    world.connect();
    world.forward(0, AUDIO, 1, AUDIO_SLOT);
    assert!(world.sfu.knows(world.clients[1].path()));
    live(&mut world, Checks::Nominating, Role::Speaks, 1_000);
    assert_eq!(world.clients[1].rtp.len(), 50);
    // Another connection from the same address and port, and the same over UDP, are other clients.
    for link in [tcp(2), Link::Udp] {
        let other = Path { link, ..world.clients[1].path() };
        assert!(!world.sfu.knows(other));
        let rtp_in = world.sfu.stats().rtp_in;
        let spoken = world.clients[1].sound(b"from elsewhere");
        world.send_from(other, spoken);
        world.run_for(20);
        assert_eq!(world.sfu.stats().rtp_in, rtp_in);
    }
}

#[test]
fn media_leaves_a_connection_that_has_ended() {
    let mut world = World::connected(2);
    world.forward(0, AUDIO, 1, AUDIO_SLOT);
    let udp = world.clients[1].address;
    world.clients[1].link = tcp(1);
    live(&mut world, Checks::Nominating, Role::Speaks, 3_000);
    world.clients[1].rtp.clear();
    live(&mut world, Checks::Nominating, Role::Nothing, 1_000);
    assert_eq!(world.clients[1].rtp.len(), 50, "media follows the client to its connection");
    let path = world.clients[1].path();
    world.sfu.handle_input(world.now, Input::Closed { path });
    assert!(!world.sfu.knows(path));
    world.runs.clear();
    world.clients[1].link = Link::Udp;
    world.clients[1].rtp.clear();
    live(&mut world, Checks::Nominating, Role::Nothing, 1_000);
    assert_eq!(world.clients[1].rtp.len(), 50, "at once, on the path that it has answered on");
    assert!(world.runs.iter().filter(|(to, ..)| *to == udp).count() >= 50);
    // Its last path ends too: nothing is sent until the client comes back, and then everything.
    world.sfu.handle_input(world.now, Input::Closed { path: udp.into() });
    world.runs.clear();
    world.clients[1].link = tcp(2);
    let spoken = world.clients[0].sound(b"into the void");
    world.send(0, spoken);
    world.run_for(20);
    assert!(world.runs.is_empty(), "{:?}", world.runs);
    live(&mut world, Checks::Nominating, Role::Nothing, 1_000);
    world.clients[1].rtp.clear();
    live(&mut world, Checks::Nominating, Role::Nothing, 1_000);
    assert_eq!(world.clients[1].rtp.len(), 50);
}
