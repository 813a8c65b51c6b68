//! Stops the shards at the end of the node.

use crate::shard::{Command, Shard};
use std::time::Duration;
use tokio::time::{sleep, timeout};

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
