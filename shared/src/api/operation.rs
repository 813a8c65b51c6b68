//! All operations of the HTTP API, for the router and the OpenAPI document.

use crate::error_code::ErrorCode;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationId {
    /// Issues a join token.
    CreateToken,
    /// Creates a room, or returns the existing one.
    CreateRoom,
    ListRooms,
    GetRoom,
    UpdateRoom,
    /// Ends a room for everybody.
    CloseRoom,
    /// Starts the call without waiting for others or for its scheduled start.
    StartRoom,
    /// Pauses the call: nothing is forwarded or recorded.
    PauseRoom,
    /// Ends the pause.
    ResumeRoom,
    /// Lists the calls under a room's name.
    ListCalls,
    /// Lists the acts of moderators and of the application.
    ListActs,
    /// Lists everybody in a room.
    ListParticipants,
    GetParticipant,
    UpdateParticipant,
    RemoveParticipant,
    /// Lists the bans of a room.
    ListBans,
    /// Bans a participant from a room.
    CreateBan,
    /// Lets a banned participant join again.
    LiftBan,
    MuteTrack,
    /// Lists the recordings of a room.
    ListRecordings,
    /// Starts a recording, or returns the running one.
    StartRecording,
    GetRecording,
    StopRecording,
    /// Deletes a recording and all its stored objects.
    DeleteRecording,
}

#[derive(Clone, Copy, Debug)]
pub struct Operation {
    pub id: OperationId,
    pub method: &'static str,
    /// The path, with `{names}` for its variables.
    pub path: &'static str,
    /// Errors beyond those of every operation.
    pub errors: &'static [ErrorCode],
}

/// Errors that every operation can have.
pub const COMMON_ERRORS: &[ErrorCode] =
    &[ErrorCode::InvalidRequest, ErrorCode::BadApiKey, ErrorCode::RateLimited, ErrorCode::Internal];
/// Further errors of operations that also accept join tokens.
pub const JOIN_TOKEN_ERRORS: &[ErrorCode] =
    &[ErrorCode::BadToken, ErrorCode::TokenExpired, ErrorCode::WrongRoom, ErrorCode::Forbidden];
/// Further errors of operations with a body.
pub const BODY_ERRORS: &[ErrorCode] = &[ErrorCode::UnsupportedMediaType, ErrorCode::BodyTooLarge];

const ROOMS: &str = "/v1/rooms";
const ROOM: &str = "/v1/rooms/{room}";
const START_ROOM: &str = "/v1/rooms/{room}/start";
const PAUSE_ROOM: &str = "/v1/rooms/{room}/pause";
const RESUME_ROOM: &str = "/v1/rooms/{room}/resume";
const CALLS: &str = "/v1/rooms/{room}/calls";
const AUDIT: &str = "/v1/rooms/{room}/audit";
const PARTICIPANTS: &str = "/v1/rooms/{room}/participants";
const PARTICIPANT: &str = "/v1/rooms/{room}/participants/{participant}";
const BANS: &str = "/v1/rooms/{room}/bans";
const BAN: &str = "/v1/rooms/{room}/bans/{participant}";
const MUTE: &str = "/v1/rooms/{room}/participants/{participant}/tracks/{track}/mute";

const RECORDINGS: &str = "/v1/rooms/{room}/recordings";
const RECORDING: &str = "/v1/rooms/{room}/recordings/{recording}";
const STOP: &str = "/v1/rooms/{room}/recordings/{recording}/stop";

const NO_TOKEN: &[ErrorCode] = &[ErrorCode::UnknownRole, ErrorCode::UnknownTemplate];
const NO_NEW_ROOM: &[ErrorCode] = &[ErrorCode::UnknownTemplate, ErrorCode::UnknownRegion];
const NO_UPDATE: &[ErrorCode] = &[ErrorCode::UnknownRoom, ErrorCode::UnknownRegion];
const NO_ROOM: &[ErrorCode] = &[ErrorCode::UnknownRoom];
const NO_CALL: &[ErrorCode] = &[ErrorCode::UnknownRoom, ErrorCode::WrongState];
const NO_PARTICIPANT: &[ErrorCode] = &[ErrorCode::UnknownRoom, ErrorCode::UnknownParticipant];
const NO_CHANGE: &[ErrorCode] = &[ErrorCode::UnknownRoom, ErrorCode::UnknownParticipant, ErrorCode::UnknownRole];
const NO_TRACK: &[ErrorCode] = &[ErrorCode::UnknownRoom, ErrorCode::UnknownParticipant, ErrorCode::UnknownTrack];
const NO_BAN: &[ErrorCode] = &[ErrorCode::UnknownRoom, ErrorCode::UnknownBan];
const NO_FURTHER_BAN: &[ErrorCode] = &[ErrorCode::UnknownRoom, ErrorCode::UnknownParticipant, ErrorCode::TooManyBans];
const NO_LIST: &[ErrorCode] = &[ErrorCode::UnknownRoom, ErrorCode::RecordingUnavailable];
const NO_START: &[ErrorCode] = &[
    ErrorCode::UnknownRoom,
    ErrorCode::FeatureOff,
    ErrorCode::RoomEmpty,
    ErrorCode::TooManyRecordings,
    ErrorCode::RecordingUnavailable,
];
const NO_RECORDING: &[ErrorCode] =
    &[ErrorCode::UnknownRoom, ErrorCode::UnknownRecording, ErrorCode::RecordingUnavailable];
