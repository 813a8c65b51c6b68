//! Plays the scripts in `scripts/`: lines that begin with `>` are inputs, and the lines below them the expected
//! outputs.

use crate::servers::api_asks;
use crate::stage::{Stage, mid_named, participant_of};
use crate::words::{Names, bandwidth_of};
use edge_core::fleet::PlaceAnswer;
use edge_core::room::{Input, Output};
use shared::control::{NodeToRoom, SegmentOutcome, SessionEnd, TrackRef};
use shared::signal::{
    BanTerm, ClientToEdge, EstimateReason, NegotiateReason, ParticipantChange, Reaction, RecordingFile, RecordingState,
    RoomChange, TrackSource, VideoLimit,
};
use shared::token::Grants;
use shared::{ErrorCode, MessageId, Mid, NodeId, ParticipantId, RoleName, SessionId, TrackId, UnixMillis};
use std::path::PathBuf;

const SCRIPTS: [&str; 40] = [
    "join",
    "mute",
    "slots",
    "replace",
    "resume",
    "reload",
    "moderate",
    "api",
    "host",
    "end",
    "conversation",
    "limits",
    "negotiate",
    "placing",
    "node-lost",
    "drain",
    "transport-dead",
    "crash",
    "misbehave",
    "record",
    "recordings",
    "successors",
    "alone",
    "secrets",
    "bans",
    "lobby",
    "silence",
    "layers",
    "bandwidth",
    "states",
    "scheduled",
    "cut-off",
    "rules",
    "node-away",
    "roles",
    "succession",
    "held",
    "audit",
    "template",
    "seats",
];

#[test]
fn the_room_does_what_the_scripts_say() {
    let mut wrong = Vec::new();
    for name in SCRIPTS {
        let text = read(name);
        let actual = transcript(&text);
        if actual != text {
            let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.txt"));
            std::fs::write(&path, &actual).expect("writes");
            wrong.push(format!("{name}: see {}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_sleep_after_any_step_changes_nothing() {
    for name in SCRIPTS {
        let text = read(name);
        let steps: Vec<&str> = steps(&text).collect();
        let awake = play(&steps, None);
        for asleep_after in 0..steps.len() {
            assert_eq!(play(&steps, Some(asleep_after)), awake, "{name}: slept after {:?}", steps[asleep_after]);
        }
    }
}

#[test]
fn every_change_is_stored_before_anybody_is_told() {
    for name in SCRIPTS {
        for outputs in play(&steps(&read(name)).collect::<Vec<_>>(), None) {
            let late = outputs.iter().skip(1).any(|output| matches!(output, Output::Store(_)));
            assert!(!late, "{name}: {outputs:?}");
        }
    }
}

fn read(name: &str) -> String {
    let path = format!("{}/tests/room/scripts/{name}.txt", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn steps(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_prefix("> "))
}

fn play(steps: &[&str], asleep_after: Option<usize>) -> Vec<Vec<Output>> {
    let mut stage = Stage::new(1);
    let mut outputs = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        outputs.push(act(&mut stage, step));
        if asleep_after == Some(index) {
            assert_eq!(stage.sleep(), [], "waking up after {step:?} is no news");
        }
    }
    outputs
}

/// The script with the actual outputs below each step.
fn transcript(text: &str) -> String {
    let mut stage = Stage::new(1);
    let mut names = Names::default();
    let mut lines = Printed(Vec::new());
    for line in text.lines() {
        let lines = &mut lines.0;
        if line.starts_with('#') || line.is_empty() {
            lines.push(line.to_string());
        }
        let Some(step) = line.strip_prefix("> ") else { continue };
        names.learn(&stage);
        let outputs = act(&mut stage, step);
        names.learn(&stage);
        lines.push(line.to_string());
        lines.extend(outputs.iter().map(|output| format!("  {}", names.line(&stage, output))));
    }
    lines.0.join("\n") + "\n"
}

/// The transcript so far, printed if a step cannot be executed.
struct Printed(Vec<String>);

impl Drop for Printed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0.join("\n"));
        }
    }
}

