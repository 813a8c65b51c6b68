//! A virtual network between our own clients and one shard.

use crate::codec::red::{self, Earlier};
use crate::congestion::bandwidth::Bandwidth;
use crate::path::{Link, Path};
use crate::places::Places;
use crate::random::Random;
use crate::rtp::{HeaderWriter, RtpHeader};
use crate::session::dtls::{Dtls, Event, Identity};
use crate::session::srtp::{OVERHEAD_BYTES_MAX, Opener, Profile, Sealer};
use crate::sfu::{Config, Input, Output, Sfu};
use crate::stun::{self, Request, Role};
use crate::virtual_time::start;
use shared::control::{Forward, RoomToNode, TrackRef};
use shared::rtp_parameters::{
    self as parameters, Codec, CodecName, Encoding, Fingerprint, Flow, HeaderExtensions, IceParameters, MediaKind,
    Section,
};
use shared::{Mid, ParticipantId, RoomId, SessionId, UnixMillis};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// One-way delay of the network.
pub(super) const ONE_WAY: Duration = Duration::from_millis(10);
/// Sections of every client: published tracks and slots.
pub(super) const AUDIO: &str = "0";
pub(super) const VIDEO: &str = "1";
pub(super) const AUDIO_SLOT: &str = "2";
pub(super) const VIDEO_SLOT: &str = "3";

const MID_ID: u8 = 4;
const TRANSPORT_CC_ID: u8 = 3;
/// Payload types of audio.
pub(super) const OPUS: u8 = 111;
pub(super) const RED: u8 = 63;

pub(super) fn room() -> RoomId {
    RoomId::parse("room").expect("an id")
}

pub(super) fn identity(seed: u64) -> Identity {
    let certificate = dimpl::certificate::generate_self_signed_certificate().expect("generates");
    Identity::simulated(certificate.certificate, certificate.private_key, seed).expect("fits")
}

/// A packet decrypted by a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Received {
    pub(super) ssrc: u32,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) payload_type: u8,
    pub(super) csrcs: Vec<u32>,
    pub(super) transport_sequence: Option<u16>,
    pub(super) payload: Vec<u8>,
    pub(super) at: Instant,
}

pub(super) struct Client {
    pub(super) name: String,
    pub(super) address: SocketAddr,
    pub(super) link: Link,
    pub(super) identity: Identity,
    pub(super) dtls: Dtls,
    pub(super) keys: Option<(Opener, Sealer, Profile)>,
    pub(super) rtp: Vec<Received>,
    pub(super) rtcp: Vec<Vec<u8>>,
    pub(super) answers: Vec<Vec<u8>>,
    /// An earlier address of its NAT, at which it still receives.
    pub(super) earlier: Option<SocketAddr>,
    /// Responses to the node's checks.
    outbox: Vec<Vec<u8>>,
    /// Counts ICE restarts: each has new credentials.
    pub(super) ice_generation: u32,
    number: u32,
    index: u64,
    sound_index: u64,
    picture: u16,
    /// True if it negotiated redundant audio.
    pub(super) has_redundancy: bool,
    /// The next transport-wide sequence number; `None` without them.
    pub(super) transport_sequence: Option<u16>,
    /// True if it receives transport-wide sequence numbers.
    pub(super) is_sent_numbers: bool,
}

impl Client {
    pub(super) fn path(&self) -> Path {
        Path { address: self.address, link: self.link }
    }

    fn is_at(&self, path: Path) -> bool {
        self.path() == path || self.earlier.map(Path::from) == Some(path)
    }

    fn new(number: u32, node: Fingerprint) -> Self {
        let identity = identity(u64::from(number));
        Self {
            name: format!("s{number}"),
            address: SocketAddr::from(([192, 0, 2, 1], 10_000 + number as u16)),
            link: Link::Udp,
            dtls: Dtls::client(start(), &identity, node),
            identity,
            keys: None,
            rtp: Vec::new(),
            rtcp: Vec::new(),
            answers: Vec::new(),
            earlier: None,
            outbox: Vec::new(),
            ice_generation: 0,
            number,
            index: u64::from(number) * 1_000 + 60_000,
            sound_index: 65_530,
            picture: 0,
            has_redundancy: false,
            transport_sequence: None,
            is_sent_numbers: false,
        }
    }

