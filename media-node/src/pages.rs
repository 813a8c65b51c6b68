//! The content of /healthz, /readyz and /metrics.

mod metrics;

use crate::config::Limits;
use crate::shard::Shard;
use crate::tcp::Entrance;
use node_core::membership::Standing;
use shared::control::HostLoad;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A shard without a report for this long counts as hung.
const SHARD_SILENCE_MAX: Duration = Duration::from_secs(5);

pub(crate) struct Pages {
    pub(crate) shards: Arc<[Shard]>,
    /// `None` if clients cannot use TCP.
    pub(crate) entrance: Option<Arc<Entrance>>,
    pub(crate) bandwidth: Limits,
    /// `None` until the first reading.
    pub(crate) host: watch::Receiver<Option<HostLoad>>,
    /// The registration with the edge.
    pub(crate) standing: watch::Receiver<Standing>,
    /// `None` until the node is about to stop.
    pub(crate) draining: watch::Receiver<Option<Instant>>,
}

impl node_shell::pages::Pages for Pages {
    /// The error says which shard is not running.
    fn health(&self) -> Result<(), String> {
        let now = Instant::now();
        let hangs = |shard: &&Shard| {
            let reported = shard.report().at;
            shard.has_ended() || reported.is_none_or(|at| now.saturating_duration_since(at) > SHARD_SILENCE_MAX)
        };
        self.shards.iter().find(hangs).map_or(Ok(()), |shard| Err(format!("shard {} hangs", shard.index())))
    }

    /// The error says why the node accepts no rooms.
    fn readiness(&self) -> Result<(), String> {
        if self.draining.borrow().is_some() {
            return Err("draining".to_owned());
        }
        if !self.standing.borrow().is_registered {
            return Err("not registered with the edge".to_owned());
        }
        self.standing.borrow().unreached.map_or(Ok(()), |unreached| Err(unreached.to_string()))
    }

    fn metrics(&self) -> String {
        let reports: Vec<_> = self.shards.iter().map(|shard| (shard.index(), shard.report())).collect();
        let refused = self.entrance.as_ref().map(|entrance| entrance.refused()).unwrap_or_default();
        let (standing, host) = (*self.standing.borrow(), *self.host.borrow());
        metrics::text(&reports, refused, self.bandwidth, standing, self.draining.borrow().is_some(), host)
    }
}
