//! Server CPU per forwarded packet, compared with the floor and with Janus: the real node, with real ICE and DTLS-SRTP
//! clients in this process. All negotiate what browsers do, and report arrivals.

mod peer;
mod room;

use anyhow::{Context, Result, bail};
use clap::Parser;
use load::client::Memory;
use load::local_edge::LocalEdge;
use load::node::{self, Node};
use load::process;
use load::publisher::publish;
use load::rounds::{self, Options, Results, median, rounded};
use load::shape::Shape;
use load::sink::Sink;
use load::stopwatch::Stopwatch;
use peer::Peer;
use room::{Room, check_loss, open_room};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};
use udp::Socket;

/// The node and the floor run on this core.
const SERVER_CORE: usize = 0;
/// Publishers and subscribers run on this one.
const CLIENT_CORE: usize = 1;
/// More loss than this voids a round: a server that loses packets has less to do.
const LOSS_MAX: f64 = 0.001;
/// Packets of the spaced cases must leave one by one. A higher average per buffer means that the machine was too busy
/// for the node to run on arrival, so that it sent several at once, which is cheaper.
const SPACED_PACKETS_PER_RUN_MAX: f64 = 1.25;
/// Warm-up time before the measurement.
const WARM: Duration = Duration::from_millis(300);

/// The estimates of the downlinks begin at their most, so that every round has the same rate.
const SETTINGS: [(&str, &str); 3] =
    [("MEDIA_LOG", "warn"), ("MEDIA_DRAIN_SECONDS", "0"), ("MEDIA_CLIENT_OUT_BPS_START", "20000000")];

#[derive(Parser)]
struct Arguments {
    /// Path of the media node's program.
    #[arg(long)]
    media_node: PathBuf,
    /// Path of Janus, to compare with it too.
    #[arg(long)]
    janus: Option<PathBuf>,
    #[command(flatten)]
    options: Options,
}

#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    publishers: u32,
    subscribers: u32,
    shape: Shape,
    /// Of each publisher, of its largest layer: 50,000 or 100,000 to all subscribers in total.
    packets_per_s: u32,
}

/// A room whose publisher has three layers. A third of the subscribers gets each of them.
const LAYERS_ROOM: (u32, u32) = (1, 60);
/// The share of the packets that subscribers get on average, compared with the largest layer.
const LAYERS_SHARE: f64 = (1.0 + 3.0 + 8.0) / (3.0 * 8.0);

impl Case {
    const fn new(name: &'static str, (publishers, subscribers): (u32, u32), shape: Shape) -> Self {
        let total = if subscribers > 100 { 100_000 } else { 50_000 };
        Self { name, publishers, subscribers, shape, packets_per_s: total / (publishers * subscribers) }
    }

    /// Packets to all subscribers.
    fn sent_per_s(self) -> f64 {
        let share = if (self.publishers, self.subscribers) == LAYERS_ROOM { LAYERS_SHARE } else { 1.0 };
        f64::from(self.packets_per_s * self.publishers * self.subscribers) * share
    }

    /// True if the floor passes each frame to the kernel as one buffer, as the node does.
    fn floor_offloads(self) -> bool {
        self.shape == Shape::Frames
    }

    fn ratio_max(self) -> f64 {
        if self.shape == Shape::Frames { FRAMES_RATIO_MAX } else { SPACED_RATIO_MAX }
    }
}

/// Most of the floor's CPU time that a forwarded packet may cost.
const SPACED_RATIO_MAX: f64 = 1.15;
const FRAMES_RATIO_MAX: f64 = 1.25;
/// CPU time of the node for a session's setup.
const SETUP_MS_MAX: f64 = 1.0;
/// Memory of an idle session.
const SESSION_KB_MAX: f64 = 200.0;

const CASES: [Case; 7] = [
    Case::new("1x50 spaced", (1, 50), Shape::Spaced),
    Case::new("1x200 spaced", (1, 200), Shape::Spaced),
    Case::new("20x20 spaced", (20, 20), Shape::Spaced),
    Case::new("1x50 frames", (1, 50), Shape::Frames),
    Case::new("1x200 frames", (1, 200), Shape::Frames),
    Case::new("20x20 frames", (20, 20), Shape::Frames),
    Case::new("1x60, three layers", LAYERS_ROOM, Shape::Frames),
];

impl rounds::Case for Case {
    fn name(&self) -> &'static str {
        self.name
    }
}