    pub(super) fn id(&self) -> SessionId {
        SessionId::parse(&self.name).expect("an id")
    }

    /// SSRC of its published streams (audio, video, video's retransmissions) or its slots; unique to each session.
    pub(super) fn ssrc(&self, mid: &str) -> u32 {
        self.number * 100 + mid.parse::<u32>().expect("a number")
    }

    pub(super) fn rtx_ssrc(&self, mid: &str) -> u32 {
        self.ssrc(mid) + 50
    }

    pub(super) fn csrc(&self, mid: &str) -> u32 {
        0xC0_0000 + self.ssrc(mid)
    }

    /// The session parameters sent by the edge.
    pub(super) fn parameters(&self) -> parameters::Session {
        let section = |mid: &str, kind, flow| {
            let is_video = kind == MediaKind::Video;
            let codec = Codec {
                name: if is_video { CodecName::Vp8 } else { CodecName::Opus },
                payload_type: if is_video { 96 } else { 111 },
                rtx_payload_type: is_video.then_some(97),
                clock_rate: if is_video { 90_000 } else { 48_000 },
            };
            let red = Codec { name: CodecName::Red, payload_type: RED, ..codec };
            let codecs = if self.has_redundancy && !is_video { vec![red, codec] } else { vec![codec] };
            let rtx_ssrc = is_video.then(|| self.rtx_ssrc(mid));
            let is_numbered = match flow {
                Flow::ClientToNode => self.transport_sequence.is_some(),
                Flow::NodeToClient | Flow::Inactive => self.is_sent_numbers,
            };
            let transport_cc = is_numbered.then_some(TRANSPORT_CC_ID);
            Section {
                mid: Mid::parse(mid).expect("a mid"),
                kind,
                flow,
                codecs,
                extensions: HeaderExtensions { mid: Some(MID_ID), transport_cc, ..HeaderExtensions::default() },
                encodings: vec![Encoding { ssrc: Some(self.ssrc(mid)), rtx_ssrc, rid: None }],
                csrc: if flow == Flow::ClientToNode { self.csrc(mid) } else { 0 },
            }
        };
        parameters::Session {
            session: self.id(),
            participant: ParticipantId::parse(&self.name).expect("an id"),
            ice: IceParameters {
                node_ufrag: format!("node{}{}", self.name, self.ice_generation),
                node_pwd: format!("password{}{}", self.name, self.ice_generation),
                client_ufrag: format!("client{}{}", self.name, self.ice_generation),
                client_pwd: self.password(),
            },
            client_fingerprint: self.identity.fingerprint(),
            trace: None,
            other_fingerprints: Vec::new(),
            bandwidth: shared::token::Bandwidth::default(),
            sections: vec![
                section(AUDIO, MediaKind::Audio, Flow::ClientToNode),
                section(VIDEO, MediaKind::Video, Flow::ClientToNode),
                section(AUDIO_SLOT, MediaKind::Audio, Flow::NodeToClient),
                section(VIDEO_SLOT, MediaKind::Video, Flow::NodeToClient),
            ],
        }
    }

    /// The same session with another certificate, as after a reload.
    pub(super) fn begin_anew(&mut self, now: Instant, node: Fingerprint) {
        self.identity = identity(u64::from(self.number) + 1_000);
        self.dtls = Dtls::client(now, &self.identity, node);
        self.keys = None;
        self.ice_generation += 1;
        self.rtp.clear();
    }

    fn password(&self) -> String {
        format!("client password {}{}", self.name, self.ice_generation)
    }

    pub(super) fn check(&self, use_candidate: bool) -> Vec<u8> {
        let request = Request {
            transaction: [self.number as u8; 12],
            receiver_ufrag: &format!("node{}{}", self.name, self.ice_generation),
            sender_ufrag: &format!("client{}{}", self.name, self.ice_generation),
            use_candidate,
            role: Role::Controlling,
        };
        request.to_vec(&stun::key(&format!("password{}{}", self.name, self.ice_generation)))
    }

