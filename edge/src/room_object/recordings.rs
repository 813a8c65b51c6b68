//! What the Worker asks a room about its recordings.

use super::{Awake, RoomObject};
use crate::internal::recordings::{Deleted, Reported};
use edge_core::room::{Input, RecordingListing};
use shared::control::RecordingVerdict;
use worker::{Error, Request, Response, Result};

/// Names the call in the room's answer; an object carries out one input at a time, so each finds its own.
const CALL: u64 = 0;

impl RoomObject {
    /// A node reports; a room that nobody knows has no use for it.
    pub(super) async fn recording_reported(&self, mut request: Request) -> Result<Response> {
        let Reported { node, report } = request.json().await?;
        let answers = self.handle(Input::RecordingReported { call: CALL, node, report }).await?;
        let verdict = answers.verdicts.into_iter().next().map(|(_, verdict)| verdict);
        Response::from_json(&verdict.unwrap_or(RecordingVerdict::Leave {}))
    }

    /// What was recorded here.
    pub(super) fn recordings(&self) -> Result<Response> {
        let known = self.wake(None)?;
        let awake = self.awake.try_borrow().map_err(|error| Error::RustError(error.to_string()))?;
        let room = awake.as_ref().filter(|_| known).map(|Awake { room, .. }| room);
        let listings: Vec<RecordingListing> = room.map_or_else(Vec::new, |room| room.recordings());
        Response::from_json(&listings)
    }

    /// The files of a recording are gone.
    pub(super) async fn recording_deleted(&self, mut request: Request) -> Result<Response> {
        let Deleted { recording } = request.json().await?;
        self.handle(Input::RecordingDeleted { recording }).await?;
        Response::from_json(&Vec::<RecordingListing>::new())
    }
}
