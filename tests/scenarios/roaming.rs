//! NATs that forget a client's mapping in the middle of a call, and participants who lie about their address.

use media_core::stun::{self, BindingRequest, Request, Role};
use shared::rtp_parameters::MediaKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use world::World;
use world::browser::Guest;
use world::browser::offer::Make;
use world::net::Datagram;
use world::net::nat::Kind;
use world::people::guest;

/// Time until both browsers' checks only keep consent.
const SETTLED: Duration = Duration::from_secs(6);
/// Lengths of an integrity and of a fingerprint at the end of a check.
const INTEGRITY_BYTES: usize = 24;
const FINGERPRINT_BYTES: usize = 8;

/// One-way delay between grace's host and the node: several audio packets arrive before an answer can.
const DISTANCE: Duration = Duration::from_millis(50);

/// A call of ada and grace, who is behind this kind of NAT; returns the NAT's outside address.
fn call(seed: u64, kind: Kind, grace: Guest) -> (World, IpAddr) {
    let mut world = World::seeded(seed);
    world.join("ada");
    let outside = world.join_behind_nat(grace, kind);
    let access = world.access("grace");
    (access.up.delay, access.down.delay) = (DISTANCE, DISTANCE);
    world.run_until(Duration::from_secs(5), "both are connected", |world| {
        ["ada", "grace"].iter().all(|name| world.browser(name).is_connected())
    });
    world.run_for(SETTLED);
    world.net().tap();
    (world, outside)
}

fn is_check(datagram: &Datagram) -> bool {
    datagram.bytes.starts_with(&[0, 1])
}

fn is_media(datagram: &Datagram) -> bool {
    datagram.bytes.first().is_some_and(|first| (128..192).contains(first))
}

/// Checks that media was sent to an address only after its host had answered a check from there (RFC 7675).
fn check_every_path_was_proven(world: &mut World, host: IpAddr, known: SocketAddr) {
    let mut proven = vec![known];
    let mut moved = false;
    for (at, datagram) in world.net().tapped() {
        if datagram.from.ip() == host && stun::is_success(&datagram.bytes) {
            proven.push(datagram.from);
        }
        if datagram.to.ip() == host && is_media(datagram) {
            assert!(proven.contains(&datagram.to), "{at:?}: media to {} before it answered there", datagram.to);
            moved |= datagram.to != known;
        }
    }
    assert!(moved, "media goes where it went before");
}

/// The node's destination for a host's media.
fn destination(world: &mut World, host: IpAddr) -> SocketAddr {
    world.net().tap();
    world.run_for(Duration::from_millis(200));
    let sent = world.net().tapped().iter().rev().map(|(_, datagram)| datagram);
    sent.filter(|datagram| is_media(datagram)).map(|datagram| datagram.to).find(|to| to.ip() == host).expect("media")
}

/// A rebind in the middle of a call: video and audio of both recover within `within`.
fn check_rebind(make: Make, is_patient: bool, within: Duration) {
    for (seed, kind) in (1..).zip(Kind::ALL) {
        for sources in [guest("grace").sources, Vec::new()] {
            let grace = Guest { make, is_patient, sources, ..guest("grace") };
            let (mut world, outside) = call(seed, kind, grace);
            let before = destination(&mut world, outside);
            world.mark();
            world.net().tap();
            world.rebind("grace");
            world.run_for(within + Duration::from_secs(2));
            for media in [MediaKind::Audio, MediaKind::Video] {
                let gap = world.longest_gap(media);
                if gap > within {
                    world.fail(&format!("{make:?} behind {kind:?}: nothing for {gap:?}"));
                }
            }
            check_every_path_was_proven(&mut world, outside, before);
            world.check_everybody_plays();
        }
    }
}

#[test]
fn a_rebind_is_followed_with_the_next_check_of_chromium() {
    check_rebind(Make::Chromium, true, Duration::from_millis(1_100));
}

#[test]
fn a_rebind_is_followed_with_the_next_check_of_firefox_which_nominates_nothing() {
    check_rebind(Make::Firefox, true, Duration::from_millis(7_000));
}

#[test]
fn a_client_that_restarts_ice_is_followed_sooner() {
    check_rebind(Make::Firefox, false, Duration::from_millis(2_500));
}

/// A stranger's modification of a check observed on its way.
#[derive(Clone, Copy, Debug)]
enum Forgery {
    /// Without its integrity.
    Unsigned,
    /// Signed with another password.
    WrongPassword,
    Replayed,
}

