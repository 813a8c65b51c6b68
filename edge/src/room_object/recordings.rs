//! Handles nodes' recording reports, which arrive over HTTP.

use super::RoomObject;
use crate::internal::question;
use crate::internal::recordings::{Reported, Verdict};
use edge_core::room::Input;
use shared::control::RecordingVerdict;
use worker::{Request, Response, Result};

/// Names the call in the room's answer; an object handles one input at a time, so the number is unambiguous.
const CALL: u64 = 0;

impl RoomObject {
    /// Handles a node's report; an unknown room ignores it. If the platform fails, the node asks again.
    pub(super) async fn recording_reported(&self, mut request: Request) -> Result<Response> {
        let Reported { node, report } = question(&mut request).await?;
        let answers = self.attempt(Input::RecordingReported { call: CALL, node, report }).await?;
        let verdict = answers.verdicts.into_iter().next().map(|(_, verdict)| verdict);
        Response::from_json(&verdict.unwrap_or(Verdict { verdict: RecordingVerdict::Leave {}, leftovers: None }))
    }
}