/// Publishers and subscribers of each room; the first ones tell the cost of sessions.
const ROOMS: [(u32, u32); 4] = [(1, 50), (1, 200), (20, 20), LAYERS_ROOM];
const COUNTED_ROOMS: usize = 2;
/// The room for the delay, of which one more subscriber has a stopwatch.
const DELAY_ROOM: (u32, u32) = (1, 51);
/// The share of its core that the node uses when the delay is measured.
const DELAY_LOAD: f64 = 0.7;
/// The nearest that comes to it.
const DELAY_LOAD_RANGE: std::ops::RangeInclusive<f64> = 0.6..=0.8;
/// The 99th percentile.
const DELAY_MS_MAX: f64 = 2.0;

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    process::sleep_precisely();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> Result<()> {
    let edge = LocalEdge::open().await?;
    // Children inherit the core they are started on.
    process::pin_to_core(SERVER_CORE)?;
    let node = Node::start(&arguments.media_node, &edge, &SETTINGS)?;
    process::pin_to_core(CLIENT_CORE)?;
    let (pid, http) = (node.pid()?, node.http());
    let (mut fleet, registration) = node::register(&edge).await?;
    let mut rooms = Vec::new();
    let before = Used::by(pid)?;
    for (place, size) in ROOMS.into_iter().chain([DELAY_ROOM]).enumerate() {
        if place == COUNTED_ROOMS {
            before.report(Used::by(pid)?);
        }
        rooms.push(open_room(&edge, &mut fleet, &registration, place as u32, size).await?);
    }
    tokio::spawn(fleet.drain());
    let peer = match &arguments.janus {
        Some(program) => Some(Peer::open(program).await.context("Janus")?),
        None => None,
    };
    let options = arguments.options;
    let time = Duration::from_millis(if options.smoke { 300 } else { 1_500 });
    tokio::task::spawn_blocking(move || {
        process::pin_to_core(CLIENT_CORE)?;
        process::sleep_precisely();
        if !process::be_prompt() {
            eprintln!("without CAP_SYS_NICE the publisher keeps its pace on a quiet machine only");
        }
        Bench { rooms, peer, floor: Floor::open()?, pid, http, time, is_strict: !options.smoke }.measure(&options)
    })
    .await??;
    node.terminate().await?;
    Ok(())
}

/// A process's use so far.
#[derive(Clone, Copy)]
struct Used {
    cpu_ns: u64,
    memory_kb: u64,
}

impl Used {
    fn by(pid: u32) -> Result<Self> {
        Ok(Self { cpu_ns: process::cpu_ns(pid)?, memory_kb: process::memory_kb(pid)? })
    }

    /// Prints what a session costs: all of them were opened in between, and nothing was published yet.
    fn report(self, after: Self) {
        let counted = ROOMS.into_iter().take(COUNTED_ROOMS);
        let sessions = f64::from(counted.map(|(publishers, subscribers)| publishers + subscribers).sum::<u32>());
        let setup_ms = (after.cpu_ns - self.cpu_ns) as f64 / 1e6 / sessions;
        let memory_kb = after.memory_kb.saturating_sub(self.memory_kb) as f64 / sessions;
        for (case, ours, goal, unit) in [
            ("session set-up, CPU", setup_ms, SETUP_MS_MAX, "ms"),
            ("idle session, memory", memory_kb, SESSION_KB_MAX, "KB"),
        ] {
            let (ours, met) = (rounded(ours, 3), ours <= goal);
            rounds::print(
                "sfu",
                &json!({ "case": case, "ours": ours, "goal": goal, "met": met, "unit": unit, "peers": {} }),
            );
        }
    }
}

/// The floor's receivers.
struct Floor {
    program: PathBuf,
    ports: Vec<u16>,
    sink: Sink,
}

impl Floor {
    fn open() -> Result<Self> {
        let program = std::env::current_exe()?.with_file_name("floor");
        let most = ROOMS.into_iter().map(|(_, subscribers)| subscribers).max().unwrap_or(0);
        let sockets = (0..most).map(|_| Socket::bind((Ipv4Addr::LOCALHOST, 0).into(), false));
        let sockets = sockets.collect::<std::io::Result<Vec<_>>>()?;
        let ports = sockets.iter().map(|socket| socket.local_address().map(|address| address.port()));
        let ports = ports.collect::<std::io::Result<Vec<_>>>()?;
        Ok(Self { program, ports, sink: Sink::start(Vec::new(), sockets, CLIENT_CORE)? })
    }
}