    /// The next packet of its camera: `bytes` of payload after a VP8 descriptor.
    pub(super) fn video(&mut self, is_keyframe: bool, starts_frame: bool, marker: bool, bytes: usize) -> Vec<u8> {
        let [p0, p1] = (self.picture | 0x8000).to_be_bytes();
        let mut payload = vec![if starts_frame { 0x90 } else { 0x80 }, 0x80, p0, p1, u8::from(!is_keyframe)];
        payload.resize(bytes.max(5), self.picture as u8);
        let (ssrc, timestamp) = (self.ssrc(VIDEO), u32::from(self.picture) * 3_000);
        self.picture += u16::from(marker);
        self.index += 1;
        self.packet(ssrc, 96, self.index, timestamp, marker, &payload)
    }

    /// The next packet of its microphone, with the packets before it, the last one first.
    pub(super) fn redundant_sound(&mut self, payload: &[u8], earlier: &[&[u8]]) -> Vec<u8> {
        self.sound_index += 1;
        let earlier = (1..).zip(earlier).map(|(behind, payload)| Earlier { timestamp_offset: 960 * behind, payload });
        let mut out = [0; 256];
        let length = red::write(&mut out, OPUS, payload, earlier).expect("fits");
        self.packet(self.ssrc(AUDIO), RED, self.sound_index, self.sound_index as u32 * 960, false, &out[..length])
    }

    /// Gives the next packet the next transport-wide sequence number.
    pub(super) fn count_packet(&mut self) {
        self.transport_sequence = self.transport_sequence.map(|sequence| sequence.wrapping_add(1));
    }

    pub(super) fn sound(&mut self, payload: &[u8]) -> Vec<u8> {
        self.sound_index += 1;
        self.packet(self.ssrc(AUDIO), 111, self.sound_index, self.sound_index as u32 * 960, false, payload)
    }

