//! The wire types in TypeScript, which `cargo xtask codegen` writes to `client/sdk/src/protocol.gen.ts`.

use crate::api;
use crate::error_code::ErrorCode;
use crate::ids::{AttemptId, MessageId, Mid, ParticipantId, RecordingId, Region, RoleName, SessionId, TrackId};
use crate::limits;
use crate::rtp_parameters::MediaKind;
use crate::signal::{self, close_code};
use crate::time::UnixMillis;
use crate::token::{Bandwidth, Grants};
use std::fmt::Write;
use ts_rs::{Config, TS};

#[must_use]
pub fn declarations() -> String {
    let mut text = String::from("// Generated from the crate `shared` by `cargo xtask codegen`. Do not edit.\n\n");
    constants(&mut text);
    types(&mut text);
    text
}

fn constants(text: &mut String) {
    let mut string = |name: &str, value: &str| {
        let _ = writeln!(text, "export const {name} = {value:?};");
    };
    string("SUBPROTOCOL", signal::SUBPROTOCOL);
    string("TOKEN_SUBPROTOCOL_PREFIX", signal::TOKEN_SUBPROTOCOL_PREFIX);
    string("RESUME_SUBPROTOCOL_PREFIX", signal::RESUME_SUBPROTOCOL_PREFIX);
    string("PING", signal::PING);
    string("PONG", signal::PONG);
    let mut number = |name: &str, value: u64| {
        let _ = writeln!(text, "export const {name} = {value};");
    };
    number("CLOSE_NORMAL", close_code::NORMAL.into());
    number("CLOSE_GOING_AWAY", close_code::GOING_AWAY.into());
    number("CLOSE_POLICY", close_code::POLICY.into());
    number("CLOSE_INTERNAL", close_code::INTERNAL.into());
    number("CLOSE_REMOVED", close_code::REMOVED.into());
    number("CLOSE_PAGE_HIDDEN", close_code::PAGE_HIDDEN.into());
    number("FRAMES_PER_POST_MAX", limits::FRAMES_PER_POST_MAX as u64);
    number("SIGNAL_FRAME_BYTES_MAX", limits::SIGNAL_FRAME_BYTES_MAX as u64);
    number("PING_INTERVAL_MS", limits::PING_INTERVAL_MS);
    number("RESUME_WINDOW_MS", limits::RESUME_WINDOW_MS);
    number("SLOTS_PER_KIND_DEFAULT", limits::SLOTS_PER_KIND_DEFAULT as u64);
    number("SLOTS_PER_KIND_MAX", limits::SLOTS_PER_KIND_MAX as u64);
    number("TRACKS_PER_PARTICIPANT_MAX", limits::TRACKS_PER_PARTICIPANT_MAX as u64);
    number("NAME_CHARS_MAX", limits::NAME_CHARS_MAX as u64);
    number("CHAT_TEXT_BYTES_MAX", limits::CHAT_TEXT_BYTES_MAX as u64);
    number("CHAT_MESSAGES_MAX", limits::CHAT_MESSAGES_MAX as u64);
    number("PEER_CANDIDATES_PER_FRAME", limits::PEER_CANDIDATES_PER_FRAME as u64);
    number("VIEW_PARTICIPANTS_MAX", limits::VIEW_PARTICIPANTS_MAX as u64);
    let retry: Vec<String> =
        ErrorCode::ALL.iter().filter(|code| code.may_retry()).map(|code| format!("\"{code}\"")).collect();
    let _ = writeln!(text, "export const RETRYABLE_ERROR_CODES: readonly ErrorCode[] = [{}];\n", retry.join(", "));
}

fn types(text: &mut String) {
    let config = Config::default();
    declare::<UnixMillis>(text, &config);
    declare::<ParticipantId>(text, &config);
    declare::<SessionId>(text, &config);
    declare::<TrackId>(text, &config);
    declare::<RecordingId>(text, &config);
    declare::<Region>(text, &config);
    declare::<RoleName>(text, &config);
    declare::<AttemptId>(text, &config);
    declare::<MessageId>(text, &config);
    declare::<Mid>(text, &config);
    declare::<ErrorCode>(text, &config);
    declare::<MediaKind>(text, &config);
    declare::<signal::TrackSource>(text, &config);
    declare::<signal::TrackIntent>(text, &config);
    declare::<signal::NegotiateReason>(text, &config);
    declare::<signal::ConnectionState>(text, &config);
    declare::<signal::EstimateReason>(text, &config);
    declare::<signal::VideoLimit>(text, &config);
    declare::<signal::LeaveReason>(text, &config);
    declare::<signal::RosterDifference>(text, &config);
    declare::<signal::Departure>(text, &config);
    declare::<Bandwidth>(text, &config);
    declare::<Grants>(text, &config);
    declare::<signal::CallState>(text, &config);
    declare::<signal::RoomType>(text, &config);
    declare::<signal::Duplicates>(text, &config);
    declare::<signal::QualityProfile>(text, &config);
    declare::<signal::Features>(text, &config);
    declare::<signal::DirectInfo>(text, &config);
    declare::<signal::RoomInfo>(text, &config);
    declare::<signal::ParticipantChange>(text, &config);
    declare::<signal::RoomChange>(text, &config);
    declare::<signal::TrackInfo>(text, &config);
    declare::<signal::ParticipantInfo>(text, &config);
    declare::<signal::SlotInfo>(text, &config);
    declare::<signal::BanTerm>(text, &config);
    declare::<signal::BanInfo>(text, &config);
    declare::<signal::GuestInfo>(text, &config);
    declare::<signal::RecordingState>(text, &config);
    declare::<signal::RecordingInfo>(text, &config);
    declare::<api::PlayableFile>(text, &config);
    declare::<api::Recording>(text, &config);
    declare::<api::RecordingList>(text, &config);
    declare::<signal::ChatMessage>(text, &config);
    declare::<signal::Reaction>(text, &config);
    declare::<signal::IceServer>(text, &config);
    declare::<signal::PeerSignalKind>(text, &config);
    declare::<signal::PeerCandidate>(text, &config);
    declare::<signal::PeerSignal>(text, &config);
    declare::<signal::ClientToEdge>(text, &config);
    declare::<signal::EdgeToClient>(text, &config);
}

fn declare<T: TS>(text: &mut String, config: &Config) {
    if let Some(docs) = T::docs() {
        text.push_str(&docs);
    }
    let _ = writeln!(text, "export {}\n", T::decl(config));
}
