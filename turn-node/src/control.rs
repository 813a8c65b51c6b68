//! The node's side of its socket to the region's Fleet object.

use crate::shard::{Report, Shard};
use crate::tls::Certificate;
use node_core::line::{News, SocketKey};
use node_core::membership::{Membership, Order, Output, Standing};
use node_shell::load::{self, ThreadLoad};
use node_shell::settings::{EdgeUrl, Secret};
use node_shell::sockets::{FLEET_PATH, Sockets, wait_until};
use shared::control::{HostLoad, NodeLoad, NodeToFleet, TurnRegistration};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

/// Interval of checks for the certificate that clients of the `turns:` addresses need.
const CERTIFICATE_INTERVAL: Duration = Duration::from_secs(1);

/// Reports to the Fleet object and executes its orders. Without the socket, allocations still reach the media nodes
/// announced last.
pub(crate) struct Control {
    /// With every address that the node has for clients.
    pub(crate) registration: TurnRegistration,
    /// `None` without TLS of the node's own.
    pub(crate) certificate: Option<Arc<Certificate>>,
    pub(crate) edges: Vec<EdgeUrl>,
    pub(crate) token: Secret,
    /// Media nodes from the configuration.
    pub(crate) media_nodes: BTreeSet<SocketAddr>,
    pub(crate) shards: Arc<[Shard]>,
    /// The number of media node addresses last announced by the Fleet object.
    pub(crate) named: watch::Sender<usize>,
    pub(crate) draining: watch::Receiver<bool>,
    pub(crate) standing: watch::Sender<Standing>,
    pub(crate) host: watch::Receiver<Option<HostLoad>>,
    /// Seed for the jitter of retries.
    pub(crate) seed: u64,
}

impl Control {
    /// Runs until the sender of `draining` is dropped; then the last frames are sent and the socket is closed.
    pub(crate) async fn run(mut self) {
        let Some(mut usable) = self.first_usable().await else { return };
        let registration = NodeToFleet::RegisterTurn(usable.clone());
        let mut membership = Membership::new(Instant::now(), registration, self.edges.len(), self.seed);
        let (mut sockets, mut news) = Sockets::new();
        while self.step(&mut membership, &mut news).await {
            if let Some(changed) = self.usable().filter(|changed| *changed != usable) {
                tracing::info!(urls = ?changed.urls, "the addresses for clients changed");
                usable = changed;
                membership.register_again(Instant::now(), NodeToFleet::RegisterTurn(usable.clone()));
            }
            while let Some(output) = membership.poll_output() {
                match output {
                    Output::Dial { socket, edge } => {
                        if let Some(edge) = self.edges.get(edge) {
                            sockets.dial(socket, edge.join(FLEET_PATH), self.token.clone());
                        }
                    }
                    Output::Send { socket, frame } => sockets.send(socket, frame),
                    Output::Close { socket } => sockets.close(socket),
                }
            }
            let standing = membership.standing();
            self.standing.send_if_modified(|known| std::mem::replace(known, standing) != standing);
        }
        sockets.end().await;
    }

    /// Waits until clients can use an address. `None` if the node stops before.
    async fn first_usable(&mut self) -> Option<TurnRegistration> {
        loop {
            if let Some(usable) = self.usable() {
                return Some(usable);
            }
            tokio::select! {
                () = sleep(CERTIFICATE_INTERVAL) => {}
                changed = self.draining.changed() => changed.ok()?,
            }
        }
    }

    /// The registration with the addresses that clients can use now; `None` if there are none.
    fn usable(&self) -> Option<TurnRegistration> {
        let has_tls = self.certificate.as_ref().is_none_or(|certificate| certificate.is_valid());
        let urls: Vec<String> =
            self.registration.urls.iter().filter(|url| has_tls || !url.starts_with("turns:")).cloned().collect();
        (!urls.is_empty()).then(|| TurnRegistration { urls, ..self.registration.clone() })
    }

    /// Waits for one input and hands it to the core. False if the node stops.
    async fn step(&mut self, membership: &mut Membership, news: &mut mpsc::Receiver<(SocketKey, News)>) -> bool {
        let wake_at = membership.poll_timeout();
        tokio::select! {
            Some((socket, item)) = news.recv() => {
                if let Some(order) = membership.handle_news(Instant::now(), socket, item) {
                    self.obey(order);
                }
            }
            () = wait_until(wake_at) => membership.handle_deadline(Instant::now(), self.load()),
            () = sleep(CERTIFICATE_INTERVAL), if self.certificate.is_some() => {}
            changed = self.draining.changed() => match changed {
                Ok(()) if *self.draining.borrow_and_update() => membership.begin_draining(),
                Ok(()) => {}
                Err(_) => return false,
            },
        }
        true
    }

    fn load(&self) -> NodeLoad {
        let of_shard = |shard: &Shard| {
            let Report { allocations, datagrams_out_per_s, busy_permille, .. } = shard.report();
            ThreadLoad { rooms: 0, sessions: allocations, datagrams_out_per_s, busy_permille }
        };
        load::of_threads(self.shards.iter().map(of_shard), *self.host.borrow())
    }

    fn obey(&self, order: Order) {
        match order {
            Order::SetMediaNodes(addresses) => {
                tracing::info!(addresses = addresses.len(), "media nodes changed");
                self.named.send_replace(addresses.len());
                let nodes: BTreeSet<SocketAddr> = addresses.into_iter().chain(self.media_nodes.clone()).collect();
                let nodes = Arc::new(nodes);
                self.shards.iter().for_each(|shard| shard.set_media_nodes(Arc::clone(&nodes)));
            }
            Order::Assign(_) | Order::Probe { .. } => {
                tracing::warn!("the edge sent a media node's message to this TURN node");
            }
        }
    }
}
