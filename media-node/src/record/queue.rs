//! The queue between the shards and the recorder.

use media_core::record::tap::Batch;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;

/// Batches waiting for the recorder; while there are this many, the shards continue to fill their current one.
pub(super) const BATCHES_MAX: usize = 64;

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
    pub(super) batches: mpsc::Receiver<Copied>,
    pub(super) pool: Pool,
}

pub(crate) fn queue() -> (Outlet, Inlet) {
    let (batches, received) = mpsc::channel(BATCHES_MAX);
    let pool = Pool::default();
    (Outlet { batches, pool: Arc::clone(&pool) }, Inlet { batches: received, pool })
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
