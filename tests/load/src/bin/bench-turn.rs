//! Server CPU per relayed packet, ours, coturn's and the floor's: 50 clients with a channel each, up (client to peer) and
//! down, one by one and in bursts of 8.

use anyhow::{Context, Result};
use clap::Parser;
use load::plain_relay::PlainRelay;
use load::process;
use load::relay::{Relay, coturn_version};
use load::relayed::{
    self, ARRIVAL, CLIENTS, HEADER_BYTES, PAYLOAD_BYTES, Pair, SERVER_CORE, SETTINGS, SINK_INTERVAL, count,
};
use load::rounds::{self, Options, median, rounded};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;
use udp::{ReceiveBatch, Socket};

/// Most of coturn's CPU time that a relayed packet may cost.
const RATIO_MAX: f64 = 1.0;
const WARM: Duration = Duration::from_millis(200);

#[derive(Parser)]
struct Arguments {
    /// Path of the TURN node's program.
    #[arg(long, default_value = "turn-node")]
    turn_node: PathBuf,
    /// Path of coturn's program.
    #[arg(long, default_value = "turnserver")]
    coturn: PathBuf,
    /// Relays as the floor does, without TURN, until standard input ends.
    #[arg(long, hide = true, exclusive = true)]
    floor: bool,
    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    up: bool,
    burst: usize,
}

impl rounds::Case for Case {
    fn name(&self) -> &'static str {
        self.name
    }
}

const CASES: [Case; 4] = [
    Case { name: "up spaced", up: true, burst: 1 },
    Case { name: "up bursts of 8", up: true, burst: 8 },
    Case { name: "down spaced", up: false, burst: 1 },
    Case { name: "down bursts of 8", up: false, burst: 8 },
];

/// Nanoseconds per packet in one round.
#[derive(Clone, Copy)]
struct Round {
    ours: f64,
    floor: f64,
    coturn: f64,
}

impl Round {
    fn line(&self) -> String {
        let Self { ours, floor, coturn } = self;
        format!("{ours:7.0} {floor:7.0} {coturn:7.0} {:5.2}", ours / coturn)
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if arguments.floor {
        return load::plain_relay::run();
    }
    // Children inherit the core they are started on.
    process::pin_to_core(SERVER_CORE)?;
    let ours = Setup::new(Relay::ours(&arguments.turn_node, &SETTINGS)?)?;
    let coturn = Setup::new(Relay::coturn(&arguments.coturn)?)?;
    let floor = Setup::plain()?;
    let peer = coturn_version(&arguments.coturn)?;
    relayed::prepare_to_send()?;
    let time = Duration::from_millis(if arguments.options.smoke { 200 } else { 1_000 });
    let (ours, coturn, floor) = (ours.open()?, coturn.open()?, floor.open()?);
    let bench = Bench { ours, coturn, floor, time, is_strict: !arguments.options.smoke };
    let results = arguments.options.measure(CASES, |case, number| bench.round(case, number), Round::line);
    results.print("turn", |_, rounds| {
        let ratio = rounded(median(rounds, |round| round.ours / round.coturn), 3);
        json!({
            "unit": "ns/packet", "ours": median(rounds, |round| round.ours).round(),
            "floor": median(rounds, |round| round.floor).round(),
            "ratio": ratio, "goal": RATIO_MAX, "met": ratio <= RATIO_MAX,
            "peers": { &peer: median(rounds, |round| round.coturn).round() },
        })
    })
}

enum Program {
    Turn(Relay),
    Plain(PlainRelay),
}

impl Program {
    fn pid(&self) -> u32 {
        match self {
            Self::Turn(relay) => relay.pid(),
            Self::Plain(relay) => relay.pid(),
        }
    }

    fn address(&self) -> SocketAddr {
        match self {
            Self::Turn(relay) => relay.address,
            Self::Plain(relay) => relay.address,
        }
    }
}

struct Setup {
    program: Program,
    clients: Vec<Socket>,
    peers: Vec<Socket>,
    relayed: Vec<SocketAddr>,
}

impl Setup {
    /// Allocates, and binds a channel from each client to a peer of its own.
    fn new(relay: Relay) -> Result<Self> {
        let address = relay.address;
        let mut setup =
            Self { program: Program::Turn(relay), clients: Vec::new(), peers: Vec::new(), relayed: Vec::new() };
        for _ in 0..CLIENTS {
            let host = Ipv4Addr::LOCALHOST.into();
            let Pair { client, peer, relayed } = Pair::bind(host, host, address)?;
            setup.clients.push(client);
            setup.peers.push(peer);
            setup.relayed.push(relayed);
        }
        Ok(setup)
    }

