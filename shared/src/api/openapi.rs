//! The OpenAPI 3.1 document of the HTTP API, made out of the types and the list of operations: `cargo xtask codegen` writes it.

mod content;

use super::operation::{BODY_ERRORS, COMMON_ERRORS, JOIN_TOKEN_ERRORS, OPERATIONS, Operation, OperationId};
use super::{Failure, OPENAPI_PATH};
use crate::error_code::ErrorCode;
use crate::ids::{ParticipantId, RecordingId, RoomId, TrackId};
use crate::limits;
use schemars::{SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The document, as it is committed and served.
#[must_use]
pub fn document() -> String {
    let mut schemas =
        SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into()).into_generator();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for operation in OPERATIONS {
        let described = describe(operation, &mut schemas);
        paths.entry(operation.path).or_default().insert(operation.method.to_ascii_lowercase(), described);
    }
    paths.entry(OPENAPI_PATH).or_default().insert("get".into(), own());
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Rotunda",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Rooms, participants, recordings and join tokens, for an application's server. Browsers of other origins cannot call it: \
                an API key must not be in a page. Every error has the same shape and a stable code.",
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "apiKey": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "apiKey": { "type": "http", "scheme": "basic", "description": "The key's id is the user, its secret the password." },
                "joinToken": {
                    "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                    "description": "A participant's join token for the room, where it grants `record`.",
                },
            },
            "schemas": schemas.take_definitions(true),
        },
    });
    serde_json::to_string_pretty(&document).unwrap_or_default()
}

fn own() -> Value {
    let content = json!({ "application/json": { "schema": { "type": "object" } } });
    json!({
        "operationId": "get_openapi",
        "summary": "This document.",
        "security": [],
        "responses": { "200": { "description": "The document.", "content": content } },
    })
}

