//! State shared by the tasks of a stream thread: the server that decides, the connections, and the relay sockets.

use super::client::{Client, Closing};
use super::peers::{self, Peers};
use super::relay::{self, Relay};
use super::{StreamReport, conversation};
use crate::config::Families;
use crate::relay_path::head;
use crate::shard::{Report, now};
use crate::tls::Tls;
use node_shell::streams::{Limits, NoPlace, Places};
use std::cell::{Cell, RefCell, RefMut};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;
use tokio::net::TcpStream;
use turn_core::stream::{BrokenStream, next_message};
use turn_core::{AllocationId, FiveTuple, Output, RelayOpened, ToPeer, TurnServer, limits};
use udp::{Counters, ReceiveBatch, SendBatch};

/// Messages read from one relay socket at a time, so that a busy one does not keep the others waiting.
const RELAY_MESSAGES: usize = 8;
/// Bytes read from one connection at a time.
const READ_BYTES: usize = 64 * 1024;
const LIMITS: Limits = Limits {
    connections: limits::STREAMS_PER_SHARD_MAX,
    per_address: limits::STREAMS_PER_ADDRESS_MAX,
    strangers: limits::STRANGERS_PER_SHARD_MAX,
};

pub(crate) struct Hub {
    /// For new TLS connections; `None` without a certificate.
    pub(crate) tls: Option<Tls>,
    relay_bind: Families,
    state: RefCell<State>,
    /// Memory for reads, used by one task at a time.
    memory: Cell<Box<[u8]>>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) server: TurnServer,
    /// Indexed by link, less one.
    clients: Vec<Option<Rc<Client>>>,
    free: Vec<u32>,
    /// Strangers are known by their link.
    places: Places<u32>,
    relays: Vec<Option<Rc<Relay>>>,
    pub(crate) peers: Peers,
    /// Destinations of the messages in one read.
    routes: Vec<ToPeer>,
    head: Vec<u8>,
    receive: ReceiveBatch,
    send: SendBatch,
    counters: Counters,
    datagrams_out: u64,
    report: StreamReport,
}

impl Hub {
    pub(crate) fn new(server: TurnServer, relay_bind: Families, tls: Option<Tls>) -> Rc<Self> {
        let state = State {
            server,
            clients: Vec::new(),
            free: Vec::new(),
            places: Places::new(LIMITS),
            relays: Vec::new(),
            peers: Peers::default(),
            routes: Vec::new(),
            head: Vec::new(),
            receive: ReceiveBatch::default(),
            send: SendBatch::default(),
            counters: Counters::default(),
            datagrams_out: 0,
            report: StreamReport::default(),
        };
        let memory = Cell::new(vec![0; READ_BYTES].into_boxed_slice());
        Rc::new(Self { tls, relay_bind, state: RefCell::new(state), memory })
    }

