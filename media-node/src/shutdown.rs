//! Ending: rooms move elsewhere first.

use crate::shard::{Command, Shard};
use node_shell::fleet::Standing;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

/// How long the edge may take to hear that we will stop.
const ANNOUNCE_TIMEOUT: Duration = Duration::from_secs(2);
/// How often to look whether the last session has gone.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Tells the edge, which moves the rooms elsewhere, and goes on forwarding until nobody is left or the time is over.
/// Clients are told nothing: one that heard a goodbye would give its transport up instead of moving it.
pub(crate) async fn drain(
    shards: &[Shard],
    time: Duration,
    draining: &watch::Sender<bool>,
    mut standing: watch::Receiver<Standing>,
) {
    let deadline = Instant::now() + time;
    tracing::info!(seconds = time.as_secs(), sessions = sessions(shards), "draining");
    draining.send_replace(true);
    let announced = standing.wait_for(|standing| standing.has_announced_draining);
    if !matches!(timeout(ANNOUNCE_TIMEOUT.min(time), announced).await, Ok(Ok(_))) {
        tracing::warn!("could not notify the edge");
    }
    while sessions(shards) > 0 && Instant::now() < deadline {
        sleep(LOOK_INTERVAL).await;
    }
    tracing::info!(sessions = sessions(shards), "drained");
}

/// Ends the shards' threads.
pub(crate) async fn stop(shards: &[Shard]) {
    for shard in shards {
        shard.tell(Command::Stop).await;
    }
    let all_ended = async {
        while !shards.iter().all(Shard::has_ended) {
            sleep(Duration::from_millis(1)).await;
        }
    };
    if timeout(Duration::from_secs(1), all_ended).await.is_err() {
        tracing::warn!("a shard did not stop in time");
    }
}

fn sessions(shards: &[Shard]) -> usize {
    shards.iter().map(|shard| shard.report().sessions).sum()
}
