//! What /healthz, /readyz and /metrics tell.

mod metrics;

use crate::config::Limits;
use crate::shard::Shard;
use node_shell::fleet::Standing;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A shard that has not reported for this long hangs.
const SHARD_SILENCE_MAX: Duration = Duration::from_secs(5);

pub(crate) struct Pages {
    pub(crate) shards: Arc<[Shard]>,
    pub(crate) bandwidth: Limits,
    /// Whether the edge knows us.
    pub(crate) standing: watch::Receiver<Standing>,
    /// Whether we are about to stop.
    pub(crate) draining: watch::Receiver<bool>,
}

impl node_shell::pages::Pages for Pages {
    /// Whether every shard still turns.
    fn health(&self) -> Result<(), String> {
        let now = Instant::now();
        let hangs = |shard: &&Shard| {
            let reported = shard.report().at;
            shard.has_ended() || reported.is_none_or(|at| now.saturating_duration_since(at) > SHARD_SILENCE_MAX)
        };
        self.shards.iter().find(hangs).map_or(Ok(()), |shard| Err(format!("shard {} hangs", shard.index())))
    }

    /// Whether the node takes rooms.
    fn readiness(&self) -> Result<(), String> {
        if *self.draining.borrow() {
            return Err("draining".to_owned());
        }
        if !self.standing.borrow().is_registered {
            return Err("not registered with the edge".to_owned());
        }
        Ok(())
    }

    fn metrics(&self) -> String {
        let reports: Vec<_> = self.shards.iter().map(|shard| (shard.index(), shard.report())).collect();
        metrics::text(&reports, self.bandwidth, *self.standing.borrow(), *self.draining.borrow())
    }
}