struct Bench {
    rooms: Vec<Room>,
    peer: Option<Peer>,
    floor: Floor,
    pid: u32,
    http: SocketAddr,
    time: Duration,
    /// If true, rounds can be void; a smoke test's cannot.
    is_strict: bool,
}

/// One measurement of one case.
#[derive(Clone, Copy)]
struct Round {
    /// Nanoseconds per packet.
    ours: f64,
    /// Nanoseconds per packet.
    floor: f64,
    /// Nanoseconds per packet; `None` if Janus lost packets, or has no such room.
    peer: Option<f64>,
    /// Packets passed to the kernel as one buffer, on average.
    packets_per_run: f64,
}

/// The node's counters.
#[derive(Clone, Copy)]
struct Output {
    datagrams: u64,
    runs: u64,
}

impl Round {
    fn line(&self) -> String {
        let Self { ours, floor, peer, packets_per_run } = self;
        let peer = peer.unwrap_or(f64::NAN);
        format!("{ours:7.0} {floor:7.0} {:5.2} {packets_per_run:5.1} a run; Janus {peer:7.0}", ours / floor)
    }
}

impl Bench {
    fn measure(mut self, options: &Options) -> Result<()> {
        let results = options.measure(CASES, |case, _| self.round(case), Round::line);
        self.check_decrypted()?;
        if options.case.is_none() {
            self.delay(&results)?;
        }
        let name = self.peer.as_ref().map(|peer| peer.name.clone()).unwrap_or_default();
        results.print("sfu", |case, rounds| {
            let of_peer: Vec<_> = rounds.iter().filter_map(|round| round.peer).collect();
            let peers =
                if of_peer.is_empty() { json!({}) } else { json!({ &name: median(&of_peer, |ns| *ns).round() }) };
            let ratio = rounded(median(rounds, |round| round.ours / round.floor), 3);
            json!({
                "unit": "ns/packet", "ours": median(rounds, |round| round.ours).round(),
                "floor": median(rounds, |round| round.floor).round(), "ratio": ratio,
                "goal": case.ratio_max(), "met": ratio <= case.ratio_max(),
                "packets_per_run": rounded(median(rounds, |round| round.packets_per_run), 1), "peers": peers,
            })
        })?;
        self.floor.sink.stop()?;
        let peers = self.peer.map(|peer| peer.rooms).unwrap_or_default();
        self.rooms.into_iter().chain(peers).try_for_each(|room| {
            room.stopwatch.map_or(Ok(()), Stopwatch::stop)?;
            room.sink.stop()
        })
    }

    /// Prints how much later packets arrive than they were sent, with the node at [`DELAY_LOAD`].
    fn delay(&mut self, results: &Results<Case, Round>) -> Result<()> {
        let ns = results.of("1x50 spaced").map_or(5_000.0, |rounds| median(rounds, |round| round.ours));
        let mut packets_per_s = if self.is_strict { DELAY_LOAD * 1e9 / ns / f64::from(DELAY_ROOM.1) } else { 100.0 };
        let mut memory = Memory::default();
        let room = self.rooms.iter_mut().find(|room| room.size == DELAY_ROOM).context("no room for the delay")?;
        let Room { publishers, stopwatch: Some(stopwatch), .. } = room else { bail!("no stopwatch") };
        for _ in 0..if self.is_strict { 10 } else { 1 } {
            publish(publishers, Shape::Spaced, packets_per_s as u32, WARM, &mut memory)?;
            let _ = stopwatch.take();
            let (cpu, began) = (process::cpu_ns(self.pid)?, Instant::now());
            publish(publishers, Shape::Spaced, packets_per_s as u32, self.time, &mut memory)?;
            let load = (process::cpu_ns(self.pid)? - cpu) as f64 / began.elapsed().as_nanos() as f64;
            std::thread::sleep(WARM);
            let delays = stopwatch.take();
            let at = |percent: usize| delays.get(delays.len() * percent / 100).map_or(f64::NAN, |ns| *ns as f64 / 1e6);
            let (ms, is_right) = (rounded(at(99), 3), DELAY_LOAD_RANGE.contains(&load));
            if is_right || !self.is_strict {
                let value = json!({
                    "case": format!("delay at {:.0} % load, p99", load * 100.0), "unit": "ms", "ours": ms,
                    "goal": DELAY_MS_MAX, "met": ms <= DELAY_MS_MAX, "p50": rounded(at(50), 3),
                    "packets": delays.len(), "packets_per_s": packets_per_s as u32, "peers": {},
                });
                rounds::print("sfu", &value);
                return Ok(());
            }
            // A packet costs less when more of them wait.
            packets_per_s *= (DELAY_LOAD / load).clamp(0.5, 1.5);
        }
        bail!("the node is never at {DELAY_LOAD} of its core")
    }