/// Executes one step of a script.
pub(crate) fn act(stage: &mut Stage, step: &str) -> Vec<Output> {
    let words: Vec<&str> = step.split_whitespace().collect();
    match words.as_slice() {
        ["wait", ms] => {
            stage.now = stage.now.plus_ms(ms.parse().expect("milliseconds"));
            stage.input(Input::Deadline)
        }
        ["crash"] => stage.crash(),
        ["fleet", "gives", node, epoch] => {
            let epoch = epoch_named(stage, epoch);
            stage.give(node, epoch)
        }
        ["fleet", "fails", epoch] => {
            let answer = PlaceAnswer::Failed { code: ErrorCode::NoMediaNode };
            let epoch = epoch_named(stage, epoch);
            stage.input(Input::FleetAnswered { epoch, answer })
        }
        ["api", words @ ..] => stage.input(Input::Asked { request: 1, ask: api_asks(stage, words) }),
        [name, "was", "silent"] => stage.answer_heard(name, None),
        [name, "said", "ping", ago_ms, "ago"] => {
            let ago_ms: u64 = ago_ms.parse().expect("milliseconds");
            let at = UnixMillis(stage.now.0 - ago_ms);
            stage.answer_heard(name, Some(at))
        }
        [name, "closes"] => stage.close(name),
        [name, "unloads"] => stage.unload(name),
        [name, "unloaded", "before"] => stage.say_goodbye_late(name),
        [name, "dials", epoch] => {
            let epoch = epoch_named(stage, epoch);
            stage.open_node(name, epoch)
        }
        [name, rest @ ..] if name.starts_with("node-") => node_acts(stage, name, rest),
        [name, rest @ ..] => client_acts(stage, name, rest),
        [] => panic!("an empty step"),
    }
}

fn node_acts(stage: &mut Stage, name: &str, words: &[&str]) -> Vec<Output> {
    let session = |stage: &Stage, whose: &str| -> SessionId {
        let newest = stage.clients.get(whose).and_then(|client| client.at_node.last());
        newest.unwrap_or_else(|| panic!("{whose} has no session")).clone()
    };
    let message = match words {
        [word @ ("hello" | "hello-of-old"), epoch, connected @ ..] => NodeToRoom::Hello {
            node: NodeId::parse(&participant_of(name)).expect("a name"),
            epoch: epoch_named(stage, epoch),
            connected: connected.iter().map(|whose| session(stage, whose)).collect(),
            reports_loudest: *word == "hello",
        },
        ["up", whose] => NodeToRoom::SessionConnected { session: session(stage, whose) },
        ["refuses", whose] => NodeToRoom::SessionClosed { session: session(stage, whose), end: SessionEnd::Refused },
        ["drops", whose] => {
            NodeToRoom::SessionClosed { session: session(stage, whose), end: SessionEnd::ConsentExpired }
        }
        ["drains"] => NodeToRoom::Draining {},
        ["wants", whose, mid, rids @ ..] => NodeToRoom::LayersWanted {
            session: session(stage, whose),
            mid: mid_named(mid.parse().expect("a mid")),
            rids: rids.iter().map(|rid| (*rid).to_string()).collect(),
        },
        ["pauses", whose, mids @ ..] => NodeToRoom::VideoLimited {
            session: session(stage, whose),
            estimate_bps: 90_000,
            reason: Some(EstimateReason::Delay),
            slots: mids.iter().map(|mid| paused(mid_named(mid.parse().expect("a mid")))).collect(),
        },
        ["cannot", "read", whose, mids @ ..] => NodeToRoom::VideoUndecodable {
            session: session(stage, whose),
            mids: mids.iter().map(|mid| mid_named(mid.parse().expect("a mid"))).collect(),
        },
        ["hears", whom @ ..] => NodeToRoom::Loudest {
            microphones: whom
                .iter()
                .map(|whose| TrackRef { session: session(stage, whose), mid: mid_named(0) })
                .collect(),
        },
        ["seals", number, epoch] => {
            let epoch = epoch_named(stage, epoch);
            return stage.report(name, number, |_| SegmentOutcome::Sealed { epoch });
        }
        ["finishes", number, epochs @ ..] => {
            // The first one is the node's own.
            let segments: Vec<u64> = epochs.iter().map(|epoch| epoch_named(stage, epoch)).collect();
            return stage.report(name, number, |prefix| finished(segments, prefix));
        }
        ["empties", number, epochs @ ..] => {
            let segments: Vec<u64> = epochs.iter().map(|epoch| epoch_named(stage, epoch)).collect();
            let epoch = segments.first().copied().unwrap_or(0);
            return stage.report(name, number, |_| SegmentOutcome::Empty { epoch, segments });
        }
        ["fails", number] => {
            return stage.report(name, number, |_| SegmentOutcome::Failed { code: ErrorCode::RecordingFailed });
        }
        ["recording", number, state, reason @ ..] => NodeToRoom::RecordingState {
            recording: stage.recording(number),
            state: match *state {
                "runs" => RecordingState::Recording,
                "storage-away" => RecordingState::StorageAway,
                "failed" => RecordingState::Failed,
                _ => panic!("no recording is {state}"),
            },
            code: (reason == ["disk-full"]).then_some(ErrorCode::DiskFull),
        },
        _ => panic!("no node does {words:?}"),
    };
    stage.node_says(name, message)
}

