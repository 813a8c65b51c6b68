//! Server CPU per forwarded packet, compared with the floor: the real node, with real ICE and DTLS-SRTP clients in this
//! process.

use anyhow::{Context, Result, bail};
use clap::Parser;
use load::client::{self, Client, Memory};
use load::local_edge::{Caller, LocalEdge};
use load::node::{self, Node};
use load::parameters::{ClientNumber, slot};
use load::process;
use load::publisher::{Publisher, publish};
use load::rounds::{self, Options, Results, median, rounded};
use load::shape::Shape;
use load::sink::Sink;
use load::stopwatch::Stopwatch;
use serde_json::json;
use shared::RoomId;
use shared::control::{
    Assignment, FleetToNode, Forward, Microphones, NodeRegistration, NodeToRoom, RoomToNode, TrackRef,
};
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

#[derive(Parser)]
struct Arguments {
    /// Path of the media node's program.
    #[arg(long)]
    media_node: PathBuf,
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
    let node = Node::start(&arguments.media_node, &edge, &[("MEDIA_LOG", "warn"), ("MEDIA_DRAIN_SECONDS", "0")])?;
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
    let options = arguments.options;
    let time = Duration::from_millis(if options.smoke { 300 } else { 2_000 });
    tokio::task::spawn_blocking(move || {
        process::pin_to_core(CLIENT_CORE)?;
        process::sleep_precisely();
        if !process::be_prompt() {
            eprintln!("without CAP_SYS_NICE the publisher keeps its pace on a quiet machine only");
        }
        Bench { rooms, floor: Floor::open()?, pid, http, time, is_strict: !options.smoke }.measure(&options)
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

/// A room whose publishers' tracks play in a slot of each subscriber.
struct Room {
    size: (u32, u32),
    publishers: Vec<Publisher>,
    sink: Sink,
    /// The last subscriber, in the room for the delay.
    stopwatch: Option<Stopwatch>,
}

async fn open_room(
    edge: &LocalEdge,
    fleet: &mut Caller,
    registration: &NodeRegistration,
    place: u32,
    (publishers, subscribers): (u32, u32),
) -> Result<Room> {
    let numbers: Vec<_> = (0..publishers + subscribers).map(|client| ClientNumber(1_000 * place + client)).collect();
    let identity = client::identity()?;
    let (first, others) = numbers.split_at(publishers as usize);
    let has_layers = (publishers, subscribers) == LAYERS_ROOM;
    let publisher = if has_layers { ClientNumber::publisher_of_layers } else { ClientNumber::publisher };
    let mut sessions: Vec<_> = first.iter().map(|number| publisher(*number, identity.fingerprint())).collect();
    sessions.extend(others.iter().map(|number| number.subscriber_of(identity.fingerprint(), publishers)));
    let tracks = first.iter().map(|number| TrackRef { session: number.session(), mid: number.mid() });
    let forwards_to = |number: &ClientNumber| {
        let session = number.session();
        let lines_max = [Some(180), Some(360), None][number.0 as usize % 3].filter(|_| has_layers);
        let forward = |(place, track)| Forward { lines_max, ..Forward::new(session.clone(), slot(place), Some(track)) };
        (0..).zip(tracks.clone()).map(forward).collect::<Vec<_>>()
    };
    let forwards = others.iter().flat_map(forwards_to).collect();
    let room = RoomId::parse(&format!("room-{place}"))?;
    let assignment = Assignment { room, epoch: 1, shard: 0, ticket: "ticket".to_owned(), session: None };
    fleet.send(&FleetToNode::Assign(Box::new(assignment))).await?;
    let mut caller = edge.accept().await?;
    let NodeToRoom::Hello { .. } = caller.next().await? else { bail!("the node does not say hello") };
    caller
        .send(&RoomToNode::Welcome { sessions, forwards, recording: None, microphones: Microphones::default() })
        .await?;
    tokio::spawn(caller.drain());

    let shard = registration.shards.first().and_then(|shard| shard.candidates.first());
    let (address, fingerprint) = (*shard.context("a node without shards")?, registration.fingerprint);
    tokio::task::spawn_blocking(move || {
        process::pin_to_core(CLIENT_CORE)?;
        let clients = numbers.iter().map(|number| Client::new(*number, address, &identity, fingerprint));
        let mut clients = clients.collect::<Result<Vec<_>>>()?;
        client::connect(&mut clients, &identity, &mut Memory::default())?;
        let size = (publishers, subscribers);
        let last = if size == DELAY_ROOM { clients.pop() } else { None };
        let stopwatch = last.map(|client| Stopwatch::start(client, CLIENT_CORE)).transpose()?;
        let publishers = std::iter::zip(clients.drain(..publishers as usize), numbers);
        let publisher = if has_layers { Publisher::of_layers } else { Publisher::new };
        let publishers = publishers.map(|(client, number)| publisher(client, number)).collect();
        let sink = Sink::start(clients, Vec::new(), CLIENT_CORE)?;
        Ok(Room { size, publishers, sink, stopwatch })
    })
    .await?
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
        let Self { ours, floor, packets_per_run } = self;
        format!("{ours:7.0} {floor:7.0} {:5.2} {packets_per_run:5.1} a run", ours / floor)
    }
}

impl Bench {
    fn measure(mut self, options: &Options) -> Result<()> {
        let results = options.measure(CASES, |case, _| self.round(case), Round::line);
        self.check_decrypted()?;
        if options.case.is_none() {
            self.delay(&results)?;
        }
        results.print("sfu", |case, rounds| {
            let ratio = rounded(median(rounds, |round| round.ours / round.floor), 3);
            json!({
                "unit": "ns/packet", "ours": median(rounds, |round| round.ours).round(),
                "floor": median(rounds, |round| round.floor).round(), "ratio": ratio,
                "goal": case.ratio_max(), "met": ratio <= case.ratio_max(),
                "packets_per_run": rounded(median(rounds, |round| round.packets_per_run), 1), "peers": {},
            })
        })?;
        self.floor.sink.stop()?;
        self.rooms.into_iter().try_for_each(|room| {
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
        for publisher in self.rooms.iter_mut().flat_map(|room| &mut room.publishers) {
            publisher.idle(&mut memory)?;
        }
        let before = self.output()?;
        let ours = self.ours(case, &mut memory)?;
        let after = self.output()?;
        let packets_per_run = (after.datagrams - before.datagrams) as f64 / (after.runs - before.runs).max(1) as f64;
        if self.is_strict && case.shape == Shape::Spaced && packets_per_run > SPACED_PACKETS_PER_RUN_MAX {
            bail!("packets left in heaps of {packets_per_run:.1}: the machine is too busy");
        }
        Ok(Round { ours, floor: self.floor(case)?, packets_per_run })
    }

    /// The node updates its counters twice a second.
    fn output(&self) -> Result<Output> {
        std::thread::sleep(Duration::from_millis(600));
        let datagrams = node::counter(self.http, "media_datagrams_out_total")?;
        Ok(Output { datagrams, runs: node::counter(self.http, "media_runs_out_total")? })
    }

    fn ours(&mut self, case: Case, memory: &mut Memory) -> Result<f64> {
        let room = self.rooms.iter_mut().find(|room| room.size == (case.publishers, case.subscribers));
        let Room { publishers, sink, .. } = room.context("no room of this size")?;
        publish(publishers, case.shape, case.packets_per_s, WARM, memory)?;
        let (cpu, counts) = (process::cpu_ns(self.pid)?, sink.counts().snapshot());
        publish(publishers, case.shape, case.packets_per_s, self.time, memory)?;
        let (cpu, after) = (process::cpu_ns(self.pid)? - cpu, sink.counts().snapshot());
        let received = after.received - counts.received;
        self.check_loss(received, after.expected - counts.expected)?;
        // A tenth too few means that the publisher fell behind.
        if self.is_strict && (received as f64) < self.time.as_secs_f64() * case.sent_per_s() * 0.9 {
            bail!("only {received} packets came");
        }
        Ok(cpu as f64 / received as f64)
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
        self.check_loss(after.received - before.received, after.expected - before.expected)?;
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

    fn check_loss(&self, received: u64, expected: u64) -> Result<()> {
        let lost = expected.saturating_sub(received) as f64 / expected.max(1) as f64;
        if received == 0 || (self.is_strict && lost > LOSS_MAX) {
            bail!("{:.2} % of {expected} packets were lost", 100.0 * lost);
        }
        Ok(())
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
