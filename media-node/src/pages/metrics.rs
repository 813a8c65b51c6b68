//! The counters in Prometheus's text format.

use crate::shard::Report;
use node_shell::fleet::Standing;
use node_shell::metrics::{Metric, Text, counter, gauge};

const METRICS: &[Metric<Report>] = &[
    gauge("media_rooms", "Rooms with a session here.", |r| r.rooms as u64),
    gauge("media_sessions", "Open sessions.", |r| r.sessions as u64),
    gauge("media_shard_busy_permille", "Thousandths of a core in use.", |r| r.busy_permille.into()),
    counter("media_datagrams_in_total", "Datagrams received.", |r| r.stats.datagrams_in),
    counter("media_bytes_in_total", "Bytes received.", |r| r.stats.bytes_in),
    counter("media_datagrams_out_total", "Datagrams to send.", |r| r.stats.datagrams_out),
    counter("media_bytes_out_total", "Bytes to send.", |r| r.stats.bytes_out),
    counter("media_runs_out_total", "Runs of datagrams to one destination.", |r| r.stats.runs_out),
    counter("media_padding_bytes_out_total", "Padding that evens runs out.", |r| r.stats.padding_bytes_out),
    counter("media_rtp_in_total", "Authentic RTP packets received.", |r| r.stats.rtp_in),
    counter("media_rtp_out_total", "RTP packets forwarded.", |r| r.stats.rtp_out),
    counter("media_recorded_total", "RTP packets copied for the recorder.", |r| r.stats.recorded),
    counter("media_record_overflows_total", "RTP packets that could not be.", |r| r.stats.record_overflows),
    counter("media_uplink_overloads_total", "Publishers' links that suddenly carried less.", |r| {
        r.stats.uplink_overloads
    }),
    counter("media_nacked_upstream_total", "Packets asked for again.", |r| r.stats.nacked_upstream),
    counter("media_retransmitted_total", "Packets sent again.", |r| r.stats.retransmitted),
    counter("media_retransmit_misses_total", "Packets no longer kept.", |r| r.stats.retransmit_misses),
    counter("media_keyframe_requests_in_total", "Key frames asked of us.", |r| r.stats.keyframe_requests_in),
    counter("media_keyframe_requests_out_total", "Key frames asked for.", |r| r.stats.keyframe_requests_out),
    counter("media_arrival_reports_out_total", "Reports of packets' arrival.", |r| r.stats.arrival_reports_out),
    counter("media_stun_answered_total", "Binding requests answered.", |r| r.stats.stun_answered),
    counter("media_sessions_connected_total", "Sessions whose media came up.", |r| r.stats.sessions_connected),
    counter("media_sessions_failed_total", "Sessions that ended by themselves.", |r| r.stats.sessions_failed),
    counter("media_udp_receive_calls_total", "Reads that brought something.", |r| r.udp.receive_calls),
    counter("media_udp_truncated_total", "Datagrams that were too long.", |r| r.udp.truncated),
    counter("media_udp_send_calls_total", "Writes.", |r| r.udp.send_calls),
    counter("media_udp_send_failures_total", "Datagrams the kernel refused.", |r| r.udp.send_failures),
    counter("media_udp_send_overflows_total", "Datagrams for a full buffer.", |r| r.udp.send_overflows),
    counter("media_udp_segmented_here_total", "Runs sent one by one.", |r| r.udp.segmented_here),
];

/// Everything there is to tell, one line for each shard and metric.
pub(super) fn text(reports: &[(u16, Report)], standing: Standing, is_draining: bool) -> String {
    let mut text = Text::default();
    text.shards(METRICS, reports);
    text.head("media_drops_total", "Datagrams and packets not used, by reason.", "counter");
    for (shard, report) in reports {
        for (reason, count) in report.stats.drops() {
            text.line("media_drops_total", &format!("shard=\"{shard}\",reason=\"{}\"", reason.label()), count);
        }
    }
    text.single("media_registered", "Whether the edge gives us rooms.", u64::from(standing.is_registered));
    text.single("media_draining", "Whether we are about to stop.", u64::from(is_draining));
    text.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use media_core::stats::DropReason;
    use std::collections::BTreeSet;

    #[test]
    fn tells_every_counter_of_every_shard_once() {
        let mut busy = Report { sessions: 3, ..Report::default() };
        busy.stats.rtp_out = 77;
        busy.stats.drop(DropReason::MalformedRtp);
        let standing = Standing { is_registered: true, has_announced_draining: false };
        let text = text(&[(0, Report::default()), (1, busy)], standing, false);
        for expected in [
            "# TYPE media_rtp_out_total counter",
            "media_rtp_out_total{shard=\"0\"} 0",
            "media_rtp_out_total{shard=\"1\"} 77",
            "media_sessions{shard=\"1\"} 3",
            "media_drops_total{shard=\"1\",reason=\"malformed_rtp\"} 1",
            "media_registered 1",
            "media_draining 0",
        ] {
            assert!(text.lines().any(|line| line == expected), "{expected} is not in\n{text}");
        }
        let series: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(series.len(), 2 * (METRICS.len() + DropReason::ALL.len()) + 2);
        let names: BTreeSet<_> = series.iter().filter_map(|line| line.rsplit_once(' ')).map(|(name, _)| name).collect();
        assert_eq!(names.len(), series.len());
    }
}
