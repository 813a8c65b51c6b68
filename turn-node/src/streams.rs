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
mod peers;
mod relay;
mod wire;

pub(crate) use client::Closing;
pub(crate) use entrance::{Arrivals, Entrance};

use crate::config::Families;
use crate::shard::{Orders, REPORT_INTERVAL, Report, Shard, Wake};
use crate::tls::Tls;
use anyhow::Context;
use hub::Hub;
use node_shell::load::{Meter, Rates};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;
use tokio::task::LocalSet;
use tokio::time::{MissedTickBehavior, interval};
use turn_core::TurnServer;

/// A thread's connections.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StreamReport {
    pub(crate) open: u64,
    /// Connections without an allocation.
    pub(crate) strangers: u64,
    pub(crate) accepted: u64,
    pub(crate) refused_full: u64,
    pub(crate) refused_address: u64,
    /// Datagrams dropped because their client reads too slowly.
    pub(crate) slow_reader: u64,
    /// Indexed like [`Closing::ALL`].
    pub(crate) closed: [u64; Closing::ALL.len()],
}

/// Starts a thread for the connections from the entrance.
pub(crate) fn start(
    index: u16,
    arrivals: Arrivals,
    relay_bind: Families,
    tls: Option<Tls>,
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
        let mut meter = Meter::new(Instant::now());
        loop {
            tokio::select! {
                () = self.woken.notified() => {}
                _ = ticks.tick() => {
                    hub.sweep();
                    self.tell(hub, &mut meter);
                }
                Some((stream, from)) = arrivals.next() => hub.admit(stream, from),
            }
            if self.orders.obey(&mut hub.state().server) {
                return;
            }
        }
    }

    fn tell(&self, hub: &Hub, meter: &mut Meter) {
        let now = Instant::now();
        let Rates { datagrams_out_per_s, busy_permille } = meter.read(now, hub.state().datagrams_out());
        let report = Report { at: Some(now), datagrams_out_per_s, busy_permille, ..hub.state().report() };
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = report;
    }
}
