//! Schemas of request and answer bodies, with working examples.

use super::super::operation::OperationId;
use super::super::{
    ActList, BanList, BanRequest, CallList, ParticipantList, ParticipantPatch, PauseRequest, Recording, RecordingList,
    Room, RoomList, RoomPatch, RoomRequest, Token, TokenRequest,
};
use crate::signal::ParticipantInfo;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

/// The body of a request, with an example.
pub(super) fn body(id: OperationId, schemas: &mut SchemaGenerator) -> Option<(Value, Value)> {
    Some(match id {
        OperationId::CreateToken => (
            schema::<TokenRequest>(schemas),
            json!({ "room": "daily", "participant": "ada", "name": "Ada Lovelace", "grants": { "moderate": true }, "lifetime_s": 600 }),
        ),
        OperationId::CreateRoom => (
            schema::<RoomRequest>(schemas),
            json!({ "name": "daily", "participants_max": 12, "empty_timeout_ms": 600_000 }),
        ),
        OperationId::UpdateRoom => (schema::<RoomPatch>(schemas), json!({ "locked": true })),
        OperationId::PauseRoom => (schema::<PauseRequest>(schemas), json!({ "reason": "a break of ten minutes" })),
        OperationId::UpdateParticipant => (
            schema::<ParticipantPatch>(schemas),
            json!({ "grants": { "publish": false, "subscribe": true, "moderate": false } }),
        ),
        OperationId::CreateBan => (schema::<BanRequest>(schemas), json!({ "lasts_ms": 600_000, "reason": "spam" })),
        OperationId::ListRooms
        | OperationId::GetRoom
        | OperationId::CloseRoom
        | OperationId::StartRoom
        | OperationId::ResumeRoom
        | OperationId::ListCalls
        | OperationId::ListActs
        | OperationId::ListParticipants
        | OperationId::GetParticipant
        | OperationId::RemoveParticipant
        | OperationId::ListBans
        | OperationId::LiftBan
        | OperationId::MuteTrack
        | OperationId::ListRecordings
        | OperationId::StartRecording
        | OperationId::GetRecording
        | OperationId::StopRecording
        | OperationId::DeleteRecording => return None,
    })
}

/// The content of a successful answer, with an example.
pub(super) fn answer(id: OperationId, schemas: &mut SchemaGenerator) -> Option<(Value, Value)> {
    let room = json!({
        "name": "daily", "created_at": 1_800_000_000_000_u64, "participants": 1, "locked": false, "metadata": "",
        "participants_max": 12, "empty_timeout_ms": 600_000, "state": "waiting", "duration_ms_max": 3_600_000, "starts_at": null,
        "started_at": null, "ends_at": null, "room_type": "video", "public": false,
        "features": { "chat": true, "screen_share": true, "file_transfer": true, "recording": true, "whiteboard": true, "reactions": true },
        "quality": null, "duplicates": "replace", "lobby": false, "invited": [],
    });
    let participant = json!({
        "id": "ada", "name": "Ada Lovelace", "joined_at": 1_800_000_000_000_u64, "connection": "connected",
        "tracks": [{ "id": "t1", "mid": "0", "kind": "audio", "source": "microphone", "muted": false, "csrc": 1 }],
    });
    Some(match id {
        OperationId::CreateToken => {
            (schema::<Token>(schemas), json!({ "token": "eyJ0eXAi…", "expires_at": 1_800_000_600_000_u64 }))
        }
        OperationId::CreateRoom
        | OperationId::GetRoom
        | OperationId::UpdateRoom
        | OperationId::StartRoom
        | OperationId::PauseRoom
        | OperationId::ResumeRoom => (schema::<Room>(schemas), room),
        OperationId::ListCalls => {
            let (created_at, started_at) = (1_800_000_000_000_u64, 1_800_000_060_000_u64);
            let call = json!({
                "state": "ended", "created_at": created_at, "started_at": started_at, "ended_at": 1_800_003_660_000_u64,
                "end": "time_limit", "reason": null,
            });
            (schema::<CallList>(schemas), json!({ "calls": [call] }))
        }
        OperationId::ListRooms => (schema::<RoomList>(schemas), json!({ "rooms": [room], "next": "3.daily" })),
        OperationId::ListParticipants => (schema::<ParticipantList>(schemas), json!({ "participants": [participant] })),
        OperationId::GetParticipant | OperationId::UpdateParticipant => {
            (schema::<ParticipantInfo>(schemas), participant)
        }
        OperationId::ListActs => {
            let act = json!({
                "at": 1_800_000_000_000_u64, "by": "ada", "act": "kick", "participant": "mallory",
                "role": null, "reason": "spam",
            });
            (schema::<ActList>(schemas), json!({ "acts": [act] }))
        }
        OperationId::ListBans => {
            let at = 1_800_000_000_000_u64;
            let ban = json!({ "participant": "mallory", "name": "Mallory", "banned_at": at, "until": null });
            (schema::<BanList>(schemas), json!({ "bans": [ban] }))
        }
        OperationId::ListRecordings => {
            let next = "1800000060000.r5m8n2p4q6s9t7v3";
            (schema::<RecordingList>(schemas), json!({ "recordings": [recording()], "next": next }))
        }
        OperationId::StartRecording | OperationId::GetRecording | OperationId::StopRecording => {
            (schema::<Recording>(schemas), recording())
        }
        OperationId::CloseRoom
        | OperationId::RemoveParticipant
        | OperationId::CreateBan
        | OperationId::LiftBan
        | OperationId::MuteTrack
        | OperationId::DeleteRecording => return None,
    })
}

fn recording() -> Value {
    let url = |name: &str| {
        format!(
            "https://s3.example.org/recordings/interview/r5m8n2p4q6s9t7v3/{name}?X-Amz-Algorithm=AWS4-HMAC-SHA256&…"
        )
    };
    json!({
        "id": "r5m8n2p4q6s9t7v3", "state": "ready", "started_by": null, "started_at": 1_800_000_060_000_u64,
        "ended_at": 1_800_000_120_000_u64, "code": null, "duration_ms": 60_140, "bytes": 5_242_880,
        "files": [{
            "participant": "ada", "name": "Ada Lovelace", "is_screen": false, "starts_ms": 120, "duration_ms": 60_020,
            "bytes": 5_242_880, "url": url("ada-camera.webm"),
        }],
        "manifest_url": url("manifest.json"), "urls_expire_at": 1_800_003_900_000_u64,
    })
}

fn schema<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
    schemas.subschema_for::<T>().to_value()
}
