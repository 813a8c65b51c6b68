//! The whole machine's CPU per relayed packet, softirq included, over a virtual cable between namespaces: our node with
//! its sockets and with the kernel's help, and coturn; 50 clients with a channel each. Needs root.
//!
//! Costs are what a packet takes more than one that is sent to the other end directly.

use anyhow::{Context, Result, bail};
use clap::Parser;
use load::process;
use load::relay::{Relay, coturn_version};
use load::relayed::{
    self, ARRIVAL, CLIENT_CORE, CLIENTS, HEADER_BYTES, PAYLOAD_BYTES, Pair, SERVER_CORE, SETTINGS, SINK_INTERVAL, count,
};
use load::rounds::{self, Options, median, rounded};
use load::veth::{SERVER, Veth};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};
use udp::{Counters, ReceiveBatch, SendBatch, Socket};

/// Most of coturn's cost that a packet may have in the kernel.
const RATIO_MAX: f64 = 0.25;
/// Use of the machine by others that voids a round.
const OTHERS_MAX: f64 = 0.1;
const LOOK: Duration = Duration::from_millis(300);

#[derive(Parser)]
struct Arguments {
    /// Path of the TURN node's program.
    #[arg(long)]
    turn_node: PathBuf,
    /// Path of coturn's program.
    #[arg(long, default_value = "turnserver")]
    coturn: PathBuf,
    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    mode: &'static str,
    burst: usize,
}

impl rounds::Case for Case {
    fn name(&self) -> &'static str {
        self.name
    }
}

const CASES: [Case; 4] = [
    Case { name: "kernel, native, spaced", mode: "native", burst: 1 },
    Case { name: "kernel, native, bursts of 8", mode: "native", burst: 8 },
    Case { name: "kernel, generic, spaced", mode: "generic", burst: 1 },
    Case { name: "kernel, generic, bursts of 8", mode: "generic", burst: 8 },
];

/// Nanoseconds of the whole machine per packet in one round; all but the floor's without the floor.
#[derive(Clone, Copy)]
struct Round {
    floor: f64,
    kernel: f64,
    sockets: f64,
    coturn: f64,
}

impl Round {
    fn line(&self) -> String {
        let Self { floor, kernel, sockets, coturn } = self;
        format!("floor {floor:6.0}; over it: {kernel:6.0} {sockets:6.0} {coturn:6.0} {:5.2}", kernel / coturn)
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    process::pin_to_core(SERVER_CORE)?;
    let ours = |mode| {
        let settings: Vec<_> = SETTINGS.into_iter().chain([("TURN_XDP", mode)]).collect();
        Line::relayed(|veth| Relay::ours_behind(&arguments.turn_node, veth, &settings))
    };
    let lines = Lines {
        native: ours("native").context("native")?,
        generic: ours("generic").context("generic")?,
        sockets: ours("off").context("sockets")?,
        coturn: Line::relayed(|veth| Relay::coturn_behind(&arguments.coturn, veth)).context("coturn")?,
        floor: Line::direct().context("the floor")?,
        time: Duration::from_millis(if arguments.options.smoke { 200 } else { 2_000 }),
        is_strict: !arguments.options.smoke,
    };
    let peer = coturn_version(&arguments.coturn)?;
    relayed::prepare_to_send()?;
    let results = arguments.options.measure(CASES, |case, _| lines.round(case), Round::line);
    results.print("turn", |_, rounds| {
        let ratio = rounded(median(rounds, |round| round.kernel / round.coturn), 3);
        json!({
            "unit": "ns/packet", "ours": median(rounds, |round| round.kernel).round(),
            "floor": median(rounds, |round| round.floor).round(),
            "ratio": ratio, "goal": RATIO_MAX, "met": ratio <= RATIO_MAX,
            "peers": {
                &peer: median(rounds, |round| round.coturn).round(),
                "ours by sockets": median(rounds, |round| round.sockets).round(),
            },
        })
    })
}

struct Lines {
    native: Line,
    generic: Line,
    sockets: Line,
    coturn: Line,
    floor: Line,
    time: Duration,
    /// If true, rounds can be void.
    is_strict: bool,
}

impl Lines {
    fn round(&self, case: Case) -> Result<Round> {
        if self.is_strict {
            let (idle, start) = (idle_ns()?, Instant::now());
            std::thread::sleep(LOOK);
            let others = 1.0 - (idle_ns()? - idle) / (start.elapsed().as_nanos() as f64 * cores());
            if others > OTHERS_MAX {
                bail!("others use {others:.2} of the machine");
            }
        }
        let one = |line: &Line, name| line.round(case.burst, self.time, self.is_strict).context(name);
        let floor = one(&self.floor, "the floor")?;
        let kernel = one(if case.mode == "native" { &self.native } else { &self.generic }, case.mode)? - floor;
        let sockets = one(&self.sockets, "sockets")? - floor;
        let coturn = one(&self.coturn, "coturn")? - floor;
        Ok(Round { floor, kernel, sockets, coturn })
    }
}

/// Clients, the server if there is one, and a thread that counts what arrives at the other end.
struct Line {
    clients: Vec<Socket>,
    to: Vec<SocketAddr>,
    received: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    _relay: Option<Relay>,
    _veth: Veth,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

impl Line {
    /// Each client with a channel to a peer of its own.
    fn relayed(start: impl FnOnce(&Veth) -> Result<Relay>) -> Result<Self> {
        let veth = Veth::enter()?;
        let relay = start(&veth)?;
        let (mut clients, mut peers) = (Vec::new(), Vec::new());
        for _ in 0..CLIENTS {
            let [client, peer] = [2, 3].map(|host| Ipv4Addr::new(10, 9, 0, host).into());
            let Pair { client, peer, relayed } = Pair::bind(client, peer, relay.address)?;
            // A call has two directions, and the kernel learns the neighbours from both.
            let (mut batch, mut counters) = (SendBatch::default(), Counters::default());
            for (socket, to, packet) in [(&client, relay.address, &[0x40, 1, 0, 1, 0][..]), (&peer, relayed, b"hello")]
            {
                batch.sending(socket, &mut counters).run(to, packet, packet.len());
            }
            clients.push(client);
            peers.push(peer);
        }
        let to = vec![relay.address; CLIENTS];
        Self::new((clients, to), (peers, PAYLOAD_BYTES), Some(relay), veth)
    }