    fn round(&mut self, case: Case) -> Result<Round> {
        let mut memory = Memory::default();
        let peers = self.peer.iter_mut().flat_map(|peer| &mut peer.rooms);
        for publisher in self.rooms.iter_mut().chain(peers).flat_map(|room| &mut room.publishers) {
            publisher.idle(&mut memory)?;
        }
        let before = self.output()?;
        // In this order, a machine that becomes slower or faster meanwhile does so for both.
        let first = self.forward(case, &mut memory)?;
        let floor = f64::midpoint(self.floor(case)?, self.floor(case)?);
        let ours = f64::midpoint(first, self.forward(case, &mut memory)?);
        let after = self.output()?;
        let packets_per_run = (after.datagrams - before.datagrams) as f64 / (after.runs - before.runs).max(1) as f64;
        if self.is_strict && case.shape == Shape::Spaced && packets_per_run > SPACED_PACKETS_PER_RUN_MAX {
            bail!("packets left in heaps of {packets_per_run:.1}: the machine is too busy");
        }
        let peer = self.forward_through_peer(case, &mut memory);
        if let Some(Err(error)) = &peer {
            eprintln!("{}: Janus: {error:#}", case.name);
        }
        Ok(Round { ours, floor, peer: peer.and_then(Result::ok), packets_per_run })
    }

    /// The node updates its counters twice a second.
    fn output(&self) -> Result<Output> {
        std::thread::sleep(Duration::from_millis(600));
        let datagrams = node::counter(self.http, "media_datagrams_out_total")?;
        Ok(Output { datagrams, runs: node::counter(self.http, "media_runs_out_total")? })
    }

    fn forward(&mut self, case: Case, memory: &mut Memory) -> Result<f64> {
        let room = self.rooms.iter_mut().find(|room| room.size == (case.publishers, case.subscribers));
        room.context("no room of this size")?.forward(case, self.pid, self.time, self.is_strict, memory)
    }

    /// `None` without a room of this case's kind.
    fn forward_through_peer(&mut self, case: Case, memory: &mut Memory) -> Option<Result<f64>> {
        let peer = self.peer.as_mut()?;
        let room = peer.rooms.iter_mut().find(|room| room.size == (case.publishers, case.subscribers))?;
        Some(room.forward(case, peer.program.pid(), self.time, self.is_strict, memory))
    }

    fn floor(&mut self, case: Case) -> Result<f64> {
        let before = self.floor.sink.counts().snapshot();
        let output = self.floor_command(case)?.output().context("running the floor")?;
        if !output.status.success() {
            bail!("the floor failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        let text = String::from_utf8(output.stdout)?;
        let (cpu, packets) = text.trim().split_once(' ').context("the floor said nothing")?;
        std::thread::sleep(Duration::from_millis(50));
        let after = self.floor.sink.counts().snapshot();
        check_loss(after.received - before.received, after.expected - before.expected, self.is_strict)?;
        Ok(cpu.parse::<f64>()? / packets.parse::<f64>()?)
    }

    fn floor_command(&self, case: Case) -> Result<std::process::Command> {
        let ports: Vec<_> = self.floor.ports.iter().take(case.subscribers as usize).map(u16::to_string).collect();
        let mut command = std::process::Command::new(&self.floor.program);
        command.args(["--core", &SERVER_CORE.to_string(), "--ports", &ports.join(","), "--shape", case.shape.name()]);
        let packets_per_s = case.sent_per_s() / f64::from(case.subscribers);
        command.args(["--packets-per-s", &(packets_per_s as u32).to_string()]);
        command.args(["--warm-ms", &WARM.as_millis().to_string(), "--measure-ms", &self.time.as_millis().to_string()]);
        if case.floor_offloads() {
            command.arg("--offload");
        }
        Ok(command)
    }

    fn check_decrypted(&self) -> Result<()> {
        use std::sync::atomic::Ordering::Relaxed;
        for counts in self.rooms.iter().map(|room| room.sink.counts()) {
            let (decrypted, forged) = (counts.decrypted.load(Relaxed), counts.forged.load(Relaxed));
            if forged > 0 {
                bail!("{forged} packets could not be decrypted, {decrypted} could");
            }
        }
        Ok(())
    }
}
