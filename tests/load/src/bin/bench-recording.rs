//! Server CPU per recorded packet, by thread: the real node with real publishers and real storage, with and without
//! recording.

use anyhow::{Context, Result, bail};
use clap::Parser;
use load::client::{self, Client, Memory};
use load::clock::Pacer;
use load::local_edge::{Caller, LocalEdge};
use load::node::{self, Node};
use load::parameters::ClientNumber;
use load::process;
use load::publisher::Publisher;
use load::rounds::{self, Options, median};
use load::shape::Shape;
use serde_json::json;
use shared::control::{
    Assignment, FleetToNode, Microphones, NodeToRoom, RecordedParticipant, RecordedTrack, RecordingOrder, RoomToNode,
    TrackRef,
};
use shared::signal::TrackSource;
use shared::{ParticipantId, RecordingId, RoomId, TrackId, UnixMillis};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// The node runs on this core.
const SERVER_CORE: usize = 0;
/// Everything else runs on this one.
const CLIENT_CORE: usize = 1;
/// A camera's 2.2 Mbit/s.
const PACKETS_PER_S: u32 = 240;
/// More loss than this, or more packets dropped on their way to the recorder, voids a round.
const LOSS_MAX: f64 = 0.001;
/// By then an order has taken effect, and the last part recorded before it is stored.
const SETTLED: Duration = Duration::from_millis(2_000);
/// The node writes its counters twice a second.
const COUNTED: Duration = Duration::from_millis(600);
const BUCKET: &str = "recordings";
const ACCESS_KEY_ID: &str = "bench";
const SECRET_ACCESS_KEY: &str = "only-for-the-benchmark";
const STORAGE_PATIENCE: Duration = Duration::from_secs(10);

#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    publishers: usize,
}

impl rounds::Case for Case {
    fn name(&self) -> &'static str {
        self.name
    }
}

const CASES: [Case; 3] = [
    Case { name: "4 publishers", publishers: 4 },
    Case { name: "16 publishers", publishers: 16 },
    Case { name: "50 publishers", publishers: 50 },
];

