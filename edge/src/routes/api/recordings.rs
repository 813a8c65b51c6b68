//! `/v1/rooms/{room}/recordings`: recordings with signed URLs, for application servers and participants who may record.

use super::super::recordings::{delete_stored, storage};
use super::{Call, RouteError, json, no_content, unexpected};
use crate::clock;
use crate::refusal::Refusal;
use edge_core::presign::{Action, Storage};
use edge_core::room::{Answer, Ask, RecordingAnswer, RecordingAsk, RecordingListing};
use shared::api::{PlayableFile, Recording, RecordingList};
use shared::signal::RecordingFile;
use shared::{ErrorCode, ParticipantId, RecordingId, UnixMillis, limits};
use worker::Response;

/// `GET /v1/rooms/{room}/recordings`.
pub(super) async fn list(call: &Call<'_>) -> Result<Response, RouteError> {
    let (storage, limit) = (
        storage(&call.arrival)?,
        call.query.limit(limits::RECORDINGS_PER_PAGE_DEFAULT, limits::RECORDINGS_PER_PAGE_MAX)?,
    );
    let ask = RecordingAsk::List { after: call.query.recording_cursor()?, limit };
    match asked(call, ask).await? {
        RecordingAnswer::Page { listings, next } => {
            let reachable = listings.into_iter().filter(|listing| is_reachable(call, listing));
            let recordings = reachable.map(|listing| shown(storage, listing)).collect();
            json(200, &RecordingList { recordings, next: next.map(|cursor| cursor.to_string()) })
        }
        RecordingAnswer::One { .. } | RecordingAnswer::Doomed { .. } => Err(unexpected()),
    }
}

/// `POST /v1/rooms/{room}/recordings`.
pub(super) async fn start(call: &Call<'_>) -> Result<Response, RouteError> {
    one(call, RecordingAsk::Start).await
}

/// `GET /v1/rooms/{room}/recordings/{recording}`.
pub(super) async fn get(call: &Call<'_>) -> Result<Response, RouteError> {
    one(call, RecordingAsk::Show { recording: recording(call)? }).await
}

/// `POST /v1/rooms/{room}/recordings/{recording}/stop`.
pub(super) async fn stop(call: &Call<'_>) -> Result<Response, RouteError> {
    one(call, RecordingAsk::Stop { recording: recording(call)? }).await
}

/// `DELETE /v1/rooms/{room}/recordings/{recording}`: deletes the objects before the entry, so that none is orphaned.
pub(super) async fn delete(call: &Call<'_>) -> Result<Response, RouteError> {
    let (storage, recording) = (storage(&call.arrival)?, recording(call)?);
    if guest(call).is_some() {
        // Refuses the recording if it is not the caller's.
        one(call, RecordingAsk::Show { recording: recording.clone() }).await?;
    }
    match asked(call, RecordingAsk::Doom { recording: recording.clone() }).await? {
        RecordingAnswer::Doomed { key_prefix } => {
            delete_stored(&call.arrival, storage, &call.room()?, &key_prefix).await?;
        }
        RecordingAnswer::One { .. } | RecordingAnswer::Page { .. } => return Err(unexpected()),
    }
    // Its objects are gone, even if the caller has lost the right in the meantime.
    call.ask(&call.room()?, Ask::Recordings { request: RecordingAsk::Forget { recording }, by: None }).await?;
    no_content()
}

fn recording(call: &Call<'_>) -> Result<RecordingId, Refusal> {
    call.name(1, RecordingId::parse)
}

async fn one(call: &Call<'_>, ask: RecordingAsk) -> Result<Response, RouteError> {
    let storage = storage(&call.arrival)?;
    match asked(call, ask).await? {
        RecordingAnswer::One { listing, .. } if !is_reachable(call, &listing) => {
            Err(Refusal::new(ErrorCode::UnknownRecording, "the guest started no recording with this id").into())
        }
        RecordingAnswer::One { listing, made } => json(if made { 201 } else { 200 }, &shown(storage, listing)),
        RecordingAnswer::Page { .. } | RecordingAnswer::Doomed { .. } => Err(unexpected()),
    }
}

fn is_reachable(call: &Call<'_>, listing: &RecordingListing) -> bool {
    guest(call).is_none_or(|guest| listing.recording.started_by.as_ref() == Some(guest))
}

fn guest<'a>(call: &'a Call<'_>) -> Option<&'a ParticipantId> {
    call.by.as_ref().filter(|by| by.is_guest).map(|by| &by.participant)
}

async fn asked(call: &Call<'_>, ask: RecordingAsk) -> Result<RecordingAnswer, RouteError> {
    let by = call.by.as_ref().map(|by| by.participant.clone());
    let Answer::Recordings(answer) = call.ask(&call.room()?, Ask::Recordings { request: ask, by }).await? else {
        return Err(unexpected());
    };
    Ok(answer)
}

fn shown(storage: &Storage, listing: RecordingListing) -> Recording {
    let now = clock::now();
    let RecordingListing { recording, files, manifest } = listing;
    let ends = files.iter().map(|file| file.starts_ms.saturating_add(file.duration_ms));
    Recording {
        id: recording.id,
        state: recording.state,
        started_by: recording.started_by,
        started_at: recording.started_at,
        ended_at: recording.ended_at,
        code: recording.code,
        duration_ms: ends.max(),
        bytes: files.iter().fold(0, |sum, file| sum.saturating_add(file.bytes)),
        manifest_url: manifest.map(|key| url(storage, &key, now)),
        files: files.into_iter().map(|file| playable(storage, file, now)).collect(),
        urls_expire_at: now.plus_ms(limits::RECORDING_URL_LIFETIME_S.saturating_mul(1_000)),
    }
}

fn playable(storage: &Storage, file: RecordingFile, now: UnixMillis) -> PlayableFile {
    PlayableFile {
        url: url(storage, &file.key, now),
        participant: file.participant,
        name: file.name,
        is_screen: file.is_screen,
        starts_ms: file.starts_ms,
        duration_ms: file.duration_ms,
        bytes: file.bytes,
    }
}

fn url(storage: &Storage, key: &str, now: UnixMillis) -> String {
    storage.sign(Action::Read { key }, now, limits::RECORDING_URL_LIFETIME_S)
}