const NO_DELETION: &[ErrorCode] = &[
    ErrorCode::UnknownRoom,
    ErrorCode::UnknownRecording,
    ErrorCode::RecordingNotOver,
    ErrorCode::RecordingUnavailable,
    ErrorCode::StorageUnavailable,
];

pub const OPERATIONS: &[Operation] = &[
    Operation { id: OperationId::CreateToken, method: "POST", path: "/v1/tokens", errors: NO_TOKEN },
    Operation { id: OperationId::ListRooms, method: "GET", path: ROOMS, errors: &[] },
    Operation { id: OperationId::CreateRoom, method: "POST", path: ROOMS, errors: NO_NEW_ROOM },
    Operation { id: OperationId::GetRoom, method: "GET", path: ROOM, errors: NO_ROOM },
    Operation { id: OperationId::UpdateRoom, method: "PATCH", path: ROOM, errors: NO_UPDATE },
    Operation { id: OperationId::CloseRoom, method: "DELETE", path: ROOM, errors: NO_ROOM },
    Operation { id: OperationId::StartRoom, method: "POST", path: START_ROOM, errors: NO_CALL },
    Operation { id: OperationId::PauseRoom, method: "POST", path: PAUSE_ROOM, errors: NO_CALL },
    Operation { id: OperationId::ResumeRoom, method: "POST", path: RESUME_ROOM, errors: NO_CALL },
    Operation { id: OperationId::ListCalls, method: "GET", path: CALLS, errors: NO_ROOM },
    Operation { id: OperationId::ListActs, method: "GET", path: AUDIT, errors: NO_ROOM },
    Operation { id: OperationId::ListParticipants, method: "GET", path: PARTICIPANTS, errors: NO_ROOM },
    Operation { id: OperationId::GetParticipant, method: "GET", path: PARTICIPANT, errors: NO_PARTICIPANT },
    Operation { id: OperationId::UpdateParticipant, method: "PATCH", path: PARTICIPANT, errors: NO_CHANGE },
    Operation { id: OperationId::RemoveParticipant, method: "DELETE", path: PARTICIPANT, errors: NO_PARTICIPANT },
    Operation { id: OperationId::ListBans, method: "GET", path: BANS, errors: NO_ROOM },
    Operation { id: OperationId::CreateBan, method: "PUT", path: BAN, errors: NO_FURTHER_BAN },
    Operation { id: OperationId::LiftBan, method: "DELETE", path: BAN, errors: NO_BAN },
    Operation { id: OperationId::MuteTrack, method: "POST", path: MUTE, errors: NO_TRACK },
    Operation { id: OperationId::ListRecordings, method: "GET", path: RECORDINGS, errors: NO_LIST },
    Operation { id: OperationId::StartRecording, method: "POST", path: RECORDINGS, errors: NO_START },
    Operation { id: OperationId::GetRecording, method: "GET", path: RECORDING, errors: NO_RECORDING },
    Operation { id: OperationId::StopRecording, method: "POST", path: STOP, errors: NO_RECORDING },
    Operation { id: OperationId::DeleteRecording, method: "DELETE", path: RECORDING, errors: NO_DELETION },
];

impl OperationId {
    #[must_use]
    pub const fn has_body(self) -> bool {
        match self {
            Self::CreateToken
            | Self::CreateRoom
            | Self::UpdateRoom
            | Self::PauseRoom
            | Self::UpdateParticipant
            | Self::CreateBan => true,
            Self::ListRooms
            | Self::GetRoom
            | Self::CloseRoom
            | Self::StartRoom
            | Self::ResumeRoom
            | Self::ListCalls
            | Self::ListActs
            | Self::ListParticipants
            | Self::GetParticipant
            | Self::RemoveParticipant
            | Self::ListBans
            | Self::LiftBan
            | Self::MuteTrack
            | Self::ListRecordings
            | Self::StartRecording
            | Self::GetRecording
            | Self::StopRecording
            | Self::DeleteRecording => false,
        }
    }

