//! The recorder's thread: what the shards copied, put into the segments that the rooms ordered.
//!
//! An order overtakes packets that came before it: they wait in a shard's batch, or in the queue. So what an order ends goes on
//! until each shard has handed over what it had copied by then.

use super::keeper::Keeper;
use super::spool::{Folder, Spool};
use super::upload::{Standing, Upload};
use super::{BATCHES_MAX, Copied, Inlet, Order, Shared};
use crate::clock::Clock;
use crate::shard::{Command, Shard};
use anyhow::Result;
use media_core::record::reorder::Packet;
use media_core::record::segment::{Output, Segment};
use media_core::record::tap::TapNumber;
use shared::control::{NodeToRoom, RecordingOrder};
use shared::{NodeId, RoomId};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// How often parts are looked at that nothing is added to.
const TICK: Duration = Duration::from_millis(250);
/// A shard that has not handed over what it copied after this long never will: its thread has ended.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(2);

/// Names a segment: a room may have one that ends beside the one that begins.
type SegmentNumber = u64;

/// The thread's half of the recorder.
pub(super) struct Worker {
    node: NodeId,
    root: PathBuf,
    shared: Arc<Shared>,
    shards: Arc<[Shard]>,
    clock: Clock,
    tasks: Handle,
    uploads: JoinSet<()>,
    segments: BTreeMap<SegmentNumber, Active>,
    /// The segment that a room's orders are for.
    current: BTreeMap<RoomId, SegmentNumber>,
    taps: BTreeMap<(u16, TapNumber), SegmentNumber>,
    numbered: u64,
    endings: Vec<Ending>,
    /// Told when everything is over.
    stopping: Option<oneshot::Sender<()>>,
}

/// A segment that is being recorded.
struct Active {
    room: RoomId,
    epoch: u64,
    /// The shard that last copied something for it.
    shard: u16,
    segment: Segment,
    keeper: Keeper,
    standing: watch::Sender<Standing>,
}

/// What an order ends, as soon as everything is here that was copied before it.
struct Ending {
    segment: SegmentNumber,
    /// All of it, or only what its order leaves out.
    is_whole: bool,
    at_us: i64,
    /// The number that the shards hand over with what they copied.
    number: u64,
    /// Shards that have not done so yet.
    awaited: BTreeSet<u16>,
    until: Instant,
}

impl Worker {
    pub(super) fn new(node: NodeId, root: PathBuf, shared: Arc<Shared>, shards: Arc<[Shard]>, clock: Clock) -> Self {
        Self {
            node,
            root,
            shared,
            shards,
            clock,
            tasks: Handle::current(),
            uploads: JoinSet::new(),
            segments: BTreeMap::new(),
            current: BTreeMap::new(),
            taps: BTreeMap::new(),
            numbered: 0,
            endings: Vec::new(),
            stopping: None,
        }
    }

    /// Takes up what an earlier process left behind.
    pub(super) fn recover(&mut self) -> Result<()> {
        for folder in Folder::leftovers(&self.root)? {
            let manifest = &folder.head.manifest;
            tracing::info!(recording = %manifest.recording, epoch = manifest.epoch, "taking up what was left");
            self.shared.space.note(folder.parts_bytes());
            // The sender may go: what it said last stays.
            let (_, standing) = watch::channel(Standing { is_over: true, ..Standing::default() });
            self.upload(folder, standing);
        }
        Ok(())
    }

    fn upload(&mut self, folder: Folder, standing: watch::Receiver<Standing>) {
        let upload = Upload::new(Arc::clone(&self.shared), folder, standing);
        self.uploads.spawn_on(upload.run(), &self.tasks);
    }

