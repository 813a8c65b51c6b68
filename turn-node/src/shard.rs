//! One thread: its socket for clients, the sockets of its allocations, and the server that decides.

use crate::config::Families;
use crate::epoll::Epoll;
use crate::kernel::Kernel;
use crate::linger::Linger;
use crate::relay_path::RelayPath;
use crate::relays::Relays;
use crate::streams::StreamReport;
use anyhow::Context;
use node_shell::load::{Meter, Rates};
use shared::UnixMillis;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use turn_core::counters::Counters;
use turn_core::{AllocationId, Now, Output, RelayOpened, TurnServer};
use udp::{ReceiveBatch, SendBatch, Socket};

/// The clients' socket in the epoll set; a relay socket's number is its allocation's place in the table.
const CLIENTS: u64 = 1 << 32;
/// Messages read from one relay socket at a time, so that a busy one does not keep the others waiting.
const RELAY_MESSAGES: usize = 8;
/// Fewest messages for which a read of the clients' socket is prepared: enough for packets that come one by one.
const CLIENT_MESSAGES_MIN: usize = 8;
/// Most messages for which a read is prepared: enough for bursts.
const CLIENT_MESSAGES_MAX: usize = 32;
/// Batches read from the clients' socket before the relay sockets get their turn.
const CLIENT_BATCHES: usize = 4;
pub(crate) const REPORT_INTERVAL: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Report {
    /// `None` before the first report.
    pub(crate) at: Option<Instant>,
    pub(crate) allocations: usize,
    /// Datagrams sent in the last second.
    pub(crate) datagrams_out_per_s: u64,
    /// Thousandths of a core used in the last second.
    pub(crate) busy_permille: u16,
    pub(crate) server: Counters,
    pub(crate) sockets: udp::Counters,
    pub(crate) lingers: u64,
    /// Datagrams relayed by the kernel.
    pub(crate) in_kernel: u64,
    pub(crate) streams: StreamReport,
}

#[derive(Debug)]
pub(crate) struct Shard {
    index: u16,
    orders: Arc<Orders>,
    wake: Wake,
    report: Arc<Mutex<Report>>,
    ended: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// Makes a thread check its orders.
pub(crate) struct Wake(pub(crate) Box<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for Wake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wake")
    }
}

/// Orders from other threads; the shard checks them after each wake-up.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    stop: AtomicBool,
    drain: AtomicBool,
    /// The new set of reachable media nodes, until the shard has taken it.
    media_nodes: Mutex<Option<Arc<BTreeSet<SocketAddr>>>>,
    /// True if there is any new order, so that the loop reads a single flag.
    is_new: AtomicBool,
}

impl Orders {
    /// Executes new orders; returns true if the thread must end.
    pub(crate) fn obey(&self, server: &mut TurnServer) -> bool {
        if !self.is_new.swap(false, Ordering::AcqRel) {
            return false;
        }
        if self.drain.load(Ordering::Acquire) {
            server.drain();
        }
        let nodes = self.media_nodes.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(nodes) = nodes {
            server.set_media_nodes(now(), BTreeSet::clone(&nodes));
        }
        self.stop.load(Ordering::Acquire)
    }
}

impl Shard {
    /// Binds the clients' socket and starts the thread.
    pub(crate) fn start(
        index: u16,
        listen: SocketAddr,
        relay_bind: Families,
        server: TurnServer,
        kernel: Option<Arc<Kernel>>,
    ) -> anyhow::Result<Self> {
        let socket = Socket::bind(listen, true).with_context(|| format!("binding UDP {listen}"))?;
        // A message to a client is longer than the peer's datagram and may exceed the path's MTU even if the datagram
        // did not.
        socket.set_dont_fragment(false);
        let epoll = Epoll::new().context("creating an epoll instance")?;
        epoll.add(socket.descriptor(), CLIENTS).context("watching the clients' socket")?;
        let (waker, report) = (epoll.waker(), Arc::default());
        let orders = Arc::<Orders>::default();
        let looped = Loop {
            index,
            server,
            kernel,
            socket,
            relays: Relays::default(),
            relay_bind,
            epoll,
            orders: Arc::clone(&orders),
            receive: ReceiveBatch::default(),
            expected: CLIENT_MESSAGES_MIN,
            linger: Linger::new(Instant::now()),
            send: SendBatch::default(),
            path: RelayPath::default(),
            counters: udp::Counters::default(),
            report: Arc::clone(&report),
            meter: Meter::new(Instant::now()),
        };
        let wake = Wake(Box::new(move || waker.wake()));
        Self::spawn(index, orders, wake, report, move || looped.run())
    }