#[derive(Parser)]
struct Arguments {
    /// Path of the media node's program.
    #[arg(long)]
    media_node: PathBuf,
    /// Path of the storage's program.
    #[arg(long)]
    storage: PathBuf,
    #[command(flatten)]
    options: Options,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> Result<()> {
    let folder = std::env::temp_dir().join(format!("rotunda-bench-recording-{}", std::process::id()));
    process::pin_to_core(CLIENT_CORE)?;
    let storage = Storage::start(&arguments.storage, &folder)?;
    let edge = LocalEdge::open().await?;
    // Children inherit the core they are started on.
    process::pin_to_core(SERVER_CORE)?;
    let settings = storage.node_settings(&folder);
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let node = Node::start(&arguments.media_node, &edge, &settings)?;
    process::pin_to_core(CLIENT_CORE)?;
    let (pid, http) = (node.pid()?, node.http());
    let (fleet, registration) = node::register(&edge).await?;
    let (orders, room) = open_room(&edge, fleet).await?;
    let address = *registration.shards.first().and_then(|shard| shard.candidates.first()).context("no shard")?;
    let fingerprint = registration.fingerprint;
    let measured = tokio::task::spawn_blocking(move || {
        process::pin_to_core(CLIENT_CORE)?;
        process::sleep_precisely();
        let mut clients = room
            .numbers
            .iter()
            .map(|number| Client::new(*number, address, &room.identity, fingerprint))
            .collect::<Result<Vec<_>>>()?;
        client::connect(&mut clients, &room.identity, &mut Memory::default())?;
        let publishers = clients.into_iter().zip(&room.numbers).map(|(client, number)| Publisher::new(client, *number));
        // Long enough that as many parts are completed and stored as begin.
        let time = Duration::from_millis(if arguments.options.smoke { 300 } else { 5_000 });
        let publishers = publishers.collect();
        let bench = Bench {
            publishers,
            orders,
            pid,
            http,
            time,
            is_strict: !arguments.options.smoke,
            memory: Memory::default(),
        };
        bench.measure(&arguments.options)
    })
    .await?;
    drop(node);
    drop(storage);
    let _ = std::fs::remove_dir_all(&folder);
    measured
}

struct Room {
    identity: media_core::session::dtls::Identity,
    numbers: Vec<ClientNumber>,
}

/// Gives the node a room of publishers. The returned sender carries recording orders.
async fn open_room(edge: &LocalEdge, mut fleet: Caller) -> Result<(mpsc::Sender<RecordingOrder>, Room)> {
    let identity = client::identity()?;
    let most = CASES.iter().map(|case| case.publishers).max().unwrap_or(0) as u32;
    let numbers: Vec<ClientNumber> = (0..most).map(ClientNumber).collect();
    let sessions = numbers.iter().map(|number| number.publisher(identity.fingerprint())).collect();
    let room = RoomId::parse("recorded")?;
    let assignment = Assignment { room, epoch: 1, shard: 0, ticket: "ticket".to_owned(), session: None };
    fleet.send(&FleetToNode::Assign(Box::new(assignment))).await?;
    let mut caller = edge.accept().await?;
    let NodeToRoom::Hello { .. } = caller.next().await? else { bail!("the node does not say hello") };
    let recording = Some(order(0)?);
    caller
        .send(&RoomToNode::Welcome { sessions, forwards: Vec::new(), recording, microphones: Microphones::default() })
        .await?;
    tokio::spawn(fleet.drain());
    let (orders, mut ordered) = mpsc::channel(1);
    tokio::spawn(async move {
        while let Some(order) = ordered.recv().await {
            // If the node is gone, the measurement fails.
            let _ = caller.send(&RoomToNode::SetRecording { recording: Some(order) }).await;
        }
    });
    Ok((orders, Room { identity, numbers }))
}

/// An order to record the first `publishers` cameras.
fn order(publishers: usize) -> Result<RecordingOrder> {
    static STARTED_AT: std::sync::OnceLock<UnixMillis> = std::sync::OnceLock::new();
    let now = || UnixMillis(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64));
    let participant = |number: ClientNumber| -> Result<RecordedParticipant> {
        let track = TrackRef { session: number.session(), mid: number.mid() };
        let id = TrackId::parse(&format!("t{}", number.0))?;
        Ok(RecordedParticipant {
            id: ParticipantId::parse(&format!("p{}", number.0))?,
            name: String::new(),
            tracks: vec![RecordedTrack { id, track, source: TrackSource::Camera, muted: false }],
        })
    };
    Ok(RecordingOrder {
        recording: RecordingId::parse("bench")?,
        key_prefix: "recordings/recorded/bench/".to_owned(),
        started_at: *STARTED_AT.get_or_init(now),
        sent_at: now(),
        trace: None,
        participants: (0..publishers as u32).map(|number| participant(ClientNumber(number))).collect::<Result<_>>()?,
    })
}

struct Bench {
    publishers: Vec<Publisher>,
    orders: mpsc::Sender<RecordingOrder>,
    pid: u32,
    http: SocketAddr,
    time: Duration,
    /// If true, rounds can be void; a smoke test's cannot.
    is_strict: bool,
    memory: Memory,
}

/// CPU time per packet, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    shard: f64,
    recorder: f64,
    /// Control, and uploads.
    others: f64,
}

impl Cost {
    fn total(self) -> f64 {
        self.shard + self.recorder + self.others
    }
}

/// The same publishers with and without recording.
#[derive(Clone, Copy)]
struct Round {
    on: Cost,
    off: Cost,
}

impl Round {
    fn line(&self) -> String {
        let (on, off) = (self.on.total(), self.off.total());
        format!("{on:7.0} {off:7.0} {:5.2}", on / off)
    }
}

/// The node's counters.
#[derive(Clone, Copy)]
struct Counted {
    recorded: u64,
    overflows: u64,
}

impl Bench {
    fn measure(mut self, options: &Options) -> Result<()> {
        let results = options.measure(CASES, |case, _number| self.round(case.publishers), Round::line);
        results.print("recording", |_, rounds| {
            let median = |what: fn(&Round) -> f64| median(rounds, what).round();
            json!({
                "unit": "ns/packet", "ours": median(|round| round.on.total()), "floor": median(|round| round.off.total()),
                "peers": {
                    "shard": median(|round| round.on.shard - round.off.shard),
                    "recorder": median(|round| round.on.recorder - round.off.recorder),
                    "uploads": median(|round| round.on.others - round.off.others),
                },
                "goal": null, "met": null,
            })
        })
    }

