//! A browser that runs the client's code: signaling, ICE, DTLS, SRTP, published tracks and receive slots.

pub mod answer;
pub mod arrivals;
pub mod content;
mod feedback;
pub mod ice;
mod media;
mod negotiate;
pub mod offer;
pub mod picture;
pub mod publish;
pub mod relayed;
mod room;
pub mod sent;
pub mod signaling;
pub mod slot;
pub mod sound;
pub mod transport;
pub mod uplink;

use crate::check::{Breaches, SourceName, Watch};
use crate::clock::Clock;
use crate::net::Datagram;
use media_core::congestion::arrivals::Arrivals;
use media_core::random::Random;
use media_core::rtcp::ntp::NtpClock;
use media_core::session::dtls::Identity;
use offer::{Credentials, Make};
use publish::Publisher;
use sent::Sent;
use shared::rtp_parameters::MediaKind;
use shared::signal::TrackSource;
use shared::{AttemptId, ErrorCode, Mid, ParticipantId};
use signaling::{Knowledge, Requests};
use slot::Slot;
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use transport::Transport;
use uplink::Uplink;

/// First UDP port; each ICE restart takes the next.
const FIRST_PORT: u16 = 50_000;

/// A participant with their browser's properties.
#[derive(Clone, Debug)]
pub struct Guest {
    pub participant: ParticipantId,
    pub make: Make,
    /// Published from the start.
    pub sources: Vec<TrackSource>,
    pub slots: usize,
    /// If true, the client offers more slots on request.
    pub takes_more_slots: bool,
    /// If true, the video has real rates, the camera in three layers, instead of cheap rates.
    pub sends_layers: bool,
    /// If true, the arrival of every packet is reported, as in browsers.
    pub reports_arrivals: bool,
    /// If true, the browser does not know transport-wide congestion control, neither as publisher nor as viewer.
    pub lacks_transport_cc: bool,
    pub picture_interval: Duration,
    /// If true, the uplink adapts to its capacity as in libwebrtc, instead of carrying everything.
    pub adapts: bool,
    /// If true, the client waits for a silent path to return, instead of restarting ICE.
    pub is_patient: bool,
}

#[derive(Clone, Debug)]
pub enum Output {
    Datagram(Datagram),
    /// Opens a socket to the room.
    Dial,
    /// Sent over the socket.
    Frame(String),
    /// Closes the socket.
    HangUp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    Joining,
    Inside,
    /// The edge has yet to confirm.
    Leaving,
    /// Out of the room for good.
    Gone(Option<ErrorCode>),
}

pub struct Browser {
    guest: Guest,
    clock: Clock,
    random: Random,
    identity: Identity,
    ntp: NtpClock,
    address: IpAddr,
    breaches: Breaches,
    outputs: VecDeque<Output>,

    phase: Phase,
    attempt: AttemptId,
    socket: Socket,
    requests: Requests,
    knowledge: Knowledge,
    /// The time and reason of another negotiation after a refusal.
    retry: Option<(Instant, shared::signal::NegotiateReason)>,

    port: u16,
    offer_version: u32,
    /// Sections as last offered, and the offer's text.
    offered: (Vec<offer::Section>, String),
    /// The cause of the last offer, until it is answered.
    unanswered: Option<shared::signal::NegotiateReason>,
    /// Credentials of the last offer; with an unanswered restart, those of the restart.
    credentials: Credentials,
    transport: Option<Transport>,
    publishers: Vec<Publisher>,
    /// Sent packets by transport-wide sequence number.
    sent: Sent,
    /// Only if it adapts.
    uplink: Option<Uplink>,
    /// Arrivals of the node's packets, and the time of the next report.
    arrivals: Option<Arrivals>,
    arrivals_at: Option<Instant>,
    slots: BTreeMap<u32, Slot>,
    report_at: Instant,
    watch: Watch,
    connected_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Socket {
    Dialling,
    Open,
    /// Reconnects at this time.
    Lost(Instant),
    Closed,
}

impl Browser {
    /// A browser whose user has just clicked "join".
    #[must_use]
    pub fn new(clock: &Clock, mut random: Random, guest: Guest, address: IpAddr, breaches: Breaches) -> Self {
        let identity = crate::identity::simulated(random.next_u64());
        let credentials = Credentials { ufrag: String::new(), pwd: String::new(), fingerprint: identity.fingerprint() };
        let attempt = AttemptId::parse(&format!("{:016x}", random.next_u64())).expect("letters and digits");
        let mut browser = Self {
            clock: *clock,
            ntp: NtpClock::new(clock.now(), clock.unix()),
            identity,
            address,
            breaches,
            outputs: VecDeque::from([Output::Dial]),
            phase: Phase::Joining,
            attempt,
            socket: Socket::Dialling,
            requests: Requests::default(),
            knowledge: Knowledge::default(),
            retry: None,
            port: FIRST_PORT,
            offer_version: 1,
            offered: (Vec::new(), String::new()),
            unanswered: None,
            credentials,
            transport: None,
            publishers: Vec::new(),
            sent: Sent::default(),
            uplink: guest.adapts.then(|| Uplink::new(clock)),
            arrivals: None,
            arrivals_at: None,
            slots: BTreeMap::new(),
            report_at: clock.now(),
            watch: Watch::default(),
            connected_at: None,
            random,
            guest,
        };
        browser.lay_out();
        browser
    }