    /// Starts a thread that reports, and that obeys these orders whenever it is woken.
    pub(crate) fn spawn(
        index: u16,
        orders: Arc<Orders>,
        wake: Wake,
        report: Arc<Mutex<Report>>,
        run: impl FnOnce() + Send + 'static,
    ) -> anyhow::Result<Self> {
        let ended = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&ended);
        let thread = std::thread::Builder::new().name(format!("shard-{index}")).spawn(move || {
            run();
            flag.store(true, Ordering::Release);
        });
        Ok(Self { index, orders, wake, report, ended, thread: thread.context("starting a shard's thread")? })
    }

    pub(crate) fn index(&self) -> u16 {
        self.index
    }

    /// Ends the thread after its current batch.
    pub(crate) fn stop(&self) {
        self.orders.stop.store(true, Ordering::Release);
        self.look();
    }

    /// Refuses all new allocations.
    pub(crate) fn drain(&self) {
        self.orders.drain.store(true, Ordering::Release);
        self.look();
    }

    /// Sets the media nodes that `sfu` credentials reach.
    pub(crate) fn set_media_nodes(&self, nodes: Arc<BTreeSet<SocketAddr>>) {
        *self.orders.media_nodes.lock().unwrap_or_else(PoisonError::into_inner) = Some(nodes);
        self.look();
    }

    fn look(&self) {
        self.orders.is_new.store(true, Ordering::Release);
        (self.wake.0)();
    }

    pub(crate) fn report(&self) -> Report {
        *self.report.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire) || self.thread.is_finished()
    }
}

struct Loop {
    index: u16,
    server: TurnServer,
    /// `None` if the kernel relays nothing.
    kernel: Option<Arc<Kernel>>,
    socket: Socket,
    relays: Relays,
    relay_bind: Families,
    epoll: Epoll,
    orders: Arc<Orders>,
    receive: ReceiveBatch,
    /// The number of messages for which the next read of the clients' socket is prepared.
    expected: usize,
    linger: Linger,
    send: SendBatch,
    path: RelayPath,
    counters: udp::Counters,
    report: Arc<Mutex<Report>>,
    meter: Meter,
}

impl Loop {
    fn run(mut self) {
        let mut next_report = Instant::now();
        loop {
            let until = self.server.poll_timeout().map_or(next_report, |at| at.min(next_report));
            if let Err(error) = self.epoll.wait(Some(until.saturating_duration_since(Instant::now()))) {
                return tracing::error!(%error, "waiting for sockets failed");
            }
            if self.orders.obey(&mut self.server) {
                return;
            }
            let now = now();
            let messages = self.read_clients(now) + self.read_peers(now);
            self.server.handle_timeout(now);
            self.drain(now);
            if now.instant >= next_report {
                next_report = now.instant + REPORT_INTERVAL;
                self.tell(now.instant);
            }
            if let Some(time) = self.linger.after(now.instant, messages) {
                std::thread::sleep(time);
            }
        }
    }

