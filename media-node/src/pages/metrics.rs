//! The counters in Prometheus's text format.

use crate::config::Limits;
use crate::shard::Report;
use crate::tcp::{Closing, Refusal};
use media_core::stats::{ROUND_TRIP_MS, Sampled, Stats};
use node_core::membership::Standing;
use node_shell::metrics::{Metric, Text, counter, gauge};
use shared::control::HostLoad;

const METRICS: &[Metric<Report>] = &[
    gauge("media_rooms", "Rooms with a session on this node.", |r| r.rooms as u64),
    gauge("media_sessions", "Open sessions.", |r| r.sessions as u64),
    gauge("media_timers", "Pending timers; none without sessions.", |r| r.timers as u64),
    gauge("media_share_bps", "Each client's share in bits per second while the node's limit is reached.", |r| {
        r.share_bps
    }),
    gauge("media_shard_busy_permille", "CPU use in thousandths of a core.", |r| r.busy_permille.into()),
    counter("media_commands_total", "Commands that the shard took from other threads.", |r| r.commands),
    counter("media_datagrams_in_total", "Datagrams received.", |r| r.stats.datagrams_in),
    counter("media_bytes_in_total", "Bytes received.", |r| r.stats.bytes_in),
    counter("media_datagrams_out_total", "Datagrams sent.", |r| r.stats.datagrams_out),
    counter("media_bytes_out_total", "Bytes sent.", |r| r.stats.bytes_out),
    counter("media_runs_out_total", "Runs of datagrams sent to one destination.", |r| r.stats.runs_out),
    counter("media_padding_bytes_out_total", "Padding that gives packets of a run the same length.", |r| {
        r.stats.padding_bytes_out
    }),
    counter("media_probe_bytes_out_total", "Probe bytes sent to measure downlinks.", |r| r.stats.probe_bytes_out),
    counter("media_paced_total", "Video packets delayed by the pacer.", |r| r.stats.paced),
    counter("media_rtp_in_total", "Authentic RTP packets received.", |r| r.stats.rtp_in),
    counter("media_rtp_out_total", "RTP packets forwarded.", |r| r.stats.rtp_out),
    counter("media_recorded_total", "RTP packets copied for the recorder.", |r| r.stats.recorded),
    counter("media_record_overflows_total", "RTP packets dropped because the recorder's queue was full.", |r| {
        r.stats.record_overflows
    }),
    counter(
        "media_loudest_reports_total",
        "Changes of who is heard in rooms with more than 24 open microphones.",
        |r| r.stats.loudest_reports,
    ),
    counter("media_uplink_overloads_total", "Sudden drops in the capacity of publishers' links.", |r| {
        r.stats.uplink_overloads
    }),
    counter("media_nacked_upstream_total", "Packets requested again from publishers (NACK).", |r| {
        r.stats.nacked_upstream
    }),
    counter("media_retransmitted_total", "Packets retransmitted to clients.", |r| r.stats.retransmitted),
    counter("media_retransmit_misses_total", "Requested packets that had left the retransmission cache.", |r| {
        r.stats.retransmit_misses
    }),
    counter("media_keyframe_requests_in_total", "Key frame requests received.", |r| r.stats.keyframe_requests_in),
    counter("media_keyframe_requests_out_total", "Key frame requests sent.", |r| r.stats.keyframe_requests_out),
    counter("media_arrival_reports_out_total", "Transport-wide feedback reports sent.", |r| {
        r.stats.arrival_reports_out
    }),
    counter("media_stun_answered_total", "Binding requests answered.", |r| r.stats.stun_answered),
    counter("media_sessions_connected_total", "Sessions whose media connected.", |r| r.stats.sessions_connected),
    counter("media_sessions_failed_total", "Sessions that ended without a request from the edge.", |r| {
        r.stats.sessions_failed
    }),
    counter("media_udp_receive_calls_total", "Receive calls that returned datagrams.", |r| r.udp.receive_calls),
    counter("media_lingers_total", "Times the shard let datagrams gather before reading them.", |r| r.lingers),
    counter("media_udp_truncated_total", "Received datagrams that were truncated.", |r| r.udp.truncated),
    counter("media_udp_send_calls_total", "Send calls.", |r| r.udp.send_calls),
    counter("media_udp_send_failures_total", "Datagrams that the kernel refused to send.", |r| r.udp.send_failures),
    counter("media_udp_send_overflows_total", "Datagrams dropped because the send buffer was full.", |r| {
        r.udp.send_overflows
    }),
    gauge("media_tcp_connections", "Open TCP connections of clients.", |r| r.streams.open),
    counter("media_tcp_accepted_total", "TCP connections handed to this shard.", |r| r.streams.accepted),
    counter("media_tcp_slow_reader_total", "Datagrams dropped because a TCP client reads too slowly.", |r| {
        r.streams.slow_reader
    }),
    counter("media_udp_segmented_here_total", "Runs sent as single datagrams, without GSO.", |r| r.udp.segmented_here),
];

