//! The recorder: a thread that makes parts out of what the shards copied, and tasks that bring them to the storage.

mod finish;
mod keeper;
mod spool;
pub(crate) mod storage;
mod upload;
mod worker;

use crate::clock::Clock;
use crate::shard::Shard;
use anyhow::{Context, Result};
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

/// Batches that wait for the recorder; while there are so many, the shards go on filling the one they have.
const BATCHES_MAX: usize = 64;
/// Orders that wait for the recorder.
const ORDERS_MAX: usize = 256;
/// How long a node that stops waits for its last parts to be stored; what is left is stored when it starts again.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// Where and how recordings are kept.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) storage: StorageConfig,
    /// The folder for what is not in the storage yet.
    pub(crate) spool: PathBuf,
    /// How much of the disk it may take.
    pub(crate) spool_bytes_max: u64,
}

pub(super) struct Shared {
    storage: Storage,
    edges: Vec<EdgeUrl>,
    token: Secret,
    finishing: Semaphore,
    space: Arc<Space>,
    seed: u64,
}

/// What one turn of a shard copied.
pub(crate) struct Copied {
    pub(crate) shard: u16,
    pub(crate) batch: Batch,
    /// The number that the recorder sent: everything that was copied before it came is handed over with this.
    pub(crate) asked_for: Option<u64>,
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
    /// fit there is lost, counted, and found by the recorder as a gap. Whether it was handed over.
    pub(crate) fn offer(&self, shard: u16, asked_for: Option<u64>, take: impl FnOnce(Batch) -> Batch) -> bool {
        let Ok(place) = self.batches.try_reserve() else { return false };
        // A turn brings one batch; should the recorder hold the lock just then, memory is asked for instead of waiting.
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
    Set {
        room: RoomId,
        epoch: u64,
        at: Instant,
        order: Box<Option<RecordingOrder>>,
        tell: mpsc::WeakSender<NodeToRoom>,
    },
    Stop(oneshot::Sender<()>),
}

#[derive(Clone)]
pub(crate) struct Recorder {
    orders: mpsc::Sender<Order>,
}

/// What the recorder has in common with the rest of the node.
pub(crate) struct Identity {
    pub(crate) node: NodeId,
    pub(crate) token: Secret,
    pub(crate) edges: Vec<EdgeUrl>,
    /// Seed of the spread of its retries.
    pub(crate) seed: u64,
    /// What the shards stamp packets with.
    pub(crate) clock: Clock,
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

    /// What a room wants to be recorded, as it was heard `at` a moment; what is no longer ordered is brought to its end.
    pub(crate) async fn set(
        &self,
        room: &RoomId,
        epoch: u64,
        at: Instant,
        order: Option<RecordingOrder>,
        tell: mpsc::WeakSender<NodeToRoom>,
    ) {
        let order = Order::Set { room: room.clone(), epoch, at, order: Box::new(order), tell };
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
