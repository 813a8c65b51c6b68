//! What /healthz, /readyz and /metrics tell.

use crate::shard::{Report, Shard};
use node_shell::metrics::{Metric, Text, counter, gauge};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A shard that has not reported for this long hangs.
const SHARD_SILENCE_MAX: Duration = Duration::from_secs(5);

/// What the pages tell about.
pub(crate) struct Pages {
    /// The shards.
    pub(crate) shards: Arc<[Shard]>,
    /// Whether we are about to stop.
    pub(crate) draining: watch::Receiver<bool>,
}

const METRICS: &[Metric<Report>] = &[
    gauge("turn_allocations", "Allocations that are there.", |r| r.allocations as u64),
    counter("turn_malformed_total", "Datagrams that say nothing.", |r| r.server.malformed),
    counter("turn_not_permitted_total", "Data for peers without channel or permission.", |r| r.server.not_permitted),
    counter("turn_peer_not_permitted_total", "Data of peers without permission.", |r| r.server.peer_not_permitted),
    counter("turn_over_quota_total", "Data over an allocation's bandwidth.", |r| r.server.over_quota),
    counter("turn_refused_requests_total", "Requests answered with an error.", |r| r.server.refused_requests),
    counter("turn_udp_receive_calls_total", "Reads that brought something.", |r| r.sockets.receive_calls),
    counter("turn_udp_truncated_total", "Datagrams that were too long.", |r| r.sockets.truncated),
    counter("turn_udp_send_calls_total", "Writes.", |r| r.sockets.send_calls),
    counter("turn_udp_send_failures_total", "Datagrams the kernel refused.", |r| r.sockets.send_failures),
    counter("turn_udp_send_overflows_total", "Datagrams for a full buffer.", |r| r.sockets.send_overflows),
    counter("turn_udp_segmented_here_total", "Runs sent one by one.", |r| r.sockets.segmented_here),
];

impl node_shell::pages::Pages for Pages {
    fn health(&self) -> Result<(), String> {
        let now = Instant::now();
        let hangs = |shard: &&Shard| {
            let reported = shard.report().at;
            shard.has_ended() || reported.is_none_or(|at| now.saturating_duration_since(at) > SHARD_SILENCE_MAX)
        };
        self.shards.iter().find(hangs).map_or(Ok(()), |shard| Err(format!("shard {} hangs", shard.index())))
    }

    fn readiness(&self) -> Result<(), String> {
        if *self.draining.borrow() { Err("draining".to_owned()) } else { Ok(()) }
    }

    fn metrics(&self) -> String {
        let reports: Vec<_> = self.shards.iter().map(|shard| (shard.index(), shard.report())).collect();
        let mut text = Text::default();
        text.shards(METRICS, &reports);
        text.single("turn_draining", "Whether we are about to stop.", u64::from(*self.draining.borrow()));
        text.finish()
    }
}
