//! The node's control sockets: each has a task that carries frames between the edge and the core.

use crate::dial::dial;
use crate::link::{Link, LinkError};
use crate::settings::Secret;
use node_core::line::{News, SocketKey};
use shared::limits;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

/// Path of the Fleet object of the node's region.
pub const FLEET_PATH: &str = "/v1/nodes/socket";
/// News that may wait for the core; sockets wait when there is no place.
const NEWS_MAX: usize = 256;
/// Frames that may wait for a socket: each session of a room connects once and closes once, during a move possibly
/// twice.
const FRAMES_MAX: usize = 4 * limits::PARTICIPANTS_PER_ROOM_MAX;
/// Time for the last frames of all sockets.
const END_TIMEOUT: Duration = Duration::from_secs(1);

/// Never ends without a time.
pub async fn wait_until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

#[derive(Debug)]
pub struct Sockets {
    news: mpsc::Sender<(SocketKey, News)>,
    frames: BTreeMap<SocketKey, mpsc::Sender<String>>,
    tasks: JoinSet<()>,
}

impl Sockets {
    /// The sockets, and their news for the core.
    #[must_use]
    pub fn new() -> (Self, mpsc::Receiver<(SocketKey, News)>) {
        let (news, received) = mpsc::channel(NEWS_MAX);
        (Self { news, frames: BTreeMap::new(), tasks: JoinSet::new() }, received)
    }

    /// Opens a socket; its news tell the result.
    pub fn dial(&mut self, socket: SocketKey, url: String, token: Secret) {
        self.frames.retain(|_, frames| !frames.is_closed());
        while self.tasks.try_join_next().is_some() {}
        let (frames, received) = mpsc::channel(FRAMES_MAX);
        self.frames.insert(socket, frames);
        self.tasks.spawn(carry(socket, url, token, received, self.news.clone()));
    }

    /// Sends a frame over an open socket. A socket that is too slow is given up, as if it had broken.
    pub fn send(&mut self, socket: SocketKey, frame: String) {
        if self.frames.get(&socket).is_some_and(|frames| frames.try_send(frame).is_err()) {
            self.close(socket);
            self.tasks.spawn(tell(self.news.clone(), socket, News::Closed { reason: "too slow".to_owned() }));
        }
    }

    /// Closes a socket, or stops opening it. Frames that still wait are sent; no more news come.
    pub fn close(&mut self, socket: SocketKey) {
        self.frames.remove(&socket);
    }

    /// Closes every socket; returns once their last frames are sent.
    pub async fn end(mut self) {
        self.frames.clear();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(END_TIMEOUT, all).await.is_err() {
            tracing::warn!("a socket to the edge did not close in time");
        }
    }
}

async fn tell(news: mpsc::Sender<(SocketKey, News)>, socket: SocketKey, item: News) {
    // Without a receiver the node is stopping.
    let _ = news.send((socket, item)).await;
}

/// Runs until the socket is lost, or the sender of its frames is dropped.
async fn carry(
    socket: SocketKey,
    url: String,
    token: Secret,
    mut frames: mpsc::Receiver<String>,
    news: mpsc::Sender<(SocketKey, News)>,
) {
    let dialed = tokio::select! {
        dialed = dial(&url, &token) => dialed,
        // Nothing is sent over a socket that is not open: the sender was dropped.
        _ = frames.recv() => return,
    };
    let link = match dialed {
        Ok(link) => link,
        Err(error) => {
            let failed = News::Failed { is_final: error.is_final(), reason: error.to_string() };
            return tell(news, socket, failed).await;
        }
    };
    tell(news.clone(), socket, News::Opened).await;
    if let Err(error) = serve(link, socket, &mut frames, &news).await {
        // The core has given up a socket whose sender is gone.
        frames.close();
        tell(news, socket, News::Closed { reason: error.to_string() }).await;
    }
}

async fn serve(
    mut link: Link,
    socket: SocketKey,
    frames: &mut mpsc::Receiver<String>,
    news: &mpsc::Sender<(SocketKey, News)>,
) -> Result<(), LinkError> {
    loop {
        tokio::select! {
            text = link.next() => tell(news.clone(), socket, News::Frame(text?)).await,
            frame = frames.recv() => match frame {
                Some(frame) => link.send(frame).await?,
                None => {
                    link.close().await;
                    return Ok(());
                }
            },
        }
    }
}
