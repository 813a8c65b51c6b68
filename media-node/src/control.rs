//! Carries out the orders of the node's control: opens its sockets to the edge, and tells shards and recorder.

mod ticket;

use crate::probe::Probes;
use crate::quality::{self, Samples};
use crate::record::Recorder;
use crate::record::order::RoomLine;
use crate::shard::{Command, Event, Report, Shard};
use media_core::control::{self, Input, Output};
use node_core::line::{News, SocketKey};
use node_core::membership::Standing;
use node_shell::load::{self, ThreadLoad};
use node_shell::settings::{EdgeUrl, Secret};
use node_shell::sockets::{FLEET_PATH, Sockets, wait_until};
use shared::control::{HostLoad, NodeLoad, NodeRegistration};
use shared::limits;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, oneshot, watch};

/// Answers of shards, recorder and edge that may wait for the core.
const ANSWERS_MAX: usize = 4 * limits::PARTICIPANTS_PER_ROOM_MAX;

/// One node, with the channels to its parts.
pub(crate) struct Node {
    pub(crate) registration: NodeRegistration,
    pub(crate) token: Secret,
    pub(crate) edges: Arc<[EdgeUrl]>,
    pub(crate) shards: Arc<[Shard]>,
    /// `None` if recording is off.
    pub(crate) recorder: Option<Recorder>,
    pub(crate) host: watch::Receiver<Option<HostLoad>>,
    /// Seed for the jitter of retries.
    pub(crate) seed: u64,
}

/// The control's ends of the channels to the rest of the node.
pub(crate) struct Channels {
    /// From all shards.
    pub(crate) events: mpsc::Receiver<Event>,
    /// Shards that have lost their sessions.
    pub(crate) restarts: mpsc::Receiver<u16>,
    /// The time at which a draining node stops at the latest.
    pub(crate) draining: watch::Receiver<Option<Instant>>,
    /// Sent to once the node may stop.
    pub(crate) drained: oneshot::Sender<()>,
    pub(crate) standing: watch::Sender<Standing>,
}

pub(crate) struct Control {
    core: control::Control,
    sockets: Sockets,
    answers: mpsc::Sender<Input>,
    samples: Samples,
    probes: Probes,
    drained: Option<oneshot::Sender<()>>,
    standing: watch::Sender<Standing>,
    node: Node,
}

/// The inputs of the core.
struct Inbox {
    news: mpsc::Receiver<(SocketKey, News)>,
    answers: mpsc::Receiver<Input>,
    events: mpsc::Receiver<Event>,
    restarts: mpsc::Receiver<u16>,
    draining: watch::Receiver<Option<Instant>>,
}

/// Runs until the sender of `draining` is dropped, or the shards are gone; then the last frames are sent and all sockets
/// are closed.
pub(crate) async fn run(node: Node, channels: Channels) {
    let Channels { events, restarts, draining, drained, standing } = channels;
    let (sockets, news) = Sockets::new();
    let (answers, answered) = mpsc::channel(ANSWERS_MAX);
    let config = control::Config {
        registration: node.registration.clone(),
        edges: node.edges.len(),
        records: node.recorder.is_some(),
        seed: node.seed,
    };
    let mut control = Control {
        core: control::Control::new(Instant::now(), config),
        sockets,
        probes: Probes::new(answers.clone()),
        answers,
        samples: quality::start(Arc::clone(&node.edges), node.token.clone()),
        drained: Some(drained),
        standing,
        node,
    };
    let mut inbox = Inbox { news, answers: answered, events, restarts, draining };
    while let Some(input) = inbox.next(control.core.poll_timeout(), &control.node).await {
        control.core.handle_input(Instant::now(), input);
        while let Some(output) = control.core.poll_output() {
            control.execute(output).await;
        }
        let standing = control.core.standing();
        control.standing.send_if_modified(|known| std::mem::replace(known, standing) != standing);
    }
    control.sockets.end().await;
}

impl Inbox {
    /// `None` if the node stops.
    async fn next(&mut self, wake_at: Option<Instant>, node: &Node) -> Option<Input> {
        loop {
            return tokio::select! {
                Some((socket, news)) = self.news.recv() => Some(Input::Socket { socket, news }),
                Some(answer) = self.answers.recv() => Some(answer),
                event = self.events.recv() => event.map(|Event { shard, output }| Input::Shard { shard, output }),
                Some(shard) = self.restarts.recv() => Some(Input::ShardLost { shard }),
                changed = self.draining.changed() => match changed {
                    Ok(()) => match *self.draining.borrow_and_update() {
                        Some(until) => Some(Input::Drain { until }),
                        None => continue,
                    },
                    Err(_) => None,
                },
                () = wait_until(wake_at) => Some(Input::Deadline { load: node.load() }),
            };
        }
    }
}

impl Control {
    async fn execute(&mut self, output: Output) {
        match output {
            Output::DialFleet { socket, edge } => self.dial(socket, edge, FLEET_PATH, self.node.token.clone()),
            Output::DialRoom { socket, edge, room, ticket } => {
                self.dial(socket, edge, &format!("/v1/rooms/{room}/node"), Secret::from(ticket));
            }
            Output::Send { socket, frame } => self.sockets.send(socket, frame),
            Output::Close { socket } => self.sockets.close(socket),
            Output::AskConnected { socket, shard, room } => {
                let Some(shard) = self.node.shards.get(usize::from(shard)) else { return };
                let connected = shard.connected_sessions(room).await;
                let answers = self.answers.clone();
                tokio::spawn(async move {
                    // A shard that has ended has no sessions.
                    let sessions = connected.await.unwrap_or_default();
                    let _ = answers.send(Input::Connected { socket, sessions }).await;
                });
            }
            Output::TellShard { shard, room, message } => {
                if let Some(shard) = self.node.shards.get(usize::from(shard)) {
                    shard.tell(Command::Control { room, message }).await;
                }
            }
            Output::Record { room, epoch, order } => {
                if let Some(recorder) = &self.node.recorder {
                    let line = RoomLine { room, epoch, inputs: self.answers.clone() };
                    recorder.set(Instant::now(), order, line).await;
                }
            }
            Output::RenewTicket { room, epoch, ticket } => {
                let (edges, token) = (Arc::clone(&self.node.edges), self.node.token.clone());
                let answers = self.answers.clone();
                tokio::spawn(async move {
                    let ticket = ticket::renew(&edges, &token, ticket).await;
                    let _ = answers.send(Input::Ticket { room, epoch, ticket }).await;
                });
            }
            Output::Probe { probe, addresses, tcp, credential } => self.probes.start(probe, addresses, tcp, credential),
            Output::Sample(sample) => {
                if self.samples.try_send(sample).is_err() {
                    tracing::debug!("quality sample dropped: the queue is full");
                }
            }
            Output::Drained => {
                // Without a receiver the node no longer waits.
                let _ = self.drained.take().map(|drained| drained.send(()));
            }
        }
    }

    fn dial(&mut self, socket: SocketKey, edge: usize, path: &str, token: Secret) {
        if let Some(edge) = self.node.edges.get(edge) {
            self.sockets.dial(socket, edge.join(path), token);
        }
    }
}

impl Node {
    fn load(&self) -> NodeLoad {
        let of_shard = |shard: &Shard| {
            let Report { rooms, sessions, datagrams_out_per_s, busy_permille, .. } = shard.report();
            ThreadLoad { rooms, sessions, datagrams_out_per_s, busy_permille }
        };
        load::of_threads(self.shards.iter().map(of_shard), *self.host.borrow())
    }
}
