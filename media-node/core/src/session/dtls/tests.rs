//! Handshakes between two of our ends on a virtual clock and a lossy wire.

use super::*;
use crate::random::Random;
use crate::virtual_time::start;
use std::time::Duration;

fn identity(seed: u64) -> Identity {
    let certificate = dimpl::certificate::generate_self_signed_certificate().expect("generates");
    Identity::simulated(certificate.certificate, certificate.private_key, seed).expect("fits")
}

/// The final events of both ends.
struct Ends {
    client: Vec<Event>,
    server: Vec<Event>,
    took: Duration,
}

/// A client that supports only DTLS 1.2.
fn client_12(identity: &Identity, remote: Fingerprint) -> Dtls {
    let mut dtls = identity.dtls(Version::Dtls12, start());
    dtls.set_active(true);
    let mut client = Dtls::new([remote].into(), Side::Client, State::Running(Box::new(Association::new(dtls))));
    client.handle_timeout(start());
    client
}

/// Runs a handshake on a wire with 20 ms of one-way delay and losses drawn from `random`.
fn handshake(
    client_expects: Fingerprint,
    server_expects: Fingerprint,
    ids: &[Identity; 2],
    loss: f64,
    seed: u64,
) -> Ends {
    let client = Dtls::client(start(), &ids[0], client_expects);
    shake_hands(client, server_expects, ids, loss, seed)
}

fn shake_hands(client: Dtls, server_expects: Fingerprint, ids: &[Identity; 2], loss: f64, seed: u64) -> Ends {
    shake_hands_among(client, server_expects, ids, loss, seed, &[])
}

/// Like [`shake_hands`], with `strays` sent to the server before each datagram of the client.
fn shake_hands_among(
    client: Dtls,
    server_expects: Fingerprint,
    ids: &[Identity; 2],
    loss: f64,
    seed: u64,
    strays: &[Vec<u8>],
) -> Ends {
    run(client, server_expects, ids, (loss, ONE_WAY), seed, strays, &[])
}

const ONE_WAY: Duration = Duration::from_millis(20);

/// The client's first message leaves after this time; whatever arrives before is lost.
const BEGINS: Duration = Duration::from_secs(1);

/// Like [`shake_hands_among`], over a wire with this loss and delay, also with strays that reach the server at these
/// times.
fn run(
    mut client: Dtls,
    server_expects: Fingerprint,
    ids: &[Identity; 2],
    (loss, one_way): (f64, Duration),
    seed: u64,
    strays: &[Vec<u8>],
    timed: &[(Duration, Vec<u8>)],
) -> Ends {
    let mut random = Random::seeded(seed);
    let [client_identity, server_identity] = ids;
    let begins = start() + if timed.is_empty() { Duration::ZERO } else { BEGINS };
    let mut timed = timed.iter().peekable();
    let mut now = start();
    let mut server = Dtls::server([server_expects]);
    let mut ends = Ends { client: Vec::new(), server: Vec::new(), took: Duration::ZERO };
    // True for datagrams to the server, with their arrival; the delay is constant, so this stays sorted.
    let mut wire: VecDeque<(Instant, bool, Vec<u8>)> = VecDeque::new();
    loop {
        for (end, to_server) in [(&mut client, true), (&mut server, false)] {
            if now < begins && to_server {
                continue;
            }
            while let Some(datagram) = end.poll_transmit() {
                if now >= begins && f64::from(random.next_u32()) / f64::from(u32::MAX) >= loss {
                    wire.push_back((now + one_way, to_server, datagram));
                }
            }
        }
        ends.client.extend(std::iter::from_fn(|| client.poll_event()));
        ends.server.extend(std::iter::from_fn(|| server.poll_event()));
        ends.took = now - start();
        let is_done = !ends.client.is_empty() && !ends.server.is_empty() && timed.peek().is_none();
        let arrival = wire.front().map(|(at, _, _)| *at);
        let stray = timed.peek().map(|(at, _)| start() + *at);
        let awaits = (now < begins).then_some(begins);
        let of_client = client.poll_timeout().filter(|_| now >= begins);
        let next = [arrival, stray, awaits, of_client, server.poll_timeout()].into_iter().flatten().min();
        let Some(next) = next.filter(|at| !is_done && *at - start() < Duration::from_secs(60)) else { return ends };
        now = now.max(next);
        if let Some((_, stray)) = timed.next_if(|(at, _)| start() + *at <= now) {
            server.handle_datagram(now, server_identity, stray);
            continue;
        }
        let has_arrived = arrival.is_some_and(|at| at <= now);
        match if has_arrived { wire.pop_front() } else { None } {
            Some((_, true, datagram)) => {
                for stray in strays {
                    server.handle_datagram(now, server_identity, stray);
                }
                server.handle_datagram(now, server_identity, &datagram);
                for stray in strays {
                    server.handle_datagram(now, server_identity, stray);
                }
            }
            Some((_, false, datagram)) => _ = client.handle_datagram(now, client_identity, &datagram),
            None => {
                if now >= begins {
                    client.handle_timeout(now);
                }
                server.handle_timeout(now);
            }
        }
    }
}