    /// Each client sends to a socket at the other end.
    fn direct() -> Result<Self> {
        let veth = Veth::enter()?;
        let bind =
            |ip| -> Result<Vec<Socket>> { (0..CLIENTS).map(|_| Ok(Socket::bind((ip, 0).into(), false)?)).collect() };
        let [server, _] = SERVER;
        let clients = bind(Ipv4Addr::new(10, 9, 0, 2).into())?;
        let sinks = veth.at_server(|| bind(server))?;
        let to = sinks.iter().map(Socket::local_address).collect::<std::io::Result<_>>()?;
        Self::new((clients, to), (sinks, PAYLOAD_BYTES + HEADER_BYTES), None, veth)
    }

    fn new(
        (clients, to): (Vec<Socket>, Vec<SocketAddr>),
        (sinks, bytes): (Vec<Socket>, usize),
        relay: Option<Relay>,
        veth: Veth,
    ) -> Result<Self> {
        let (received, stop) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let (arrived, stopped) = (Arc::clone(&received), Arc::clone(&stop));
        std::thread::Builder::new().name("sink".to_owned()).spawn(move || {
            process::pin_to_core(CLIENT_CORE)?;
            let mut batch = ReceiveBatch::default();
            // Only the line that is being measured has packets: the others rest.
            while !stopped.load(Relaxed) {
                let before = arrived.load(Relaxed);
                count(&sinks, bytes, &mut batch, &arrived);
                let is_idle = arrived.load(Relaxed) == before;
                std::thread::sleep(if is_idle { 5 * SINK_INTERVAL } else { SINK_INTERVAL });
            }
            anyhow::Ok(())
        })?;
        Ok(Self { clients, to, received, stop, _relay: relay, _veth: veth })
    }

    /// Nanoseconds of the whole machine per packet.
    fn round(&self, burst: usize, time: Duration, is_strict: bool) -> Result<f64> {
        self.send(burst, time / 10);
        std::thread::sleep(ARRIVAL);
        let (before, idle, start) = (self.received.load(Relaxed), idle_ns()?, Instant::now());
        let sent = self.send(burst, time);
        let busy = start.elapsed().as_nanos() as f64 * cores() - (idle_ns()? - idle);
        std::thread::sleep(ARRIVAL);
        let received = self.received.load(Relaxed) - before;
        relayed::check(sent, received, time, is_strict)?;
        Ok(busy / received as f64)
    }

    fn send(&self, burst: usize, time: Duration) -> u64 {
        relayed::send(self.clients.iter().zip(self.to.iter().copied()), &relayed::packet(), burst, time)
    }
}

/// Time in which the machine's cores had nothing to do (proc(5), `stat`).
fn idle_ns() -> Result<f64> {
    const NS_PER_TICK: f64 = 1e7;
    let text = std::fs::read_to_string("/proc/stat").context("reading the machine's times")?;
    let idle = text.split_whitespace().nth(4).context("no idle time")?;
    Ok(idle.parse::<f64>()? * NS_PER_TICK)
}

fn cores() -> f64 {
    let text = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    text.lines().filter(|line| line.starts_with("cpu")).count().saturating_sub(1) as f64
}
