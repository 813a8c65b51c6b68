//! What the viewers of one camera cost besides their packets: their layers are chosen ten times a second, and what they need
//! is summed up five times. `cargo bench -p media-core --bench viewers` prints nanoseconds per viewer and round of 200 ms.
#![allow(clippy::disallowed_methods, reason = "a benchmark has a clock")]

use media_core::congestion::bandwidth::Bandwidth;
use media_core::places::Places;
use media_core::session::dtls::Identity;
use media_core::sfu::{Config, Input, Sfu};
use shared::control::{Forward, RoomToNode, TrackRef};
use shared::rtp_parameters::{
    Codec, CodecName, Encoding, Fingerprint, Flow, HeaderExtensions, IceParameters, MediaKind, Section, Session,
};
use shared::{Mid, ParticipantId, RoomId, SessionId, UnixMillis};
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUND: Duration = Duration::from_millis(200);
/// Nobody connects, so that sessions end after 30 s.
const ROUNDS: u32 = 100;

fn main() {
    for viewers in [100, 200, 500, 1_000] {
        let mut fastest = f64::INFINITY;
        for _ in 0..3 {
            fastest = fastest.min(measure(viewers));
        }
        println!("{viewers:5} viewers {fastest:8.1} ns each");
    }
}

/// Nanoseconds for each viewer and round.
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
        while sfu.poll_output().is_some() {}
    }
    begun.elapsed().as_nanos() as f64 / f64::from(ROUNDS * viewers)
}

fn sfu(now: Instant, places: u32) -> Sfu {
    let certificate = dimpl::certificate::generate_self_signed_certificate().expect("generates");
    Sfu::new(Config {
        identity: Identity::simulated(certificate.certificate, certificate.private_key, 1).expect("fits"),
        seed: 1,
        started_at: now,
        wall_clock: UnixMillis(1_700_000_000_000),
        places: Arc::new(Places::new(places as usize)),
        bandwidth: Bandwidth::default(),
    })
}

fn id(number: u32) -> SessionId {
    SessionId::parse(&format!("s{number}")).expect("an id")
}

fn mid() -> Mid {
    Mid::parse("1").expect("a mid")
}

/// A camera in three layers, or a slot for it.
fn session(number: u32, flow: Flow) -> Session {
    let codec = Codec { name: CodecName::Vp8, payload_type: 96, rtx_payload_type: Some(97), clock_rate: 90_000 };
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
        other_fingerprints: Vec::new(),
        sections: vec![Section {
            mid: mid(),
            kind: MediaKind::Video,
            flow,
            codecs: vec![codec],
            extensions: HeaderExtensions::default(),
            encodings,
            csrc: 1,
        }],
    }
}