fn ended(events: &[Event]) -> Option<DtlsError> {
    events.iter().find_map(|event| match event {
        Event::Ended(error) => Some(*error),
        Event::Connected { .. } => None,
    })
}

fn is_connected(events: &[Event]) -> bool {
    events.iter().any(|event| matches!(event, Event::Connected { .. }))
}

#[test]
fn both_sides_get_keys_that_fit() {
    let ids = [identity(1), identity(2)];
    let mut ends = handshake(ids[1].fingerprint(), ids[0].fingerprint(), &ids, 0.0, 1);
    let (Event::Connected { sealer, .. }, Event::Connected { opener, profile, .. }) =
        (ends.client.remove(0), ends.server.remove(0))
    else {
        panic!("not connected");
    };
    let mut packet = [0; 12 + 4 + 20];
    (packet[0], packet[3]) = (0x80, 1);
    let bytes = sealer.seal_rtp(&mut packet, 12, 16, 0, 1).expect("room");
    assert_eq!(bytes, 16 + profile.tag_bytes());
    let mut opener = opener;
    assert_eq!(opener.open_rtp(&mut packet[..bytes], 12).map(|opened| opened.bytes), Ok(16));
    assert!(ends.took <= Duration::from_millis(100), "two and a half round trips: {:?}", ends.took);
}

#[test]
fn survives_a_lossy_wire() {
    let ids = [identity(1), identity(2)];
    for seed in 0..20 {
        let ends = handshake(ids[1].fingerprint(), ids[0].fingerprint(), &ids, 0.15, seed);
        assert!(is_connected(&ends.client) && is_connected(&ends.server), "seed {seed}: {:?}", ends.took);
    }
}

#[test]
fn a_client_with_another_certificate_gets_no_keys() {
    let ids = [identity(1), identity(2)];
    let ends = handshake(ids[1].fingerprint(), Fingerprint([0; 32]), &ids, 0.0, 1);
    assert_eq!(ended(&ends.server), Some(DtlsError::WrongFingerprint));
    assert!(!is_connected(&ends.server));
}

#[test]
fn a_server_with_another_certificate_gets_no_keys() {
    let ids = [identity(1), identity(2)];
    let ends = handshake(Fingerprint([0; 32]), ids[0].fingerprint(), &ids, 0.0, 1);
    assert_eq!(ended(&ends.client), Some(DtlsError::WrongFingerprint));
    assert!(!is_connected(&ends.client) && !is_connected(&ends.server));
}

#[test]
fn a_client_that_never_answers_is_given_up() {
    let ids = [identity(1), identity(2)];
    let mut client = Dtls::client(start(), &ids[0], ids[1].fingerprint());
    let mut server = Dtls::server([ids[0].fingerprint()]);
    while let Some(datagram) = client.poll_transmit() {
        assert!(server.handle_datagram(start(), &ids[1], &datagram));
    }
    let mut flights = 0;
    let mut now = start();
    while let Some(at) = server.poll_timeout() {
        flights += usize::from(std::iter::from_fn(|| server.poll_transmit()).count() > 0);
        now = at;
        server.handle_timeout(now);
    }
    assert_eq!(ended(&std::iter::from_fn(|| server.poll_event()).collect::<Vec<_>>()), Some(DtlsError::Handshake));
    assert!(flights > 4 && now - start() <= Duration::from_secs(35), "{flights} flights, {:?}", now - start());
    assert!(!server.handle_datagram(now, &ids[1], &[22; 40]), "silent for good");
    assert_eq!(server.poll_transmit(), None);
}

