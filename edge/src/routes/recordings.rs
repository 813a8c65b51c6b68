//! Recordings: nodes report on them, and who may see those of a room gets URLs to play them.

use super::rooms::GENERATION;
use super::{Arrival, RouteError, parse_room};
use crate::internal::Address;
use crate::internal::recordings::{DELETED_PATH, Deleted, LIST_PATH, REPORT_PATH, Reported};
use crate::refusal::Refusal;
use crate::{auth, clock};
use edge_core::presign::{Method, Storage};
use edge_core::room::RecordingListing;
use serde::Serialize;
use shared::control::{RecordingReport, RecordingVerdict};
use shared::signal::{RecordingFile, RecordingInfo};
use shared::{ErrorCode, ParticipantId, RoomId, limits};
use worker::{Fetch, Request, RequestInit, Response};

/// Life of the URLs with which we delete objects ourselves.
const DELETE_LIFETIME_S: u64 = 60;

/// The answer of [`list`].
#[derive(Serialize)]
struct Listed {
    recordings: Vec<Shown>,
}

/// One recording with URLs for its files.
#[derive(Serialize)]
struct Shown {
    recording: RecordingInfo,
    files: Vec<ShownFile>,
    manifest_url: Option<String>,
}

/// One file that can be played.
#[derive(Serialize)]
struct ShownFile {
    participant: ParticipantId,
    name: String,
    is_screen: bool,
    starts_ms: u64,
    duration_ms: u64,
    bytes: u64,
    url: String,
}

/// `GET /v1/rooms/{room}/recordings`: what was recorded, and where it can be played.
pub(super) async fn list(arrival: &Arrival<'_>, room: &str) -> Result<Response, RouteError> {
    let room = admit(arrival, room)?;
    let storage = storage(arrival)?;
    let listings = listings(arrival, &room).await?;
    let recordings = listings.into_iter().map(|listing| shown(storage, listing)).collect();
    let response = Response::from_json(&Listed { recordings })?;
    // The URLs in it are keys.
    response.headers().set("Cache-Control", "no-store")?;
    Ok(response)
}

/// `DELETE /v1/rooms/{room}/recordings/{recording}`: its files first, so that none is left that nobody knows of.
pub(super) async fn delete(arrival: &Arrival<'_>, room: &str, recording: &str) -> Result<Response, RouteError> {
    let room = admit(arrival, room)?;
    let storage = storage(arrival)?;
    let known = listings(arrival, &room).await?;
    let found = known.into_iter().find(|listing| listing.recording.id.as_str() == recording);
    let found = found.filter(|listing| listing.recording.state.is_over());
    let listing = found.ok_or(Refusal::new(ErrorCode::NotFound, "no recording that is over has this id"))?;
    for key in listing.files.iter().map(|file| &file.key).chain(&listing.manifest) {
        delete_object(storage, key).await?;
    }
    let recording = listing.recording.id;
    let _: Vec<RecordingListing> = address(&room).ask(arrival.env, DELETED_PATH, &Deleted { recording }).await?;
    Ok(Response::empty()?.with_status(204))
}

/// `POST /v1/nodes/recordings`: a node says what became of a recording, and is told what to do next.
pub(super) async fn report(mut arrival: Arrival<'_>) -> Result<Response, RouteError> {
    let claims = auth::node(&arrival.request, arrival.env)?;
    let body = arrival.request.text().await?;
    if body.len() > limits::CONTROL_FRAME_BYTES_MAX {
        return Err(Refusal::new(ErrorCode::FrameTooLarge, "no report is as large as this").into());
    }
    let report: RecordingReport = serde_json::from_str(&body)
        .map_err(|_| Refusal::new(ErrorCode::InvalidMessage, "expected {room, recording, outcome}"))?;
    let room = report.room.clone();
    let reported = Reported { node: claims.sub, report };
    let verdict: RecordingVerdict = address(&room).ask(arrival.env, REPORT_PATH, &reported).await?;
    Ok(Response::from_json(&verdict)?)
}

/// Who may see the recordings of a room.
fn admit(arrival: &Arrival<'_>, room: &str) -> Result<RoomId, RouteError> {
    let room = parse_room(room)?;
    let claims = auth::participant_by_bearer(&arrival.request, &room, arrival.env)?;
    if !claims.grants.record {
        return Err(Refusal::new(ErrorCode::Forbidden, "the token does not grant recording").into());
    }
    Ok(room)
}

fn storage<'a>(arrival: &'a Arrival<'_>) -> Result<&'a Storage, Refusal> {
    let none = Refusal::new(ErrorCode::RecordingUnavailable, "no storage for recordings is configured here");
    arrival.config.storage.as_ref().ok_or(none)
}

async fn listings(arrival: &Arrival<'_>, room: &RoomId) -> Result<Vec<RecordingListing>, RouteError> {
    Ok(address(room).ask(arrival.env, LIST_PATH, &()).await?)
}

fn address(room: &RoomId) -> Address {
    Address::room(room, GENERATION, None)
}

fn shown(storage: &Storage, listing: RecordingListing) -> Shown {
    let url = |key: &str| storage.sign(Method::Get, key, clock::now(), limits::RECORDING_URL_LIFETIME_S);
    let file = |file: RecordingFile| ShownFile {
        url: url(&file.key),
        participant: file.participant,
        name: file.name,
        is_screen: file.is_screen,
        starts_ms: file.starts_ms,
        duration_ms: file.duration_ms,
        bytes: file.bytes,
    };
    Shown {
        manifest_url: listing.manifest.as_deref().map(url),
        files: listing.files.into_iter().map(file).collect(),
        recording: listing.recording,
    }
}

/// S3 answers 204 whether there was an object or not.
async fn delete_object(storage: &Storage, key: &str) -> Result<(), RouteError> {
    let url = storage.sign(Method::Delete, key, clock::now(), DELETE_LIFETIME_S);
    let mut init = RequestInit::new();
    init.with_method(worker::Method::Delete);
    let response = Fetch::Request(Request::new_with_init(&url, &init)?).send().await?;
    match response.status_code() {
        200..=299 | 404 => Ok(()),
        _ => Err(Refusal::new(ErrorCode::RecordingUnavailable, "the storage does not delete it").into()),
    }
}