    /// Runs until it is stopped and every segment has ended.
    pub(super) async fn run(mut self, inlet: Inlet, mut orders: mpsc::Receiver<Order>) {
        let Inlet { mut batches, pool } = inlet;
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // Orders first: a track is known before its packets come. Time last: packets that wait in the queue are not late.
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(Order::Set { room, epoch, at, order, tell }) => self.set(&room, epoch, at, *order, tell),
                    Some(Order::Stop(done)) => self.stop(done),
                    None => return,
                },
                Some(copied) = batches.recv() => {
                    self.take(&copied);
                    let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
                    if pool.len() < BATCHES_MAX {
                        pool.push(copied.batch);
                    }
                }
                _ = tick.tick() => self.tick(),
            }
            while self.uploads.try_join_next().is_some() {}
            if self.segments.is_empty()
                && let Some(done) = self.stopping.take()
            {
                while self.uploads.join_next().await.is_some() {}
                // The caller may have stopped waiting.
                let _ = done.send(());
                return;
            }
        }
    }

    fn set(
        &mut self,
        room: &RoomId,
        epoch: u64,
        at: Instant,
        order: Option<RecordingOrder>,
        tell: mpsc::WeakSender<NodeToRoom>,
    ) {
        let at_us = self.clock.micros(at);
        let current = self.current.get(room).and_then(|number| Some((*number, self.segments.get(number)?)));
        if let Some((number, active)) = current {
            if active.epoch > epoch {
                return;
            }
            if !active.is_of(room, epoch, order.as_ref()) {
                self.current.remove(room);
                self.end(number, true, at_us);
            }
        }
        let Some(order) = order else { return };
        let Some(number) = self.current.get(room).copied().or_else(|| self.begin(room, epoch, &order, &tell)) else {
            return;
        };
        let Some(active) = self.segments.get_mut(&number) else { return };
        active.standing.send_modify(|standing| standing.room = (standing.room.0 + 1, Some(tell)));
        active.segment.set_order(at_us, order);
        let is_missing = active.segment.has_missing();
        self.drain(number);
        if is_missing {
            self.end(number, false, at_us);
        }
    }

    /// The segment of an order: one that was about to end, or a new one. Nothing where that is not possible.
    fn begin(
        &mut self,
        room: &RoomId,
        epoch: u64,
        order: &RecordingOrder,
        tell: &mpsc::WeakSender<NodeToRoom>,
    ) -> Option<SegmentNumber> {
        let ending = self.segments.iter().find(|(_, active)| active.is_of(room, epoch, Some(order)));
        let number = match ending.map(|(number, _)| *number) {
            Some(number) => {
                self.endings.retain(|ending| ending.segment != number || !ending.is_whole);
                number
            }
            None => match self.open(room, epoch, order) {
                Ok(number) => number,
                Err(error) => {
                    tracing::error!(%room, error = format!("{error:#}"), "a recording cannot begin");
                    let recording = order.recording.clone();
                    let code = Some(shared::ErrorCode::RecordingFailed);
                    let state = shared::signal::RecordingState::Failed;
                    if let Some(tell) = tell.upgrade() {
                        // A room that is not listening asks again.
                        let _ = tell.try_send(NodeToRoom::RecordingState { recording, state, code });
                    }
                    return None;
                }
            },
        };
        self.current.insert(room.clone(), number);
        Some(number)
    }

    fn open(&mut self, room: &RoomId, epoch: u64, order: &RecordingOrder) -> Result<SegmentNumber> {
        let spool = Spool::create(&self.root, &self.node, room, epoch, order)?;
        let (standing, stands) = watch::channel(Standing::default());
        self.upload(spool.folder(), stands);
        tracing::info!(%room, epoch, recording = %order.recording, "recording");
        self.numbered += 1;
        let keeper = Keeper::new(spool, Arc::clone(&self.shared.space));
        let segment = Segment::new(order, epoch);
        self.segments.insert(self.numbered, Active { room: room.clone(), epoch, shard: 0, segment, keeper, standing });
        Ok(self.numbered)
    }

    /// Ends a segment, or what its order leaves out, once all shards have handed over what they have copied.
    fn end(&mut self, segment: SegmentNumber, is_whole: bool, at_us: i64) {
        self.numbered += 1;
        let number = self.numbered;
        for shard in self.shards.iter() {
            shard.nudge(Command::HandOver(number));
        }
        let awaited = self.shards.iter().map(Shard::index).collect();
        let until = Instant::now() + HAND_OVER_TIMEOUT;
        self.endings.push(Ending { segment, is_whole, at_us, number, awaited, until });
    }

    /// Carries out the endings that nothing is awaited for any more.
    fn conclude(&mut self) {
        let now = Instant::now();
        let is_due = |ending: &Ending| ending.awaited.is_empty() || ending.until <= now;
        let (due, waiting) = std::mem::take(&mut self.endings).into_iter().partition(is_due);
        self.endings = waiting;
        for Ending { segment: number, is_whole, at_us, .. } in due {
            let Some(active) = self.segments.get_mut(&number) else { continue };
            match is_whole {
                true => active.segment.finish(at_us),
                false => active.segment.end_missing(at_us),
            }
            self.drain(number);
            if !is_whole {
                continue;
            }
            self.taps.retain(|_, of| *of != number);
            if let Some(active) = self.segments.remove(&number) {
                active.keeper.close();
                active.standing.send_modify(|standing| standing.is_over = true);
            }
        }
    }

    fn take(&mut self, copied: &Copied) {
        let shard = copied.shard;
        for opened in &copied.batch.opened {
            let Some(number) = self.current.get(&opened.room) else { continue };
            let Some(active) = self.segments.get_mut(number) else { continue };
            active.shard = shard;
            active.segment.open(opened.tap, opened.track.clone());
            self.taps.insert((shard, opened.tap), *number);
        }
        let mut touched: Vec<SegmentNumber> = Vec::new();
        for taken in &copied.batch.packets {
            let Some(number) = self.taps.get(&(shard, taken.tap)) else { continue };
            let Some(active) = self.segments.get_mut(number) else { continue };
            active.segment.packet(
                taken.tap,
                Packet {
                    index: taken.index,
                    timestamp: taken.timestamp,
                    marker: taken.marker,
                    received_us: taken.received_us,
                    captured_us: taken.captured_us,
                    codec: taken.codec,
                    payload: copied.batch.payload(taken).to_vec(),
                },
            );
            if !touched.contains(number) {
                touched.push(*number);
            }
        }
        for number in touched {
            self.drain(number);
        }
        if let Some(asked_for) = copied.asked_for {
            for ending in self.endings.iter_mut().filter(|ending| ending.number <= asked_for) {
                ending.awaited.remove(&shard);
            }
            self.conclude();
        }
    }

    fn tick(&mut self) {
        let now_us = self.clock.micros(Instant::now());
        let numbers: Vec<SegmentNumber> = self.segments.keys().copied().collect();
        for number in numbers {
            if let Some(active) = self.segments.get_mut(&number) {
                active.segment.tick(now_us);
            }
            self.drain(number);
        }
        self.conclude();
    }

    fn drain(&mut self, number: SegmentNumber) {
        let Some(active) = self.segments.get_mut(&number) else { return };
        while let Some(output) = active.segment.poll_output() {
            match output {
                Output::Part { .. } | Output::Row(_) => active.keeper.keep(output),
                Output::WantKeyframe(track) => {
                    if let Some(shard) = self.shards.get(usize::from(active.shard)) {
                        shard.nudge(Command::WantKeyframe { room: active.room.clone(), track });
                    }
                }
            }
        }
        let is_stuck = !active.keeper.write();
        active.standing.send_if_modified(|standing| std::mem::replace(&mut standing.is_stuck, is_stuck) != is_stuck);
    }

    fn stop(&mut self, done: oneshot::Sender<()>) {
        let now_us = self.clock.micros(Instant::now());
        for number in std::mem::take(&mut self.current).into_values() {
            self.end(number, true, now_us);
        }
        self.stopping = Some(done);
    }
}