    /// Handles the clients' datagrams and returns their number.
    fn read_clients(&mut self, now: Now) -> usize {
        let mut messages = 0;
        if !self.epoll.ready().any(|number| number == CLIENTS) {
            return messages;
        }
        for _ in 0..CLIENT_BATCHES {
            self.receive.clear();
            let wanted = self.expected;
            match self.receive.fill(&self.socket, 0, wanted, &mut self.counters) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::debug!(%error, "receiving from clients failed");
                    break;
                }
            }
            let out = (&mut self.send, &mut self.counters);
            self.path.relay_from_clients(&mut self.server, now, &self.receive, &self.relays, out);
            self.drain(now);
            let came = self.receive.messages().count();
            // Preparing for messages that do not come costs more than another call for those that do.
            self.expected = (2 * came).clamp(CLIENT_MESSAGES_MIN, CLIENT_MESSAGES_MAX);
            messages += came;
            if came < wanted {
                break;
            }
        }
        messages
    }

    /// Handles the peers' datagrams and returns their number.
    fn read_peers(&mut self, now: Now) -> usize {
        let mut messages = 0;
        if self.epoll.ready().all(|number| number == CLIENTS) {
            return messages;
        }
        self.receive.clear();
        for number in self.epoll.ready().filter(|number| *number != CLIENTS) {
            let place = number as u32;
            if self.receive.is_full() {
                let clients = (&self.socket, &mut self.send, &mut self.counters);
                self.path.relay_from_peers(&mut self.server, now, &self.receive, &self.relays, clients);
                messages += self.receive.messages().count();
                self.receive.clear();
            }
            let Some((_, socket)) = self.relays.at(place) else { continue };
            if let Err(error) = self.receive.fill(socket, place, RELAY_MESSAGES, &mut self.counters) {
                tracing::debug!(%error, "receiving from peers failed");
            }
        }
        let clients = (&self.socket, &mut self.send, &mut self.counters);
        self.path.relay_from_peers(&mut self.server, now, &self.receive, &self.relays, clients);
        messages + self.receive.messages().count()
    }

    /// Executes the server's outputs.
    fn drain(&mut self, now: Now) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Send { to, bytes } => {
                    self.send.sending(&self.socket, &mut self.counters).run(to.client, &bytes, bytes.len());
                }
                Output::OpenRelay { allocation, address, pair, .. } => {
                    let opened = self.open(allocation, address, pair);
                    self.server.relay_opened(now, allocation, opened);
                }
                Output::CloseRelay { allocation, port } => {
                    self.relays.close(allocation);
                    drop(port);
                }
                Output::Switch { flow, until } => {
                    if let Some(kernel) = &self.kernel {
                        kernel.switch(self.index, &flow, until);
                    }
                }
                // Only stream clients have connections with peers (RFC 6062 §5.1).
                Output::Connect { .. } | Output::Join { .. } | Output::Disconnect { .. } => {}
            }
        }
    }

    fn open(&mut self, allocation: AllocationId, address: SocketAddr, pair: bool) -> RelayOpened {
        let ip = if address.is_ipv4() { self.relay_bind.v4 } else { self.relay_bind.v6 };
        let bind = SocketAddr::new(ip.unwrap_or(address.ip()), address.port());
        let opened = self.relays.open(allocation, bind, pair, &self.epoll);
        if let Err(error) = &opened {
            tracing::debug!(%error, port = bind.port(), "a relay socket cannot be opened");
        }
        RelayOpened::of(&opened)
    }

    fn tell(&mut self, now: Instant) {
        let in_kernel = self.kernel.as_ref().map_or(0, |kernel| kernel.relayed(self.index));
        let datagrams_out = self.path.datagrams_out + in_kernel;
        let Rates { datagrams_out_per_s, busy_permille } = self.meter.read(now, datagrams_out);
        let report = Report {
            at: Some(now),
            datagrams_out_per_s,
            busy_permille,
            allocations: self.server.allocation_count(),
            server: self.server.counters,
            sockets: self.counters,
            lingers: self.linger.count,
            in_kernel,
            streams: StreamReport::default(),
        };
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = report;
    }
}

pub(crate) fn now() -> Now {
    let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now { instant: Instant::now(), unix: UnixMillis(u64::try_from(unix.as_millis()).unwrap_or(u64::MAX)) }
}
