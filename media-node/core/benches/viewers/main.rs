//! The cost of a camera's viewers to a shard, without the system's share: `cargo xtask bench sfu` prints it too.
//!
//! For each packet: its cost with 1 to 200 viewers, and the allocations. Besides packets: the layers of all viewers are
//! chosen ten times a second, and their needs summed up five times.
#![allow(clippy::disallowed_methods, reason = "a benchmark has a clock")]

mod client;

use client::Client;
use media_core::congestion::bandwidth::Bandwidth;
use media_core::places::Places;
use media_core::session::dtls::Identity;
use media_core::sfu::{Config, Input, Sfu};
use shared::control::{Forward, RoomToNode, TrackRef};
use shared::rtp_parameters::{
    Codec, CodecName, Encoding, Fingerprint, Flow, HeaderExtensions, IceParameters, MediaKind, Section, Session,
};
use shared::{Mid, ParticipantId, RoomId, SessionId, UnixMillis};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

const ROUND: Duration = Duration::from_millis(200);
/// Nobody connects, so sessions end after 30 s.
const ROUNDS: u32 = 100;

/// Counts allocations, and the bytes that are in use; a longer block counts as another one.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static LIVE_BYTES: AtomicI64 = AtomicI64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: the system's allocator does everything.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        LIVE_BYTES.fetch_add(layout.size() as i64, Relaxed);
        // SAFETY: as for the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size() as i64, Relaxed);
        // SAFETY: as for the caller.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        LIVE_BYTES.fetch_add(size as i64 - layout.size() as i64, Relaxed);
        // SAFETY: as for the caller.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// Packets forwarded before the measurement, and during each repetition of it.
const PACKETS: u32 = 2_000;
/// Time between packets.
const PACE: Duration = Duration::from_millis(2);
const REPETITIONS: u32 = 5;
/// The cost of a packet with 200 viewers, at most, as a multiple of that with 50.
const GROWTH_MAX: f64 = 1.15;
/// Consecutive calls, each with a camera and viewers; half of the viewers leave, half vanish.
const CALLS: u32 = 40;
const CALL_VIEWERS: u32 = 5;
/// After this many calls, tables have their size.
const CALLS_TO_SETTLE: u32 = 10;
/// Longer than consent lasts (RFC 7675 §5.1) and than anything is remembered.
const AFTERWARDS: Duration = Duration::from_secs(120);

fn main() {
    let is_json = std::env::args().any(|argument| argument == "--json");
    let is_smoke = std::env::args().any(|argument| argument == "--smoke" || argument == "--test");
    let packets = if is_smoke { 100 } else { PACKETS };
    let costs: Vec<(u32, Cost)> = [1, 10, 50, 200].map(|viewers| (viewers, forward(viewers, packets))).into();
    for (viewers, Cost { ns, allocations }) in &costs {
        print(is_json, &format!("{viewers} viewers, shard only"), *ns, "ns/packet", None);
        print(is_json, &format!("{viewers} viewers, allocations"), *allocations as f64, "", Some(0.0));
    }
    if let [.., (_, fifty), (_, all)] = &costs[..] {
        print(is_json, "growth from 50 to 200 viewers", all.ns / fifty.ns, "", Some(GROWTH_MAX));
    }
    print(is_json, "a call that is over, memory", left_by_a_call(), "bytes", Some(0.0));
    let allocations: u64 = costs.iter().map(|(_, cost)| cost.allocations).sum();
    assert_eq!(allocations, 0, "packets and reports of arrivals allocate nothing");
    if !is_smoke {
        for viewers in [100, 200, 500, 1_000] {
            let ns = (0..3).map(|_| measure(viewers)).fold(f64::INFINITY, f64::min);
            print(is_json, &format!("{viewers} viewers, besides packets"), ns, "ns/viewer in 200 ms", None);
        }
    }
}

/// A line for people, or for `cargo xtask bench`.
fn print(is_json: bool, case: &str, ours: f64, unit: &str, goal: Option<f64>) {
    let ours = (ours * 1_000.0).round() / 1_000.0;
    if is_json {
        let (goal, met) = goal.map_or_else(
            || ("null".to_owned(), "null".to_owned()),
            |goal| (goal.to_string(), (ours <= goal).to_string()),
        );
        println!(
            r#"{{"bench":"sfu","case":"{case}","ours":{ours},"unit":"{unit}","peers":{{}},"goal":{goal},"met":{met}}}"#
        );
    } else {
        let goal = goal.map_or_else(String::new, |goal| format!(", at most {goal} wanted"));
        println!("{case:34} {ours:10} {unit}{goal}");
    }
}

struct Cost {
    /// Nanoseconds per packet sent to a viewer, receiving included: the least of all repetitions.
    ns: f64,
    /// Allocations while packets are received and sent, in all repetitions.
    allocations: u64,
}