#[test]
fn nonsense_does_not_disturb_a_handshake() {
    let ids = [identity(1), identity(2)];
    let mut client = Dtls::client(start(), &ids[0], ids[1].fingerprint());
    let mut server = Dtls::server([ids[0].fingerprint()]);
    assert!(!server.handle_datagram(start(), &ids[1], &[22; 100]));
    assert!(!server.handle_datagram(start(), &ids[1], &[]));
    let mut is_up = false;
    for _ in 0..10 {
        for (from, to, id) in [(&mut client, &mut server, &ids[1])] {
            while let Some(datagram) = from.poll_transmit() {
                to.handle_datagram(start(), id, &datagram);
                to.handle_datagram(start(), id, &[23; 60]);
            }
        }
        while let Some(datagram) = server.poll_transmit() {
            client.handle_datagram(start(), &ids[0], &datagram);
        }
        is_up |= is_connected(&std::iter::from_fn(|| server.poll_event()).collect::<Vec<_>>());
    }
    assert!(is_up);
}

#[test]
fn a_client_that_closes_is_heard_and_a_dropped_end_says_nothing() {
    let ids = [identity(1), identity(2)];
    let mut client = Dtls::client(start(), &ids[0], ids[1].fingerprint());
    let mut server = Dtls::server([ids[0].fingerprint()]);
    for _ in 0..5 {
        while let Some(datagram) = client.poll_transmit() {
            server.handle_datagram(start(), &ids[1], &datagram);
        }
        while let Some(datagram) = server.poll_transmit() {
            client.handle_datagram(start(), &ids[0], &datagram);
        }
    }
    assert!(is_connected(&std::iter::from_fn(|| server.poll_event()).collect::<Vec<_>>()));
    let State::Running(association) = &mut client.state else { panic!("connected") };
    association.close();
    client.drain();
    let goodbye = client.poll_transmit().expect("an alert");
    server.handle_datagram(start(), &ids[1], &goodbye);
    assert_eq!(ended(&std::iter::from_fn(|| server.poll_event()).collect::<Vec<_>>()), Some(DtlsError::Closed));
    assert_eq!(server.poll_transmit(), None);
}

#[test]
fn a_client_of_dtls_12_gets_gcm_and_one_with_another_certificate_is_never_told_that_it_is_connected() {
    let ids = [identity(1), identity(2)];
    for loss in [0.0, 0.15] {
        let ends = shake_hands(client_12(&ids[0], ids[1].fingerprint()), ids[0].fingerprint(), &ids, loss, 3);
        let Some(Event::Connected { profile, .. }) = ends.server.first() else { panic!("not connected") };
        assert_eq!(*profile, Profile::AeadAes256Gcm);
        assert!(is_connected(&ends.client));
        let ends = shake_hands(client_12(&ids[0], ids[1].fingerprint()), Fingerprint([0; 32]), &ids, loss, 3);
        assert_eq!(ended(&ends.server), Some(DtlsError::WrongFingerprint));
        assert!(!is_connected(&ends.client));
    }
}

/// A record of this content type and epoch.
fn record(content: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
    [&[content, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 99, 0, body.len() as u8], body].concat()
}

/// An unencrypted record with this number.
fn record_numbered(content: u8, number: u64, body: &[u8]) -> Vec<u8> {
    let number = &number.to_be_bytes()[2..];
    [&[content, 0xfe, 0xfd, 0, 0], number, &(body.len() as u16).to_be_bytes(), body].concat()
}

/// A fragment of a handshake message of this kind and number in the clear.
fn fragment(kind: u8, sequence: u8, message_bytes: u32, offset: u32, body: &[u8]) -> Vec<u8> {
    let number = |number: u32| number.to_be_bytes()[1..].to_vec();
    let message = [vec![kind], number(message_bytes), vec![0, sequence], number(offset), number(body.len() as u32)];
    let message = [message.concat(), body.to_vec()].concat();
    let length = (message.len() as u16).to_be_bytes();
    [&[22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 98], &length[..], &message].concat()
}