    /// Never held across an await.
    pub(crate) fn state(&self) -> RefMut<'_, State> {
        self.state.borrow_mut()
    }

    pub(crate) fn with_memory<T>(self: &Rc<Self>, use_it: impl FnOnce(&Rc<Self>, &mut [u8]) -> T) -> T {
        let mut memory = self.memory.take();
        let result = use_it(self, &mut memory);
        self.memory.set(memory);
        result
    }

    /// Takes a new connection, if there is a place for it.
    pub(crate) fn admit(self: &Rc<Self>, stream: TcpStream, from: SocketAddr) {
        let client = {
            let mut state = self.state();
            if let Err(no_place) = state.places.take(from.ip()) {
                match no_place {
                    NoPlace::Full => state.report.refused_full += 1,
                    NoPlace::Address => state.report.refused_address += 1,
                }
                return;
            }
            state.add(from)
        };
        tokio::task::spawn_local(conversation::serve(Rc::clone(self), client, stream));
    }

    /// Handles the messages in a client's bytes; returns the number of bytes handled. Bytes behind a ConnectionBind are
    /// left.
    pub(crate) fn handle(self: &Rc<Self>, client: &Client, bytes: &[u8]) -> Result<usize, BrokenStream> {
        let (mut state, now) = (self.state(), now());
        let mut handled = 0;
        let outcome = loop {
            let most = if client.stranger.get().is_some() {
                limits::STRANGER_MESSAGE_BYTES_MAX
            } else {
                limits::STREAM_MESSAGE_BYTES_MAX
            };
            let rest = bytes.get(handled..).unwrap_or_default();
            let length = match next_message(rest, most) {
                Ok(Some(length)) => length,
                Ok(None) => break Ok(handled),
                Err(broken) => break Err(broken),
            };
            let message = rest.get(..length).unwrap_or_default();
            match state.server.handle_client(now, client.tuple, message) {
                Some(route) => {
                    let payload = handled + route.payload.start..handled + route.payload.end;
                    state.routes.push(ToPeer { payload, ..route });
                }
                None => {
                    state.send_to_peers(bytes);
                    self.execute(&mut state);
                    state.review(client, now.instant);
                }
            }
            handled += length;
            if client.is_bound.get() || client.is_closing() {
                break Ok(handled);
            }
        };
        state.send_to_peers(bytes);
        outcome
    }

    /// Executes the server's outputs.
    pub(crate) fn execute(self: &Rc<Self>, state: &mut State) {
        while let Some(output) = state.server.poll_output() {
            match output {
                Output::Send { to, bytes } => state.answer(to, &bytes),
                Output::OpenRelay { allocation, transport, address, pair } => {
                    let ip = if address.is_ipv4() { self.relay_bind.v4 } else { self.relay_bind.v6 };
                    let bind = SocketAddr::new(ip.unwrap_or(address.ip()), address.port());
                    let opened = Relay::open(allocation, transport, bind, pair).map(|relay| {
                        relay::start(self, &relay);
                        state.set_relay(allocation, Some(relay));
                    });
                    if let Err(error) = &opened {
                        tracing::debug!(%error, port = bind.port(), "a relay socket cannot be opened");
                    }
                    state.server.relay_opened(now(), allocation, RelayOpened::of(&opened));
                }
                Output::CloseRelay { allocation, port } => {
                    if let Some(relay) = state.relay(allocation) {
                        relay.close(port);
                        state.set_relay(allocation, None);
                    }
                }
                Output::Connect { connection, allocation, peer } => match state.relay(allocation) {
                    Some(relay) => peers::connect(self, &mut state.peers, connection, relay.address, peer),
                    None => state.server.peer_connected(now(), connection, false),
                },
                Output::Join { connection, client } => state.join(connection, client),
                Output::Disconnect { connection } => state.peers.disconnect(connection),
                // A flow has two UDP ends.
                Output::Switch { .. } => {}
            }
        }
    }

    /// Relays peers' datagrams to an allocation; returns true if there may be more.
    pub(crate) fn relay_from_peers(&self, relay: &Relay, socket: &udp::Socket) -> bool {
        let mut state = self.state();
        let state = &mut *state;
        state.receive.clear();
        if let Err(error) = state.receive.fill(socket, 0, RELAY_MESSAGES, &mut state.counters) {
            tracing::debug!(%error, "receiving from peers failed");
            // Reading cleared a pending error; datagrams may still be waiting.
            return true;
        }
        let (now, mut woken) = (now(), None);
        for message in state.receive.messages() {
            for datagram in message.each() {
                let to = state.server.handle_peer(now, relay.allocation, message.from, datagram.len());
                let Some(to) = to else { continue };
                let client = place(to.client).and_then(|place| state.clients.get(place)?.as_ref());
                let Some(client) = client else { continue };
                let head = head(&mut state.server, &mut state.head, to, message.from, datagram.len());
                let parts = [head.before(), datagram, head.after()];
                if client.outgoing.borrow_mut().push(&parts, limits::STREAM_QUEUE_BYTES_MAX) {
                    state.datagrams_out += 1;
                } else {
                    state.report.slow_reader += 1;
                }
                woken = Some(client);
            }
        }
        if let Some(client) = woken {
            client.wake();
        }
        state.receive.messages().count() == RELAY_MESSAGES
    }

    /// Ends a connection for a reason of the node's.
    pub(crate) fn close(&self, client: &Client, why: Closing) {
        self.state().close(client, why);
    }

    /// Removes an ended connection and its allocation.
    pub(crate) fn leave(self: &Rc<Self>, client: &Client) {
        let mut state = self.state();
        state.remove(client);
        state.server.link_closed(client.tuple);
        self.execute(&mut state);
    }

    /// Ends everything whose time is over; called once a second.
    pub(crate) fn sweep(self: &Rc<Self>) {
        let (mut state, now) = (self.state(), now());
        state.server.handle_timeout(now);
        self.execute(&mut state);
        let clients: Vec<Rc<Client>> = state.clients.iter().flatten().map(Rc::clone).collect();
        for client in clients {
            state.review(&client, now.instant);
            if let Some(why) = client.overdue(now.instant) {
                state.close(&client, why);
            }
        }
    }
}

impl State {
    fn add(&mut self, from: SocketAddr) -> Rc<Client> {
        let place = self.free.pop().unwrap_or_else(|| {
            self.clients.push(None);
            (self.clients.len() - 1) as u32
        });
        let client = Rc::new(Client::new(FiveTuple { link: place + 1, client: from }));
        if let Some(slot) = self.clients.get_mut(place as usize) {
            *slot = Some(Rc::clone(&client));
        }
        self.report.accepted += 1;
        self.review(&client, Instant::now());
        client
    }

