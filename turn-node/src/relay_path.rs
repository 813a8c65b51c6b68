//! The data path: batches from clients to peers and back. Payloads are never copied.

use crate::relays::Relays;
use std::net::SocketAddr;
use turn_core::message::ChannelData;
use turn_core::{AllocationId, FiveTuple, Framing, Now, ToClient, ToPeer, TurnServer};
use udp::{Counters, PARTS, ReceiveBatch, SendBatch, Sending, Socket};

/// Most datagrams of one run.
const RUN_MAX: usize = 64;
/// Space before the data: a Data indication's header with an IPv6 address.
const HEAD_BYTES: usize = 52;
/// Zeros that pad a datagram to a multiple of four.
const PADDING: [u8; 3] = [0; 3];

/// Buffers reused for every batch.
#[derive(Debug, Default)]
pub(crate) struct RelayPath {
    pub(crate) datagrams_out: u64,
    to_peers: Vec<Option<ToPeer>>,
    to_clients: Vec<Option<(ToClient, Head)>>,
    head: Vec<u8>,
}

/// The bytes before and after a peer's data on its way to a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    bytes: [u8; HEAD_BYTES],
    length: usize,
    padding: usize,
}

impl Head {
    pub(crate) fn before(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    pub(crate) fn after(&self) -> &'static [u8] {
        PADDING.get(..self.padding).unwrap_or_default()
    }
}

/// The properties shared by all datagrams of a run, including the DF bit, which is set per socket.
type PeerKey = (AllocationId, SocketAddr, bool);

/// Datagrams of equal length for one destination; the last may be shorter.
struct Run<'data, K> {
    key: Option<K>,
    datagrams: [[&'data [u8]; PARTS]; RUN_MAX],
    count: usize,
    datagram_bytes: usize,
    ended: bool,
}

impl<'data, K: PartialEq + Copy> Run<'data, K> {
    fn new() -> Self {
        Self { key: None, datagrams: [[&[]; PARTS]; RUN_MAX], count: 0, datagram_bytes: 0, ended: false }
    }

    /// Adds a datagram; returns false if the run must be sent first.
    fn take(&mut self, key: K, parts: [&'data [u8]; PARTS]) -> bool {
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        let first = self.count == 0;
        let fits = !self.ended && self.key == Some(key) && bytes <= self.datagram_bytes && bytes > 0;
        if !first && (!fits || self.count == RUN_MAX) {
            return false;
        }
        if first {
            self.key = Some(key);
            self.datagram_bytes = bytes;
        }
        // The kernel cuts runs into equal lengths, so only the last datagram may be shorter, and an empty one goes alone.
        self.ended = bytes < self.datagram_bytes || bytes == 0;
        if let Some(place) = self.datagrams.get_mut(self.count) {
            *place = parts;
            self.count += 1;
        }
        true
    }

    fn send(&mut self, each: impl FnOnce(K, &[[&'data [u8]; PARTS]])) {
        if let (Some(key), Some(datagrams)) = (self.key, self.datagrams.get(..self.count)) {
            each(key, datagrams);
        }
        self.key = None;
        self.count = 0;
        self.ended = false;
    }
}

impl RelayPath {
    /// Relays the data in a batch from clients; the server queues its answers to everything else.
    pub(crate) fn relay_from_clients(
        &mut self,
        server: &mut TurnServer,
        now: Now,
        batch: &ReceiveBatch,
        relays: &Relays,
        out: (&mut SendBatch, &mut Counters),
    ) {
        self.to_peers.clear();
        for message in batch.messages() {
            let from = FiveTuple { link: FiveTuple::UDP, client: message.from };
            self.to_peers.extend(message.each().map(|datagram| server.handle_client(now, from, datagram)));
        }
        let datagrams = batch.messages().flat_map(|message| message.each());
        let mut run: Run<'_, PeerKey> = Run::new();
        let mut send = |run: &mut Run<'_, PeerKey>| {
            run.send(|(allocation, peer, dont_fragment), datagrams| {
                let Some(socket) = relays.socket(allocation) else { return };
                if dont_fragment {
                    socket.set_dont_fragment(true);
                }
                out.0.sending(socket, out.1).run_of_parts(peer, datagrams);
                if dont_fragment {
                    socket.set_dont_fragment(false);
                }
            });
        };
        for (route, datagram) in self.to_peers.iter().zip(datagrams) {
            let Some(route) = route else { continue };
            let Some(payload) = datagram.get(route.payload.clone()) else { continue };
            self.datagrams_out += 1;
            let key = (route.allocation, route.peer, route.dont_fragment);
            if !run.take(key, [payload, &[], &[]]) {
                send(&mut run);
                run.take(key, [payload, &[], &[]]);
            }
        }
        send(&mut run);
    }

    /// Relays a batch from peers to the clients whose allocations it reached.
    pub(crate) fn relay_from_peers(
        &mut self,
        server: &mut TurnServer,
        now: Now,
        batch: &ReceiveBatch,
        relays: &Relays,
        clients: (&Socket, &mut SendBatch, &mut Counters),
    ) {
        self.to_clients.clear();
        for message in batch.messages() {
            let allocation = relays.at(message.socket).map(|(allocation, _)| allocation);
            for datagram in message.each() {
                let to = allocation.and_then(|id| server.handle_peer(now, id, message.from, datagram.len()));
                let route = to.map(|to| (to, head(server, &mut self.head, to, message.from, datagram.len())));
                self.to_clients.push(route);
            }
        }
        let datagrams = batch.messages().flat_map(|message| message.each());
        let mut run: Run<'_, SocketAddr> = Run::new();
        let mut sending = clients.1.sending(clients.0, clients.2);
        for (route, datagram) in self.to_clients.iter().zip(datagrams) {
            let Some((to, head)) = route else { continue };
            self.datagrams_out += 1;
            let parts = [head.before(), datagram, head.after()];
            if !run.take(to.client.client, parts) {
                add(&mut run, &mut sending);
                run.take(to.client.client, parts);
            }
        }
        add(&mut run, &mut sending);
    }
}

fn add<'data>(run: &mut Run<'data, SocketAddr>, sending: &mut Sending<'_, 'data>) {
    run.send(|client, datagrams| sending.run_of_parts(client, datagrams));
}

/// The header of either framing.
pub(crate) fn head(
    server: &mut TurnServer,
    scratch: &mut Vec<u8>,
    to: ToClient,
    peer: SocketAddr,
    bytes: usize,
) -> Head {
    let ToClient { client, framing } = to;
    let mut head = Head { bytes: [0; HEAD_BYTES], length: 0, padding: 0 };
    match framing {
        Framing::Channel(number) => {
            // RFC 8656 §12.5: over TCP and TLS, ChannelData is padded; over UDP it needs no padding.
            if client.is_stream() {
                head.padding = bytes.next_multiple_of(4) - bytes;
            }
            let [n0, n1] = number.to_be_bytes();
            let [l0, l1] = (bytes as u16).to_be_bytes();
            head.length = ChannelData::HEADER_BYTES;
            if let Some(place) = head.bytes.first_chunk_mut() {
                *place = [n0, n1, l0, l1];
            }
        }
        Framing::Indication => {
            server.indication_header(peer, bytes as u16, scratch);
            if let Some(place) = head.bytes.get_mut(..scratch.len()) {
                place.copy_from_slice(scratch);
                head.length = scratch.len();
            }
            head.padding = bytes.next_multiple_of(4) - bytes;
        }
    }
    head
}
