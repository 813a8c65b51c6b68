//! Asks the edge for a new ticket.

use node_shell::post::{PostError, post};
use node_shell::settings::{EdgeUrl, Secret};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Ticket {
    ticket: String,
}

/// Asks the edges in turn. `None` if none answers.
pub(super) async fn renew(edges: &[EdgeUrl], token: &Secret, ticket: String) -> Option<String> {
    // Strings always serialise.
    let question = serde_json::to_string(&Ticket { ticket }).unwrap_or_default();
    for edge in edges {
        match ask(edge, token, question.clone()).await {
            Ok(ticket) => return Some(ticket),
            Err(error) => tracing::warn!(%error, "renewing a ticket failed"),
        }
    }
    None
}

async fn ask(edge: &EdgeUrl, token: &Secret, question: String) -> Result<String, PostError> {
    let answer = post(&edge.join_http("/v1/nodes/ticket"), token, question).await?;
    let answer: Ticket = serde_json::from_str(&answer).map_err(|error| PostError::Http(error.to_string()))?;
    Ok(answer.ticket)
}
