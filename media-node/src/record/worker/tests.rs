use super::*;
use crate::config::tests::good;
use crate::record::spool::Space;
use crate::record::storage::{Storage, StorageConfig};
use media_core::record::tap::{Taken, Tap};
use media_core::record::webm::read;
use node_shell::settings::Secret;
use shared::UnixMillis;
use shared::control::TrackRef;
use shared::manifest::Event;
use shared::rtp_parameters::CodecName;
use tokio::sync::Semaphore;

/// A recorder for one shard, with unreachable storage.
fn worker(root: &std::path::Path, clock: Clock) -> Worker {
    let storage = StorageConfig {
        endpoint: Some("http://127.0.0.1:9".to_owned()),
        region: "auto".to_owned(),
        bucket: "recordings".to_owned(),
        is_path_style: true,
        access_key_id: "id".to_owned(),
        secret_access_key: Secret::from("secret".to_owned()),
        encryption: None,
    };
    let shared = Shared {
        storage: Storage::new(storage),
        edges: [].into(),
        token: Secret::from("token".to_owned()),
        finishing: Semaphore::new(1),
        space: Arc::new(Space::of(u64::MAX)),
        seed: 1,
    };
    let config = good(&["--listen=127.0.0.1:0", "--shards=1"]);
    let (events, _) = mpsc::channel(1);
    let (outlet, _) = crate::record::queue::queue();
    let identity = crate::identity::make().expect("an identity");
    let shards = crate::node::start_shards(&config, clock, &identity, None, &events, &outlet).expect("start");
    Worker::new(config.node, root.to_owned(), Arc::new(shared), shards, clock)
}

/// A current order, by the room's clock, in a recording of this age.
fn order(now: UnixMillis, age_ms: u64) -> RecordingOrder {
    let order = serde_json::json!({
        "recording": "r5m8n2p4q6s9", "key_prefix": "recordings/daily/r/",
        "started_at": now.0 - age_ms, "sent_at": now.0,
        "participants": [{ "id": "ada", "name": "Ada", "tracks": [
            { "id": "t1", "track": { "session": "s", "mid": "0" }, "source": "microphone", "muted": false },
        ] }],
    });
    serde_json::from_value(order).expect("an order")
}

/// Audio packets 20 ms apart, the first of which arrived at a given time.
fn batch(
    tap: &mut Tap,
    number: TapNumber,
    indices: impl IntoIterator<Item = u64>,
    at_us: i64,
) -> media_core::record::tap::Batch {
    let mut indices = indices.into_iter().peekable();
    let first = indices.peek().copied().unwrap_or_default();
    for index in indices {
        let (timestamp, received_us) = (index as u32 * 960, at_us + (index - first) as i64 * 20_000);
        let (marker, captured_us, codec) = (false, None, CodecName::Opus);
        let taken = Taken { tap: number, index, timestamp, marker, received_us, captured_us, codec, payload: 0..0 };
        assert!(tap.take(taken, &[0x78, 1, 2]));
    }
    tap.exchange(Default::default())
}

fn track() -> TrackRef {
    let (session, mid) = (shared::SessionId::parse("s"), shared::Mid::parse("0"));
    TrackRef { session: session.expect("an id"), mid: mid.expect("a mid") }
}

