//! Server CPU per relayed packet, ours, coturn's and the floor's: 50 clients with a channel each, up (client to peer) and
//! down, one by one and in bursts of 8.

use anyhow::{Context, Result, bail};
use clap::Parser;
use load::clock::Pacer;
use load::plain_relay::PlainRelay;
use load::process;
use load::relay::{Answer, Relay, RelayClient, coturn_version, credential};
use load::rounds::{self, Options, median, rounded};
use serde_json::json;
use shared::turn_credential::TurnPolicy;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use udp::{Counters, ReceiveBatch, SendBatch, Socket};

/// The measured server runs on this core, next to the other one, which sleeps.
const SERVER_CORE: usize = 0;
/// Clients and peers run on this one.
const CLIENT_CORE: usize = 1;
/// Most of coturn's CPU time that a relayed packet may cost.
const RATIO_MAX: f64 = 1.0;
/// More loss than this voids a round: a server that loses packets has less to do.
const LOSS_MAX: f64 = 0.001;
const WARM: Duration = Duration::from_millis(200);
const CLIENTS: usize = 50;
const CHANNEL: u16 = 0x4001;
const PAYLOAD_BYTES: usize = 1_100;
/// For all clients together: 400 each.
const PACKETS_PER_S: u32 = 20_000;
/// Poll interval of the sink; the sockets' buffers hold hundreds of times as much.
const SINK_INTERVAL: Duration = Duration::from_millis(4);
/// Every packet in flight has arrived by then.
const ARRIVAL: Duration = Duration::from_millis(50);

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
    let settings =
        [("TURN_LOG", "warn"), ("TURN_ALLOCATIONS_PER_USER", "100"), ("TURN_P2P_BYTES_PER_SECOND", "1000000000")];
    let ours = Setup::new(Relay::ours(&arguments.turn_node, &settings)?)?;
    let coturn = Setup::new(Relay::coturn(&arguments.coturn)?)?;
    let floor = Setup::plain()?;
    let peer = coturn_version(&arguments.coturn)?;
    process::pin_to_core(CLIENT_CORE)?;
    process::sleep_precisely();
    if !process::be_prompt() {
        eprintln!("without CAP_SYS_NICE the sender keeps its pace on a quiet machine only");
    }
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

/// A running server.
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
            let peer = Socket::bind((Ipv4Addr::LOCALHOST, 0).into(), false)?;
            let mut client = RelayClient::new(address, credential(TurnPolicy::P2p, "bench", 3_600)?)?;
            setup.relayed.push(client.allocated()?);
            let bound = client.bind(CHANNEL, peer.local_address()?)?;
            if bound != Answer::Success(None) {
                bail!("no channel: {bound:?}");
            }
            setup.clients.push(Socket::take(client.socket)?);
            setup.peers.push(peer);
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
        self.send(case, WARM)?;
        std::thread::sleep(ARRIVAL);
        let (cpu, before) = (process::cpu_ns(self.program.pid())?, self.sink.received(case));
        let sent = self.send(case, time)?;
        std::thread::sleep(ARRIVAL);
        let (cpu, received) = (process::cpu_ns(self.program.pid())? - cpu, self.sink.received(case) - before);
        let lost = sent.saturating_sub(received) as f64 / sent.max(1) as f64;
        if received == 0 || received > sent || (is_strict && lost > LOSS_MAX) {
            bail!("{received} of {sent} packets came");
        }
        if is_strict && sent < u64::from(PACKETS_PER_S) * time.as_millis() as u64 / 1_000 * 9 / 10 {
            bail!("only {sent} packets were sent in time");
        }
        Ok(cpu as f64 / received as f64)
    }

    fn send(&self, case: Case, time: Duration) -> Result<u64> {
        let (mut batch, mut counters) = (SendBatch::default(), Counters::default());
        let mut packet = vec![0x55; 4 + PAYLOAD_BYTES];
        packet[..2].copy_from_slice(&CHANNEL.to_be_bytes());
        packet[2..4].copy_from_slice(&(PAYLOAD_BYTES as u16).to_be_bytes());
        let (sockets, packet) = if case.up { (&self.clients, &packet[..]) } else { (&self.peers, &packet[4..]) };
        let mut pacer = Pacer::new(Duration::from_secs(1) * case.burst as u32 / PACKETS_PER_S);
        let (end, mut sent) = (Instant::now() + time, 0);
        for place in (0..CLIENTS).cycle() {
            if Instant::now() >= end {
                break;
            }
            let socket = sockets.get(place).context("no such socket")?;
            let to = if case.up { Some(self.program.address()) } else { self.relayed.get(place).copied() };
            let to = to.context("no such address")?;
            let mut sending = batch.sending(socket, &mut counters);
            // One by one, as browsers send: a run would reach the server in one piece.
            (0..case.burst).for_each(|_| sending.run(to, packet, packet.len()));
            drop(sending);
            sent += case.burst as u64;
            pacer.wait();
        }
        Ok(sent)
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
                count(&clients, PAYLOAD_BYTES + 4, &mut batch, &to_clients);
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

/// Counts the complete datagrams pending in these sockets.
fn count(sockets: &[Socket], bytes: usize, batch: &mut ReceiveBatch, received: &AtomicU64) {
    let mut counters = Counters::default();
    for socket in sockets {
        loop {
            batch.clear();
            if !matches!(batch.fill(socket, 0, usize::MAX, &mut counters), Ok(true)) {
                break;
            }
            batch.for_each(|_, datagram| {
                received.fetch_add(u64::from(datagram.len() == bytes), Relaxed);
            });
            if !batch.is_full() {
                break;
            }
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
