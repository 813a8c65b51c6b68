//! Random plays in the language of scripts: two rooms get the same inputs and one of them sleeps repeatedly. A failure
//! prints the script.

use crate::models::Models;
use crate::scripts::act;
use crate::stage::{Stage, next};
use edge_core::SocketId;
use edge_core::room::{Attachment, Output};
use shared::control::Message;
use shared::signal::EdgeToClient;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

const PLAYS: u64 = 60;
const STEPS: usize = 250;
/// More would exceed a socket's limit, and a sleep forgets the count.
const BABBLES_MAX: usize = 8;

const PEOPLE: [&str; 5] = ["ada", "bob", "eve", "joe", "kim"];
const NODES: [&str; 3] = ["node-a", "node-b", "node-c"];

// Holds S0-TEST-01.
#[test]
fn whatever_happens_everybody_agrees() {
    let mut heard = BTreeSet::new();
    for seed in 1..=PLAYS {
        heard.extend(Play::new(seed).run());
    }
    // A message that never occurs proves nothing.
    for kind in EVERYTHING {
        assert!(heard.contains(kind), "no play leads to {kind}; they lead to {heard:?}");
    }
}

/// Every kind of message that a play can produce.
const EVERYTHING: [&str; 34] = [
    "joined",
    "resumed",
    "negotiated",
    "done",
    "bans",
    "ask_heard",
    "error",
    "refused",
    "participant_joined",
    "participant_updated",
    "participant_left",
    "room_updated",
    "track_muted",
    "chat",
    "reacted",
    "slots_changed",
    "sections_needed",
    "layers_wanted",
    "video_limited",
    "video_undecodable",
    "transport_dead",
    "node_away",
    "removed",
    "welcome",
    "set_session",
    "close_session",
    "set_forwards",
    "release",
    "ask",
    "recording_updated",
    "set_recording",
    "leave",
    "finish",
    "answer",
];

fn kind(output: &Output) -> Option<String> {
    let json = match output {
        Output::SendClient { message, .. } => message.to_json(),
        Output::SendClients { message, .. } => message.to_json(),
        Output::SendNode { message, .. } => message.to_json(),
        Output::AnswerReport { verdict, .. } => verdict.to_json(),
        Output::AskFleet(_) => return Some("ask".into()),
        Output::AskTurn { .. } => return None,
        Output::AskHeard { .. } => return Some("ask_heard".into()),
        Output::Answer { .. } => return Some("answer".into()),
        Output::Store(_) | Output::CloseClient { .. } | Output::CloseNode { .. } => return None,
    };
    let message: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    Some(message["type"].as_str().expect("has a type").into())
}

struct Play {
    seed: u64,
    dice: Cell<u64>,
    awake: Stage,
    sleepy: Stage,
    models: Models,
    names: BTreeMap<SocketId, String>,
    script: Vec<String>,
    babbles: usize,
    heard: BTreeSet<String>,
}

impl Drop for Play {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {} failed after:\n> {}", self.seed, self.script.join("\n> "));
        }
    }
}