/// All metrics: one line for each shard and metric, and for each value of another label.
pub(super) fn text(
    reports: &[(u16, Report)],
    refused: [u64; Refusal::ALL.len()],
    limits: Limits,
    standing: Standing,
    is_draining: bool,
    host: Option<HostLoad>,
) -> String {
    let mut text = Text::default();
    text.shards(METRICS, reports);
    let stats = || reports.iter().map(|(_, report)| &report.stats);
    let drops = stats().flat_map(Stats::drops).map(|(reason, count)| (reason.label(), count));
    text.labelled(("media_drops_total", "Dropped datagrams and packets."), "reason", drops);
    let allocations = stats().flat_map(Stats::allocations);
    text.labelled(("media_allocations_total", "Layer decisions for slots."), "reason", allocations);
    let estimates = stats().flat_map(Stats::estimates);
    text.labelled(("media_estimates_total", "Changes to downlink estimates."), "reason", estimates);
    let grades = stats().flat_map(Stats::grades);
    text.labelled(("media_quality_samples_total", "Quality samples, one per session and minute."), "grade", grades);
    for (name, help, count) in SAMPLED {
        let counts = stats().flat_map(Stats::flows).map(|(flow, sampled)| (flow, count(&sampled)));
        text.labelled((name, help), "flow", counts);
    }
    round_trips(&mut text, reports);
    connections(&mut text, reports, refused);
    bandwidth(&mut text, limits);
    text.single("media_registered", "Whether the node is registered with the edge.", u64::from(standing.is_registered));
    text.single("media_draining", "Whether the node is draining.", u64::from(is_draining));
    text.single("media_spans_lost", "Spans that the collector of traces did not get.", node_shell::traces::lost());
    if let Some(host) = host {
        host_load(&mut text, host);
    }
    text.finish()
}

fn host_load(text: &mut Text, host: HostLoad) {
    text.single(
        "media_host_cpu_permille",
        "CPU use of the host in thousandths of all cores.",
        host.cpu_permille.into(),
    );
    text.single("media_host_memory_permille", "Memory use of the host in thousandths.", host.memory_permille.into());
    text.single(
        "media_host_disk_permille",
        "Use of the spool's file system in thousandths.",
        host.disk_permille.into(),
    );
    text.single("media_host_network_in_bps", "Bits per second that the host receives.", host.network_in_bps);
    text.single("media_host_network_out_bps", "Bits per second that the host sends.", host.network_out_bps);
}

type Count = fn(&Sampled) -> u64;

/// Sums of the quality samples in each direction.
const SAMPLED: [(&str, &str, Count); 3] = [
    ("media_sampled_packets_total", "RTP packets of sampled sessions.", |sampled| sampled.packets),
    ("media_sampled_packets_lost_total", "Lost RTP packets of sampled sessions.", |sampled| sampled.packets_lost),
    ("media_sampled_freezes_total", "Freezes of sampled sessions.", |sampled| sampled.freezes),
];

