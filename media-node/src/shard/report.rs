//! A shard's reports to the other threads.

use crate::tcp::StreamReport;
use media_core::sfu::Sfu;
use media_core::stats::Stats;
use node_shell::load::{Meter, Rates};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use udp::Counters;

/// Interval of the shard's reports; also its longest sleep.
pub(super) const REPORT_INTERVAL: Duration = Duration::from_millis(500);

/// The state of a shard as of its last report.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) stats: Stats,
    pub(crate) udp: Counters,
    pub(crate) streams: StreamReport,
    /// Rooms with a session here.
    pub(crate) rooms: usize,
    pub(crate) sessions: usize,
    /// Pending timers.
    pub(crate) timers: usize,
    /// Commands taken from other threads.
    pub(crate) commands: u64,
    /// Times that it let datagrams gather.
    pub(crate) lingers: u64,
    /// The limit of each client while the shard's limit is reached; 0 while it is not.
    pub(crate) share_bps: u64,
    pub(crate) datagrams_out_per_s: u64,
    pub(crate) busy_permille: u16,
    /// `None` before the first report.
    pub(crate) at: Option<Instant>,
}

pub(super) struct Reporter {
    report: Arc<Mutex<Report>>,
    due_at: Instant,
    meter: Meter,
}

impl Reporter {
    pub(super) fn new(now: Instant, report: Arc<Mutex<Report>>) -> Self {
        Self { report, due_at: now, meter: Meter::new(now) }
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        now >= self.due_at
    }

    pub(super) fn report(
        &mut self,
        now: Instant,
        sfu: &Sfu,
        (commands, lingers): (u64, u64),
        udp: Counters,
        streams: StreamReport,
    ) {
        let stats = sfu.stats();
        let Rates { datagrams_out_per_s, busy_permille } = self.meter.read(now, stats.datagrams_out);
        let report = Report {
            stats: stats.clone(),
            udp,
            streams,
            rooms: sfu.room_count(),
            sessions: sfu.session_count(),
            timers: sfu.timer_count(),
            commands,
            lingers,
            share_bps: sfu.share_bps().unwrap_or(0),
            datagrams_out_per_s,
            busy_permille,
            at: Some(now),
        };
        self.due_at = now + REPORT_INTERVAL;
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = report;
    }
}