impl Play {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            dice: Cell::new(seed),
            awake: Stage::new(seed),
            sleepy: Stage::new(seed),
            models: Models::default(),
            names: BTreeMap::new(),
            script: Vec::new(),
            babbles: 0,
            heard: BTreeSet::new(),
        }
    }

    /// Plays, and returns the kinds of messages that occurred.
    fn run(mut self) -> BTreeSet<String> {
        for _ in 0..STEPS {
            let step = self.roll();
            self.step(&step);
        }
        // Everything that waits has a deadline.
        for _ in 0..40 {
            self.step("wait 5000");
        }
        assert_eq!(self.models.unanswered(), 0, "requests were never answered");
        let names: Vec<String> = self.awake.sockets.keys().cloned().collect();
        for name in names {
            self.step(&format!("{name} closes"));
        }
        self.step("wait 30000");
        self.step("wait 60000");
        // No node builds the files of the recordings.
        self.step("wait 3600000");
        // No node brings leftovers of deleted recordings.
        self.step("wait 604800000");
        // Nobody uses the room's name again.
        self.step("wait 31536000000");
        let kept = self.awake.rows.keys().filter(|key| !key.starts_with("recording/")).count();
        assert_eq!(kept, 0, "an empty room is forgotten, but for its recordings");
        assert_eq!(self.awake.timeout(), None, "a forgotten room waits for nothing");
        std::mem::take(&mut self.heard)
    }

    fn step(&mut self, step: &str) {
        self.script.push(step.to_string());
        for stage in [&mut self.awake, &mut self.sleepy] {
            // Slow enough for the rate limit, which a sleep forgets.
            stage.now = stage.now.plus_ms(100);
        }
        let before = self.awake.sockets.clone();
        let outputs = self.act(step, &before);
        assert_eq!(act(&mut self.sleepy, step), outputs, "the sleepy one does something else");
        if self.dice(4) == 0 {
            assert_eq!(self.sleepy.sleep(), [], "waking up is no news");
        }
        assert_eq!(self.sleepy.rows, self.awake.rows);
        self.names.extend(self.awake.sockets.iter().map(|(name, attachment)| (attachment.socket(), name.clone())));
        self.heard.extend(outputs.iter().filter_map(kind));
        self.models.hear(&self.names, &outputs);
        self.models.check(&self.awake);
    }

    fn act(&mut self, step: &str, before: &BTreeMap<String, Attachment>) -> Vec<Output> {
        let request = self.awake.next_request_number();
        let speaker = step.split(' ').next().and_then(|name| before.get(name));
        if let Some(Attachment::Client { socket, .. } | Attachment::Resuming { socket, .. }) = speaker {
            self.models.asked(request, *socket);
        }
        if step == "crash" || step.ends_with("closes") || step.ends_with("unloads") {
            let gone = before.iter().filter(|(name, _)| step == "crash" || step.starts_with(&format!("{name} ")));
            for (_, attachment) in gone {
                self.models.closed(attachment.socket());
            }
        }
        let outputs = act(&mut self.awake, step);
        if self.awake.next_request_number() == request {
            self.models.not_asked(request);
        }
        if let (Some(speaker), Some((_, view))) = (speaker, step.split_once(" views ")) {
            let is_done = |output: &Output| matches!(output, Output::SendClient { message: EdgeToClient::Done { in_reply_to }, .. } if *in_reply_to == Some(request));
            if outputs.iter().any(is_done) {
                self.models.views(speaker.socket(), view);
            }
        }
        outputs
    }

    fn dice(&self, sides: usize) -> usize {
        (next(&self.dice) >> 33) as usize % sides
    }

    fn pick<'a>(&self, from: &[&'a str]) -> &'a str {
        from[self.dice(from.len())]
    }

    fn roll(&mut self) -> String {
        match self.dice(22) {
            21 => self.roll_platform().unwrap_or_else(|| self.roll_client()),
            20 => format!("api {}", self.roll_api()),
            0 => format!("wait {}", self.pick(&["1", "500", "1500", "2000", "5000", "10000", "30000"])),
            1 if self.dice(8) == 0 => "crash".into(),
            1..=3 => self.roll_fleet().unwrap_or_else(|| self.roll_client()),
            4..=8 => self.roll_node().unwrap_or_else(|| self.roll_client()),
            _ => self.roll_client(),
        }
    }

    fn roll_platform(&self) -> Option<String> {
        let open: Vec<&String> = self.awake.sockets.keys().filter(|name| !name.starts_with("node-")).collect();
        let name = open.get(self.dice(open.len().max(1)))?;
        Some(format!("{name} {}", self.pick(&["said ping 0 ago", "said ping 39000 ago", "was silent"])))
    }

    fn roll_fleet(&self) -> Option<String> {
        let asked = self.awake.epochs.len();
        let epoch = asked.checked_sub(self.dice(3).min(1))?;
        Some(match self.dice(6) {
            0 => format!("fleet fails e{epoch}"),
            _ => format!("fleet gives {} e{epoch}", self.pick(&NODES)),
        })
        .filter(|_| epoch > 0)
    }

    fn roll_node(&self) -> Option<String> {
        let open: Vec<&String> = self.awake.sockets.keys().filter(|name| name.starts_with("node-")).collect();
        let asked = self.awake.epochs.len();
        if asked > 0 && (open.is_empty() || self.dice(4) == 0) {
            let name = format!("{}{}", self.pick(&NODES), self.pick(&["1", "2"]));
            let closed = !self.awake.sockets.contains_key(&name);
            return closed.then(|| format!("{name} dials e{}", asked - self.dice(asked.min(3))));
        }
        let name = *open.get(self.dice(open.len().max(1)))?;
        if self.dice(4) == 0
            && let Some(step) = self.roll_recorder(name)
        {
            return Some(step);
        }
        let known: Vec<&str> = PEOPLE.into_iter().filter(|person| self.has_session(person)).collect();
        match self.dice(9) {
            0..=2 => {
                let Attachment::Node { claims, .. } = &self.awake.sockets[name] else { return None };
                let epoch = self.awake.epochs.iter().position(|epoch| *epoch == claims.epoch)?;
                let connected: Vec<&str> = known.into_iter().filter(|_| self.dice(2) == 0).collect();
                Some(format!("{name} hello e{} {}", epoch + 1, connected.join(" ")).trim_end().to_string())
            }
            3..=5 if !known.is_empty() => Some(format!("{name} up {}", self.pick(&known))),
            6 if !known.is_empty() && self.dice(3) == 0 => {
                Some(format!("{name} {} {}", self.pick(&["drops", "drops", "refuses"]), self.pick(&known)))
            }
            6 if self.dice(3) == 0 => Some(format!("{name} drains")),
            6 if !known.is_empty() => {
                let says = self.pick(&["pauses", "cannot read"]);
                Some(format!("{name} {says} {} {}", self.pick(&known), self.dice(6)))
            }
            7 if self.dice(2) == 0 => Some(format!("{name} closes")),
            8 if !known.is_empty() => {
                Some(format!("{name} wants {} {} {}", self.pick(&known), self.dice(2), self.pick(&["q", "q f", "f"])))
            }
            _ => None,
        }
    }

    fn roll_recorder(&self, name: &str) -> Option<String> {
        let number = self.awake.recordings.len();
        let asked = self.awake.epochs.len();
        if number == 0 {
            return None;
        }
        let number = format!("r{}", number - self.dice(number.min(2)));
        // Usually something that it recorded itself.
        let Attachment::Node { claims, .. } = &self.awake.sockets[name] else { return None };
        let own = self.awake.epochs.iter().position(|epoch| *epoch == claims.epoch).map(|index| index + 1);
        let epoch = own.filter(|_| self.dice(3) > 0).unwrap_or_else(|| asked - self.dice(asked.min(3)));
        Some(match self.dice(8) {
            0..=2 => format!("{name} recording {number} {}", self.pick(&["runs", "runs", "storage-away", "failed"])),
            3..=5 => format!("{name} seals {number} e{epoch}"),
            6 => format!("{name} finishes {number} e{epoch}"),
            _ => format!("{name} fails {number}"),
        })
    }

    fn has_session(&self, person: &str) -> bool {
        self.awake.clients.get(person).is_some_and(|client| !client.at_node.is_empty())
    }

    fn roll_client(&mut self) -> String {
        let person = self.pick(&PEOPLE);
        let name = format!("{person}{}", self.pick(&["1", "2"]));
        let Some(attachment) = self.awake.sockets.get(&name) else {
            return format!(
                "{name} opens {}",
                self.pick(&["moderator recorder", "recorder", "", "", "viewer", "max=3"])
            )
            .trim_end()
            .into();
        };
        let client = self.awake.clients.get(person).cloned().unwrap_or_default();
        let shape = format!(
            "{} slots={}",
            self.pick(&["", "mic", "mic camera", "mic* camera*", "mic camera screen", "camera screen"]),
            self.pick(&["0", "1", "2", "3"])
        );
        let shape = shape.trim_start();
        if !self.models.has_joined(attachment) {
            let again = self.last_join(person).is_some() && self.dice(2) == 0;
            return match self.dice(8) {
                0 | 1 if client.session.is_some() => match self.models.revision(person).filter(|_| self.dice(4) > 0) {
                    Some(revision) => format!("{name} resumes knowing {revision}"),
                    None => format!("{name} resumes"),
                },
                2 => format!("{name} closes"),
                3 => format!("{name} mutes 0"),
                _ if again => format!("{name} joins {}again {}", self.last_attempt(person), self.last_shape(person)),
                _ => format!("{name} joins {person}{} {shape}", self.script.len()),
            };
        }
        match self.dice(24) {
            16 | 17 => self.roll_host(&name),
            18 | 19 => format!("{name} records"),
            20 => format!("{name} stops recording"),
            21 => format!("{name} writes m{} hello", self.dice(100)),
            22 => format!("{name} {}", self.pick(&["claps", "raises", "lowers"])),
            23 => format!("{name} lowers {}", self.pick(&PEOPLE)),
            0 => format!("{name} leaves"),
            1 => format!("{name} closes"),
            2 => format!("{name} unloads"),
            3 => format!("{name} {} {}", self.pick(&["kicks", "kicks", "bans"]), self.pick(&PEOPLE)),
            4 => format!("{name} views {} {}", self.pick(&PEOPLE), self.pick(&PEOPLE)),
            5 => format!("{name} views {}@{} {}", self.pick(&PEOPLE), self.pick(&["90", "360"]), self.pick(&PEOPLE)),
            6 | 7 => format!("{name} mutes {}", self.dice(4)),
            8 => format!("{name} unmutes {}", self.dice(4)),
            9 if self.babbles < BABBLES_MAX => {
                self.babbles += 1;
                format!("{name} babbles")
            }
            10 => format!("{name} joins {}again {}", self.last_attempt(person), self.last_shape(person)),
            _ => {
                format!("{name} negotiates {} {shape}", self.pick(&["sections", "ice-restart", "dead", "dead", "new"]))
            }
        }
    }

    fn roll_api(&self) -> String {
        let whom = self.pick(&PEOPLE);
        let number = self.awake.recordings.len();
        if number > 0 && self.dice(3) == 0 {
            let number = format!("r{}", number - self.dice(number.min(3)));
            return match self.dice(8) {
                0 | 1 => "records".into(),
                2 | 3 => format!("stops {number}"),
                4 => "lists recordings".into(),
                5 => format!("shows recording {number}"),
                6 => format!("deletes {number}"),
                _ => format!("forgets {number}"),
            };
        }
        match self.dice(13) {
            10 => "creates for 20000".into(),
            11 => self.pick(&["starts", "pauses", "goes on"]).into(),
            12 => self.pick(&["lists calls", "lists acts"]).into(),
            8 => "lists bans".into(),
            9 => format!("{} {whom}", self.pick(&["bans", "pardons", "pardons"])),
            0 => "creates".into(),
            1 => "shows".into(),
            2 => "lists".into(),
            3 => format!("shows {whom}"),
            4 => format!("grants {whom} {}", self.pick(&["ps", "psm"])),
            5 => self.pick(&["unlocks", "unlocks", "locks"]).into(),
            6 if self.dice(4) == 0 => "ends".into(),
            _ => format!("kicks {whom}"),
        }
    }

    fn roll_host(&self, name: &str) -> String {
        let whom = self.pick(&PEOPLE);
        match self.dice(23) {
            20 => format!(r#"{name} rules {{"features":{{"screen_share":false,"recording":false}}}}"#),
            21 => format!(r#"{name} rules {{"features":{{}},"room_type":"instant","duplicates":"replace"}}"#),
            22 => format!(
                r#"{name} rules {{"room_type":"{}","duplicates":"{}"}}"#,
                self.pick(&["voice", "chat", "video"]),
                self.pick(&["reject", "replace"])
            ),
            15 => format!("{name} starts"),
            16 | 17 => format!("{name} pauses"),
            18 => format!("{name} goes on"),
            19 => format!("{name} lasts {}", self.pick(&["20000", "60000", "0"])),
            11 | 12 => format!("{name} lists bans"),
            13 | 14 => format!("{name} pardons {}", self.pick(&PEOPLE)),
            0 => format!("{name} locks"),
            1 | 2 => format!("{name} unlocks"),
            3 => format!("{name} limits {}", self.pick(&["1", "3", "5"])),
            4 => format!("{name} names {whom} {}", self.pick(&["X", "Y"])),
            5 | 6 => format!("{name} grants {whom} {}", self.pick(&["ps", "psm", "s", "p"])),
            7 if self.dice(4) == 0 => format!("{name} ends"),
            _ => {
                let tracks = self.models.tracks();
                let (whom, track) = tracks.get(self.dice(tracks.len().max(1))).map_or(("eve", "t0"), |(a, b)| (a, b));
                format!("{name} silences {whom} {track}")
            }
        }
    }

    fn last_join(&self, person: &str) -> Option<&str> {
        let joins = self.script.iter().rev().filter_map(|step| step.split_once(" joins "));
        joins.filter(|(name, _)| name.starts_with(person)).map(|(_, join)| join).next()
    }

    fn last_attempt(&self, person: &str) -> String {
        let attempt = self.last_join(person).and_then(|join| join.split(' ').next()).unwrap_or("first");
        attempt.trim_end_matches("again").to_string()
    }

    fn last_shape(&self, person: &str) -> String {
        self.last_join(person).and_then(|join| join.split_once(' ')).map_or("", |(_, shape)| shape).to_string()
    }
}