impl Active {
    /// Whether an order is for this segment.
    fn is_of(&self, room: &RoomId, epoch: u64, order: Option<&RecordingOrder>) -> bool {
        let is_same = |order: &RecordingOrder| order.recording == self.segment.order().recording;
        self.room == *room && self.epoch == epoch && order.is_some_and(is_same)
    }
}

#[cfg(test)]
mod tests {
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

    /// A recorder of one shard, whose storage is never there.
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
            edges: Vec::new(),
            token: Secret::from("token".to_owned()),
            finishing: Semaphore::new(1),
            space: Arc::new(Space::of(u64::MAX)),
            seed: 1,
        };
        let config = good(&["--listen=127.0.0.1:0", "--shards=1"]);
        let (events, _) = mpsc::channel(1);
        let (outlet, _) = crate::record::queue();
        let identity = crate::identity::make().expect("an identity");
        let shards = crate::node::start_shards(&config, clock, &identity, &events, &outlet).expect("start");
        Worker::new(config.node, root.to_owned(), Arc::new(shared), shards, clock)
    }

    /// An order of now, as the room's clock says, in a recording that goes on for so long already.
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

    /// Packets of sound, 20 ms apart, the first of which came at a moment.
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
        Folder::leftovers(root).expect("folders").pop().expect("one of them")
    }

    /// When the frames of each part were.
    fn cues(folder: &Folder) -> Vec<Vec<u64>> {
        let blocks = |path: &PathBuf| read::blocks(&std::fs::read(path).expect("a part"));
        let times = |path: &PathBuf| blocks(path).iter().map(|block| block.at_ms).collect();
        folder.parts().expect("parts").iter().map(|(_, path)| times(path)).collect()
    }

    #[tokio::test]
    async fn what_was_copied_before_the_end_is_recorded_though_it_is_handed_over_after_it() {
        let root = temporary("worker");
        let mut worker = worker(&root, Clock::start());
        let room = RoomId::parse("daily").expect("a room");
        let (tell, _told) = mpsc::channel(8);
        let (now, mut tap) = (Instant::now(), Tap::default());
        let at_us = worker.clock.micros(now);
        worker.set(&room, 1, now, Some(order(UnixMillis(0), 0)), tell.downgrade());
        let number = tap.open(&room, &track());
        worker.take(&Copied { shard: 0, batch: batch(&mut tap, number, 0..10, at_us), asked_for: None });
        worker.set(&room, 1, now + Duration::from_secs(1), None, tell.downgrade());
        // Time passes while the shard still has the last packets.
        worker.tick();
        let asked_for = worker.endings.first().map(|ending| ending.number);
        assert!(asked_for.is_some(), "the end waits for the shard");
        worker.take(&Copied { shard: 0, batch: batch(&mut tap, number, 10..20, at_us + 200_000), asked_for });
        assert!(worker.segments.is_empty(), "and comes with what the shard had");
        assert_eq!(cues(&folder(&root)).concat().len(), 20);
        std::fs::remove_dir_all(&root).expect("the folder to go");
    }

    /// Records on a node whose wall clock was set forward by `stepped_ms` since it started, and is `ahead_ms` of the room's.
    /// Returns the cues of all parts and when the track ended, which is `age_ms` and the time that this takes.
    async fn recorded(stepped_ms: i64, ahead_ms: i64, age_ms: u64) -> (Vec<Vec<u64>>, u64) {
        let root = temporary("clocks");
        let set_back = |clock: Clock, ms: i64| Clock {
            wall_clock: UnixMillis(clock.wall_clock.0.saturating_add_signed(-ms)),
            ..clock
        };
        let mut worker = worker(&root, set_back(Clock::start(), stepped_ms));
        let (room, (tell, _told), mut tap) =
            (RoomId::parse("daily").expect("a room"), mpsc::channel(8), Tap::default());
        let now = worker.clock.started_at;
        let at_us = worker.clock.micros(now);
        let rooms = set_back(worker.clock, ahead_ms).wall_clock;
        worker.set(&room, 1, now, Some(order(rooms, age_ms)), tell.downgrade());
        let number = tap.open(&room, &track());
        let mut take = |worker: &mut Worker, indices: Vec<u64>, before_us: i64, asked_for: Option<u64>| {
            let batch = batch(&mut tap, number, indices, at_us - before_us);
            worker.take(&Copied { shard: 0, batch, asked_for });
        };
        // Old enough to be a part of its own.
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
}