impl Forgery {
    const ALL: [Self; 3] = [Self::Unsigned, Self::WrongPassword, Self::Replayed];

    fn make(self, seen: &[u8]) -> Vec<u8> {
        let check = BindingRequest::parse(seen).expect("a check");
        assert!(check.use_candidate);
        match self {
            Self::Unsigned => {
                let mut bytes = seen[..seen.len() - INTEGRITY_BYTES - FINGERPRINT_BYTES].to_vec();
                let length = (bytes.len() + FINGERPRINT_BYTES - stun::HEADER_BYTES) as u16;
                bytes[2..4].copy_from_slice(&length.to_be_bytes());
                let fingerprint = crc32fast::hash(&bytes) ^ 0x5354_554e;
                bytes.extend([0x80, 0x28, 0, 4]);
                bytes.extend(fingerprint.to_be_bytes());
                bytes
            }
            Self::WrongPassword => {
                let request = Request {
                    transaction: check.transaction,
                    receiver_ufrag: check.receiver_ufrag,
                    sender_ufrag: check.sender_ufrag,
                    use_candidate: true,
                    role: Role::Controlling,
                };
                request.to_vec(&stun::key("guessed"))
            }
            Self::Replayed => seen.to_vec(),
        }
    }
}

/// The last check that a host sent, and its destination.
fn seen_check(world: &mut World, host: IpAddr) -> Datagram {
    world.run_for(Duration::from_secs(1));
    let sent = world.net().tapped().iter().rev().map(|(_, datagram)| datagram);
    sent.filter(|datagram| is_check(datagram)).find(|datagram| datagram.from.ip() == host).expect("a check").clone()
}

/// For this long, forgeries of grace's checks come from this address.
fn forge(world: &mut World, outside: IpAddr, forgery: Forgery, from: SocketAddr, time: Duration) {
    let seen = seen_check(world, outside);
    let bytes = forgery.make(&seen.bytes);
    world.mark();
    world.net().tap();
    let step = Duration::from_millis(50);
    for _ in 0..time.as_millis() / step.as_millis() {
        let now = world.clock().now();
        world.net().send(now, Datagram { from, to: seen.to, bytes: bytes.clone() });
        world.run_for(step);
    }
}

fn stranger() -> SocketAddr {
    SocketAddr::from(([203, 0, 113, 9], 443))
}

#[test]
fn a_check_from_elsewhere_moves_nobodys_media() {
    for forgery in Forgery::ALL {
        let (mut world, outside) = call(1, Kind::PORT_RESTRICTED, guest("grace"));
        let host = world.browser("ada").address();
        let ada = destination(&mut world, host);
        for from in [stranger(), ada] {
            forge(&mut world, outside, forgery, from, Duration::from_secs(5));
            for media in [MediaKind::Audio, MediaKind::Video] {
                let gap = world.longest_gap(media);
                assert!(gap < Duration::from_millis(120), "{forgery:?} from {from}: nothing for {gap:?}");
            }
            world.check_everybody_plays();
        }
    }
}

/// Checks from an address without media, in the name of a stranger, do not move the node's destination.
#[test]
fn a_stranger_gets_answers_at_most() {
    for forgery in Forgery::ALL {
        let (mut world, outside) = call(2, Kind::FULL_CONE, guest("grace"));
        seen_check(&mut world, outside);
        world.access("grace").up.is_cut = true;
        forge(&mut world, outside, forgery, stranger(), Duration::from_secs(5));
        let answered = matches!(forgery, Forgery::Replayed);
        let forged = world.net().tapped().iter().filter(|(_, datagram)| datagram.from == stranger()).count();
        let sent: Vec<_> = world
            .net()
            .tapped()
            .iter()
            .filter(|(_, sent)| sent.to == stranger())
            .map(|(_, sent)| sent.clone())
            .collect();
        assert!(sent.iter().all(|datagram| datagram.bytes[0] < 4), "{forgery:?}: more than STUN");
        let (answers, checks): (Vec<_>, Vec<_>) = sent.iter().partition(|datagram| stun::is_success(&datagram.bytes));
        assert_eq!(answers.len(), if answered { forged } else { 0 }, "{forgery:?}");
        assert!(checks.len() <= if answered { 8 } else { 0 }, "{forgery:?}: {} checks", checks.len());
    }
}
