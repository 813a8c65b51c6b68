//! The recorder: a thread that makes parts out of what the shards copied, and tasks that bring them to the storage.

mod finish;
mod spool;
pub(crate) mod storage;
mod upload;

use crate::shard::{Command, Shard};
use anyhow::{Context, Result};
use media_core::record::reorder::Packet;
use media_core::record::segment::{Output, Segment};
use media_core::record::tap::{Batch, TapNumber};
use node_shell::settings::{EdgeUrl, Secret};
use shared::control::{NodeToRoom, RecordingOrder};
use shared::{NodeId, RoomId};
use spool::{Folder, Spool};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use storage::{Storage, StorageConfig};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use upload::{Standing, Upload};

/// Batches that wait for the recorder; while there are so many, the shards go on filling the one they have.
const BATCHES_MAX: usize = 64;
/// Orders that wait for the recorder.
const ORDERS_MAX: usize = 256;
/// How often parts are looked at that nothing is added to.
const TICK: Duration = Duration::from_millis(250);
/// How long a node that stops waits for its last parts to be stored; what is left is stored when it starts again.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Where and how recordings are kept.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The storage.
    pub(crate) storage: StorageConfig,
    /// The folder for what is not in the storage yet.
    pub(crate) spool: PathBuf,
}

/// What all uploads share.
pub(super) struct Shared {
    storage: Storage,
    edges: Vec<EdgeUrl>,
    token: Secret,
    finishing: Semaphore,
    seed: u64,
}

/// What one turn of a shard copied.
pub(crate) struct Copied {
    /// Which shard.
    pub(crate) shard: u16,
    /// What.
    pub(crate) batch: Batch,
}

/// Batches that were emptied, so that the shards need no new memory.
type Pool = Arc<Mutex<Vec<Batch>>>;

/// A shard's way to the recorder.
#[derive(Clone)]
pub(crate) struct Outlet {
    batches: mpsc::Sender<Copied>,
    pool: Pool,
}

impl Outlet {
    /// Hands over what was copied, unless the recorder has too much to do: then it stays where it is, and what does not
    /// fit there is lost, counted, and found by the recorder as a gap.
    pub(crate) fn offer(&self, shard: u16, take: impl FnOnce(Batch) -> Batch) {
        if let Ok(place) = self.batches.try_reserve() {
            // A turn brings one batch; should the recorder hold the lock just then, memory is asked for instead of waiting.
            let used = self.pool.try_lock().ok().and_then(|mut pool| pool.pop());
            place.send(Copied { shard, batch: take(used.unwrap_or_default()) });
        }
    }
}

/// The other end of [`Outlet`], until the recorder runs.
pub(crate) struct Inlet {
    batches: mpsc::Receiver<Copied>,
    pool: Pool,
}

/// The queue between the shards and the recorder.
pub(crate) fn queue() -> (Outlet, Inlet) {
    let (batches, received) = mpsc::channel(BATCHES_MAX);
    let pool = Pool::default();
    (Outlet { batches, pool: Arc::clone(&pool) }, Inlet { batches: received, pool })
}

/// What the rooms order.
enum Order {
    Set { room: RoomId, epoch: u64, order: Box<Option<RecordingOrder>>, tell: mpsc::WeakSender<NodeToRoom> },
    Stop(oneshot::Sender<()>),
}

/// The way to the recorder.
#[derive(Clone)]
pub(crate) struct Recorder {
    orders: mpsc::Sender<Order>,
}

/// Who the recorder is, and whom it reports to.
pub(crate) struct Identity {
    /// The node.
    pub(crate) node: NodeId,
    /// Its token.
    pub(crate) token: Secret,
    /// Where the edge is.
    pub(crate) edges: Vec<EdgeUrl>,
    /// Seed of the spread of its retries.
    pub(crate) seed: u64,
}

