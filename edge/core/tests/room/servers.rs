//! The application's server in the scripts.

use crate::scripts::{grants_of, id, role_of, rules_of};
use crate::stage::Stage;
use crate::words::bandwidth_of;
use edge_core::room::{Ask, RecordingAsk, RecordingCursor, Verb};
use shared::TrackId;
use shared::signal::{BanTerm, ParticipantChange, RoomChange};

pub(crate) fn api_asks(stage: &Stage, words: &[&str]) -> Ask {
    let recording = |number: &str| stage.recording(number);
    let room = |change| Verb::UpdateRoom { change };
    let grants = |grants| ParticipantChange { grants: Some(grants_of(grants)), ..ParticipantChange::default() };
    let verb = match words {
        ["creates", how @ ..] => return creates(stage, how),
        ["records"] => return Ask::Recordings { request: RecordingAsk::Start, by: None },
        ["stops", number] => {
            return Ask::Recordings { request: RecordingAsk::Stop { recording: recording(number) }, by: None };
        }
        ["lists", "recordings"] => {
            return Ask::Recordings { request: RecordingAsk::List { after: None, limit: 2 }, by: None };
        }
        ["lists", "recordings", "before", at] => {
            // A cursor comes from an earlier page, so it is parsed here.
            let number = stage.recordings.last().expect("a recording");
            let after = RecordingCursor::parse(&format!("{at}.{number}"));
            return Ask::Recordings { request: RecordingAsk::List { after, limit: 2 }, by: None };
        }
        ["shows", "recording", number] => {
            return Ask::Recordings { request: RecordingAsk::Show { recording: recording(number) }, by: None };
        }
        ["deletes", number] => {
            return Ask::Recordings { request: RecordingAsk::Doom { recording: recording(number) }, by: None };
        }
        ["forgets", number] => {
            return Ask::Recordings { request: RecordingAsk::Forget { recording: recording(number) }, by: None };
        }
        ["lists", "acts"] => return Ask::Audit { before: None, limit: 100 },
        ["lists", "acts", "before", number] => return Ask::Audit { before: number.parse().ok(), limit: 2 },
        ["lists", "calls"] => return Ask::Calls,
        ["shows"] => return Ask::Show,
        ["lists"] => return Ask::Participants,
        ["shows", whom] => return Ask::Participant { participant: id(whom) },
        ["lists", "bans"] => return Ask::Bans,
        ["knocks", whom, name] => {
            return Ask::Knock { participant: id(whom), name: (*name).into(), from: None };
        }
        ["kicks", whom] => Verb::Remove { participant: id(whom), reason: None, ban: None },
        ["bans", whom] => Verb::Remove { participant: id(whom), reason: None, ban: Some(BanTerm::default()) },
        ["pardons", whom] => Verb::LiftBan { participant: id(whom) },
        ["silences", whom, track] => {
            Verb::MuteTrack { participant: id(whom), track: TrackId::parse(track).expect("a track"), hold: false }
        }
        ["grants", whom, letters] => Verb::UpdateParticipant { participant: id(whom), change: grants(letters) },
        ["makes", whom, role] => Verb::UpdateParticipant { participant: id(whom), change: role_of(role) },
        ["narrows", whom, send, receive] => {
            Verb::UpdateParticipant { participant: id(whom), change: bandwidth_of(send, receive) }
        }
        ["locks"] => room(RoomChange { locked: Some(true), ..RoomChange::default() }),
        ["unlocks"] => room(RoomChange { locked: Some(false), ..RoomChange::default() }),
        ["keeps", ms] => room(RoomChange { empty_timeout_ms: ms.parse().ok(), ..RoomChange::default() }),
        ["rules", json @ ..] => room(rules_of(json)),
        ["starts"] => Verb::Start,
        ["pauses"] => Verb::Pause { reason: None },
        ["goes", "on"] => Verb::Resume,
        ["lasts", ms] => room(RoomChange { duration_ms_max: ms.parse().ok(), ..RoomChange::default() }),
        ["schedules", ms] => room(schedule(stage, ms)),
        ["ends"] => Verb::End { reason: None },
        _ => panic!("no server asks {words:?}"),
    };
    Ask::Moderate { verb }
}

fn creates(stage: &Stage, how: &[&str]) -> Ask {
    let (change, template) = match how {
        [] => (RoomChange::default(), None),
        ["with", json @ ..] => (rules_of(json), None),
        ["for", ms] => (schedule(stage, ms), None),
        ["by", name] => (RoomChange::default(), name.parse().ok()),
        ["by", name, json @ ..] => (rules_of(json), name.parse().ok()),
        [max, ..] => (RoomChange { participants_max: max.parse().ok(), ..RoomChange::default() }, None),
    };
    Ask::Create { change, template }
}

/// A start so many milliseconds from now.
fn schedule(stage: &Stage, ms: &str) -> RoomChange {
    let starts_at = Some(stage.now.plus_ms(ms.parse().expect("milliseconds")));
    RoomChange { starts_at, ..RoomChange::default() }
}