    /// Publishers first, then receive slots in pairs, as the client offers them.
    fn lay_out(&mut self) {
        let mut number = 0..;
        let mut mid = || Mid::parse(&number.next().unwrap_or(0).to_string()).expect("digits");
        let participant = self.guest.participant.as_str();
        for source in &self.guest.sources {
            let mut publisher = Publisher::new(&self.clock, &mut self.random, participant, mid(), *source);
            publisher.picture_interval = self.guest.picture_interval;
            self.publishers.push(match source {
                TrackSource::Camera if self.guest.sends_layers => {
                    publisher.in_layers(&self.clock, &mut self.random, participant)
                }
                TrackSource::Screen if self.guest.sends_layers => publisher.of_a_screen(),
                _ => publisher,
            });
        }
        let mut sections: Vec<_> = self.publishers.iter().map(Publisher::section).collect();
        for _ in 0..self.guest.slots {
            for kind in [MediaKind::Audio, MediaKind::Video] {
                sections.push(offer::Section {
                    mid: mid(),
                    kind,
                    purpose: offer::Purpose::Receive,
                    layers: Vec::new(),
                });
            }
        }
        self.offered.0 = sections;
        self.renew_credentials();
    }

    /// Credentials of a new transport or an ICE restart (RFC 8445 §9), and another port.
    fn renew_credentials(&mut self) {
        self.port += 1;
        self.credentials.ufrag = format!("{:04x}", self.random.next_u16());
        self.credentials.pwd = format!("{:016x}{:08x}", self.random.next_u64(), self.random.next_u32());
    }

    fn local(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }

    #[must_use]
    pub fn guest(&self) -> &Guest {
        &self.guest
    }

    /// The browser's host in the network.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.address
    }

    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    #[must_use]
    pub fn knowledge(&self) -> &Knowledge {
        &self.knowledge
    }

    #[must_use]
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// Resets the statistics of decoded media.
    pub fn mark(&mut self) {
        self.watch.mark();
    }

    #[must_use]
    pub fn sent(&self) -> &Sent {
        &self.sent
    }

    pub fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.slots.values()
    }

    /// Published sources, with their mute state.
    pub fn sources(&self) -> impl Iterator<Item = (SourceName, &Publisher)> {
        let participant = self.guest.participant.as_str();
        self.publishers.iter().map(move |publisher| (SourceName::of(participant, publisher.mid.as_str()), publisher))
    }

    /// True if media may flow.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.transport.as_ref().is_some_and(Transport::is_connected)
    }

    /// True if the latest ICE checks have found and nominated a path.
    #[must_use]
    pub fn has_path(&self) -> bool {
        self.transport.as_ref().is_some_and(Transport::is_settled)
    }

    /// The TURN node that media flows through.
    #[must_use]
    pub fn relayed_by(&self) -> Option<SocketAddr> {
        self.transport.as_ref().and_then(Transport::relayed_by)
    }

    #[must_use]
    pub fn connected_at(&self) -> Option<Instant> {
        self.connected_at
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The latest time for [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        if matches!(self.phase, Phase::Gone(_)) {
            return None;
        }
        let redial = if let Socket::Lost(at) = self.socket { Some(at) } else { None };
        let retry = self.retry.map(|(at, _)| at);
        let signaling = [redial, retry, self.requests.poll_timeout()].into_iter().flatten();
        let transport = self.transport.as_ref().map(Transport::poll_timeout);
        let publishers = self.publishers.iter().map(Publisher::poll_timeout);
        let slots = self.slots.values().filter_map(Slot::poll_timeout);
        let paced = self.uplink.as_ref().and_then(Uplink::poll_timeout);
        let media = publishers.chain(slots).chain([self.report_at]).chain(self.arrivals_at).chain(paced);
        signaling.chain(transport).chain(media.filter(|_| self.is_connected())).min()
    }

    pub fn handle_timeout(&mut self, clock: &Clock) {
        self.clock = *clock;
        if matches!(self.phase, Phase::Gone(_)) {
            return;
        }
        for asked in self.requests.poll_overdue(clock) {
            self.breach(format!("no answer to {asked:?}"));
        }
        if let Socket::Lost(at) = self.socket
            && at <= clock.now()
        {
            self.socket = Socket::Dialling;
            self.outputs.push_back(Output::Dial);
        }
        if let Some((_, reason)) = self.retry.filter(|(at, _)| *at <= clock.now()) {
            self.retry = None;
            self.negotiate(reason);
        }
        self.poll_media();
        let is_dead = self.transport.as_mut().is_some_and(|transport| transport.poll_death(clock));
        if is_dead && !self.guest.is_patient {
            self.negotiate(shared::signal::NegotiateReason::TransportDead);
        }
        self.flush();
    }

    fn breach(&self, what: String) {
        self.breaches.add(&self.clock, format!("{}: {what}", self.guest.participant));
    }

    fn retry_after(&mut self, wait: Duration, reason: shared::signal::NegotiateReason) {
        self.retry = Some((self.clock.now() + wait, reason));
    }

    fn flush(&mut self) {
        let Some(transport) = &mut self.transport else { return };
        let datagrams = transport.poll_transmits(&self.clock, &mut self.random);
        self.outputs.extend(datagrams.into_iter().map(Output::Datagram));
    }
}