/// `alan grace@360`: the viewed participants with their tile heights; without any height, the client does not report
/// tile sizes.
fn view_of(words: &[&str]) -> ClientToEdge {
    let sized: Vec<_> = words.iter().filter_map(|word| word.split_once('@')).collect();
    let lines = sized.iter().map(|(whom, lines)| (id(whom), lines.parse().expect("lines"))).collect();
    let whom = words.iter().map(|word| word.split('@').next().unwrap_or_default());
    ClientToEdge::View { participants: whom.map(id).collect(), lines: (!sized.is_empty()).then_some(lines) }
}

fn finished(segments: Vec<u64>, prefix: &str) -> SegmentOutcome {
    let file = RecordingFile {
        key: format!("{prefix}ada-camera.webm"),
        participant: id("ada"),
        name: "Ada".into(),
        is_screen: false,
        starts_ms: 0,
        duration_ms: 1_000,
        bytes: 5_000,
    };
    let epoch = segments.first().copied().unwrap_or(0);
    SegmentOutcome::Finished { epoch, segments, files: vec![file], manifest: format!("{prefix}manifest.json") }
}

fn opens(stage: &mut Stage, name: &str, options: &[&str]) -> Vec<Output> {
    let grants = Grants {
        publish: !options.contains(&"viewer"),
        subscribe: !options.contains(&"speaker"),
        chat: !options.contains(&"mute"),
        moderate: options.contains(&"moderator"),
        record: options.contains(&"recorder"),
        create: !options.contains(&"visitor"),
        ..Grants::NONE
    };
    let max = options.iter().find_map(|option| option.strip_prefix("max=")?.parse().ok());
    let template = options.iter().find_map(|option| option.strip_prefix("template=")?.parse().ok());
    stage.open_with_template(name, grants, max, template)
}

fn resume(stage: &mut Stage, participant: &str, how: &[&str]) -> ClientToEdge {
    let number = |text: &str| Some(text.parse().expect("a number"));
    let (session, token) = stage.client(participant).session.clone().expect("joined before");
    let (resume_token, chat_after, revision) = match how {
        [] => (token, None, None),
        ["after", message] => (token, number(message), None),
        ["knowing", revision] => (token, None, number(revision)),
        ["wrongly"] => ("guess".into(), None, None),
        other => panic!("nobody resumes {other:?}"),
    };
    ClientToEdge::Resume { session, resume_token, chat_after, revision }
}