impl Recorder {
    /// Starts the recorder, and takes up what an earlier process left in the spool.
    pub(crate) fn start(config: Config, who: Identity, inlet: Inlet, shards: Arc<[Shard]>) -> Result<Self> {
        // Each node has a folder of its own, so that two on one machine do not take each other's leftovers.
        let root = config.spool.join(who.node.as_str());
        std::fs::create_dir_all(&root).with_context(|| format!("creating {}", root.display()))?;
        let shared = Arc::new(Shared {
            storage: Storage::new(config.storage),
            edges: who.edges,
            token: who.token,
            finishing: Semaphore::new(1),
            seed: who.seed,
        });
        let (orders, received) = mpsc::channel(ORDERS_MAX);
        let mut worker = Worker {
            node: who.node,
            root,
            shared,
            shards,
            tasks: Handle::current(),
            uploads: JoinSet::new(),
            segments: BTreeMap::new(),
            taps: BTreeMap::new(),
        };
        worker.recover()?;
        std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
                match runtime {
                    Ok(runtime) => runtime.block_on(worker.run(inlet, received)),
                    Err(error) => tracing::error!(%error, "the recorder cannot run"),
                }
            })
            .context("starting the recorder's thread")?;
        Ok(Self { orders })
    }

    /// What a room wants to be recorded; what is no longer ordered is brought to its end.
    pub(crate) async fn set(
        &self,
        room: &RoomId,
        epoch: u64,
        order: Option<RecordingOrder>,
        tell: mpsc::WeakSender<NodeToRoom>,
    ) {
        let order = Order::Set { room: room.clone(), epoch, order: Box::new(order), tell };
        if self.orders.send(order).await.is_err() {
            tracing::error!(%room, "the recorder has ended");
        }
    }

    /// Brings everything to its end, and waits a little for it to be stored.
    pub(crate) async fn stop(&self) {
        let (done, is_done) = oneshot::channel();
        if self.orders.send(Order::Stop(done)).await.is_ok()
            && tokio::time::timeout(STOP_TIMEOUT, is_done).await.is_err()
        {
            tracing::warn!("recordings are left in the spool; they are stored when this node starts again");
        }
    }
}

/// The recorder's thread.
struct Worker {
    node: NodeId,
    root: PathBuf,
    shared: Arc<Shared>,
    shards: Arc<[Shard]>,
    tasks: Handle,
    uploads: JoinSet<()>,
    segments: BTreeMap<RoomId, Active>,
    taps: BTreeMap<(u16, TapNumber), RoomId>,
}

/// A segment that is being recorded.
struct Active {
    epoch: u64,
    /// The shard that last copied something for it.
    shard: u16,
    segment: Segment,
    spool: Spool,
    standing: watch::Sender<Standing>,
}

impl Worker {
    fn recover(&mut self) -> Result<()> {
        for folder in Folder::leftovers(&self.root)? {
            let manifest = &folder.head.manifest;
            tracing::info!(recording = %manifest.recording, epoch = manifest.epoch, "taking up what was left");
            // The sender may go: what it said last stays.
            let (_, standing) = watch::channel(Standing { is_over: true, room: (0, None) });
            self.upload(folder, standing);
        }
        Ok(())
    }

    fn upload(&mut self, folder: Folder, standing: watch::Receiver<Standing>) {
        let upload = Upload::new(Arc::clone(&self.shared), folder, standing);
        self.uploads.spawn_on(upload.run(), &self.tasks);
    }