fn temporary(name: &str) -> PathBuf {
    let root = std::env::temp_dir().join(format!("rotunda-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&root).expect("a temporary folder");
    root
}

fn folder(root: &std::path::Path) -> Folder {
    Folder::leftovers(root, &Space::of(u64::MAX)).expect("folders").pop().expect("one of them")
}

/// The times of each part's frames.
fn cues(folder: &Folder) -> Vec<Vec<u64>> {
    let blocks = |path: &PathBuf| read::blocks(&std::fs::read(path).expect("a part"));
    let times = |path: &PathBuf| blocks(path).iter().map(|block| block.at_ms).collect();
    folder.parts().expect("parts").iter().map(|(_, path)| times(path)).collect()
}

#[tokio::test]
async fn what_was_copied_before_the_end_is_recorded_though_it_is_handed_over_after_it() {
    let root = temporary("worker");
    let mut worker = worker(&root, Clock::start());
    let line = line();
    let (now, mut tap) = (Instant::now(), Tap::default());
    let at_us = worker.clock.micros(now);
    worker.set(now, Some(order(UnixMillis(0), 0)), line.clone());
    let number = tap.open(&line.room, &track());
    worker.take(&Copied { shard: 0, batch: batch(&mut tap, number, 0..10, at_us), asked_for: None });
    worker.set(now + Duration::from_secs(1), None, line.clone());
    // Time passes while the shard still has the last packets.
    worker.tick();
    let asked_for = worker.endings.first().map(|ending| ending.number);
    assert!(asked_for.is_some(), "the end waits for the shard");
    worker.take(&Copied { shard: 0, batch: batch(&mut tap, number, 10..20, at_us + 200_000), asked_for });
    assert!(worker.segments.is_empty(), "and comes with what the shard had");
    assert_eq!(cues(&folder(&root)).concat().len(), 20);
    std::fs::remove_dir_all(&root).expect("the folder to go");
}

/// The room's line, at whose other end nobody listens.
fn line() -> RoomLine {
    RoomLine { room: RoomId::parse("daily").expect("a room"), epoch: 1, inputs: mpsc::channel(1).0 }
}

/// Records on a node whose wall clock was set forward by `stepped_ms` since its start, and is `ahead_ms` ahead of the
/// room's. Returns the cues of all parts and the end of the track, which is `age_ms` plus the duration of the test.
async fn recorded(stepped_ms: i64, ahead_ms: i64, age_ms: u64) -> (Vec<Vec<u64>>, u64) {
    let root = temporary("clocks");
    let set_back = |clock: Clock, ms: i64| Clock {
        wall_clock: UnixMillis(clock.wall_clock.0.saturating_add_signed(-ms)),
        ..clock
    };
    let mut worker = worker(&root, set_back(Clock::start(), stepped_ms));
    let (line, mut tap) = (line(), Tap::default());
    let now = worker.clock.started_at;
    let at_us = worker.clock.micros(now);
    let rooms = set_back(worker.clock, ahead_ms).wall_clock;
    worker.set(now, Some(order(rooms, age_ms)), line.clone());
    let number = tap.open(&line.room, &track());
    let mut take = |worker: &mut Worker, indices: Vec<u64>, before_us: i64, asked_for: Option<u64>| {
        let batch = batch(&mut tap, number, indices, at_us - before_us);
        worker.take(&Copied { shard: 0, batch, asked_for });
    };
    // Old enough for a part of its own.
    take(&mut worker, (0..10).collect(), 5_200_000, None);
    worker.tick();
    let parts = folder(&root).parts().expect("parts").len();
    // One of these is late, but not too late.
    take(&mut worker, (10..20).filter(|index| *index != 15).collect(), 500_000, None);
    worker.tick();
    take(&mut worker, vec![15], 100_000, None);
    worker.stop(oneshot::channel().0);
    let asked_for = worker.endings.first().map(|ending| ending.number);
    take(&mut worker, Vec::new(), 0, asked_for);
    let folder = folder(&root);
    let (cues, rows) = (cues(&folder), folder.manifest(false).expect("rows").rows);
    std::fs::remove_dir_all(&root).expect("the folder to go");
    worker.shards.iter().for_each(|shard| shard.nudge(Command::Stop));
    assert_eq!((parts, cues.len()), (1, 2), "{stepped_ms} {ahead_ms}: {rows:?}");
    assert!(!rows.iter().any(|row| matches!(row.event, Event::Gap { .. })), "{stepped_ms} {ahead_ms}: {rows:?}");
    let ended = rows.iter().find(|row| matches!(row.event, Event::TrackEnded { .. })).expect("an end");
    (cues, ended.at_ms)
}

#[tokio::test]
async fn neither_steps_of_the_clock_nor_a_clock_that_is_wrong_move_what_is_recorded() {
    let cue = |age_ms: u64, frames: u64| (0..frames).map(|frame| 60_000 - age_ms + 20 * frame).collect::<Vec<_>>();
    for (stepped_ms, ahead_ms) in
        [(0, 0), (1_000, 0), (-1_000, 0), (5_000, 0), (-5_000, 0), (0, 2_000), (0, -2_000), (5_000, -2_000)]
    {
        let began = Instant::now();
        let (cues, ended_ms) = recorded(stepped_ms, ahead_ms, 60_000).await;
        assert_eq!(cues, [cue(5_200, 10), cue(500, 10)], "{stepped_ms} {ahead_ms}");
        let took_ms = began.elapsed().as_millis() as u64;
        assert!((60_000..=60_000 + took_ms).contains(&ended_ms), "{stepped_ms} {ahead_ms}: {ended_ms} {took_ms}");
    }
}