fn whole(kind: u8, sequence: u8, body: &[u8]) -> Vec<u8> {
    fragment(kind, sequence, body.len() as u32, 0, body)
}

/// A ClientHello's body with this cipher suite and these extensions.
fn hello(suite: [u8; 2], extensions: &[u8]) -> Vec<u8> {
    let head = [&[0xfe, 0xfd][..], &[7; 32], &[0, 0], &[0, 2], &suite, &[1, 0]].concat();
    [&head, &(extensions.len() as u16).to_be_bytes()[..], extensions].concat()
}

/// The extension `use_srtp` with AES128_CM_SHA1_80.
const USE_SRTP: [u8; 9] = [0, 14, 0, 5, 0, 2, 0, 1, 0];
const ECDHE_ECDSA_AES128_GCM: [u8; 2] = [0xc0, 0x2b];

/// Those that come before a ClientHello, and those that come in the place of the client's Certificate.
fn forged_messages() -> Vec<Vec<u8>> {
    let certificate = [&[0, 0, 13, 0, 0, 10][..], &[7; 10]].concat();
    vec![
        whole(1, 0, &[0]),
        whole(1, 0, &hello(ECDHE_ECDSA_AES128_GCM, &[])),
        whole(1, 0, &hello(ECDHE_ECDSA_AES128_GCM, &[0, 14, 0, 5, 0, 2, 0, 9, 0])),
        whole(1, 0, &hello(ECDHE_ECDSA_AES128_GCM, &USE_SRTP[..7])),
        whole(1, 0, &hello([0x13, 0x99], &USE_SRTP)),
        whole(1, 1, &hello(ECDHE_ECDSA_AES128_GCM, &USE_SRTP)),
        fragment(1, 0, 300, 0, &hello(ECDHE_ECDSA_AES128_GCM, &USE_SRTP)),
        fragment(1, 0, 0xff_ffff, 0, &[0; 40]),
        whole(11, 1, &certificate),
        whole(11, 1, &[0, 0, 0]),
        whole(11, 1, &[]),
        whole(11, 1, &certificate[..9]),
        fragment(11, 1, certificate.len() as u32, 0, &certificate[..9]),
        fragment(11, 1, certificate.len() as u32, 9, &certificate[9..]),
        fragment(11, 1, 0xff_ffff, 0, &certificate),
        fragment(11, 1, 9, 3, &certificate),
        whole(11, 2, &certificate),
        [whole(11, 1, &certificate), vec![22, 0xfe, 0xfd, 0, 0]].concat(),
        whole(15, 1, &[4, 3, 0, 1, 7]),
        whole(16, 1, &[1, 7]),
        whole(16, 2, &[1, 7]),
        whole(15, 3, &[4, 3, 0, 1, 7]),
        whole(20, 1, &[7; 12]),
        whole(13, 1, &[7; 12]),
    ]
}

#[test]
fn no_forged_message_ends_a_handshake() {
    let ids = [identity(1), identity(2)];
    let alert = |epoch| record(21, epoch, &[2, 40]);
    let strays = [
        vec![alert(0)],
        vec![alert(1)],
        vec![record(22, 1, &[7; 60])],
        vec![record(23, 1, &[7; 60])],
        vec![record(23, 0, &[7; 60])],
        vec![record(20, 0, &[1])],
        vec![record(22, 0, &[1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])],
        vec![vec![22, 0xfe]],
        vec![vec![0x2f; 60]],
    ];
    let forged = forged_messages();
    let each = forged.iter().map(|stray| vec![stray.clone()]);
    let strays: Vec<Vec<Vec<u8>>> = strays.into_iter().chain(each).chain([forged.clone()]).collect();
    for (number, strays) in strays.iter().enumerate() {
        for (version, client) in [
            ("any", Dtls::client(start(), &ids[0], ids[1].fingerprint())),
            ("1.2", client_12(&ids[0], ids[1].fingerprint())),
        ] {
            let ends = shake_hands_among(client, ids[0].fingerprint(), &ids, 0.0, 1, strays);
            let is_up = is_connected(&ends.client) && is_connected(&ends.server);
            assert!(is_up, "stray {number}, version {version}: {:?}", ended(&ends.server));
        }
    }
}