/// Forwards one camera to connected viewers, who report arrivals. Timers run between the packets, and do not count.
fn forward(viewers: u32, packets: u32) -> Cost {
    let (mut sfu, mut clients, mut now) = room(viewers);
    let mut heads = Vec::with_capacity(4 * viewers as usize);
    let mut cost = Cost { ns: f64::INFINITY, allocations: 0 };
    for repetition in 0..=REPETITIONS {
        let (mut spent, mut sent, mut allocations) = (Duration::ZERO, 0_u64, 0);
        for _ in 0..packets {
            let publisher = &mut clients[0];
            let mut packet = publisher.packet(1).expect("it is connected");
            let from = publisher.address().into();
            let (begun, before) = (Instant::now(), ALLOCATIONS.load(Relaxed));
            sfu.handle_input(now, Input::Datagram { from, bytes: &mut packet });
            while let Some(runs) = sfu.poll_transmits(now) {
                runs.for_each(|run| {
                    sent += run.segments as u64;
                    let datagrams = run.bytes.chunks(run.segment_bytes);
                    heads.extend(datagrams.map(|bytes| (run.to.address, bytes.len(), head(bytes))));
                });
            }
            spent += begun.elapsed();
            allocations += ALLOCATIONS.load(Relaxed) - before;
            for (to, bytes, head) in heads.drain(..) {
                client::at(&mut clients, to).receive(now, &head, bytes);
            }
            now += PACE;
            if sfu.poll_timeout().is_some_and(|at| at <= now) {
                sfu.handle_input(now, Input::Deadline);
                while let Some(runs) = sfu.poll_transmits(now) {
                    for run in runs {
                        for bytes in run.bytes.chunks(run.segment_bytes) {
                            client::at(&mut clients, run.to.address).receive(now, bytes, bytes.len());
                        }
                    }
                }
            }
            for client in &mut clients {
                while let Some(mut report) = client.report(now) {
                    let from = client.address().into();
                    let (begun, before) = (Instant::now(), ALLOCATIONS.load(Relaxed));
                    sfu.handle_input(now, Input::Datagram { from, bytes: &mut report });
                    spent += begun.elapsed();
                    allocations += ALLOCATIONS.load(Relaxed) - before;
                }
            }
            while sfu.poll_output().is_some() || sfu.poll_ufrag().is_some() {}
        }
        // The first one only fills the caches.
        if repetition > 0 {
            assert!(sent >= u64::from(packets * viewers), "{viewers} viewers get {sent} of {packets} packets each");
            cost.ns = cost.ns.min(spent.as_nanos() as f64 / sent as f64);
            cost.allocations += allocations;
        }
    }
    cost
}

/// The beginning of a packet.
fn head(bytes: &[u8]) -> [u8; client::HEAD_BYTES] {
    let mut head = [0; client::HEAD_BYTES];
    let length = bytes.len().min(head.len());
    head[..length].copy_from_slice(&bytes[..length]);
    head
}

/// Bytes that a shard keeps of each call after it has ended.
fn left_by_a_call() -> f64 {
    let mut now = Instant::now();
    let mut sfu = sfu(now, CALL_VIEWERS + 1);
    let identity = identity(2);
    let mut kept = Vec::with_capacity(CALLS as usize);
    for _ in 0..CALLS {
        let mut clients;
        (clients, now) = gather(&mut sfu, now, CALL_VIEWERS, &identity);
        for _ in 0..500 {
            let mut packet = clients[0].packet(1).expect("it is connected");
            sfu.handle_input(now, Input::Datagram { from: clients[0].address().into(), bytes: &mut packet });
            now = drain(&mut sfu, now, now + PACE);
        }
        let room = RoomId::parse("daily").expect("a room");
        for number in (0..=CALL_VIEWERS).step_by(2) {
            let message = RoomToNode::CloseSession { session: id(number) };
            sfu.handle_input(now, Input::Control { room: room.clone(), message });
        }
        drop(clients);
        now = drain(&mut sfu, now, now + AFTERWARDS);
        assert_eq!(sfu.session_count(), 0);
        kept.push(LIVE_BYTES.load(Relaxed));
    }
    let settled = kept[CALLS_TO_SETTLE as usize];
    (LIVE_BYTES.load(Relaxed) - settled) as f64 / f64::from(CALLS - CALLS_TO_SETTLE)
}

/// Runs the timers until `end`, and drops all output.
fn drain(sfu: &mut Sfu, mut now: Instant, end: Instant) -> Instant {
    loop {
        while let Some(runs) = sfu.poll_transmits(now) {
            runs.for_each(drop);
        }
        while sfu.poll_output().is_some() || sfu.poll_ufrag().is_some() {}
        let Some(at) = sfu.poll_timeout().filter(|at| *at <= end) else { return end };
        now = at.max(now);
        sfu.handle_input(now, Input::Deadline);
    }
}

/// A camera and its connected viewers; the camera is the first client.
fn room(viewers: u32) -> (Sfu, Vec<Client>, Instant) {
    let now = Instant::now();
    let mut sfu = sfu(now, viewers + 1);
    let (clients, now) = gather(&mut sfu, now, viewers, &identity(2));
    (sfu, clients, now)
}