/// What is said about an operation beside its errors.
struct Words {
    id: &'static str,
    summary: &'static str,
    success: (u16, &'static str),
}

const fn words(id: OperationId) -> Words {
    let (id, summary, success) = match id {
        OperationId::CreateToken => ("create_token", "Issues a join token.", (201, "The token.")),
        OperationId::CreateRoom => (
            "create_room",
            "Makes a room. One that there is already is left as it is: repeating the request changes nothing.",
            (201, "The new room."),
        ),
        OperationId::ListRooms => ("list_rooms", "Lists the rooms that there are.", (200, "One page.")),
        OperationId::GetRoom => ("get_room", "Shows a room.", (200, "The room.")),
        OperationId::UpdateRoom => ("update_room", "Changes a room.", (200, "The room as it is from here on.")),
        OperationId::CloseRoom => ("close_room", "Ends a room for everybody.", (204, "It is over.")),
        OperationId::ListParticipants => ("list_participants", "Lists everybody in a room.", (200, "Everybody.")),
        OperationId::GetParticipant => ("get_participant", "Shows a participant.", (200, "The participant.")),
        OperationId::UpdateParticipant => (
            "update_participant",
            "Changes a participant for as long as the room lives.",
            (200, "The participant as they are from here on."),
        ),
        OperationId::RemoveParticipant => ("remove_participant", "Removes a participant.", (204, "They are gone.")),
        OperationId::ListBans => ("list_bans", "Lists who is banned from a room.", (200, "Everybody who is.")),
        OperationId::CreateBan => (
            "create_ban",
            "Keeps an identity out of a room, for a time or as long as the room lives, and removes it if it is there.",
            (204, "They are banned."),
        ),
        OperationId::LiftBan => ("lift_ban", "Lets an identity in again.", (204, "The ban is lifted.")),
        OperationId::MuteTrack => {
            ("mute_track", "Mutes a track; only its publisher can unmute it.", (204, "It is muted."))
        }
        OperationId::ListRecordings => (
            "list_recordings",
            "Lists the recordings of a room, the newest first, also after the room has ended.",
            (200, "One page."),
        ),
        OperationId::StartRecording => (
            "start_recording",
            "Records everything that is published in a room. A recording that runs is left as it is.",
            (201, "The new recording."),
        ),
        OperationId::GetRecording => ("get_recording", "Shows a recording.", (200, "The recording.")),
        OperationId::StopRecording => (
            "stop_recording",
            "Stops a recording; its files are made then. One that has ended is left as it is.",
            (200, "The recording as it is from here on."),
        ),
        OperationId::DeleteRecording => {
            ("delete_recording", "Deletes a recording with everything that is stored of it.", (204, "It is gone."))
        }
    };
    Words { id, summary, success }
}

fn describe(operation: &Operation, schemas: &mut SchemaGenerator) -> Value {
    let Words { id, summary, success: (status, meaning) } = words(operation.id);
    let mut responses = Map::new();
    let mut success = json!({ "description": meaning });
    if let Some((schema, example)) = content::answer(operation.id, schemas) {
        success["content"] = json!({ "application/json": { "schema": schema, "example": example } });
    }
    if let Some(links) = links(operation.id) {
        success["links"] = links;
    }
    if let Some(meaning) = found_meaning(operation.id) {
        let mut again = success.clone();
        again["description"] = json!(meaning);
        responses.insert("200".into(), again);
    }
    responses.insert(status.to_string(), success);
    failures(operation, schemas, &mut responses);
    let mut described = json!({
        "operationId": id,
        "summary": summary,
        "parameters": parameters(operation, schemas),
        "responses": responses,
    });
    if let Some((schema, example)) = content::body(operation.id, schemas) {
        let content = json!({ "application/json": { "schema": schema, "example": example } });
        described["requestBody"] = json!({ "required": true, "content": content });
    }
    if operation.id.takes_join_token() {
        described["security"] = json!([{ "apiKey": [] }, { "joinToken": [] }]);
    }
    described
}

/// What an operation that makes something says where there is one already.
const fn found_meaning(id: OperationId) -> Option<&'static str> {
    match id {
        OperationId::CreateRoom => Some("The room that there was already, unchanged."),
        OperationId::StartRecording => Some("The recording that runs already, unchanged."),
        OperationId::CreateToken
        | OperationId::ListRooms
        | OperationId::GetRoom
        | OperationId::UpdateRoom
        | OperationId::CloseRoom
        | OperationId::ListParticipants
        | OperationId::GetParticipant
        | OperationId::UpdateParticipant
        | OperationId::RemoveParticipant
        | OperationId::ListBans
        | OperationId::CreateBan
        | OperationId::LiftBan
        | OperationId::MuteTrack
        | OperationId::ListRecordings
        | OperationId::GetRecording
        | OperationId::StopRecording
        | OperationId::DeleteRecording => None,
    }
}

/// What can be done with what an answer names.
fn links(id: OperationId) -> Option<Value> {
    let (names, operations): (Value, &[(&str, &str)]) = match id {
        OperationId::CreateRoom => (
            json!({ "room": "$response.body#/name" }),
            &[("GetRoom", "get_room"), ("UpdateRoom", "update_room"), ("CloseRoom", "close_room")],
        ),
        OperationId::ListRecordings => (
            json!({ "room": "$request.path.room", "recording": "$response.body#/recordings/0/id" }),
            &[("GetRecording", "get_recording"), ("DeleteRecording", "delete_recording")],
        ),
        OperationId::StartRecording => (
            json!({ "room": "$request.path.room", "recording": "$response.body#/id" }),
            &[("GetRecording", "get_recording"), ("StopRecording", "stop_recording")],
        ),
        OperationId::CreateToken
        | OperationId::ListRooms
        | OperationId::GetRoom
        | OperationId::UpdateRoom
        | OperationId::CloseRoom
        | OperationId::ListParticipants
        | OperationId::GetParticipant
        | OperationId::UpdateParticipant
        | OperationId::RemoveParticipant
        | OperationId::ListBans
        | OperationId::CreateBan
        | OperationId::LiftBan
        | OperationId::MuteTrack
        | OperationId::GetRecording
        | OperationId::StopRecording
        | OperationId::DeleteRecording => return None,
    };
    let link = |(name, id): &(&str, &str)| ((*name).into(), json!({ "operationId": id, "parameters": names }));
    Some(Value::Object(operations.iter().map(link).collect()))
}