    async fn run(mut self, inlet: Inlet, mut orders: mpsc::Receiver<Order>) {
        let Inlet { mut batches, pool } = inlet;
        let mut tick = tokio::time::interval(TICK);
        loop {
            // Orders first: a room is known before its packets come.
            tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Some(Order::Set { room, epoch, order, tell }) => self.set(&room, epoch, *order, tell),
                    Some(Order::Stop(done)) => return self.stop(done).await,
                    None => return,
                },
                _ = tick.tick() => self.tick(),
                Some(copied) = batches.recv() => {
                    self.take(&copied);
                    let mut pool = pool.lock().unwrap_or_else(PoisonError::into_inner);
                    if pool.len() < BATCHES_MAX {
                        pool.push(copied.batch);
                    }
                }
            }
            while self.uploads.try_join_next().is_some() {}
        }
    }

    fn set(&mut self, room: &RoomId, epoch: u64, order: Option<RecordingOrder>, tell: mpsc::WeakSender<NodeToRoom>) {
        let is_same = |active: &Active| {
            active.epoch == epoch
                && order.as_ref().is_some_and(|order| order.recording == active.segment.order().recording)
        };
        if self.segments.get(room).is_some_and(|active| active.epoch > epoch) {
            return;
        }
        if self.segments.get(room).is_some_and(|active| !is_same(active)) {
            self.finish(room);
        }
        let Some(order) = order else { return };
        if !self.segments.contains_key(room)
            && let Err(error) = self.begin(room, epoch, &order)
        {
            tracing::error!(%room, error = format!("{error:#}"), "a recording cannot begin");
            let recording = order.recording.clone();
            let code = Some(shared::ErrorCode::RecordingFailed);
            let state = shared::signal::RecordingState::Failed;
            if let Some(tell) = tell.upgrade() {
                // A room that is not listening asks again.
                let _ = tell.try_send(NodeToRoom::RecordingState { recording, state, code });
            }
            return;
        }
        if let Some(active) = self.segments.get_mut(room) {
            active.standing.send_modify(|standing| standing.room = (standing.room.0 + 1, Some(tell)));
            active.segment.set_order(now_us(), order);
        }
        self.drain(room);
    }

    fn begin(&mut self, room: &RoomId, epoch: u64, order: &RecordingOrder) -> Result<()> {
        let spool = Spool::create(&self.root, &self.node, room, epoch, order)?;
        let (standing, stands) = watch::channel(Standing::default());
        self.upload(spool.folder(), stands);
        tracing::info!(%room, epoch, recording = %order.recording, "recording");
        let segment = Segment::new(order, epoch);
        self.segments.insert(room.clone(), Active { epoch, shard: 0, segment, spool, standing });
        Ok(())
    }

    /// The segment ends: what is left of it is written, and its upload brings it to its end.
    fn finish(&mut self, room: &RoomId) {
        if let Some(active) = self.segments.get_mut(room) {
            active.segment.finish(now_us());
        }
        self.drain(room);
        if let Some(active) = self.segments.remove(room) {
            self.taps.retain(|_, of| of != room);
            active.standing.send_modify(|standing| standing.is_over = true);
        }
    }

    fn take(&mut self, copied: &Copied) {
        let shard = copied.shard;
        for opened in &copied.batch.opened {
            let Some(active) = self.segments.get_mut(&opened.room) else { continue };
            active.shard = shard;
            active.segment.open(opened.tap, opened.track.clone());
            self.taps.insert((shard, opened.tap), opened.room.clone());
        }
        let mut touched: Vec<&RoomId> = Vec::new();
        for taken in &copied.batch.packets {
            let Some(room) = self.taps.get(&(shard, taken.tap)) else { continue };
            let Some(active) = self.segments.get_mut(room) else { continue };
            active.segment.packet(
                taken.tap,
                Packet {
                    index: taken.index,
                    timestamp: taken.timestamp,
                    marker: taken.marker,
                    received_us: taken.received_us,
                    captured_us: taken.captured_us,
                    payload: copied.batch.payload(taken).to_vec(),
                },
            );
            if !touched.contains(&room) {
                touched.push(room);
            }
        }
        let touched: Vec<RoomId> = touched.into_iter().cloned().collect();
        for room in touched {
            self.drain(&room);
        }
    }

    fn tick(&mut self) {
        let rooms: Vec<RoomId> = self.segments.keys().cloned().collect();
        for room in rooms {
            if let Some(active) = self.segments.get_mut(&room) {
                active.segment.tick(now_us());
            }
            self.drain(&room);
        }
    }

    fn drain(&mut self, room: &RoomId) {
        let Some(active) = self.segments.get_mut(room) else { return };
        while let Some(output) = active.segment.poll_output() {
            let kept = match output {
                Output::Part { key, bytes } => active.spool.part(&key, &bytes),
                Output::Row(row) => active.spool.row(&row),
                Output::WantKeyframe(track) => {
                    if let Some(shard) = self.shards.get(usize::from(active.shard)) {
                        shard.nudge(Command::WantKeyframe { room: room.clone(), track });
                    }
                    Ok(())
                }
            };
            if let Err(error) = kept {
                tracing::error!(%room, error = format!("{error:#}"), "a part of a recording is lost");
            }
        }
    }

    async fn stop(mut self, done: oneshot::Sender<()>) {
        let rooms: Vec<RoomId> = self.segments.keys().cloned().collect();
        for room in rooms {
            self.finish(&room);
        }
        while self.uploads.join_next().await.is_some() {}
        // Whoever asked may have waited for long enough.
        let _ = done.send(());
    }
}

fn now_us() -> i64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_1970.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorder_that_is_behind_is_not_waited_for() {
        let (outlet, mut inlet) = queue();
        let mut handed_over = 0;
        for _ in 0..BATCHES_MAX + 3 {
            outlet.offer(0, |next| {
                handed_over += 1;
                next
            });
        }
        assert_eq!(handed_over, BATCHES_MAX, "the shard keeps what there is no place for");
        assert!(inlet.batches.try_recv().is_ok());
        outlet.offer(0, |next| {
            handed_over += 1;
            next
        });
        assert_eq!(handed_over, BATCHES_MAX + 1);
    }
}