fn gather(sfu: &mut Sfu, now: Instant, viewers: u32, identity: &Identity) -> (Vec<Client>, Instant) {
    let node = sfu_identity().fingerprint();
    let room = RoomId::parse("daily").expect("a room");
    let mut control = |message| sfu.handle_input(now, Input::Control { room: room.clone(), message });
    let mut clients = Vec::new();
    for number in 0..=viewers {
        let flow = if number == 0 { Flow::ClientToNode } else { Flow::NodeToClient };
        let mut session = session(number, flow);
        session.client_fingerprint = identity.fingerprint();
        let section = &mut session.sections[0];
        section.encodings = vec![Encoding { ssrc: Some(1 + number), rtx_ssrc: Some(10_000 + number), rid: None }];
        clients.push(Client::new(now, number, session.ice.clone(), identity, node));
        control(RoomToNode::SetSession { session });
    }
    let track = TrackRef { session: id(0), mid: mid() };
    let forwards = (1..=viewers).map(|viewer| Forward::new(id(viewer), mid(), Some(track.clone()))).collect();
    control(RoomToNode::SetForwards { forwards });
    let now = client::connect(sfu, &mut clients, identity, now);
    (clients, now)
}

/// Nanoseconds per viewer and round.
fn measure(viewers: u32) -> f64 {
    let mut now = Instant::now();
    let mut sfu = sfu(now, viewers + 1);
    let room = RoomId::parse("daily").expect("a room");
    let mut control = |message| sfu.handle_input(now, Input::Control { room: room.clone(), message });
    control(RoomToNode::SetSession { session: session(0, Flow::ClientToNode) });
    let track = TrackRef { session: id(0), mid: mid() };
    for viewer in 1..=viewers {
        control(RoomToNode::SetSession { session: session(viewer, Flow::NodeToClient) });
    }
    let forward = |viewer| Forward { lines_max: Some(720), ..Forward::new(id(viewer), mid(), Some(track.clone())) };
    control(RoomToNode::SetForwards { forwards: (1..=viewers).map(forward).collect() });
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        let end = now + ROUND;
        while let Some(at) = sfu.poll_timeout().filter(|at| *at <= end) {
            now = at;
            sfu.handle_input(now, Input::Deadline);
        }
        now = end;
        while sfu.poll_output().is_some() || sfu.poll_ufrag().is_some() {}
    }
    begun.elapsed().as_nanos() as f64 / f64::from(ROUNDS * viewers)
}

fn sfu(now: Instant, places: u32) -> Sfu {
    Sfu::new(Config {
        identity: sfu_identity(),
        seed: 1,
        started_at: now,
        wall_clock: UnixMillis(1_700_000_000_000),
        places: Arc::new(Places::new(places as usize)),
        // The pictures' rate, at once.
        bandwidth: Bandwidth { start_bps: 20_000_000, ..Bandwidth::default() },
        probe: None,
    })
}

/// The certificate of every shard here.
fn sfu_identity() -> Identity {
    static IDENTITY: std::sync::OnceLock<Identity> = std::sync::OnceLock::new();
    IDENTITY.get_or_init(|| identity(1)).clone()
}

fn identity(seed: u64) -> Identity {
    let certificate = dimpl::certificate::generate_self_signed_certificate().expect("generates");
    Identity::simulated(certificate.certificate, certificate.private_key, seed).expect("fits")
}

fn id(number: u32) -> SessionId {
    SessionId::parse(&format!("s{number}")).expect("an id")
}

fn mid() -> Mid {
    Mid::parse("1").expect("a mid")
}

/// A camera in three layers, or a slot for it.
fn session(number: u32, flow: Flow) -> Session {
    let codec =
        Codec { name: CodecName::Vp8, payload_type: client::VP8, rtx_payload_type: Some(97), clock_rate: 90_000 };
    let layer = |rid: Option<&str>, place: u32| Encoding {
        ssrc: Some(number * 10 + place),
        rtx_ssrc: Some(number * 10 + 5 + place),
        rid: rid.map(str::to_owned),
    };
    let encodings = match flow {
        Flow::ClientToNode => (1..).zip(["q", "h", "f"]).map(|(place, rid)| layer(Some(rid), place)).collect(),
        Flow::NodeToClient | Flow::Inactive => vec![layer(None, 1)],
    };
    Session {
        session: id(number),
        participant: ParticipantId::parse(&format!("p{number}")).expect("an id"),
        ice: IceParameters {
            node_ufrag: format!("node{number}"),
            node_pwd: "0123456789abcdefghijkl".into(),
            client_ufrag: format!("c{number}"),
            client_pwd: "0123456789abcdefghijkl".into(),
        },
        client_fingerprint: Fingerprint([7; 32]),
        trace: None,
        other_fingerprints: Vec::new(),
        bandwidth: shared::token::Bandwidth::default(),
        sections: vec![Section {
            mid: mid(),
            kind: MediaKind::Video,
            flow,
            codecs: vec![codec],
            extensions: HeaderExtensions { transport_cc: Some(client::TRANSPORT_CC), ..HeaderExtensions::default() },
            encodings,
            csrc: 1,
        }],
    }
}
