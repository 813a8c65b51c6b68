//! Connected clients without sockets: their datagrams go straight to the shard. They number their packets and report
//! arrivals as browsers do.

use media_core::congestion::reporter::{REPORT_BYTES_MAX, Reporter};
use media_core::rtp::{HeaderWriter, RtpHeader};
use media_core::session::dtls::{Dtls, Event, Identity};
use media_core::session::srtp::{OVERHEAD_BYTES_MAX, Opener, Sealer};
use media_core::sfu::{Input, Sfu};
use media_core::stun::{self, BindingRequest, Request, Response, Role};
use shared::rtp_parameters::{Fingerprint, IceParameters};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub(crate) const VP8: u8 = 96;
/// The extension with the transport-wide sequence number.
pub(crate) const TRANSPORT_CC: u8 = 3;
/// The fixed header, and a block with this extension.
const HEADER_BYTES: usize = 12 + 8;
/// As much of a packet as its arrival is read from.
pub(crate) const HEAD_BYTES: usize = 64;
const PAYLOAD_BYTES: usize = 1_100;
/// Extended descriptor with a 15-bit picture id (RFC 7741 §4.2), and the beginning of a key frame of 640 × 360 (RFC 6386
/// §9.1).
const KEYFRAME: [u8; 14] = [0x90, 0x80, 0x80, 0, 0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];

pub(crate) struct Client {
    address: SocketAddr,
    ice: IceParameters,
    dtls: Dtls,
    is_verified: bool,
    keys: Option<(Opener, Sealer)>,
    outgoing: Vec<Vec<u8>>,
    index: u64,
    reporter: Reporter,
}

impl Client {
    pub(crate) fn new(now: Instant, number: u32, ice: IceParameters, identity: &Identity, node: Fingerprint) -> Self {
        let address = SocketAddr::from(([10, 0, (number >> 8) as u8, number as u8], 5_000));
        let dtls = Dtls::client(now, identity, node);
        let reporter = Reporter::new(now, TRANSPORT_CC);
        let (outgoing, index) = (Vec::new(), 1_000);
        Self { address, ice, dtls, is_verified: false, keys: None, outgoing, index, reporter }
    }

    fn check(&self) -> Vec<u8> {
        let request = Request {
            transaction: [7; 12],
            receiver_ufrag: &self.ice.node_ufrag,
            sender_ufrag: &self.ice.client_ufrag,
            use_candidate: true,
            role: Role::Controlling,
        };
        request.to_vec(&stun::key(&self.ice.node_pwd))
    }

    fn handle(&mut self, now: Instant, identity: &Identity, datagram: &[u8]) {
        match datagram.first() {
            Some(0..=3) => match BindingRequest::parse(datagram) {
                Some(request) => {
                    let key = stun::key(&self.ice.client_pwd);
                    self.outgoing.push(Response::Success { mapped: self.address }.to_vec(&request, &key));
                }
                None => self.is_verified |= stun::is_success(datagram),
            },
            Some(20..=63) => {
                self.dtls.handle_datagram(now, identity, datagram);
            }
            Some(_) | None => {}
        }
        while let Some(event) = self.dtls.poll_event() {
            if let Event::Connected { opener, sealer, .. } = event {
                self.keys = Some((opener, sealer));
            }
        }
        if self.is_verified {
            self.outgoing.extend(std::iter::from_fn(|| self.dtls.poll_transmit()));
        }
    }

    /// The next packet of a stream of pictures of one packet each; every tenth is a key frame.
    pub(crate) fn packet(&mut self, ssrc: u32) -> Option<Vec<u8>> {
        let mut packet = vec![0x55; HEADER_BYTES + PAYLOAD_BYTES + OVERHEAD_BYTES_MAX];
        let mut header = HeaderWriter::new(&mut packet, ssrc, None)?;
        header.extension(TRANSPORT_CC, &(self.index as u16).to_be_bytes())?;
        header.finish().filter(|bytes| *bytes == HEADER_BYTES)?;
        packet[1] = 0x80 | VP8;
        packet[2..4].copy_from_slice(&(self.index as u16).to_be_bytes());
        packet[4..8].copy_from_slice(&((self.index * 90) as u32).to_be_bytes());
        packet[HEADER_BYTES..HEADER_BYTES + KEYFRAME.len()].copy_from_slice(&KEYFRAME);
        packet[HEADER_BYTES + 2..HEADER_BYTES + 4].copy_from_slice(&(self.index as u16 | 0x8000).to_be_bytes());
        if !self.index.is_multiple_of(10) {
            packet[HEADER_BYTES + 4] = 0x11;
        }
        let (_, sealer) = self.keys.as_mut()?;
        let length = sealer.seal_rtp(&mut packet, HEADER_BYTES, HEADER_BYTES + PAYLOAD_BYTES, ssrc, self.index)?;
        self.index += 1;
        packet.truncate(length);
        Some(packet)
    }

    /// Takes the beginning of a packet from the shard.
    pub(crate) fn receive(&mut self, now: Instant, head: &[u8], bytes: usize) {
        if let Some(header) = RtpHeader::parse(head) {
            self.reporter.record(now, &header, bytes);
        }
    }

    /// The next due report of arrivals.
    pub(crate) fn report(&mut self, now: Instant) -> Option<Vec<u8>> {
        let mut packet = vec![0; REPORT_BYTES_MAX];
        let plain_bytes = self.reporter.report(now, &mut packet)?;
        let (_, sealer) = self.keys.as_mut()?;
        let length = sealer.seal_rtcp(&mut packet, plain_bytes)?;
        packet.truncate(length);
        Some(packet)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Connects all clients; returns the time at the end.
pub(crate) fn connect(sfu: &mut Sfu, clients: &mut [Client], identity: &Identity, mut now: Instant) -> Instant {
    for client in &mut *clients {
        client.outgoing.push(client.check());
    }
    // Afterwards they answer the node's own checks, without which it sends no media.
    let mut rounds_left = 200;
    while rounds_left > 0 {
        rounds_left -= u32::from(clients.iter().all(|client| client.keys.is_some()));
        for client in &mut *clients {
            for mut datagram in std::mem::take(&mut client.outgoing) {
                sfu.handle_input(now, Input::Datagram { from: client.address.into(), bytes: &mut datagram });
            }
        }
        if sfu.poll_timeout().is_some_and(|at| at <= now) {
            sfu.handle_input(now, Input::Deadline);
        }
        let mut incoming = Vec::new();
        while let Some(runs) = sfu.poll_transmits(now) {
            for run in runs {
                incoming.extend(run.bytes.chunks(run.segment_bytes).map(|bytes| (run.to.address, bytes.to_vec())));
            }
        }
        while sfu.poll_output().is_some() {}
        for (to, datagram) in incoming {
            if let Some(client) = clients.iter_mut().find(|client| client.address == to) {
                client.handle(now, identity, &datagram);
            }
        }
        now += Duration::from_millis(1);
    }
    now
}

/// The client with this address; addresses count in the clients' order.
pub(crate) fn at(clients: &mut [Client], address: SocketAddr) -> &mut Client {
    let std::net::IpAddr::V4(ip) = address.ip() else { unreachable!("addresses are IPv4") };
    let [_, _, high, low] = ip.octets();
    &mut clients[usize::from(high) << 8 | usize::from(low)]
}
