//! The content of /healthz, /readyz and /metrics.

use crate::kernel::Mode;
use crate::shard::{Report, Shard};
use crate::streams::{Closing, Entrance};
use crate::tls::Certificate;
use node_core::membership::Standing;
use node_shell::metrics::{Metric, Text, counter, gauge};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use turn_core::pool::Pool;

/// A shard without a report for this long is considered hung.
const SHARD_SILENCE_MAX: Duration = Duration::from_secs(5);

const EXPIRATION: &str = "turn_certificate_expiration_timestamp_seconds";
const FAILURES: &str = "turn_certificate_failures_total";

/// A label, and its value in a shard's report.
type Labelled = (&'static str, fn(&Report) -> u64);

const DROPS: &[Labelled] = &[
    ("malformed", |r| r.server.malformed),
    ("not_permitted", |r| r.server.not_permitted),
    ("peer_not_permitted", |r| r.server.peer_not_permitted),
    ("too_long", |r| r.server.too_long),
    ("over_quota", |r| r.server.over_quota),
    ("unanswered", |r| r.server.unanswered),
    ("slow_reader", |r| r.streams.slow_reader),
];

pub(crate) struct Pages {
    pub(crate) shards: Arc<[Shard]>,
    pub(crate) entrance: Entrance,
    pub(crate) pool: Pool,
    /// `None` without TLS.
    pub(crate) certificate: Option<Arc<Certificate>>,
    pub(crate) draining: watch::Receiver<bool>,
    /// `None` without an edge.
    pub(crate) edge: Option<FromEdge>,
    /// `None` if the kernel relays nothing.
    pub(crate) in_kernel: Option<Mode>,
}

pub(crate) struct FromEdge {
    pub(crate) standing: watch::Receiver<Standing>,
    /// The number of media node addresses last announced by the edge.
    pub(crate) media_nodes: watch::Receiver<usize>,
}

const METRICS: &[Metric<Report>] = &[
    gauge("turn_allocations", "Current allocations.", |r| r.allocations as u64),
    gauge("turn_connections", "Current TCP and TLS connections.", |r| r.streams.open),
    gauge("turn_connections_without_allocation", "Connections without an allocation.", |r| r.streams.strangers),
    counter("turn_connections_accepted_total", "Accepted TCP and TLS connections.", |r| r.streams.accepted),
    gauge("turn_shard_busy_permille", "CPU use in thousandths of a core.", |r| r.busy_permille.into()),
    gauge("turn_datagrams_out_per_second", "Datagrams relayed in the last second.", |r| r.datagrams_out_per_s),
    counter("turn_lingers_total", "Times a thread waited for packets to gather.", |r| r.lingers),
    counter("turn_kernel_datagrams_total", "Datagrams relayed by the kernel, included in the rate.", |r| r.in_kernel),
    counter("turn_udp_receive_calls_total", "Receive calls that returned datagrams.", |r| r.sockets.receive_calls),
    counter("turn_udp_truncated_total", "Received datagrams that were truncated.", |r| r.sockets.truncated),
    counter("turn_udp_send_calls_total", "Send calls.", |r| r.sockets.send_calls),
    counter("turn_udp_send_failures_total", "Datagrams that the kernel refused to send.", |r| r.sockets.send_failures),
    counter("turn_udp_send_overflows_total", "Datagrams dropped because the send buffer was full.", |r| {
        r.sockets.send_overflows
    }),
    counter("turn_udp_segmented_here_total", "Runs sent as single datagrams, without GSO.", |r| {
        r.sockets.segmented_here
    }),
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
        if *self.draining.borrow() {
            return Err("draining".to_owned());
        }
        match &self.edge {
            Some(edge) if !edge.standing.borrow().is_registered => Err("not registered with the edge".to_owned()),
            Some(_) | None => Ok(()),
        }
    }

    fn metrics(&self) -> String {
        let reports: Vec<_> = self.shards.iter().map(|shard| (shard.index(), shard.report())).collect();
        let mut text = metrics(&reports);
        if let Some(FromEdge { standing, media_nodes }) = &self.edge {
            let is_registered = standing.borrow().is_registered;
            text.single("turn_registered", "Whether the node is registered with the edge.", is_registered.into());
            text.single(
                "turn_media_nodes",
                "Media node addresses that sfu credentials may reach.",
                *media_nodes.borrow() as u64,
            );
        }
        let ports = self.pool.ports_taken(Instant::now()) as u64;
        text.single("turn_relay_ports_taken", "Relay ports in use or reserved.", ports);
        text.head("turn_connections_dropped_total", "Connections whose thread was too busy to take them.", "counter");
        text.line("turn_connections_dropped_total", "", self.entrance.dropped());
        if let Some(certificate) = &self.certificate {
            let ends_at_s = certificate.validity().map_or(0, |validity| validity.ends_at_s);
            text.single(EXPIRATION, "End of the TLS certificate in seconds since 1970; 0 without one.", ends_at_s);
            text.head(FAILURES, "Orders and changed files that brought no TLS certificate.", "counter");
            text.line(FAILURES, "", certificate.failures());
        }
        let modes = Mode::ALL.map(|mode| (mode.name(), u64::from(self.in_kernel == Some(mode))));
        text.head("turn_kernel_relays", "Whether the kernel relays ChannelData, by XDP mode.", "gauge");
        for (mode, relays) in modes {
            text.line("turn_kernel_relays", &format!("mode=\"{mode}\""), relays);
        }
        text.single("turn_draining", "Whether the node is draining.", u64::from(*self.draining.borrow()));
        text.finish()
    }
}