    pub(super) fn packet(
        &self,
        ssrc: u32,
        payload_type: u8,
        index: u64,
        timestamp: u32,
        marker: bool,
        payload: &[u8],
    ) -> Vec<u8> {
        let mut packet = vec![0; 64 + payload.len() + OVERHEAD_BYTES_MAX];
        let mut writer = HeaderWriter::new(&mut packet, ssrc, None).expect("room");
        let mid = if [OPUS, RED].contains(&payload_type) { AUDIO } else { VIDEO };
        writer.extension(MID_ID, mid.as_bytes());
        if let Some(sequence) = self.transport_sequence {
            writer.extension(TRANSPORT_CC_ID, &sequence.to_be_bytes());
        }
        let header = writer.finish().expect("room");
        packet[1] = payload_type | u8::from(marker) << 7;
        packet[2..4].copy_from_slice(&(index as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&timestamp.to_be_bytes());
        packet[header..header + payload.len()].copy_from_slice(payload);
        let (_, sealer, _) = self.keys.as_ref().expect("connected");
        let bytes = sealer.seal_rtp(&mut packet, header, header + payload.len(), ssrc, index).expect("room");
        packet.truncate(bytes);
        packet
    }

    /// A sealed RTCP packet from `write`.
    pub(super) fn report(&mut self, write: impl FnOnce(&mut crate::rtcp::write::Writer<'_>)) -> Vec<u8> {
        let mut packet = vec![0; 1_200];
        let mut writer = crate::rtcp::write::Writer::new(&mut packet);
        write(&mut writer);
        let plain = writer.bytes();
        let (_, sealer, _) = self.keys.as_mut().expect("connected");
        let bytes = sealer.seal_rtcp(&mut packet, plain).expect("room");
        packet.truncate(bytes);
        packet
    }

    fn receive(&mut self, now: Instant, mut datagram: Vec<u8>) {
        match datagram[0] {
            0..=3 => match stun::BindingRequest::parse(&datagram) {
                // A check for another session at the same address is ignored.
                Some(request) if request.receiver_ufrag != format!("client{}{}", self.name, self.ice_generation) => {}
                Some(request) => {
                    let key = stun::key(&self.password());
                    assert!(request.is_authentic(&key), "the node knows the password");
                    self.outbox.push(stun::Response::Success { mapped: self.address }.to_vec(&request, &key));
                }
                None => self.answers.push(datagram),
            },
            20..=63 => {
                self.dtls.handle_datagram(now, &self.identity, &datagram);
                while let Some(event) = self.dtls.poll_event() {
                    if let Event::Connected { opener, sealer, profile } = event {
                        self.keys = Some((opener, sealer, profile));
                    }
                }
            }
            _ => {
                let Some((opener, _, _)) = &mut self.keys else { return };
                if crate::rtp::is_rtcp(&datagram) {
                    let bytes = opener.open_rtcp(&mut datagram).expect("authentic");
                    datagram.truncate(bytes);
                    return self.rtcp.push(datagram);
                }
                let header = RtpHeader::parse(&datagram).expect("RTP").header_bytes();
                let opened = opener.open_rtp(&mut datagram, header).expect("authentic, and never the same twice");
                datagram.truncate(opened.bytes);
                let header = RtpHeader::parse(&datagram).expect("RTP");
                self.rtp.push(Received {
                    ssrc: header.ssrc,
                    sequence: header.sequence,
                    timestamp: header.timestamp,
                    payload_type: header.payload_type,
                    csrcs: header.csrcs().collect(),
                    transport_sequence: header.extension(TRANSPORT_CC_ID).map(|id| u16::from_be_bytes([id[0], id[1]])),
                    payload: header.payload(&datagram).expect("padding fits").to_vec(),
                    at: now,
                });
            }
        }
    }
}

/// A run as handed over: destination, segment size, datagrams.
pub(super) type RunShape = (SocketAddr, usize, usize);

/// A datagram in transit: destination (`None` is the shard), source, content.
type OnTheWay = (Option<Path>, Path, Vec<u8>);

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) sfu: Sfu,
    pub(super) clients: Vec<Client>,
    pub(super) outputs: Vec<Output>,
    pub(super) runs: Vec<RunShape>,
    /// Percentage of lost datagrams.
    pub(super) loss_percent: u64,
    random: Random,
    /// By arrival.
    wire: BTreeMap<(Instant, u64), OnTheWay>,
    sent: u64,
}

impl World {
    /// A shard and this many clients that it does not know.
    pub(super) fn new(clients: u32, seed: u64) -> Self {
        Self::limited(clients, seed, Bandwidth::default())
    }

    pub(super) fn limited(clients: u32, seed: u64, bandwidth: Bandwidth) -> Self {
        static NODE: OnceLock<Identity> = OnceLock::new();
        let identity = NODE.get_or_init(|| identity(99)).clone();
        let fingerprint = identity.fingerprint();
        let config = Config {
            identity,
            seed,
            started_at: start(),
            wall_clock: UnixMillis(1_700_000_000_000),
            places: Arc::new(Places::new(100)),
            bandwidth,
            probe: None,
        };
        Self {
            now: start(),
            sfu: Sfu::new(config),
            clients: (1..=clients).map(|number| Client::new(number, fingerprint)).collect(),
            outputs: Vec::new(),
            runs: Vec::new(),
            loss_percent: 0,
            random: Random::seeded(seed),
            wire: BTreeMap::new(),
            sent: 0,
        }
    }

    /// Like [`Self::new`], with everybody connected and no track playing.
    pub(super) fn connected(clients: u32) -> Self {
        let mut world = Self::new(clients, 7);
        world.connect();
        world
    }

    pub(super) fn connect(&mut self) {
        for place in 0..self.clients.len() {
            self.open(place);
            self.send(place, self.clients[place].check(true));
        }
        self.run_for(500);
        assert!(self.clients.iter().all(|client| client.keys.is_some()), "all connected");
    }