    /// True if a join token with the grant `record` is enough.
    #[must_use]
    pub const fn takes_join_token(self) -> bool {
        match self {
            Self::ListRecordings | Self::GetRecording | Self::DeleteRecording => true,
            // Participants start and stop recordings over signaling.
            Self::StartRecording | Self::StopRecording => false,
            Self::CreateToken
            | Self::CreateRoom
            | Self::ListRooms
            | Self::GetRoom
            | Self::UpdateRoom
            | Self::CloseRoom
            | Self::StartRoom
            | Self::PauseRoom
            | Self::ResumeRoom
            | Self::ListCalls
            | Self::ListActs
            | Self::ListParticipants
            | Self::GetParticipant
            | Self::UpdateParticipant
            | Self::RemoveParticipant
            | Self::ListBans
            | Self::CreateBan
            | Self::LiftBan
            | Self::MuteTrack => false,
        }
    }

    /// Its query parameters; others are refused.
    #[must_use]
    pub const fn query(self) -> &'static [&'static str] {
        match self {
            Self::ListRooms => &["limit", "cursor", "public"],
            Self::ListRecordings | Self::ListActs => &["limit", "cursor"],
            Self::CloseRoom | Self::RemoveParticipant => &["reason"],
            Self::MuteTrack => &["hold"],
            Self::CreateToken
            | Self::CreateRoom
            | Self::GetRoom
            | Self::UpdateRoom
            | Self::StartRoom
            | Self::PauseRoom
            | Self::ResumeRoom
            | Self::ListCalls
            | Self::ListParticipants
            | Self::GetParticipant
            | Self::UpdateParticipant
            | Self::ListBans
            | Self::CreateBan
            | Self::LiftBan
            | Self::StartRecording
            | Self::GetRecording
            | Self::StopRecording
            | Self::DeleteRecording => &[],
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// The operation and the values of its variables, still percent-encoded.
    Operation(OperationId, Vec<&'a str>),
    /// The path exists, but not with this method.
    OtherMethods(Vec<&'static str>),
    Nothing,
}

#[must_use]
pub fn find<'a>(method: &str, path: &'a str) -> Found<'a> {
    let at_path = || OPERATIONS.iter().filter_map(|operation| Some((operation, matches(operation.path, path)?)));
    if let Some((operation, names)) = at_path().find(|(operation, _)| operation.method == method) {
        return Found::Operation(operation.id, names);
    }
    match at_path().map(|(operation, _)| operation.method).collect::<Vec<_>>() {
        methods if methods.is_empty() => Found::Nothing,
        methods => Found::OtherMethods(methods),
    }
}

fn matches<'a>(pattern: &str, path: &'a str) -> Option<Vec<&'a str>> {
    let mut names = Vec::new();
    let (mut wanted, mut given) = (pattern.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(names),
            (Some(name), Some(given)) if name.starts_with('{') && !given.is_empty() => names.push(given),
            (Some(wanted), Some(given)) if wanted == given => {}
            (Some(_), _) | (None, Some(_)) => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_found_by_method_and_path() {
        let check = |method, path, expected| assert_eq!(find(method, path), expected, "{method} {path}");
        check("POST", "/v1/tokens", Found::Operation(OperationId::CreateToken, vec![]));
        check("DELETE", "/v1/rooms/daily", Found::Operation(OperationId::CloseRoom, vec!["daily"]));
        check(
            "POST",
            "/v1/rooms/a/participants/b%40c/tracks/t1/mute",
            Found::Operation(OperationId::MuteTrack, vec!["a", "b%40c", "t1"]),
        );
        check("POST", "/v1/rooms/a/recordings/r1/stop", Found::Operation(OperationId::StopRecording, vec!["a", "r1"]));
        check("PUT", "/v1/rooms/a/recordings", Found::OtherMethods(vec!["GET", "POST"]));
        check("PUT", "/v1/rooms/daily", Found::OtherMethods(vec!["GET", "PATCH", "DELETE"]));
        for path in ["/v1/rooms/", "/v1/rooms/a/", "/v1/rooms/a/participants/", "/v1", "/v1/rooms/a/socket", ""] {
            check("GET", path, Found::Nothing);
        }
    }
}
