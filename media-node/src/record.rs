//! The recorder: a thread that builds parts from the shards' copies, and tasks that upload them.

mod context;
mod finish;
mod keeper;
pub(crate) mod order;
pub(crate) mod queue;
mod spool;
pub(crate) mod storage;
mod upload;
mod worker;

use crate::clock::Clock;
use crate::shard::Shard;
use anyhow::{Context, Result};
use context::Shared;
use node_shell::settings::{EdgeUrl, Secret};
use order::{Order, RoomLine};
use queue::Inlet;
use shared::NodeId;
use shared::control::RecordingOrder;
use spool::Space;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use storage::{Storage, StorageConfig};
use tokio::sync::{Semaphore, mpsc, oneshot};
use worker::Worker;

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