    pub(super) fn control(&mut self, message: RoomToNode) {
        self.sfu.handle_input(self.now, Input::Control { room: room(), message });
        self.drain();
    }

    pub(super) fn open(&mut self, place: usize) {
        let session = self.clients[place].parameters();
        self.control(RoomToNode::SetSession { session });
    }

    /// Plays the track that `publisher` sends from `mid` in a slot of `subscriber`.
    pub(super) fn forward(&mut self, publisher: usize, mid: &str, subscriber: usize, slot: &str) {
        let track = TrackRef { session: self.clients[publisher].id(), mid: Mid::parse(mid).expect("a mid") };
        self.set_slot(subscriber, slot, Some(track));
    }

    pub(super) fn set_slot(&mut self, subscriber: usize, slot: &str, track: Option<TrackRef>) {
        let session = self.clients[subscriber].id();
        let forward = Forward::new(session, Mid::parse(slot).expect("a mid"), track);
        self.control(RoomToNode::SetForwards { forwards: vec![forward] });
    }

    pub(super) fn send(&mut self, place: usize, datagram: Vec<u8>) {
        let from = self.clients[place].path();
        self.send_from(from, datagram);
    }

    pub(super) fn send_from(&mut self, from: impl Into<Path>, datagram: Vec<u8>) {
        self.put(None, from.into(), datagram);
    }

    fn put(&mut self, to: Option<Path>, from: Path, datagram: Vec<u8>) {
        self.sent += 1;
        if self.random.next_u64() % 100 >= self.loss_percent {
            self.wire.insert((self.now + ONE_WAY, self.sent), (to, from, datagram));
        }
    }

    pub(super) fn run_for(&mut self, milliseconds: u64) {
        let end = self.now + Duration::from_millis(milliseconds);
        loop {
            for place in 0..self.clients.len() {
                while let Some(datagram) = self.clients[place].dtls.poll_transmit() {
                    self.send(place, datagram);
                }
                for datagram in std::mem::take(&mut self.clients[place].outbox) {
                    self.send(place, datagram);
                }
            }
            let arrival = self.wire.keys().next().map(|(at, _)| *at);
            let timers = self.clients.iter().filter_map(|client| client.dtls.poll_timeout());
            let next = timers.chain(arrival).chain(self.sfu.poll_timeout()).min();
            let Some(next) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.max(next);
            self.step();
        }
        self.now = end;
    }

    /// Handles everything due at this time.
    fn step(&mut self) {
        while let Some(entry) = self.wire.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (to, from, mut bytes) = entry.remove();
            match to {
                None => {
                    self.sfu.handle_input(self.now, Input::Datagram { from, bytes: &mut bytes });
                    if self.sfu.is_urgent() {
                        self.drain();
                    }
                }
                Some(to) => {
                    let now = self.now;
                    let client = self.clients.iter_mut().find(|client| client.is_at(to));
                    client.into_iter().for_each(|client| client.receive(now, bytes.clone()));
                }
            }
        }
        for client in &mut self.clients {
            if client.dtls.poll_timeout().is_some_and(|at| at <= self.now) {
                client.dtls.handle_timeout(self.now);
            }
        }
        if self.sfu.poll_timeout().is_some_and(|at| at <= self.now) {
            self.sfu.handle_input(self.now, Input::Deadline);
        }
        self.drain();
    }

    fn drain(&mut self) {
        let mut datagrams = Vec::new();
        while let Some(runs) = self.sfu.poll_transmits(self.now) {
            for run in runs {
                self.runs.push((run.to.address, run.segment_bytes, run.segments));
                let segments = run.bytes.chunks(run.segment_bytes);
                assert_eq!(segments.len(), run.segments);
                datagrams.extend(segments.map(|segment| (run.to, segment.to_vec())));
            }
        }
        let node = SocketAddr::from(([192, 0, 2, 99], 1));
        datagrams.into_iter().for_each(|(to, datagram)| self.put(Some(to), node.into(), datagram));
        self.outputs.extend(std::iter::from_fn(|| self.sfu.poll_output()));
    }
}