    /// Clients and peers of the floor.
    fn plain() -> Result<Self> {
        let bind = || -> std::io::Result<Vec<Socket>> {
            (0..CLIENTS).map(|_| Socket::bind((Ipv4Addr::LOCALHOST, 0).into(), false)).collect()
        };
        let (clients, peers) = (bind()?, bind()?);
        let ends =
            clients.iter().zip(&peers).map(|(client, peer)| Ok((client.local_address()?, peer.local_address()?)));
        let relay = PlainRelay::start(&ends.collect::<std::io::Result<Vec<_>>>()?)?;
        let relayed = relay.relayed.clone();
        Ok(Self { program: Program::Plain(relay), clients, peers, relayed })
    }

    /// Starts receiving.
    fn open(self) -> Result<Server> {
        let Self { program, clients, peers, relayed } = self;
        let (clients, peers) = (Arc::new(clients), Arc::new(peers));
        let sink = Sink::start(Arc::clone(&clients), Arc::clone(&peers))?;
        Ok(Server { program, clients, peers, relayed, sink })
    }
}

/// A [`Setup`] that is receiving.
struct Server {
    program: Program,
    clients: Arc<Vec<Socket>>,
    peers: Arc<Vec<Socket>>,
    relayed: Vec<SocketAddr>,
    sink: Sink,
}

impl Server {
    /// Sends packets through the server, and returns its CPU time per packet.
    fn round(&self, case: Case, time: Duration, is_strict: bool) -> Result<f64> {
        self.send(case, WARM);
        std::thread::sleep(ARRIVAL);
        let (cpu, before) = (process::cpu_ns(self.program.pid())?, self.sink.received(case));
        let sent = self.send(case, time);
        std::thread::sleep(ARRIVAL);
        let (cpu, received) = (process::cpu_ns(self.program.pid())? - cpu, self.sink.received(case) - before);
        relayed::check(sent, received, time, is_strict)?;
        Ok(cpu as f64 / received as f64)
    }

    fn send(&self, case: Case, time: Duration) -> u64 {
        let packet = relayed::packet();
        if case.up {
            let to = self.program.address();
            relayed::send(self.clients.iter().map(|client| (client, to)), &packet, case.burst, time)
        } else {
            let ends = self.peers.iter().zip(self.relayed.iter().copied());
            relayed::send(ends, &packet[HEADER_BYTES..], case.burst, time)
        }
    }
}

/// Counts the packets received by clients and peers. It polls instead of waiting: on loopback the sender pays for
/// waking a receiver, and in the field the receiver is on another machine.
struct Sink {
    at_clients: Arc<AtomicU64>,
    at_peers: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sink {
    fn start(clients: Arc<Vec<Socket>>, peers: Arc<Vec<Socket>>) -> Result<Self> {
        let (at_clients, at_peers, stop) =
            (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (to_clients, to_peers, stopped) = (Arc::clone(&at_clients), Arc::clone(&at_peers), Arc::clone(&stop));
        let thread = std::thread::Builder::new().name("sink".to_owned()).spawn(move || {
            let mut batch = ReceiveBatch::default();
            while !stopped.load(Relaxed) {
                count(&clients, PAYLOAD_BYTES + HEADER_BYTES, &mut batch, &to_clients);
                count(&peers, PAYLOAD_BYTES, &mut batch, &to_peers);
                std::thread::sleep(SINK_INTERVAL);
            }
        })?;
        Ok(Self { at_clients, at_peers, stop, thread: Some(thread) })
    }

    fn received(&self, case: Case) -> u64 {
        if case.up { self.at_peers.load(Relaxed) } else { self.at_clients.load(Relaxed) }
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic there no longer matters.
            let _ = thread.join();
        }
    }
}

struct Bench {
    ours: Server,
    coturn: Server,
    floor: Server,
    time: Duration,
    /// If true, rounds can be void; a smoke test's cannot.
    is_strict: bool,
}

impl Bench {
    /// Measures the servers, one after the other in alternating order.
    fn round(&self, case: Case, number: u32) -> Result<Round> {
        let one = |server: &Server, name| server.round(case, self.time, self.is_strict).context(name);
        let (ours, floor, coturn) =
            (|| one(&self.ours, "ours"), || one(&self.floor, "the floor"), || one(&self.coturn, "coturn"));
        if number.is_multiple_of(2) {
            Ok(Round { ours: ours()?, floor: floor()?, coturn: coturn()? })
        } else {
            let (coturn, floor) = (coturn()?, floor()?);
            Ok(Round { ours: ours()?, floor, coturn })
        }
    }
}