fn client_acts(stage: &mut Stage, name: &str, words: &[&str]) -> Vec<Output> {
    let participant = participant_of(name);
    let message = match words {
        [verb @ ("holds" | "makes" | "says"), rest @ ..] => judges(verb, &participant, rest),
        ["opens", "as", role] => return stage.open_with_role(name, role),
        ["opens", options @ ..] => return opens(stage, name, options),
        ["reopens"] => {
            return stage.reopen_client(name).unwrap_or_else(|| panic!("{name}'s secret opens nothing"));
        }
        ["fails", "to", "reopen"] => {
            assert_eq!(stage.reopen_client(name), None, "{name}'s secret opens something");
            return Vec::new();
        }
        ["babbles"] => return stage.babble(name),
        ["joins", attempt, options @ ..] => {
            let (sources, slots) = shape(options);
            stage.join(name, attempt, &sources, slots)
        }
        ["resumes", how @ ..] => resume(stage, &participant, how),
        ["negotiates", reason, options @ ..] => negotiate(stage, &participant, reason, options),
        ["mutes", mid] => ClientToEdge::SetMuted { mid: mid_named(mid.parse().expect("a mid")), muted: true },
        ["unmutes", mid] => ClientToEdge::SetMuted { mid: mid_named(mid.parse().expect("a mid")), muted: false },
        ["views", whom @ ..] => view_of(whom),
        ["writes", message, text] => {
            ClientToEdge::Chat { message: MessageId::parse(message).expect("a name"), text: (*text).into() }
        }
        ["claps"] => ClientToEdge::React { reaction: Reaction::Clap },
        ["raises"] => ClientToEdge::RaiseHand { raised: true },
        ["lowers"] => ClientToEdge::RaiseHand { raised: false },
        ["lowers", whom] => ClientToEdge::LowerHand { participant: id(whom) },
        [verb @ ("kicks" | "bans" | "lists" | "pardons" | "admits" | "turns"), rest @ ..] => expels(verb, rest),
        ["silences", whom, track] => ClientToEdge::MuteTrack {
            participant: id(whom),
            track: TrackId::parse(track).expect("a track"),
            hold: false,
        },
        ["names", whom, name] => ClientToEdge::UpdateParticipant {
            participant: id(whom),
            change: ParticipantChange { name: Some((*name).into()), metadata: Some("m".into()), ..Default::default() },
        },
        ["grants", whom, letters] => ClientToEdge::UpdateParticipant {
            participant: id(whom),
            change: ParticipantChange { grants: Some(grants_of(letters)), ..ParticipantChange::default() },
        },
        ["narrows", whom, send, receive] => {
            ClientToEdge::UpdateParticipant { participant: id(whom), change: bandwidth_of(send, receive) }
        }
        ["locks"] => room_change(RoomChange { locked: Some(true), ..RoomChange::default() }),
        ["unlocks"] => room_change(RoomChange { locked: Some(false), ..RoomChange::default() }),
        ["limits", max] => room_change(RoomChange { participants_max: max.parse().ok(), ..RoomChange::default() }),
        ["keeps", ms] => room_change(RoomChange { empty_timeout_ms: ms.parse().ok(), ..RoomChange::default() }),
        ["describes", text] => room_change(RoomChange { metadata: Some((*text).into()), ..RoomChange::default() }),
        ["rules", json @ ..] => room_change(rules_of(json)),
        ["starts"] => ClientToEdge::StartRoom {},
        ["pauses"] => ClientToEdge::PauseRoom { reason: Some("a break".into()) },
        ["goes", "on"] => ClientToEdge::ResumeRoom {},
        ["lasts", ms] => room_change(RoomChange { duration_ms_max: ms.parse().ok(), ..RoomChange::default() }),
        ["ends"] => ClientToEdge::EndRoom { reason: Some("over".into()) },
        ["records"] => ClientToEdge::StartRecording {},
        ["stops", "recording"] => ClientToEdge::StopRecording {},
        ["leaves"] => ClientToEdge::Leave {},
        _ => panic!("no client does {words:?}"),
    };
    stage.say(name, message).1
}

/// Held tracks, roles, and a participant's own metadata.
fn judges(verb: &str, participant: &str, words: &[&str]) -> ClientToEdge {
    match (verb, words) {
        ("holds", [whom, track]) => {
            let track = TrackId::parse(track).expect("a track");
            ClientToEdge::MuteTrack { participant: id(whom), track, hold: true }
        }
        ("makes", [whom, role]) => ClientToEdge::UpdateParticipant { participant: id(whom), change: role_of(role) },
        ("says", [text]) => ClientToEdge::UpdateParticipant {
            participant: id(participant),
            change: ParticipantChange { metadata: Some((*text).into()), ..ParticipantChange::default() },
        },
        _ => panic!("no client {verb} {words:?}"),
    }
}

