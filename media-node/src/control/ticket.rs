//! Keeps the ticket of a room's link fresh: a room may last longer than a ticket.

use super::Node;
use node_shell::post::{PostError, post};
use node_shell::settings::Secret;
use serde::{Deserialize, Serialize};
use shared::limits;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// How long a ticket is kept before a new one is asked for.
const RENEWAL: Duration = Duration::from_millis(limits::NODE_TICKET_RENEWAL_MS);
/// Pause after an attempt that failed.
const RETRY: Duration = Duration::from_secs(60);

#[derive(Serialize, Deserialize)]
struct Ticket {
    ticket: String,
}

/// Holds the newest ticket for the next dial. Renewal ends when the receiver is dropped.
pub(super) fn keep_fresh(node: Arc<Node>, ticket: Secret) -> watch::Receiver<Secret> {
    let (sender, receiver) = watch::channel(ticket);
    tokio::spawn(renew(sender, RENEWAL, RETRY, move |ticket| ask(Arc::clone(&node), ticket)));
    receiver
}

async fn renew<F: Future<Output = Result<Secret, PostError>>>(
    ticket: watch::Sender<Secret>,
    renewal: Duration,
    retry: Duration,
    ask: impl Fn(Secret) -> F,
) {
    let mut pause = renewal;
    loop {
        tokio::select! {
            () = sleep(pause) => {}
            () = ticket.closed() => return,
        }
        let before = ticket.borrow().clone();
        pause = match ask(before).await {
            Ok(fresh) => {
                ticket.send_replace(fresh);
                renewal
            }
            Err(error) => {
                tracing::warn!(%error, "renewing a ticket failed");
                retry
            }
        };
    }
}

/// Asks the edges in turn.
async fn ask(node: Arc<Node>, ticket: Secret) -> Result<Secret, PostError> {
    let question = serde_json::to_string(&Ticket { ticket: ticket.expose().to_owned() });
    let question = question.map_err(|error| PostError::Http(error.to_string()))?;
    let mut failed = PostError::Timeout;
    for edge in &node.edges {
        match post(&edge.join_http("/v1/nodes/ticket"), &node.token, question.clone()).await {
            Ok(answer) => {
                let answer: Result<Ticket, _> = serde_json::from_str(&answer);
                let fresh = answer.map_err(|error| PostError::Http(error.to_string()))?;
                return Ok(Secret::from(fresh.ticket));
            }
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[tokio::test]
    async fn a_ticket_is_replaced_again_and_again_and_a_failure_does_not_end_that() {
        let (sender, mut ticket) = watch::channel(Secret::from("t0".to_owned()));
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let renewing = tokio::spawn(renew(sender, Duration::from_millis(5), Duration::from_millis(1), move |before| {
            let number = count.fetch_add(1, Ordering::Relaxed);
            async move {
                match number {
                    1 => Err(PostError::Timeout),
                    _ => Ok(Secret::from(format!("{}+", before.expose()))),
                }
            }
        }));
        for expected in ["t0+", "t0++", "t0+++"] {
            ticket.changed().await.expect("goes on");
            assert_eq!(ticket.borrow_and_update().expose(), expected);
        }
        assert!(asked.load(Ordering::Relaxed) >= 4);
        drop(ticket);
        renewing.await.expect("ends with the link");
    }
}