/// TCP connections that a shard closed, and those that reached no shard.
fn connections(text: &mut Text, reports: &[(u16, Report)], refused: [u64; Refusal::ALL.len()]) {
    let closed = |(_, report): &(u16, Report)| report.streams.closed;
    let closed = reports.iter().flat_map(|report| Closing::ALL.iter().map(|(_, reason)| *reason).zip(closed(report)));
    text.labelled(("media_tcp_closed_total", "TCP connections closed by the node."), "reason", closed);
    let refused = Refusal::ALL.iter().map(|(_, reason)| *reason).zip(refused);
    text.labelled(("media_tcp_refused_total", "TCP connections that reached no session."), "reason", refused);
}

/// Omits the lines of missing limits.
fn bandwidth(text: &mut Text, limits: Limits) {
    const NAME: &str = "media_bandwidth_limit_bps";
    text.head(NAME, "Configured limits in bits per second.", "gauge");
    let limits = [
        ("client_out", limits.client_out_bps_max),
        ("client_in", limits.client_in_bps_max),
        ("node_out", limits.node_out_bps_max),
    ];
    for (limit, bps) in limits {
        bps.into_iter().for_each(|bps| text.line(NAME, &format!("limit=\"{limit}\""), bps));
    }
}

fn round_trips(text: &mut Text, reports: &[(u16, Report)]) {
    const NAME: &str = "media_round_trip_ms";
    text.head(NAME, "Sampled round-trip times to clients in milliseconds.", "histogram");
    let mut sums = [0; ROUND_TRIP_MS.len() + 1];
    let mut sum_ms = 0;
    for (_, report) in reports {
        let (counts, shard_ms) = report.stats.round_trips();
        sums.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
        sum_ms += shard_ms;
    }
    let mut within = 0;
    for (place, count) in sums.into_iter().enumerate() {
        within += count;
        let bound = ROUND_TRIP_MS.get(place).map_or("+Inf".to_owned(), u32::to_string);
        text.line(&format!("{NAME}_bucket"), &format!("le=\"{bound}\""), within);
    }
    text.line(&format!("{NAME}_sum"), "", sum_ms);
    text.line(&format!("{NAME}_count"), "", within);
}

#[cfg(test)]
mod tests {
    use super::*;
    use media_core::congestion::allocate::Limit;
    use media_core::stats::DropReason;
    use shared::control::{Grade, SessionQuality, TrackQuality};
    use shared::rtp_parameters::{Flow, MediaKind};
    use shared::signal::EstimateReason;
    use shared::{Mid, ParticipantId, RoomId, SessionId};
    use std::collections::BTreeSet;

    fn sample(round_trip_ms: u32) -> SessionQuality {
        let track = TrackQuality {
            mid: Mid::parse("3").expect("a mid"),
            flow: Flow::NodeToClient,
            kind: MediaKind::Audio,
            rid: None,
            bitrate_bps: 40_000,
            packets: 3_000,
            packets_lost: 2,
            jitter_ms: 3,
            frames: 0,
            frame_height: None,
            freezes: 0,
            nacks: 0,
            plis: 0,
            limit: None,
        };
        SessionQuality {
            room: RoomId::parse("daily").expect("a room"),
            session: SessionId::parse("s1").expect("a session"),
            participant: ParticipantId::parse("ada").expect("a participant"),
            interval_ms: 60_000,
            round_trip_ms: Some(round_trip_ms),
            estimate_bps: None,
            grade: Grade::Good,
            tracks: vec![track],
        }
    }