    fn remove(&mut self, client: &Client) {
        if let Some((number, _)) = client.stranger.take() {
            self.places.remove_stranger(number);
        }
        self.places.give_back(client.tuple.client.ip());
        if let Some(slot) = place(client.tuple).and_then(|place| self.clients.get_mut(place)) {
            *slot = None;
            self.free.push(client.tuple.link - 1);
        }
    }

    /// Updates a connection that has gained or lost its allocation.
    fn review(&mut self, client: &Client, now: Instant) {
        let known = client.is_bound.get() || self.server.has_allocation(client.tuple);
        match client.stranger.get() {
            Some((number, _)) if known => {
                self.places.remove_stranger(number);
                client.stranger.set(None);
            }
            None if !known => {
                let (number, oldest) = self.places.add_stranger(client.tuple.link);
                client.stranger.set(Some((number, now + limits::STRANGER_TIMEOUT)));
                let oldest = oldest.and_then(|link| self.clients.get(link as usize - 1)?.clone());
                if let Some(oldest) = oldest {
                    self.close(&oldest, Closing::Evicted);
                }
            }
            Some(_) | None => {}
        }
    }

    fn close(&mut self, client: &Client, why: Closing) {
        if !client.close() {
            return;
        }
        let place = Closing::ALL.iter().position(|(known, _)| *known == why);
        if let Some(count) = place.and_then(|place| self.report.closed.get_mut(place)) {
            *count += 1;
        }
        tracing::debug!(client = %client.tuple.client, ?why, "closing a connection");
    }

    fn answer(&mut self, to: FiveTuple, bytes: &[u8]) {
        let client = place(to).and_then(|place| self.clients.get(place)?.clone());
        let Some(client) = client else { return };
        // More than for data; without room, the client does not read its answers.
        let bytes_max = limits::STREAM_QUEUE_BYTES_MAX + limits::STREAM_ANSWER_BYTES_MAX;
        let fits = client.outgoing.borrow_mut().push(&[bytes], bytes_max);
        client.wake();
        if !fits {
            self.close(&client, Closing::Unread);
        }
    }

    fn join(&mut self, connection: turn_core::ConnectionId, to: FiveTuple) {
        let client = place(to).and_then(|place| self.clients.get(place)?.clone());
        match (client, self.peers.join(connection)) {
            (Some(client), Some(peer)) => {
                *client.joined.borrow_mut() = Some((connection, peer));
                client.is_bound.set(true);
            }
            (_, _) => self.server.peer_gone(connection),
        }
    }

    fn send_to_peers(&mut self, bytes: &[u8]) {
        let Self { routes, relays, send, counters, datagrams_out, .. } = self;
        for same in routes.chunk_by(|a, b| (a.allocation, a.dont_fragment) == (b.allocation, b.dont_fragment)) {
            let Some(first) = same.first() else { continue };
            let Some(socket) = find(relays, first.allocation).and_then(|relay| relay.datagrams()) else { continue };
            if first.dont_fragment {
                socket.set_dont_fragment(true);
            }
            let mut sending = send.sending(socket, counters);
            for route in same {
                let payload = bytes.get(route.payload.clone()).unwrap_or_default();
                sending.run_of_parts(route.peer, &[[payload, &[], &[]]]);
                *datagrams_out += 1;
            }
            drop(sending);
            if first.dont_fragment {
                socket.set_dont_fragment(false);
            }
        }
        routes.clear();
    }

    fn relay(&self, allocation: AllocationId) -> Option<Rc<Relay>> {
        find(&self.relays, allocation).map(Rc::clone)
    }

    fn set_relay(&mut self, allocation: AllocationId, relay: Option<Rc<Relay>>) {
        let place = allocation.index as usize;
        if self.relays.len() <= place {
            self.relays.resize_with(place + 1, || None);
        }
        if let Some(slot) = self.relays.get_mut(place) {
            *slot = relay;
        }
    }

    /// The current figures, except those known only to the thread.
    pub(crate) fn report(&self) -> Report {
        let mut streams = self.report;
        streams.open = self.places.taken() as u64;
        streams.strangers = self.places.strangers() as u64;
        Report {
            allocations: self.server.allocation_count(),
            server: self.server.counters,
            sockets: self.counters,
            streams,
            ..Report::default()
        }
    }

    /// Datagrams relayed in both directions.
    pub(crate) fn datagrams_out(&self) -> u64 {
        self.datagrams_out
    }
}

fn find(relays: &[Option<Rc<Relay>>], allocation: AllocationId) -> Option<&Rc<Relay>> {
    relays.get(allocation.index as usize)?.as_ref().filter(|relay| relay.allocation == allocation)
}

fn place(client: FiveTuple) -> Option<usize> {
    (client.link as usize).checked_sub(1)
}
