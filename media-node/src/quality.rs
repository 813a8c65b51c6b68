//! Sends quality samples to the Worker: several sessions per request, and lost if the edge is unreachable.

use node_shell::post::{PostError, post};
use node_shell::settings::{EdgeUrl, Secret};
use shared::control::{QualityReport, SessionQuality};
use shared::limits::QUALITY_SESSIONS_PER_REPORT;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// Samples that may wait for a request: those of two minutes of a full node.
const SAMPLES_MAX: usize = 4_096;
/// Time for which the first sample of a request waits for others.
const GATHERED_FOR: Duration = Duration::from_secs(5);
const PATH: &str = "/v1/nodes/quality";

/// Samples are dropped if there is no room.
pub(crate) type Samples = mpsc::Sender<Box<SessionQuality>>;

/// Sends samples until every producer is gone.
pub(crate) fn start(edges: Arc<[EdgeUrl]>, token: Secret) -> Samples {
    let (samples, taken) = mpsc::channel(SAMPLES_MAX);
    tokio::spawn(send(taken, GATHERED_FOR, move |json| ask(Arc::clone(&edges), token.clone(), json)));
    samples
}

async fn send<F: Future<Output = Result<(), PostError>>>(
    mut samples: mpsc::Receiver<Box<SessionQuality>>,
    gathered_for: Duration,
    ask: impl Fn(String) -> F,
) {
    while let Some(first) = samples.recv().await {
        let until = Instant::now() + gathered_for;
        let mut sessions = vec![*first];
        while sessions.len() < QUALITY_SESSIONS_PER_REPORT
            && let Ok(Some(sample)) = timeout_at(until, samples.recv()).await
        {
            sessions.push(*sample);
        }
        let count = sessions.len();
        // Strings, numbers and lists of them always serialise.
        let json = serde_json::to_string(&QualityReport { sessions }).unwrap_or_default();
        if let Err(error) = ask(json).await {
            tracing::warn!(%error, sessions = count, "quality samples lost");
        }
    }
}

/// Asks the edges in turn.
async fn ask(edges: Arc<[EdgeUrl]>, token: Secret, json: String) -> Result<(), PostError> {
    let mut failed = PostError::Timeout;
    for edge in edges.iter() {
        match post(&edge.join_http(PATH), &token, json.clone()).await {
            Ok(_) => return Ok(()),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::control::Grade;
    use shared::{ParticipantId, RoomId, SessionId};
    use std::sync::Mutex;

    fn sample() -> Box<SessionQuality> {
        Box::new(SessionQuality {
            room: RoomId::parse("daily").expect("a room"),
            session: SessionId::parse("s1").expect("a session"),
            participant: ParticipantId::parse("ada").expect("a participant"),
            interval_ms: 60_000,
            round_trip_ms: Some(20),
            estimate_bps: None,
            grade: Grade::Excellent,
            tracks: Vec::new(),
        })
    }

    #[tokio::test]
    async fn samples_gather_in_requests_of_bounded_size_and_a_failure_does_not_end_that() {
        let (samples, taken) = mpsc::channel(SAMPLES_MAX);
        let sizes = Arc::<Mutex<Vec<usize>>>::default();
        let seen = Arc::clone(&sizes);
        let sending = tokio::spawn(send(taken, Duration::from_millis(5), move |json| {
            let report: QualityReport = serde_json::from_str(&json).expect("a report");
            let mut seen = seen.lock().expect("no panic");
            seen.push(report.sessions.len());
            std::future::ready(if seen.len() == 1 { Err(PostError::Timeout) } else { Ok(()) })
        }));
        for _ in 0..QUALITY_SESSIONS_PER_REPORT + 3 {
            samples.send(sample()).await.expect("taken");
        }
        drop(samples);
        sending.await.expect("ends with the node");
        assert_eq!(*sizes.lock().expect("no panic"), [QUALITY_SESSIONS_PER_REPORT, 3]);
    }
}