fn metrics(reports: &[(u16, Report)]) -> Text {
    let mut text = Text::default();
    text.shards(METRICS, reports);
    let reports = || reports.iter().map(|(_, report)| report);
    let drops = reports().flat_map(|report| DROPS.iter().map(move |(reason, count)| (*reason, count(report))));
    text.labelled(("turn_drops_total", "Datagrams neither relayed nor answered, by reason."), "reason", drops);
    let refused = reports()
        .flat_map(|Report { streams, .. }| [("full", streams.refused_full), ("address", streams.refused_address)]);
    text.labelled(("turn_connections_refused_total", "Connections over a limit."), "reason", refused);
    let closed = reports().flat_map(|report| Closing::ALL.iter().map(|(_, reason)| *reason).zip(report.streams.closed));
    text.labelled(("turn_connections_closed_total", "Connections closed by the node, by reason."), "reason", closed);
    let codes = reports().flat_map(|report| report.server.refused.counts());
    text.labelled(("turn_refused_total", "Requests answered with an error, by its code."), "code", codes);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_every_counter_of_every_shard_once() {
        let mut busy = Report { allocations: 3, ..Report::default() };
        busy.server.over_quota = 7;
        let text = metrics(&[(0, Report::default()), (1, busy)]).finish();
        for expected in [
            "turn_allocations{shard=\"1\"} 3",
            "turn_drops_total{reason=\"over_quota\"} 7",
            "turn_refused_total{code=\"486\"} 0",
        ] {
            assert!(text.lines().any(|line| line == expected), "{expected} is not in\n{text}");
        }
        let series: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let codes = turn_core::counters::Refused::CODES.len();
        assert_eq!(series.len(), 2 * METRICS.len() + DROPS.len() + codes + 2 + Closing::ALL.len());
    }

    #[test]
    fn the_largest_node_has_few_series_of_each_metric() {
        // As many threads for TCP and TLS as for UDP.
        let threads = 2 * u16::try_from(shared::limits::SHARDS_PER_NODE_MAX).expect("a few");
        let reports: Vec<_> = (0..threads).map(|shard| (shard, Report::default())).collect();
        let most = node_shell::metrics::most_series(&metrics(&reports).finish());
        assert!(most < shared::limits::SERIES_PER_METRIC_MAX && most >= usize::from(threads), "{most} series");
    }
}