/// Kicks, bans, pardons and the lobby's decisions.
fn expels(verb: &str, words: &[&str]) -> ClientToEdge {
    let kick = |whom: &str, reason: Option<String>, ban| ClientToEdge::Kick { participant: id(whom), reason, ban };
    match (verb, words) {
        ("kicks", [whom]) => kick(whom, Some("spam".into()), None),
        ("bans", [whom]) => kick(whom, None, Some(BanTerm::default())),
        ("bans", [whom, ms]) => kick(whom, None, Some(BanTerm { lasts_ms: ms.parse().ok(), ..BanTerm::default() })),
        ("lists", ["bans"]) => ClientToEdge::ListBans {},
        ("admits", [whom]) => ClientToEdge::AdmitGuest { participant: id(whom) },
        ("turns", ["away", whom]) => ClientToEdge::RefuseGuest { participant: id(whom) },
        ("pardons", [whom]) => ClientToEdge::LiftBan { participant: id(whom) },
        _ => panic!("no client {verb} {words:?}"),
    }
}

/// The rules in JSON without blanks.
pub(crate) fn rules_of(json: &[&str]) -> RoomChange {
    serde_json::from_str(&json.concat()).expect("a change to a room")
}

fn room_change(change: RoomChange) -> ClientToEdge {
    ClientToEdge::UpdateRoom { change }
}

pub(crate) fn role_of(role: &str) -> ParticipantChange {
    ParticipantChange { role: RoleName::parse(role).ok(), ..ParticipantChange::default() }
}

/// `psm`: may publish, subscribe, moderate.
pub(crate) fn grants_of(letters: &str) -> Grants {
    Grants {
        publish: letters.contains('p'),
        subscribe: letters.contains('s'),
        chat: true,
        moderate: letters.contains('m'),
        record: letters.contains('r'),
        ..Grants::NONE
    }
}

fn negotiate(stage: &mut Stage, participant: &str, reason: &str, options: &[&str]) -> ClientToEdge {
    let (sources, slots) = shape(options);
    let client = stage.client(participant);
    let reason = match reason {
        "sections" => NegotiateReason::Sections,
        "ice-restart" => NegotiateReason::IceRestart,
        "dead" => NegotiateReason::TransportDead,
        "new" => NegotiateReason::NewTransport,
        _ => panic!("{reason} is no reason"),
    };
    let mut connection = client.connection.clone();
    match reason {
        NegotiateReason::Sections => {}
        NegotiateReason::IceRestart | NegotiateReason::TransportDead => connection.restarts += 1,
        NegotiateReason::NewTransport => {
            let number = connection.number.wrapping_add(100);
            connection = crate::offers::Connection { number, ..Default::default() };
        }
    }
    let (offer, tracks) = client.offer(connection, &sources, slots);
    ClientToEdge::Negotiate { offer, tracks, reason }
}

/// `mic camera* slots=2`: published sources, muted ones with an asterisk, and the slots offered of each kind.
fn shape(options: &[&str]) -> (Vec<(TrackSource, bool)>, usize) {
    let mut slots = 0;
    let mut sources = Vec::new();
    for option in options {
        if let Some(count) = option.strip_prefix("slots=") {
            slots = count.parse().expect("a number");
            continue;
        }
        let source = match option.trim_end_matches('*') {
            "mic" => TrackSource::Microphone,
            "camera" => TrackSource::Camera,
            "screen" => TrackSource::Screen,
            "screen-audio" => TrackSource::ScreenAudio,
            other => panic!("{other} is no source"),
        };
        sources.push((source, option.ends_with('*')));
    }
    (sources, slots)
}

/// `e2` is the second requested epoch.
fn epoch_named(stage: &Stage, name: &str) -> u64 {
    let index: usize = name.trim_start_matches('e').parse().expect("an epoch");
    *stage.epochs.get(index - 1).unwrap_or_else(|| panic!("{name} was not asked for"))
}

pub(crate) fn id(name: &str) -> ParticipantId {
    ParticipantId::parse(name).expect("a name")
}

fn paused(mid: Mid) -> VideoLimit {
    VideoLimit { mid, wanted_bps: 1_700_000, given_bps: None }
}
