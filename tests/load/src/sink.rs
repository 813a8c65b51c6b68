//! Receives a node's packets: counts every packet, decrypts one in 64, and reports arrivals as browsers do. The floor's
//! packets are only counted and reported.
//!
//! Sockets are polled, not waited for: on loopback the sender pays for waking a receiver, and in the field the receiver
//! is on another machine.

use crate::client::{Client, Memory};
use crate::parameters::EXTENSIONS;
use crate::process;
use crate::reports::Reports;
use anyhow::{Context, Result};
use media_core::congestion::reporter::{REPORT_BYTES_MAX, Reporter};
use media_core::rtp::{self, RtpHeader};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use udp::Socket;

/// One packet in this many is decrypted: enough to check the content, and cheap.
const DECRYPT_ONE_IN: u64 = 64;
/// Poll interval while media flows; the sockets' buffers hold hundreds of times as much.
const BUSY_INTERVAL: Duration = Duration::from_millis(4);
/// Poll interval otherwise.
const IDLE_INTERVAL: Duration = Duration::from_millis(50);
/// Interval of the clients' timers.
const TICK_INTERVAL: Duration = Duration::from_millis(500);
/// Messages per read.
const MESSAGES: usize = 32;

#[derive(Debug, Default)]
pub struct Counts {
    pub received: AtomicU64,
    /// Media packets that should have arrived according to their sequence numbers.
    pub expected: AtomicU64,
    pub decrypted: AtomicU64,
    /// Packets that could not be decrypted.
    pub forged: AtomicU64,
}

#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    pub received: u64,
    /// Media packets that should have arrived.
    pub expected: u64,
}

impl Counts {
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { received: self.received.load(Relaxed), expected: self.expected.load(Relaxed) }
    }
}

#[derive(Debug)]
pub struct Sink {
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl Sink {
    /// Receives for connected clients, and on the sockets of the floor's receivers.
    pub fn start(clients: Vec<Client>, plain: Vec<Socket>, core: usize) -> Result<Self> {
        let (counts, stop) = (Arc::<Counts>::default(), Arc::<AtomicBool>::default());
        let now = Instant::now();
        let clients = clients.into_iter().map(|client| Receiver {
            peer: Peer::Client(Box::new((client, Reporter::new(now, EXTENSIONS.transport_cc.unwrap_or_default())))),
            highest: BTreeMap::new(),
        });
        let plain = plain.into_iter().enumerate().map(|(place, socket)| {
            let peer = Peer::Plain(Box::new((socket, Reports::new(place)?)));
            Ok(Receiver { peer, highest: BTreeMap::new() })
        });
        let worker = Worker {
            receivers: clients.map(Ok).chain(plain).collect::<Result<_>>()?,
            counts: Arc::clone(&counts),
            stop: Arc::clone(&stop),
            memory: Memory::default(),
        };
        let thread = std::thread::Builder::new().name("sink".to_owned()).spawn(move || {
            process::pin_to_core(core)?;
            worker.run()
        })?;
        Ok(Self { counts, stop, thread })
    }

    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Ends the thread.
    pub fn stop(self) -> Result<()> {
        self.stop.store(true, Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the sink's thread panicked"))?
    }
}

struct Worker {
    receivers: Vec<Receiver>,
    counts: Arc<Counts>,
    stop: Arc<AtomicBool>,
    memory: Memory,
}

struct Receiver {
    peer: Peer,
    /// The highest sequence number of each stream.
    highest: BTreeMap<u32, u16>,
}

enum Peer {
    Client(Box<(Client, Reporter)>),
    Plain(Box<(Socket, Reports)>),
}

impl Worker {
    fn run(mut self) -> Result<()> {
        let mut tick_at = Instant::now();
        while !self.stop.load(Relaxed) {
            let before = self.counts.received.load(Relaxed);
            for place in 0..self.receivers.len() {
                self.read(place)?;
            }
            let now = Instant::now();
            if tick_at <= now {
                tick_at = now + TICK_INTERVAL;
                self.tick(now);
            }
            let is_busy = self.counts.received.load(Relaxed) != before;
            std::thread::sleep(if is_busy { BUSY_INTERVAL } else { IDLE_INTERVAL });
        }
        Ok(())
    }

    fn read(&mut self, place: usize) -> Result<()> {
        let receiver = self.receivers.get_mut(place).context("no such socket")?;
        let now = Instant::now();
        loop {
            let Memory { incoming, counters, .. } = &mut self.memory;
            incoming.clear();
            if !incoming.fill(receiver.socket(), 0, MESSAGES, counters)? {
                break;
            }
            incoming.for_each(|from, datagram| receiver.take(now, from, datagram, &self.counts));
            if !incoming.is_full() {
                break;
            }
        }
        match &mut receiver.peer {
            Peer::Client(peer) => {
                let (client, reporter) = &mut **peer;
                client.answer_check(&mut self.memory);
                report(now, reporter, client, &mut self.memory);
            }
            Peer::Plain(peer) => {
                let (socket, reports) = &mut **peer;
                let Memory { outgoing, counters, .. } = &mut self.memory;
                if let Some((to, report)) = reports.next(now) {
                    outgoing.sending(socket, counters).run(to, report, report.len());
                }
            }
        }
        Ok(())
    }

    fn tick(&mut self, now: Instant) {
        for receiver in &mut self.receivers {
            if let Peer::Client(peer) = &mut receiver.peer {
                peer.0.tick(now, &mut self.memory);
            }
        }
    }
}

/// Sends due reports.
pub(crate) fn report(now: Instant, reporter: &mut Reporter, client: &mut Client, memory: &mut Memory) {
    let mut buffer = [0; REPORT_BYTES_MAX];
    while let Some(plain_bytes) = reporter.report(now, &mut buffer) {
        let sealed = client.sealer().and_then(|sealer| sealer.seal_rtcp(&mut buffer, plain_bytes));
        client.send(memory, sealed.and_then(|bytes| buffer.get(..bytes)).into_iter());
    }
}

impl Receiver {
    fn socket(&self) -> &Socket {
        match &self.peer {
            Peer::Client(peer) => peer.0.socket(),
            Peer::Plain(peer) => &peer.0,
        }
    }

    fn take(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8], counts: &Counts) {
        if let Peer::Client(peer) = &mut self.peer
            && datagram.first().is_some_and(|first| *first <= 3)
        {
            return peer.0.handle_stun(datagram);
        }
        let is_media = datagram.first().is_some_and(|first| first >> 6 == 2) && !rtp::is_rtcp(datagram);
        let Some(header) = RtpHeader::parse(datagram).filter(|_| is_media) else { return };
        match &mut self.peer {
            Peer::Client(peer) => peer.1.record(now, &header, datagram.len()),
            Peer::Plain(peer) => peer.1.record(now, from),
        }
        let (ssrc, sequence, header_bytes) = (header.ssrc, header.sequence, header.header_bytes());
        let received = counts.received.fetch_add(1, Relaxed) + 1;
        let highest = self.highest.entry(ssrc).or_insert(sequence.wrapping_sub(1));
        let step = sequence.wrapping_sub(*highest);
        if step < 0x8000 {
            counts.expected.fetch_add(u64::from(step), Relaxed);
            *highest = sequence;
        }
        let Peer::Client(peer) = &mut self.peer else { return };
        if received.is_multiple_of(DECRYPT_ONE_IN)
            && let Some(opener) = peer.0.opener()
        {
            let result = opener.open_rtp(datagram, header_bytes);
            let counter = if result.is_ok() { &counts.decrypted } else { &counts.forged };
            counter.fetch_add(1, Relaxed);
        }
    }
}
