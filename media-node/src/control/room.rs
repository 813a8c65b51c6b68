//! The socket to one Room object that this node serves: its wishes go to the shard, the shard's news to it.

use super::{Node, Notice, ticket};
use crate::shard::Command;
use node_shell::backoff::Backoff;
use node_shell::dial::dial;
use node_shell::link::{Link, LinkError};
use node_shell::settings::Secret;
use shared::control::{NodeToRoom, RecordingOrder, RoomToNode, WelcomeParts};
use shared::signal::RecordingState;
use shared::{ErrorCode, RoomId, SessionId, limits};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};

/// A room that has had no session for this long is left. The Room object releases its node earlier; this is for one
/// that could not. Leaving a room that still wanted us would cost its next participant a wait.
const EMPTY_TIMEOUT: Duration = Duration::from_millis(2 * limits::EMPTY_ROOM_LIFETIME_MS);

/// Keeps one room's socket open for one epoch.
pub(super) struct RoomLink {
    node: Arc<Node>,
    room: RoomId,
    epoch: u64,
    shard: u16,
    ticket: watch::Receiver<Secret>,
    sessions: Sessions,
    /// For the recorder's news; not a whole sender, as the link ends when the last of them does.
    tell: mpsc::WeakSender<NodeToRoom>,
}

/// The reason a link does not dial again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The room wants us no longer, or is empty: its sessions are closed.
    Over,
    /// A newer assignment of the same room has taken over, with the sessions.
    Replaced,
}

enum Pause {
    /// Only the socket: dial again.
    Lost(LinkError),
    For(End),
}

impl From<LinkError> for Pause {
    fn from(error: LinkError) -> Self {
        Self::Lost(error)
    }
}

impl RoomLink {
    pub(super) fn new(
        node: Arc<Node>,
        room: RoomId,
        epoch: u64,
        shard: u16,
        ticket: Secret,
        tell: mpsc::WeakSender<NodeToRoom>,
    ) -> Self {
        let ticket = ticket::keep_fresh(Arc::clone(&node), ticket);
        Self { node, room, epoch, shard, ticket, sessions: Sessions::default(), tell }
    }

    /// Dials, and dials again, until the assignment is over. Media goes on all the while.
    pub(super) async fn run(
        mut self,
        mut events: mpsc::Receiver<NodeToRoom>,
        draining: watch::Receiver<bool>,
        notices: mpsc::Sender<Notice>,
    ) {
        let end = self.keep_dialling(&mut events, draining).await;
        if end == End::Over {
            self.tell_shard(RoomToNode::Release {}).await;
        }
        self.record(None).await;
        tracing::debug!(room = %self.room, epoch = self.epoch, ?end, "the link to the room ended");
        // Without a receiver the whole node is stopping.
        let _ = notices.send(Notice::Ended { room: self.room, epoch: self.epoch }).await;
    }

    async fn keep_dialling(&mut self, events: &mut mpsc::Receiver<NodeToRoom>, draining: watch::Receiver<bool>) -> End {
        let node = Arc::clone(&self.node);
        let mut backoff = Backoff::new(node.seed ^ self.epoch);
        let path = format!("/v1/rooms/{}/node", self.room);
        for edge in node.edges.iter().cycle() {
            let ticket = self.ticket.borrow().clone();
            match dial(&edge.join(&path), &ticket).await {
                Ok(link) => match self.serve(link, events, draining.clone(), &mut backoff).await {
                    Pause::Lost(error) => tracing::warn!(room = %self.room, %error, "the socket to the room closed"),
                    Pause::For(end) => return end,
                },
                Err(error) if error.is_final() => {
                    tracing::warn!(room = %self.room, epoch = self.epoch, %error, "the room refused this node");
                    return End::Over;
                }
                Err(error) => tracing::warn!(room = %self.room, %error, "connecting to the room failed"),
            }
            if wait(backoff.next_wait(), events).await == Some(End::Replaced) {
                return End::Replaced;
            }
        }
        End::Over
    }

    async fn serve(
        &mut self,
        mut link: Link,
        events: &mut mpsc::Receiver<NodeToRoom>,
        mut draining: watch::Receiver<bool>,
        backoff: &mut Backoff,
    ) -> Pause {
        let hello = self.hello().await;
        if let Err(error) = link.send(&hello).await {
            return error.into();
        }
        draining.mark_changed();
        // What came of a welcome goes with the socket.
        let mut parts = WelcomeParts::default();
        loop {
            let step = tokio::select! {
                frame = link.next::<RoomToNode>() => match frame {
                    Ok(Ok(message)) => match parts.take(message) {
                        Ok(Some(message)) => self.obey(message, backoff).await,
                        Ok(None) => Ok(()),
                        Err(error) => Err(Pause::Lost(LinkError::Closed(Some(error.to_string())))),
                    },
                    Ok(Err(error)) => {
                        tracing::warn!(room = %self.room, %error, "the room sent an unreadable frame");
                        Ok(())
                    }
                    Err(error) => Err(error.into()),
                },
                event = events.recv() => match event {
                    Some(event) => link.send(&event).await.map_err(Pause::from),
                    None => Err(Pause::For(End::Replaced)),
                },
                Ok(()) = draining.changed() => {
                    let is_draining = *draining.borrow_and_update();
                    self.announce(&mut link, is_draining).await
                }
                () = sleep_until(self.sessions.empty_at()) => Err(Pause::For(End::Over)),
            };
            match step {
                Ok(()) => {}
                Err(Pause::For(end)) => {
                    link.close().await;
                    return Pause::For(end);
                }
                Err(lost) => return lost,
            }
        }
    }

