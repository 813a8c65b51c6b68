//! TURN over TCP and TLS (RFC 8656 §3.1): threads of their own, so that handshakes and slow readers never delay
//! datagrams.
//!
//! Start at [`start`]. A thread runs one `TurnServer` and one task for each connection and each relayed address. An
//! address's connections all come to the same thread, where they are counted, and where the connections of RFC 6062 find
//! their allocation.

mod client;
mod conversation;
mod entrance;
mod hub;
mod outgoing;
mod peers;
mod places;
mod relay;
mod wire;

pub(crate) use client::Closing;
pub(crate) use entrance::{Arrivals, Entrance, listen};

use crate::config::Families;
use crate::shard::{Orders, REPORT_INTERVAL, Report, Shard, Wake, thread_cpu};
use anyhow::Context;
use hub::Hub;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::LocalSet;
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::rustls::ServerConfig;
use turn_core::TurnServer;

/// After a failed accept: descriptors come back when connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a thread counts about its connections.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StreamReport {
    pub(crate) open: u64,
    /// Of those, the ones without an allocation.
    pub(crate) strangers: u64,
    pub(crate) accepted: u64,
    pub(crate) refused_full: u64,
    pub(crate) refused_address: u64,
    /// Datagrams dropped because their client reads too slowly.
    pub(crate) slow_reader: u64,
    /// By the place in [`Closing::ALL`].
    pub(crate) closed: [u64; Closing::ALL.len()],
}

/// Starts a thread for the connections that come from the entrance.
pub(crate) fn start(
    index: u16,
    arrivals: Arrivals,
    relay_bind: Families,
    tls: Option<Arc<ServerConfig>>,
    server: TurnServer,
) -> anyhow::Result<Shard> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting a thread's runtime")?;
    let (orders, woken, report) = (Arc::<Orders>::default(), Arc::new(Notify::new()), Arc::default());
    let wake = Arc::clone(&woken);
    let thread = Thread { orders: Arc::clone(&orders), woken, report: Arc::clone(&report) };
    Shard::spawn(index, orders, Wake(Box::new(move || wake.notify_one())), report, move || {
        let hub = Hub::new(server, relay_bind, tls);
        LocalSet::new().block_on(&runtime, thread.run(&hub, arrivals));
    })
}

struct Thread {
    orders: Arc<Orders>,
    woken: Arc<Notify>,
    report: Arc<Mutex<Report>>,
}

impl Thread {
    async fn run(self, hub: &Rc<Hub>, mut arrivals: Arrivals) {
        let mut ticks = interval(REPORT_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut before = Before { at: Instant::now(), cpu: Duration::ZERO, datagrams: 0 };
        loop {
            tokio::select! {
                () = self.woken.notified() => {}
                _ = ticks.tick() => {
                    hub.sweep();
                    self.tell(hub, &mut before);
                }
                Some((stream, from)) = arrivals.next() => hub.admit(stream, from),
            }
            if self.orders.obey(&mut hub.state().server) {
                return;
            }
        }
    }

    fn tell(&self, hub: &Hub, before: &mut Before) {
        let now = Before { at: Instant::now(), cpu: thread_cpu(), datagrams: hub.state().datagrams_out() };
        let elapsed_ms = now.at.saturating_duration_since(before.at).as_millis().max(1) as u64;
        let used = now.cpu.saturating_sub(before.cpu).as_micros() as u64;
        let report = Report {
            at: Some(now.at),
            datagrams_out_per_s: (now.datagrams - before.datagrams) * 1_000 / elapsed_ms,
            busy_permille: (used / elapsed_ms).min(1_000) as u16,
            ..hub.state().report()
        };
        *before = now;
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = report;
    }
}

/// Figures of the previous report, for rates.
struct Before {
    at: Instant,
    cpu: Duration,
    datagrams: u64,
}