/// One response for each status, with every code that can be in it.
fn failures(operation: &Operation, schemas: &mut SchemaGenerator, responses: &mut Map<String, Value>) {
    let body: &[ErrorCode] = if operation.id.has_body() { BODY_ERRORS } else { &[] };
    let token: &[ErrorCode] = if operation.id.takes_join_token() { JOIN_TOKEN_ERRORS } else { &[] };
    let malformed_path: &[ErrorCode] = if operation.path.contains('{') { &[ErrorCode::NotFound] } else { &[] };
    let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in COMMON_ERRORS.iter().chain(token).chain(body).chain(operation.errors).chain(malformed_path) {
        by_status.entry(code.http_status()).or_default().push(*code);
    }
    let schema = schemas.subschema_for::<Failure>();
    for (status, codes) in by_status {
        let text: Vec<String> = codes.iter().map(|code| format!("`{code}`")).collect();
        let example = |code: &ErrorCode| {
            let value =
                json!({ "code": code, "message": "what a developer reads", "request_id": "5f0c3a9d7e21b84c6a90d1f2" });
            (code.to_string(), json!({ "value": value }))
        };
        let examples: Map<String, Value> = codes.iter().map(example).collect();
        let mut response = json!({
            "description": text.join(", "),
            "content": { "application/json": { "schema": schema, "examples": examples } },
        });
        let header = |text: &str| json!({ "description": text, "schema": { "type": "string" } });
        match status {
            401 => response["headers"] = json!({ "WWW-Authenticate": header("How to authenticate.") }),
            429 => response["headers"] = json!({ "Retry-After": header("Seconds to wait.") }),
            _ => {}
        }
        responses.insert(status.to_string(), response);
    }
}

fn parameters(operation: &Operation, schemas: &mut SchemaGenerator) -> Vec<Value> {
    let names = operation.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut parameters: Vec<Value> = Vec::new();
    for name in names {
        let (schema, example) = match name {
            // Rooms in which there is somebody; the first one comes and goes.
            "room" if operation.path.contains("participants") => (schemas.subschema_for::<RoomId>(), "standup"),
            "room" if operation.path.contains("recordings") => (schemas.subschema_for::<RoomId>(), "interview"),
            "room" => (schemas.subschema_for::<RoomId>(), "daily"),
            "participant" => (schemas.subschema_for::<ParticipantId>(), "ada"),
            "recording" => (schemas.subschema_for::<RecordingId>(), "r5m8n2p4q6s9t7v3"),
            _ => (schemas.subschema_for::<TrackId>(), "t1"),
        };
        parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": schema, "example": example }));
    }
    for name in operation.id.query() {
        let (description, schema) = match *name {
            "limit" => ("Most items of the page.", limit_schema(operation.id)),
            "cursor" => {
                ("`next` of the page before.", json!({ "type": "string", "pattern": cursor_pattern(operation.id) }))
            }
            _ => ("Told to whom it concerns.", json!({ "type": "string", "maxLength": limits::REASON_CHARS_MAX })),
        };
        parameters.push(json!({ "name": name, "in": "query", "description": description, "schema": schema }));
    }
    parameters
}

fn limit_schema(id: OperationId) -> Value {
    let (most, default) = if id == OperationId::ListRecordings {
        (limits::RECORDINGS_PER_PAGE_MAX, limits::RECORDINGS_PER_PAGE_DEFAULT)
    } else {
        (limits::ROOMS_PER_PAGE_MAX, limits::ROOMS_PER_PAGE_DEFAULT)
    };
    json!({ "type": "integer", "minimum": 1, "maximum": most, "default": default })
}

/// Of rooms, a shard of the directory and a name; of recordings, when one was started and its id.
fn cursor_pattern(id: OperationId) -> String {
    if id == OperationId::ListRecordings {
        format!("^[0-9]{{1,15}}\\.[A-Za-z0-9]{{1,{}}}$", RecordingId::BYTES_MAX)
    } else {
        format!("^[0-{}]\\.[A-Za-z0-9_-]{{0,64}}$", limits::DIRECTORY_SHARDS - 1)
    }
}