    fn round(&mut self, publishers: usize) -> Result<Round> {
        self.orders.blocking_send(order(publishers)?)?;
        let on = self.cost(publishers, true)?;
        self.orders.blocking_send(order(0)?)?;
        Ok(Round { on, off: self.cost(publishers, false)? })
    }

    fn cost(&mut self, publishers: usize, is_recorded: bool) -> Result<Cost> {
        self.publish(publishers, SETTLED)?;
        let counted = self.counted()?;
        let cpu = process::cpu_ns_by_thread(self.pid)?;
        let sent = self.publish(publishers, self.time)?;
        let after = process::cpu_ns_by_thread(self.pid)?;
        let now = self.counted()?;
        self.check(if is_recorded { sent } else { 0 }, counted, now)?;
        let used: BTreeMap<&str, u64> =
            after.iter().map(|(name, ns)| (name.as_str(), ns - cpu.get(name).copied().unwrap_or(0))).collect();
        let of = |name: &str| used.get(name).copied().unwrap_or(0) as f64 / sent as f64;
        let total = used.values().sum::<u64>() as f64 / sent as f64;
        let (shard, recorder) = (of("shard-0"), of("recorder"));
        Ok(Cost { shard, recorder, others: total - shard - recorder })
    }

    /// Lets all publishers send in turn, and returns the number of packets.
    fn publish(&mut self, publishers: usize, time: Duration) -> Result<u64> {
        let interval = Shape::Frames.interval(PACKETS_PER_S);
        let mut pacer = Pacer::new(interval / publishers as u32);
        let end = Instant::now() + time;
        let mut frames = 0;
        while Instant::now() < end {
            for publisher in self.publishers.iter_mut().take(publishers) {
                publisher.publish_frame(Shape::Frames, &mut self.memory)?;
                frames += 1;
                pacer.wait();
            }
        }
        for publisher in self.publishers.iter_mut().skip(publishers) {
            publisher.idle(&mut self.memory)?;
        }
        Ok(frames * Shape::Frames.frame(0).len() as u64)
    }

    /// The node's counters once no packets are in flight.
    fn counted(&self) -> Result<Counted> {
        std::thread::sleep(COUNTED);
        let recorded = node::counter(self.http, "media_recorded_total")?;
        Ok(Counted { recorded, overflows: node::counter(self.http, "media_record_overflows_total")? })
    }

    /// Fails unless this many packets were recorded.
    fn check(&self, expected: u64, before: Counted, after: Counted) -> Result<()> {
        let (recorded, overflows) = (after.recorded - before.recorded, after.overflows - before.overflows);
        if (expected == 0) != (recorded == 0) {
            bail!("{recorded} of {expected} packets were recorded");
        }
        let most = expected as f64 * LOSS_MAX;
        if self.is_strict && (expected.abs_diff(recorded) as f64 > most || overflows as f64 > most) {
            bail!("{recorded} of {expected} packets were recorded, {overflows} found no place");
        }
        Ok(())
    }
}

/// Kills the process when dropped.
struct Storage {
    child: Child,
    port: u16,
}

impl Storage {
    fn start(program: &Path, folder: &Path) -> Result<Self> {
        let root = folder.join("storage");
        std::fs::create_dir_all(root.join(BUCKET)).with_context(|| format!("creating {}", root.display()))?;
        // A port that was free a moment ago.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let mut command = Command::new(program);
        command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--access-key", ACCESS_KEY_ID, "--secret-key", SECRET_ACCESS_KEY]).arg(root);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().with_context(|| format!("starting {}", program.display()))?;
        let storage = Self { child, port };
        let started = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if started.elapsed() > STORAGE_PATIENCE {
                bail!("the storage does not start");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(storage)
    }

    fn node_settings(&self, folder: &Path) -> Vec<(&'static str, String)> {
        vec![
            ("MEDIA_LOG", "warn".to_owned()),
            ("MEDIA_DRAIN_SECONDS", "0".to_owned()),
            ("MEDIA_RECORD_BUCKET", BUCKET.to_owned()),
            ("MEDIA_RECORD_ENDPOINT", format!("http://127.0.0.1:{}", self.port)),
            ("MEDIA_RECORD_ACCESS_KEY_ID", ACCESS_KEY_ID.to_owned()),
            ("MEDIA_RECORD_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY.to_owned()),
            ("MEDIA_RECORD_SPOOL", folder.join("spool").display().to_string()),
        ]
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
