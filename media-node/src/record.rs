//! The recorder: a thread that builds parts from the shards' copies, and tasks that upload them.

mod finish;
mod keeper;
mod spool;
pub(crate) mod storage;
mod upload;
mod worker;

use crate::clock::Clock;
use crate::shard::Shard;
use anyhow::{Context, Result};
use media_core::control::Input;
use media_core::record::tap::Batch;
use node_shell::settings::{EdgeUrl, Secret};
use shared::control::{NodeToRoom, RecordingOrder};
use shared::{NodeId, RoomId};
use spool::Space;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use storage::{Storage, StorageConfig};
use tokio::sync::{Semaphore, mpsc, oneshot};
use worker::Worker;

/// Batches waiting for the recorder; while there are this many, the shards continue to fill their current one.
const BATCHES_MAX: usize = 64;
/// Orders waiting for the recorder.
const ORDERS_MAX: usize = 256;
/// Time for a stopping node to upload its last parts; the rest is uploaded after its next start.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) storage: StorageConfig,
    /// The folder for parts that are not uploaded yet.
    pub(crate) spool: PathBuf,
    pub(crate) spool_bytes_max: u64,
}

pub(super) struct Shared {
    storage: Storage,
    edges: Arc<[EdgeUrl]>,
    token: Secret,
    finishing: Semaphore,
    space: Arc<Space>,
    seed: u64,
}

/// The copies of one turn of a shard.
pub(crate) struct Copied {
    pub(crate) shard: u16,
    pub(crate) batch: Batch,
    /// The recorder's number: everything copied before it was received is handed over with this batch.
    pub(crate) asked_for: Option<u64>,
}

/// Emptied batches, so that the shards need no new memory.
type Pool = Arc<Mutex<Vec<Batch>>>;

/// A shard's queue to the recorder.
#[derive(Clone)]
pub(crate) struct Outlet {
    batches: mpsc::Sender<Copied>,
    pool: Pool,
}

impl Outlet {
    /// Hands over copied packets, and returns true, unless the recorder is too busy: then they stay in the batch, and
    /// packets that do not fit there are lost, counted, and found by the recorder as a gap.
    pub(crate) fn offer(&self, shard: u16, asked_for: Option<u64>, take: impl FnOnce(Batch) -> Batch) -> bool {
        let Ok(place) = self.batches.try_reserve() else { return false };
        // A turn needs one batch; if the recorder holds the lock, new memory is allocated instead of waiting.
        let used = self.pool.try_lock().ok().and_then(|mut pool| pool.pop());
        place.send(Copied { shard, batch: take(used.unwrap_or_default()), asked_for });
        true
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

enum Order {
    Set { at: Instant, order: Box<Option<RecordingOrder>>, line: RoomLine },
    Stop(oneshot::Sender<()>),
}

/// Takes a recording's messages to its room, by way of the node's control.
#[derive(Clone, Debug)]
pub(crate) struct RoomLine {
    pub(crate) room: RoomId,
    /// The epoch of the order.
    pub(crate) epoch: u64,
    pub(crate) inputs: mpsc::Sender<Input>,
}

impl RoomLine {
    /// False if the control is too busy.
    fn tell(&self, message: NodeToRoom) -> bool {
        let Self { room, epoch, inputs } = self;
        inputs.try_send(Input::Recording { room: room.clone(), epoch: *epoch, message }).is_ok()
    }
}

#[derive(Clone)]
pub(crate) struct Recorder {
    orders: mpsc::Sender<Order>,
}

/// The recorder's share of the node's identity.
pub(crate) struct Identity {
    pub(crate) node: NodeId,
    pub(crate) token: Secret,
    pub(crate) edges: Arc<[EdgeUrl]>,
    /// Seed for the jitter of retries.
    pub(crate) seed: u64,
    /// Used by the shards to stamp packets.
    pub(crate) clock: Clock,
}

impl Recorder {
    /// Starts the recorder, and resumes the segments that an earlier process left in the spool.
    pub(crate) fn start(config: Config, who: Identity, inlet: Inlet, shards: Arc<[Shard]>) -> Result<Self> {
        // Each node has a separate folder, so that two on one machine do not take each other's leftovers.
        let root = config.spool.join(who.node.as_str());
        std::fs::create_dir_all(&root).with_context(|| format!("creating {}", root.display()))?;
        let shared = Arc::new(Shared {
            storage: Storage::new(config.storage),
            edges: who.edges,
            token: who.token,
            finishing: Semaphore::new(1),
            space: Arc::new(Space::of(config.spool_bytes_max)),
            seed: who.seed,
        });
        let (orders, received) = mpsc::channel(ORDERS_MAX);
        let mut worker = Worker::new(who.node, root, shared, shards, who.clock);
        worker.recover()?;
        std::thread::Builder::new()
            .name("recorder".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
                match runtime {
                    Ok(runtime) => runtime.block_on(worker.run(inlet, received)),
                    Err(error) => tracing::error!(%error, "the recorder cannot start"),
                }
            })
            .context("starting the recorder's thread")?;
        Ok(Self { orders })
    }

    /// Applies the recording order of the room at the end of `line`, received at `at`; recordings missing from it are
    /// ended.
    pub(crate) async fn set(&self, at: Instant, order: Option<RecordingOrder>, line: RoomLine) {
        let order = Order::Set { at, order: Box::new(order), line };
        if self.orders.send(order).await.is_err() {
            tracing::error!("the recorder has ended");
        }
    }

    /// Ends all recordings, and waits briefly for the uploads.
    pub(crate) async fn stop(&self) {
        let (done, is_done) = oneshot::channel();
        if self.orders.send(Order::Stop(done)).await.is_ok()
            && tokio::time::timeout(STOP_TIMEOUT, is_done).await.is_err()
        {
            tracing::warn!("unfinished recordings stay in the spool; they are uploaded when this node restarts");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorder_that_is_behind_is_not_waited_for() {
        let (outlet, mut inlet) = queue();
        let mut handed_over = 0;
        for _ in 0..BATCHES_MAX + 3 {
            outlet.offer(0, None, |next| {
                handed_over += 1;
                next
            });
        }
        assert_eq!(handed_over, BATCHES_MAX, "the shard keeps what there is no place for");
        assert!(inlet.batches.try_recv().is_ok());
        let is_taken = outlet.offer(0, Some(7), |next| {
            handed_over += 1;
            next
        });
        assert!(is_taken);
        assert_eq!(handed_over, BATCHES_MAX + 1);
    }
}