    #[test]
    fn tells_every_counter_of_every_shard_once() {
        let mut busy = Report { sessions: 3, share_bps: 250_000, ..Report::default() };
        busy.stats.rtp_out = 77;
        busy.stats.drop(DropReason::MalformedRtp);
        busy.stats.probe_bytes_out = 900;
        busy.stats.allocated(Limit::Estimate, true);
        busy.stats.estimated(EstimateReason::Delay);
        busy.stats.sampled(&sample(120));
        busy.streams.closed[1] = 5;
        let standing = Standing { is_registered: true, ..Standing::default() };
        let limits = Limits {
            client_out_bps_max: None,
            client_in_bps_max: Some(1_500_000),
            node_out_bps_max: None,
            start_bps: 300_000,
            min_bps: 50_000,
        };
        let host = HostLoad { memory_permille: 95, ..HostLoad::default() };
        let refused = [0, 0, 0, 0, 0, 9];
        let text = text(&[(0, Report::default()), (1, busy)], refused, limits, standing, false, Some(host));
        for expected in [
            "# TYPE media_rtp_out_total counter",
            "media_rtp_out_total{shard=\"0\"} 0",
            "media_rtp_out_total{shard=\"1\"} 77",
            "media_sessions{shard=\"1\"} 3",
            "media_drops_total{reason=\"malformed_rtp\"} 1",
            "media_probe_bytes_out_total{shard=\"1\"} 900",
            "media_allocations_total{reason=\"paused\"} 1",
            "media_estimates_total{reason=\"delay\"} 1",
            "media_quality_samples_total{grade=\"good\"} 1",
            "media_sampled_packets_lost_total{flow=\"out\"} 2",
            "media_sampled_freezes_total{flow=\"in\"} 0",
            "# TYPE media_round_trip_ms histogram",
            "media_round_trip_ms_bucket{le=\"100\"} 0",
            "media_round_trip_ms_bucket{le=\"200\"} 1",
            "media_round_trip_ms_bucket{le=\"+Inf\"} 1",
            "media_round_trip_ms_sum 120",
            "media_round_trip_ms_count 1",
            "media_share_bps{shard=\"1\"} 250000",
            "media_bandwidth_limit_bps{limit=\"client_in\"} 1500000",
            "media_tcp_closed_total{reason=\"slow_datagram\"} 5",
            "media_tcp_refused_total{reason=\"unknown\"} 9",
            "media_registered 1",
            "media_draining 0",
            "media_host_memory_permille 95",
        ] {
            assert!(text.lines().any(|line| line == expected), "{expected} is not in\n{text}");
        }
        let series: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let reasons = Closing::ALL.len() + Refusal::ALL.len() + DropReason::ALL.len() + EstimateReason::MEASURED.len();
        let labels = reasons + 5 + 4 + 2 * SAMPLED.len() + ROUND_TRIP_MS.len() + 3;
        assert_eq!(series.len(), 2 * METRICS.len() + labels + 1 + 3 + 5);
        let names: BTreeSet<_> = series.iter().filter_map(|line| line.rsplit_once(' ')).map(|(name, _)| name).collect();
        assert_eq!(names.len(), series.len());
    }

    /// Prometheus stores every series of every node, so even the largest node must have few.
    #[test]
    fn the_largest_node_has_few_series_of_each_metric() {
        let shards = u16::try_from(shared::limits::SHARDS_PER_NODE_MAX).expect("a few");
        let mut busy = Report { rooms: 100, sessions: 1_000, ..Report::default() };
        DropReason::ALL.into_iter().for_each(|reason| busy.stats.drop(reason));
        (0..2_000).step_by(10).for_each(|round_trip_ms| busy.stats.sampled(&sample(round_trip_ms)));
        let reports: Vec<_> = (0..shards).map(|shard| (shard, busy.clone())).collect();
        let standing = Standing { is_registered: true, ..Standing::default() };
        let limits = Limits {
            client_out_bps_max: Some(1),
            client_in_bps_max: Some(1),
            node_out_bps_max: Some(1),
            start_bps: 300_000,
            min_bps: 50_000,
        };
        let text = text(&reports, [0; Refusal::ALL.len()], limits, standing, false, Some(HostLoad::default()));
        let most = node_shell::metrics::most_series(&text);
        assert!(most < shared::limits::SERIES_PER_METRIC_MAX && most >= usize::from(shards), "{most} series");
    }
}
