//! The OpenAPI 3.1 document of the HTTP API, made out of the types and the list of operations: `cargo xtask codegen` writes it.

use super::operation::{BODY_ERRORS, COMMON_ERRORS, OPERATIONS, Operation, OperationId};
use super::{
    Failure, OPENAPI_PATH, ParticipantList, ParticipantPatch, Room, RoomList, RoomPatch, RoomRequest, Token,
    TokenRequest,
};
use crate::error_code::ErrorCode;
use crate::ids::{ParticipantId, RoomId, TrackId};
use crate::limits;
use crate::signal::ParticipantInfo;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
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
            "description": "Rooms, participants and join tokens, for an application's server. Browsers of other origins cannot call it: \
                an API key must not be in a page. Every error has the same shape and a stable code.",
            "license": { "name": "MIT", "identifier": "MIT" },
        },
        "servers": [{ "url": "/" }],
        "security": [{ "apiKey": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "apiKey": { "type": "http", "scheme": "basic", "description": "The key's id is the user, its secret the password." },
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
            "Changes a participant for as long as they are in the room.",
            (200, "The participant as they are from here on."),
        ),
        OperationId::RemoveParticipant => ("remove_participant", "Removes a participant.", (204, "They are gone.")),
        OperationId::MuteTrack => {
            ("mute_track", "Mutes a track; only its publisher can unmute it.", (204, "It is muted."))
        }
    };
    Words { id, summary, success }
}

fn describe(operation: &Operation, schemas: &mut SchemaGenerator) -> Value {
    let Words { id, summary, success: (status, meaning) } = words(operation.id);
    let mut responses = Map::new();
    let mut success = json!({ "description": meaning });
    if let Some((schema, example)) = answer(operation.id, schemas) {
        success["content"] = json!({ "application/json": { "schema": schema, "example": example } });
    }
    if operation.id == OperationId::CreateRoom {
        let room = json!({ "room": "$response.body#/name" });
        let link = |id: &str| json!({ "operationId": id, "parameters": room });
        success["links"] =
            json!({ "GetRoom": link("get_room"), "UpdateRoom": link("update_room"), "CloseRoom": link("close_room") });
        let mut again = success.clone();
        again["description"] = json!("The room that there was already, unchanged.");
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
    if let Some((schema, example)) = body(operation.id, schemas) {
        let content = json!({ "application/json": { "schema": schema, "example": example } });
        described["requestBody"] = json!({ "required": true, "content": content });
    }
    described
}

/// One response for each status, with every code that can be in it.
fn failures(operation: &Operation, schemas: &mut SchemaGenerator, responses: &mut Map<String, Value>) {
    let body: &[ErrorCode] = if operation.id.has_body() { BODY_ERRORS } else { &[] };
    let malformed_path: &[ErrorCode] = if operation.path.contains('{') { &[ErrorCode::NotFound] } else { &[] };
    let mut by_status: BTreeMap<u16, Vec<ErrorCode>> = BTreeMap::new();
    for code in COMMON_ERRORS.iter().chain(body).chain(operation.errors).chain(malformed_path) {
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
            "room" if operation.path.contains("participants") => (schemas.subschema_for::<RoomId>(), "standup"),
            "room" => (schemas.subschema_for::<RoomId>(), "daily"),
            "participant" => (schemas.subschema_for::<ParticipantId>(), "ada"),
            _ => (schemas.subschema_for::<TrackId>(), "t1"),
        };
        parameters.push(json!({ "name": name, "in": "path", "required": true, "schema": schema, "example": example }));
    }
    for name in operation.id.query() {
        let (description, schema) = match *name {
            "limit" => (
                "Most rooms of the page.",
                json!({
                    "type": "integer", "minimum": 1, "maximum": limits::ROOMS_PER_PAGE_MAX,
                    "default": limits::ROOMS_PER_PAGE_DEFAULT,
                }),
            ),
            "cursor" => (
                "`next` of the page before.",
                json!({ "type": "string", "pattern": format!("^[0-{}]\\.[A-Za-z0-9_-]{{0,64}}$", limits::DIRECTORY_SHARDS - 1) }),
            ),
            _ => ("Told to whom it concerns.", json!({ "type": "string", "maxLength": limits::REASON_CHARS_MAX })),
        };
        parameters.push(json!({ "name": name, "in": "query", "description": description, "schema": schema }));
    }
    parameters
}

fn body(id: OperationId, schemas: &mut SchemaGenerator) -> Option<(Value, Value)> {
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
        OperationId::UpdateParticipant => (
            schema::<ParticipantPatch>(schemas),
            json!({ "grants": { "publish": false, "subscribe": true, "moderate": false } }),
        ),
        OperationId::ListRooms
        | OperationId::GetRoom
        | OperationId::CloseRoom
        | OperationId::ListParticipants
        | OperationId::GetParticipant
        | OperationId::RemoveParticipant
        | OperationId::MuteTrack => return None,
    })
}

fn answer(id: OperationId, schemas: &mut SchemaGenerator) -> Option<(Value, Value)> {
    let room = json!({
        "name": "daily", "created_at": 1_800_000_000_000_u64, "participants": 1, "locked": false, "metadata": "",
        "participants_max": 12, "empty_timeout_ms": 600_000,
    });
    let participant = json!({
        "id": "ada", "name": "Ada Lovelace", "joined_at": 1_800_000_000_000_u64, "connection": "connected",
        "tracks": [{ "id": "t1", "mid": "0", "kind": "audio", "source": "microphone", "muted": false, "csrc": 1 }],
    });
    Some(match id {
        OperationId::CreateToken => {
            (schema::<Token>(schemas), json!({ "token": "eyJ0eXAi…", "expires_at": 1_800_000_600_000_u64 }))
        }
        OperationId::CreateRoom | OperationId::GetRoom | OperationId::UpdateRoom => (schema::<Room>(schemas), room),
        OperationId::ListRooms => (schema::<RoomList>(schemas), json!({ "rooms": [room], "next": "3.daily" })),
        OperationId::ListParticipants => (schema::<ParticipantList>(schemas), json!({ "participants": [participant] })),
        OperationId::GetParticipant | OperationId::UpdateParticipant => {
            (schema::<ParticipantInfo>(schemas), participant)
        }
        OperationId::CloseRoom | OperationId::RemoveParticipant | OperationId::MuteTrack => return None,
    })
}

fn schema<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
    schemas.subschema_for::<T>().to_value()
}