/// The first flight of another client: a valid ClientHello in one or two datagrams.
fn forged_hello(seed: u64, version: Version) -> Vec<Vec<u8>> {
    let mut dtls = identity(seed).dtls(version, start());
    dtls.set_active(true);
    let mut client =
        Dtls::new([Fingerprint([0; 32])].into(), Side::Client, State::Running(Box::new(Association::new(dtls))));
    client.handle_timeout(start());
    std::iter::from_fn(|| client.poll_transmit()).collect()
}

/// Each version of a client among forged hellos of each version at these times, in milliseconds after the client began.
fn check_forged_hellos(at_ms: &[i64], loss: f64, one_way: Duration) {
    let ids = [identity(1), identity(2)];
    for forged in [Version::Dtls12, Version::Any] {
        for seed in 0..5 {
            let at = |ms: i64| Duration::from_millis(1_000_u64.saturating_add_signed(ms));
            let hello = |(number, ms): (u64, i64)| {
                forged_hello(10 + number, forged).into_iter().map(move |datagram| (at(ms), datagram))
            };
            let timed: Vec<_> = (0..).zip(at_ms.iter().copied()).flat_map(hello).collect();
            let right = ids[0].fingerprint();
            for (version, client) in [
                ("any", Dtls::client(start(), &ids[0], ids[1].fingerprint())),
                ("1.2", client_12(&ids[0], ids[1].fingerprint())),
            ] {
                let ends = run(client, right, &ids, (loss, one_way), seed, &[], &timed);
                let is_up = is_connected(&ends.client) && is_connected(&ends.server);
                assert!(
                    is_up && ended(&ends.server).is_none() && ended(&ends.client).is_none(),
                    "{at_ms:?}, forged {forged:?}, client {version}, seed {seed}: {:?} {:?} {:?}",
                    ends.took,
                    ended(&ends.server),
                    ended(&ends.client)
                );
            }
        }
    }
}

#[test]
fn forged_valid_hellos_end_no_handshake() {
    // Long before the client's, between its flights (it sends at 0, 40 and 80 ms), and after the handshake.
    for at_ms in [
        &[-999][..],
        &[-500, -400, -300, -200, -100, -50],
        &[-25],
        &[21],
        &[35],
        &[59],
        &[61],
        &[99],
        &[150],
        &[500, 1_000],
        &[-900, 21, 30, 61, 62, 63, 99, 150],
    ] {
        check_forged_hellos(at_ms, 0.0, ONE_WAY);
    }
}

#[test]
fn forged_valid_hellos_end_no_handshake_on_a_lossy_wire() {
    check_forged_hellos(&[-900, -800], 0.15, ONE_WAY);
}

#[test]
fn forged_valid_hellos_end_no_handshake_of_a_distant_client() {
    check_forged_hellos(&[160, 170, 180, 410], 0.0, Duration::from_millis(150));
    let many: Vec<i64> = (0..14).map(|number| 160 + 20 * number).collect();
    check_forged_hellos(&many, 0.0, Duration::from_millis(150));
}

#[test]
fn forged_hellos_start_a_bounded_number_of_handshakes() {
    let identity = identity(2);
    let mut server = Dtls::server([Fingerprint([0; 32])]);
    let mut answered = 0;
    for number in 0..200_u64 {
        let now = start() + Duration::from_millis(number * 5);
        for datagram in forged_hello(100 + number, Version::Dtls12) {
            server.handle_datagram(now, &identity, &datagram);
        }
        answered += usize::from(std::iter::from_fn(|| server.poll_transmit()).count() > 0);
    }
    assert!((16..=32).contains(&answered), "{answered}");
}

/// Says a hello without a common SRTP profile at these seconds; tells when and why the server has ended after a minute.
fn says_unusable_hello(seconds: &[u64]) -> Option<(Duration, DtlsError)> {
    let identity = identity(2);
    let mut server = Dtls::server([Fingerprint([0; 32])]);
    for second in 0..60 {
        let now = start() + Duration::from_secs(second);
        if server.poll_timeout().is_some_and(|at| at <= now) {
            server.handle_timeout(now);
        }
        if seconds.contains(&second) {
            let hello = whole(1, 0, &hello(ECDHE_ECDSA_AES128_GCM, &[]));
            assert!(!server.handle_datagram(now, &identity, &hello), "it is counted");
        }
        if let Some(error) = ended(&std::iter::from_fn(|| server.poll_event()).collect::<Vec<_>>()) {
            return Some((now - start(), error));
        }
    }
    None
}