    async fn hello(&self) -> NodeToRoom {
        let connected = match self.node.shards.get(usize::from(self.shard)) {
            Some(shard) => shard.connected_sessions(self.room.clone()).await,
            None => Vec::new(),
        };
        NodeToRoom::Hello { node: self.node.id.clone(), epoch: self.epoch, connected }
    }

    async fn obey(&mut self, message: RoomToNode, backoff: &mut Backoff) -> Result<(), Pause> {
        match &message {
            RoomToNode::Welcome { sessions, forwards, .. } => {
                backoff.reset();
                let (sessions, forwards) = (sessions.len(), forwards.len());
                tracing::info!(room = %self.room, epoch = self.epoch, sessions, forwards, "welcome");
            }
            RoomToNode::Refused { code } => {
                tracing::warn!(room = %self.room, epoch = self.epoch, code = code.as_str(), "refused");
                let is_over = !code.may_retry();
                let closed = LinkError::Closed(Some(code.as_str().to_owned()));
                return Err(if is_over { Pause::For(End::Over) } else { Pause::Lost(closed) });
            }
            RoomToNode::Release {} => return Err(Pause::For(End::Over)),
            RoomToNode::Error { code, message } => {
                tracing::warn!(room = %self.room, code = code.as_str(), message, "the room rejected a message");
                return Ok(());
            }
            RoomToNode::WelcomePart { .. }
            | RoomToNode::SetSession { .. }
            | RoomToNode::CloseSession { .. }
            | RoomToNode::SetForwards { .. }
            | RoomToNode::SetRecording { .. } => {}
        }
        self.sessions.note(&message, Instant::now());
        // The recorder hears of a track before the shard copies the first packet of it.
        if let RoomToNode::Welcome { recording, .. } | RoomToNode::SetRecording { recording } = &message {
            self.record(recording.clone()).await;
        }
        self.tell_shard(message).await;
        Ok(())
    }

    async fn record(&self, order: Option<RecordingOrder>) {
        if let Some(recorder) = &self.node.recorder {
            recorder.set(&self.room, self.epoch, std::time::Instant::now(), order, self.tell.clone()).await;
        } else if let Some(order) = order {
            tracing::warn!(room = %self.room, "the edge requested a recording, but no storage is configured");
            let code = Some(ErrorCode::RecordingUnavailable);
            let (recording, state) = (order.recording, RecordingState::Failed);
            if let Some(tell) = self.tell.upgrade() {
                // A full queue is told anew with the next welcome.
                let _ = tell.try_send(NodeToRoom::RecordingState { recording, state, code });
            }
        }
    }

    async fn announce(&self, link: &mut Link, is_draining: bool) -> Result<(), Pause> {
        if is_draining {
            link.send(&NodeToRoom::Draining {}).await?;
        }
        Ok(())
    }

    async fn tell_shard(&self, message: RoomToNode) {
        if let Some(shard) = self.node.shards.get(usize::from(self.shard)) {
            shard.tell(Command::Control { room: self.room.clone(), message }).await;
        }
    }
}

/// Waits until it is time to dial again. News meanwhile are dropped: the next hello tells how things are then.
async fn wait(time: Duration, events: &mut mpsc::Receiver<NodeToRoom>) -> Option<End> {
    let over = sleep(time);
    tokio::pin!(over);
    loop {
        tokio::select! {
            () = &mut over => return None,
            event = events.recv() => if event.is_none() {
                return Some(End::Replaced);
            },
        }
    }
}

/// The sessions that the room has opened here, to know when it is empty.
#[derive(Debug)]
struct Sessions {
    open: BTreeSet<SessionId>,
    /// Since when there is none.
    empty_since: Instant,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { open: BTreeSet::new(), empty_since: Instant::now() }
    }
}

impl Sessions {
    fn note(&mut self, message: &RoomToNode, now: Instant) {
        match message {
            RoomToNode::Welcome { sessions, .. } => {
                self.open = sessions.iter().map(|session| session.session.clone()).collect();
            }
            RoomToNode::SetSession { session } => {
                self.open.insert(session.session.clone());
            }
            RoomToNode::CloseSession { session } => {
                self.open.remove(session);
            }
            RoomToNode::WelcomePart { .. }
            | RoomToNode::SetForwards { .. }
            | RoomToNode::SetRecording { .. }
            | RoomToNode::Release {}
            | RoomToNode::Refused { .. }
            | RoomToNode::Error { .. } => return,
        }
        self.empty_since = now;
    }

    /// When the room is to be left, if nothing happens before.
    fn empty_at(&self) -> Instant {
        /// As good as never.
        const DAY: Duration = Duration::from_secs(24 * 3_600);
        if self.open.is_empty() { self.empty_since + EMPTY_TIMEOUT } else { Instant::now() + DAY }
    }
}
