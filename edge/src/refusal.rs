//! How the edge says no over HTTP: one JSON shape with a stable code.

use serde::Serialize;
use shared::ErrorCode;
use worker::{Response, ResponseBuilder};

/// Why a request was not served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The stable code.
    pub(crate) code: ErrorCode,
    /// For developers.
    pub(crate) message: &'static str,
    /// The HTTP status.
    pub(crate) status: u16,
}

#[derive(Serialize)]
struct Body<'a> {
    code: ErrorCode,
    message: &'a str,
    request_id: &'a str,
}

impl Refusal {
    /// A refusal with the status that its code always has.
    pub(crate) const fn new(code: ErrorCode, message: &'static str) -> Self {
        Self { code, message, status: status(code) }
    }

    /// Nothing is at this path.
    pub(crate) const fn no_such_path() -> Self {
        Self::new(ErrorCode::NotFound, "nothing is at this path")
    }

    /// A fault of ours; what exactly is in the log under the same request id.
    pub(crate) const fn internal() -> Self {
        Self::new(ErrorCode::Internal, "something went wrong on our side")
    }

    /// The path speaks WebSocket only (RFC 9110 §15.5.22).
    pub(crate) const fn upgrade_required() -> Self {
        Self { code: ErrorCode::UnsupportedVersion, message: "this path speaks WebSocket only", status: 426 }
    }

    /// The response.
    pub(crate) fn response(&self, request_id: &str) -> worker::Result<Response> {
        let body = Body { code: self.code, message: self.message, request_id };
        ResponseBuilder::new().with_status(self.status).with_header("Cache-Control", "no-store")?.from_json(&body)
    }
}

const fn status(code: ErrorCode) -> u16 {
    match code {
        ErrorCode::MalformedFrame
        | ErrorCode::UnknownMessage
        | ErrorCode::InvalidMessage
        | ErrorCode::UnsupportedVersion
        | ErrorCode::InvalidOffer
        | ErrorCode::TooManySections
        | ErrorCode::UnsupportedMedia => 400,
        ErrorCode::BadToken | ErrorCode::TokenExpired => 401,
        ErrorCode::WrongRoom | ErrorCode::Forbidden | ErrorCode::Kicked => 403,
        ErrorCode::NotFound | ErrorCode::UnknownParticipant | ErrorCode::UnknownTrack => 404,
        ErrorCode::Timeout => 408,
        ErrorCode::NotJoined
        | ErrorCode::AlreadyJoined
        | ErrorCode::RoomFull
        | ErrorCode::RoomLocked
        | ErrorCode::TooManyPublishers
        | ErrorCode::Replaced
        | ErrorCode::TooManyRecordings
        | ErrorCode::StaleEpoch => 409,
        ErrorCode::RoomClosed | ErrorCode::SessionExpired => 410,
        ErrorCode::FrameTooLarge => 413,
        ErrorCode::RateLimited => 429,
        ErrorCode::Internal | ErrorCode::RecordingFailed => 500,
        ErrorCode::NoMediaNode | ErrorCode::MediaNodeLost | ErrorCode::RecordingUnavailable => 503,
    }
}