#[test]
fn a_client_without_a_common_profile_is_told_from_a_stray() {
    // RFC 6347 §4.2.4.1: a client repeats its hello after 1, 2, 4 and 8 s.
    let end = says_unusable_hello(&[0, 1, 3, 7, 15, 31]);
    assert_eq!(end, Some((Duration::from_secs(30), DtlsError::NoSrtpProfile)));
    assert_eq!(says_unusable_hello(&[0]), None);
}

/// A server that has answered a hello, and the messages that a client with this certificate list then sends at these
/// times, in milliseconds; returns the time and reason of its end, and its last datagram.
fn presents(announced: Fingerprint, list: &[u8], at_ms: &[u64]) -> (Option<(u64, DtlsError)>, Vec<u8>) {
    let identity = identity(2);
    let mut server = Dtls::server([announced]);
    for datagram in forged_hello(1, Version::Dtls12) {
        assert!(server.handle_datagram(start(), &identity, &datagram));
    }
    let mut last = Vec::new();
    for ms in 0..40_000 {
        let now = start() + Duration::from_millis(ms);
        if server.poll_timeout().is_some_and(|at| at <= now) {
            server.handle_timeout(now);
        }
        if at_ms.contains(&ms) {
            server.handle_datagram(now, &identity, &whole(11, 1, list));
        }
        last = std::iter::from_fn(|| server.poll_transmit()).last().unwrap_or(last);
        if let Some(error) = ended(&std::iter::from_fn(|| server.poll_event()).collect::<Vec<_>>()) {
            return (Some((ms, error)), last);
        }
    }
    (None, last)
}

#[test]
fn a_client_without_a_suitable_certificate_is_refused_when_it_repeats_that_and_told() {
    // One with an RSA key presents none, because the server asks for ECDSA.
    let (end, last) = presents(Fingerprint([7; 32]), &[0, 0, 0], &[40, 1_040, 3_040]);
    assert_eq!(end, Some((3_040, DtlsError::UnsupportedCertificate)));
    assert_eq!(last, record_numbered(21, 1 << 24, &[2, 43]));
    // Messages that are not repeated like a client's may be forged.
    for at_ms in [&[40][..], &[40, 60, 200, 800], &[40, 940, 1_040, 2_040]] {
        let (end, last) = presents(Fingerprint([7; 32]), &[0, 0, 0], at_ms);
        assert_eq!(end.map(|(_, error)| error), Some(DtlsError::Handshake));
        assert_ne!(last.first(), Some(&21));
    }
}

#[test]
fn a_client_whose_announced_certificate_is_not_ecdsa_is_refused_at_once_and_told() {
    let certificate = [7; 10];
    let list = [&[0, 0, 13, 0, 0, 10][..], &certificate].concat();
    let (end, last) = presents(identity::fingerprint(&certificate), &list, &[40]);
    assert_eq!(end, Some((40, DtlsError::UnsupportedCertificate)));
    assert_eq!(last.first(), Some(&21));
}

#[test]
fn forged_messages_without_a_certificate_end_no_handshake_of_a_distant_client() {
    let ids = [identity(1), identity(2)];
    let half = Duration::from_millis(200);
    let lossy = (1..=5).map(|seed| (0.3, ONE_WAY, seed));
    for (loss, one_way, seed) in [(0.0, ONE_WAY, 1), (0.0, half, 1)].into_iter().chain(lossy) {
        let at = |ms: u64| (BEGINS + one_way + Duration::from_millis(ms), whole(11, 1, &[0, 0, 0]));
        let timed: Vec<_> = (0..200).map(|number| at(number * 10)).collect();
        for client in [Dtls::client(start(), &ids[0], ids[1].fingerprint()), client_12(&ids[0], ids[1].fingerprint())] {
            let ends = run(client, ids[0].fingerprint(), &ids, (loss, one_way), seed, &[], &timed);
            let are_connected = is_connected(&ends.client) && is_connected(&ends.server);
            assert!(are_connected, "{loss} {seed}: {:?}", ended(&ends.server));
        }
    }
}
