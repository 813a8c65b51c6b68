//! `/v1/nodes/recordings`: takes a node's report about a recording and answers with its next step.

use super::api::body;
use super::rooms::GENERATION;
use super::{Arrival, RouteError};
use crate::internal::Address;
use crate::internal::recordings::{REPORT_PATH, Reported, Verdict};
use crate::refusal::Refusal;
use crate::sweep::sweep;
use crate::{auth, log};
use edge_core::presign::Storage;
use shared::control::RecordingReport;
use shared::{ErrorCode, RoomId, json, limits};
use worker::Response;

const TOO_LARGE: Refusal = Refusal::new(ErrorCode::FrameTooLarge, "the report is too large");

/// `POST /v1/nodes/recordings`. Parts of a deleted recording are deleted before the node gets `done`; until then it
/// asks again.
pub(super) async fn report(mut arrival: Arrival<'_>) -> Result<Response, RouteError> {
    let claims = auth::node(&arrival.request, arrival.env)?;
    let body = body::collect_text(&mut arrival, limits::CONTROL_FRAME_BYTES_MAX, &TOO_LARGE).await?;
    let report: RecordingReport = json::from_str(&body)
        .map_err(|_| Refusal::new(ErrorCode::InvalidMessage, "expected {room, recording, outcome}"))?;
    let room = report.room.clone();
    let reported = Reported { node: claims.sub, report };
    let address = Address::room(&room, GENERATION, None);
    let Verdict { verdict, leftovers } = address.ask(arrival.env, REPORT_PATH, &reported).await?;
    if let Some(key_prefix) = leftovers {
        delete_stored(&arrival, storage(&arrival)?, &room, &key_prefix).await?;
    }
    Ok(Response::from_json(&verdict)?)
}

/// The recording storage, or a refusal if recording is off.
pub(super) fn storage<'a>(arrival: &'a Arrival<'_>) -> Result<&'a Storage, Refusal> {
    let none = Refusal::new(ErrorCode::RecordingUnavailable, "no storage for recordings is configured");
    arrival.config.storage.as_ref().ok_or(none)
}

/// Deletes all stored objects of a recording.
pub(super) async fn delete_stored(
    arrival: &Arrival<'_>,
    storage: &Storage,
    room: &RoomId,
    key_prefix: &str,
) -> Result<(), Refusal> {
    sweep(storage, key_prefix).await.map_err(|error| {
        let fields: [(&str, &dyn std::fmt::Display); 3] =
            [("request", &arrival.request_id), ("room", room), ("error", &error)];
        log::line(log::Level::Warn, "recording_not_deleted", &fields);
        Refusal::new(ErrorCode::StorageUnavailable, "not everything is deleted yet; repeat the request to continue")
    })
}
