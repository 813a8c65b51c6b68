//! Outputs in words: short enough to be read in a script, with names instead of random ids.

use crate::stage::{START, Stage};
use edge_core::SocketId;
use edge_core::room::{Answer, Output, RecordingAnswer, RecordingListing};
use shared::control::{Forward, RecordedTrack, RecordingOrder, RecordingVerdict, RoomToNode};
use shared::rtp_parameters::{Flow, Session};
use shared::signal::{
    ActInfo, BanInfo, CallInfo, ConnectionState, EdgeToClient, ParticipantChange, ParticipantInfo, PeerSignal,
    RecordingInfo, RoomInfo, RoomType, RosterDifference, SlotInfo,
};
use shared::token::Bandwidth;
use shared::{ErrorCode, Mid, ParticipantId, SessionId, UnixMillis};
use std::collections::BTreeMap;

/// Names for random ids.
#[derive(Default)]
pub(crate) struct Names {
    sockets: BTreeMap<u64, String>,
    sessions: BTreeMap<SessionId, String>,
}

impl Names {
    /// Learns the names of everything on the stage; ids keep their names after they are gone.
    pub(crate) fn learn(&mut self, stage: &Stage) {
        for (name, attachment) in &stage.sockets {
            self.sockets.insert(attachment.socket().0, name.clone());
        }
        for (session, owner) in &stage.owners {
            if !self.sessions.contains_key(session) {
                let number = self.sessions.values().filter(|name| name.starts_with(&format!("{owner}#"))).count() + 1;
                self.sessions.insert(session.clone(), format!("{owner}#{number}"));
            }
        }
    }

    fn socket(&self, socket: SocketId) -> &str {
        self.sockets.get(&socket.0).map_or("?", String::as_str)
    }

    fn session(&self, session: &SessionId) -> &str {
        self.sessions.get(session).map_or("?", String::as_str)
    }

    fn key(&self, stage: &Stage, key: &str) -> String {
        let epoch = |text: &str| stage.epochs.iter().position(|epoch| epoch.to_string() == text);
        match key.split_once('/') {
            Some((kind @ ("session" | "negotiated"), id)) => {
                format!("{kind}/{}", SessionId::parse(id).map_or("?", |id| self.session(&id)))
            }
            Some(("recording", id)) => {
                let id = shared::RecordingId::parse(id).ok();
                format!("recording/r{}", id.and_then(|id| stage.recording_number(&id)).unwrap_or(0))
            }
            Some(("assignment", id)) => format!("assignment/e{}", epoch(id).map_or(0, |index| index + 1)),
            _ => key.to_string(),
        }
    }

    pub(crate) fn line(&self, stage: &Stage, output: &Output) -> String {
        match output {
            Output::Store(changes) => {
                let put = changes.put.iter().map(|row| format!("+{}", self.key(stage, &row.key)));
                let delete = changes.delete.iter().map(|key| format!("-{}", self.key(stage, key)));
                format!("store {}", put.chain(delete).collect::<Vec<_>>().join(" "))
            }
            Output::SendClient { socket, message } => format!("{} < {}", self.socket(*socket), self.client(message)),
            Output::SendClients { .. } => unreachable!("the stage takes them apart"),
            Output::CloseClient { socket, code } | Output::CloseNode { socket, code } => {
                format!("{} closed {code}", self.socket(*socket))
            }
            Output::SendNode { socket, message } => format!("{} < {}", self.socket(*socket), self.node(message)),
            Output::AnswerReport { verdict, leftovers, .. } => {
                let sweep = if leftovers.is_some() { ", sweep" } else { "" };
                format!("recorder < {}{sweep}", verdict_words(*verdict))
            }
            Output::Answer { answer: Answer::Recordings(answer), .. } => format!("api < {}", recordings(stage, answer)),
            Output::Answer { answer, .. } => format!("api < {}", api(answer)),
            Output::AskFleet(ask) => {
                let avoid: Vec<_> = ask.avoid.iter().map(ToString::to_string).collect();
                let session = ask.session.as_ref().map_or("nobody", |session| self.session(&session.session));
                let wish = ask.region.as_ref().map(|region| format!(" in {region}")).unwrap_or_default();
                format!("fleet < e{} for {session} avoid [{}]{wish}", stage.epochs.len(), avoid.join(" "))
            }
            Output::AskHeard { socket } => format!("platform < who says ping on {}", self.socket(*socket)),
            Output::AskTurn { epoch, region } => {
                let number = stage.epochs.iter().position(|asked| asked == epoch).map_or(0, |index| index + 1);
                format!("fleet < who relays near e{number} in {region}")
            }
        }
    }

    fn client(&self, message: &EdgeToClient) -> String {
        match message {
            EdgeToClient::Joined { session, roster, slots, answer, recording, .. } => {
                assert!(answer.starts_with("v=0\r\n"), "an answer");
                let recording =
                    recording.as_ref().map_or(String::new(), |shown| format!(" | {}", recording_words(shown)));
                format!("joined {} | {} | {}{recording}", self.session(session), infos(roster), slot_words(slots))
            }
            EdgeToClient::Resumed { roster, difference, slots, transport_dead, .. } => {
                let dead = if *transport_dead { " dead" } else { "" };
                let difference = difference.as_ref().map_or(String::new(), difference_words);
                format!("resumed{dead} | {}{difference} | {}", infos(roster), slot_words(slots))
            }
            EdgeToClient::Negotiated { session, slots, answer, .. } => {
                assert!(answer.starts_with("v=0\r\n"), "an answer");
                format!("negotiated {} | {}", self.session(session), slot_words(slots))
            }
            EdgeToClient::Done { .. } => "done".into(),
            EdgeToClient::Bans { bans, .. } => ban_words(bans),
            EdgeToClient::Audience { participants, .. } => format!("audience {}", infos(participants)),
            EdgeToClient::PeerServers { ice_servers, .. } => format!("peer servers {}", ice_servers.len()),
            EdgeToClient::GuestsWaiting { guests } => {
                let names: Vec<_> =
                    guests.iter().map(|guest| format!("{} ({})", guest.participant, guest.name)).collect();
                format!("lobby [{}]", names.join(" "))
            }
            EdgeToClient::Error { code, .. } => format!("error {code}"),
            EdgeToClient::Refused { code } => format!("refused {code}"),
            EdgeToClient::ParticipantJoined { participant } => format!("+ {}", info(participant)),
            EdgeToClient::ParticipantUpdated { participant } => format!("* {}", info(participant)),
            EdgeToClient::ParticipantLeft { participant, reason } => {
                format!("- {participant} {}", format!("{reason:?}").to_lowercase())
            }
            EdgeToClient::RoomUpdated { room } => room_words(room),
            EdgeToClient::RosterChanged { changed, left, .. } => {
                format!("roster changes: {} here, {} left", changed.len(), left.len())
            }
            EdgeToClient::TrackMuted { mid, held } => format!("{} {mid}", if *held { "held" } else { "muted" }),
            EdgeToClient::Chat { messages } => {
                let words = messages.iter().map(|said| format!("{} {}: {:?}", said.number, said.name, said.text));
                format!("chat {}", words.collect::<Vec<_>>().join(", "))
            }
            EdgeToClient::Reacted { participant, reaction } => format!("{participant} {reaction:?}").to_lowercase(),
            EdgeToClient::SlotsChanged { slots } => format!("slots {}", slot_words(slots)),
            EdgeToClient::SectionsNeeded { audio, video } => format!("needs {audio} audio {video} video"),
            EdgeToClient::LayersWanted { mid, rids } => format!("layers {mid}: {}", rids.join(" ")),
            EdgeToClient::VideoLimited { slots, .. } => {
                format!("limited {}", slots.iter().map(|slot| slot.mid.as_str()).collect::<Vec<_>>().join(" "))
            }
            EdgeToClient::VideoUndecodable { mids } => {
                format!("undecodable {}", mids.iter().map(Mid::as_str).collect::<Vec<_>>().join(" "))
            }
            EdgeToClient::Sought { from, device, .. } => format!("{from} seeks from {device}"),
            EdgeToClient::Signaled { from, device, to, message, link, signal, .. } => {
                let link = link.map_or(String::new(), |link| format!(" of link {link}"));
                format!("{} {message} for {to} from {from} at {device}{link}", signal_words(signal))
            }
            EdgeToClient::TransportDead {} => "transport dead".into(),
            EdgeToClient::NodeAway {} => "node away".into(),
            EdgeToClient::RecordingUpdated { recording } => recording_words(recording),
            EdgeToClient::Removed { code, reason } => {
                format!("removed {code}{}", reason.as_ref().map_or(String::new(), |reason| format!(" {reason:?}")))
            }
        }
    }

    fn node(&self, message: &RoomToNode) -> String {
        let refused = |code: &ErrorCode| code.to_string();
        match message {
            RoomToNode::Welcome { sessions, forwards, recording, .. } => {
                let sessions: Vec<_> = sessions.iter().map(|session| self.session_words(session)).collect();
                let order = recording.as_ref().map_or(String::new(), |order| format!(" | {}", self.order_words(order)));
                format!("welcome {} | {}{order}", sessions.join(", "), self.forwards(forwards))
            }
            RoomToNode::WelcomePart { sessions, forwards } => {
                format!("welcome part {} {}", sessions.len(), forwards.len())
            }
            RoomToNode::SetRecording { recording: Some(order) } => self.order_words(order),
            RoomToNode::SetRecording { recording: None } => "record nothing".into(),
            RoomToNode::SetSession { session } => format!("set {}", self.session_words(session)),
            RoomToNode::CloseSession { session } => format!("close {}", self.session(session)),
            RoomToNode::SetMicrophones { microphones } => {
                format!("microphones {} heard, {} waiting", microphones.heard.len(), microphones.waiting.len())
            }
            RoomToNode::SetForwards { forwards } => format!("forward {}", self.forwards(forwards)),
            RoomToNode::Release {} => "release".into(),
            RoomToNode::Refused { code } => format!("refused {}", refused(code)),
            RoomToNode::Error { code, .. } => format!("error {}", refused(code)),
        }
    }

    /// `record ada(ada#1:0 ada#1:1m) alan()`: the recorded participants, their tracks, and muted tracks with an `m`.
    fn order_words(&self, order: &RecordingOrder) -> String {
        let mut words = vec!["record".to_string()];
        for participant in &order.participants {
            let track = |recorded: &RecordedTrack| {
                let muted = if recorded.muted { "m" } else { "" };
                format!("{}:{}{muted}", self.session(&recorded.track.session), recorded.track.mid)
            };
            let tracks: Vec<String> = participant.tracks.iter().map(track).collect();
            words.push(format!("{}({})", participant.id, tracks.join(" ")));
        }
        words.join(" ")
    }

    fn session_words(&self, session: &Session) -> String {
        let flow = |flow: Flow| match flow {
            Flow::ClientToNode => 'p',
            Flow::NodeToClient => 's',
            Flow::Inactive => '-',
        };
        let flows: String = session.sections.iter().map(|section| flow(section.flow)).collect();
        format!("{}({flows}){}", self.session(&session.session), bandwidth_words(session.bandwidth))
    }

    fn forwards(&self, forwards: &[Forward]) -> String {
        let mut words: Vec<_> = forwards
            .iter()
            .map(|forward| {
                let track = forward.track.as_ref();
                let track = track.map_or("-".into(), |track| format!("{}:{}", self.session(&track.session), track.mid));
                let lines = forward.lines_max.map_or(String::new(), |lines| format!("@{lines}"));
                // Audio and screens are 0, cameras outside the view 25.
                let place =
                    if (1..25).contains(&forward.priority) { format!("#{}", forward.priority) } else { String::new() };
                format!("{}:{}={track}{lines}{place}", self.session(&forward.session), forward.mid)
            })
            .collect();
        words.sort();
        words.join(" ")
    }
}

fn api(answer: &Answer) -> String {
    match answer {
        Answer::Room { room, made } => {
            let (made, locked) = (if *made { "made " } else { "" }, if room.locked { " locked" } else { "" });
            let (people, max, kept) = (room.participants, room.participants_max, room.empty_timeout_ms);
            let state = room.state.as_str();
            format!("{made}room{locked} {:?} {people} of {max} kept {kept} {state}", room.metadata)
        }
        Answer::Participants { participants } => infos(participants),
        Answer::Participant { participant } => info(participant),
        Answer::Bans { bans } => ban_words(bans),
        Answer::Recordings(_) => unreachable!("needs the stage"),
        Answer::Guest { standing } => format!("guest {standing:?}").to_lowercase(),
        Answer::Calls { calls } => call_words(calls),
        Answer::Audit { acts, next } => {
            format!("{}{}", act_words(acts), next.map_or(String::new(), |next| format!(" then before {next}")))
        }
        Answer::Done => "done".into(),
        Answer::Lobby { recorded } => format!("lobby {recorded}"),
        Answer::Refused { code } => format!("refused {code}"),
    }
}

fn room_words(room: &RoomInfo) -> String {
    let locked = if room.locked { " locked" } else { "" };
    let reason = room.reason.as_ref().map_or(String::new(), |reason| format!(" {reason:?}"));
    let ends = room.ends_at.map_or(String::new(), |at| format!(" ends +{}", at.since_ms(START)));
    let mut rules = String::new();
    for participant in &room.spotlight {
        rules.push_str(&format!(" spotlight on {participant}"));
    }
    for (is_on, name) in [(room.public, " public"), (room.quality.is_some(), " with quality")] {
        rules.push_str(if is_on { name } else { "" });
    }
    let off = serde_json::to_value(room.features).expect("JSON");
    for (name, _) in off.as_object().into_iter().flatten().filter(|(_, is_on)| **is_on == false) {
        rules.push_str(&format!(" no {name}"));
    }
    if room.room_type != RoomType::Instant {
        rules.push_str(&format!(" {:?}", room.room_type).to_lowercase());
    }
    format!(
        "room{locked}{rules} {:?} max {} {}{reason}{ends}",
        room.metadata,
        room.participants_max,
        room.state.as_str()
    )
}

/// `[ada Kick bob "spam" | the server EndRoom]`: newest first.
fn act_words(acts: &[ActInfo]) -> String {
    let act = |act: &ActInfo| {
        let by = act.by.as_ref().map_or("the server", |by| by.as_str());
        let whom = act.participant.as_ref().map_or(String::new(), |whom| format!(" {whom}"));
        let whom = format!("{whom}{}", act.role.as_ref().map_or(String::new(), |role| format!(" as {role}")));
        let reason = act.reason.as_ref().map_or(String::new(), |reason| format!(" {reason:?}"));
        format!("{by} {:?}{whom}{reason}", act.act)
    };
    format!("[{}]", acts.iter().map(act).collect::<Vec<_>>().join(" | "))
}

/// `[active +200.. | ended +100..+5000 TimeLimit]`: since the start of the script.
fn call_words(calls: &[CallInfo]) -> String {
    let at = |at: Option<UnixMillis>| at.map_or(String::new(), |at| format!("+{}", at.since_ms(START)));
    let call = |call: &CallInfo| {
        let end = call.end.map_or(String::new(), |end| format!(" {end:?}"));
        let reason = call.reason.as_ref().map_or(String::new(), |reason| format!(" {reason:?}"));
        let created = at(Some(call.created_at));
        format!("{} {created} {}..{}{end}{reason}", call.state.as_str(), at(call.started_at), at(call.ended_at))
    };
    format!("[{}]", calls.iter().map(call).collect::<Vec<_>>().join(" | "))
}

/// `r2 ready 1 file by ada`
fn recordings(stage: &Stage, answer: &RecordingAnswer) -> String {
    let one = |listing: &RecordingListing| {
        let RecordingListing { recording, files, manifest } = listing;
        assert_eq!(files.is_empty(), manifest.is_none(), "a manifest for files");
        let by = recording.started_by.as_ref().map_or("the server", |by| by.as_str());
        let number = stage.recording_number(&recording.id).unwrap_or(0);
        format!("r{number} {:?} {} files by {by}", recording.state, files.len()).to_lowercase()
    };
    match answer {
        RecordingAnswer::One { listing, made: true } => format!("made {}", one(listing)),
        RecordingAnswer::One { listing, made: false } => one(listing),
        RecordingAnswer::Page { listings, next } => {
            let more = if next.is_some() { " and more" } else { "" };
            format!("[{}]{more}", listings.iter().map(one).collect::<Vec<_>>().join(", "))
        }
        RecordingAnswer::Doomed { key_prefix } => {
            assert!(key_prefix.starts_with("recordings/daily/") && key_prefix.ends_with('/'), "{key_prefix}");
            "delete what is stored".into()
        }
    }
}

/// `bans [eve mallory 600000]`: with the remaining time of temporary bans.
fn ban_words(bans: &[BanInfo]) -> String {
    let ban = |ban: &BanInfo| {
        let term = ban.until.map_or(String::new(), |until| format!(" {}", until.since_ms(ban.banned_at)));
        format!("{}{term}", ban.participant)
    };
    format!("bans [{}]", bans.iter().map(ban).collect::<Vec<_>>().join(", "))
}

fn infos(roster: &[ParticipantInfo]) -> String {
    roster.iter().map(info).collect::<Vec<_>>().join(" ")
}

/// `ada?^(t1 t2m)`: her connection state, raised hand, tracks, and muted tracks with an `m`.
fn info(participant: &ParticipantInfo) -> String {
    let connection = match participant.connection {
        ConnectionState::Connecting => '?',
        ConnectionState::Connected => '!',
        ConnectionState::Reconnecting => '~',
    };
    let track = |track: &shared::signal::TrackInfo| format!("{}{}", track.id, if track.muted { "m" } else { "" });
    let tracks: Vec<_> = participant.tracks.iter().map(track).collect();
    let grants = &participant.grants;
    let grants: String = [(grants.publish, 'p'), (grants.subscribe, 's'), (grants.moderate, 'm')]
        .iter()
        .filter_map(|(has, letter)| has.then_some(*letter))
        .collect();
    let changed = match (participant.name == participant.id.as_str().to_uppercase(), participant.metadata.as_str()) {
        (true, "") => String::new(),
        (_, metadata) => format!("{:?}{metadata:?}", participant.name),
    };
    let grants = if grants == "ps" { String::new() } else { format!("[{grants}]") };
    let hand = if participant.hand_raised_at.is_some() { "^" } else { "" };
    let bandwidth = bandwidth_words(participant.bandwidth);
    let grants = if participant.role.is_default() { grants } else { format!("{grants}:{}", participant.role) };
    format!("{}{connection}{hand}({}){grants}{bandwidth}{changed}", participant.id, tracks.join(" "))
}

/// Limits in kbit/s, `-` for none.
pub(crate) fn bandwidth_of(send: &str, receive: &str) -> ParticipantChange {
    let bps = |text: &str| text.parse().ok().map(|kbps: u32| 1_000 * kbps);
    let bandwidth = Bandwidth { send_bps_max: bps(send), receive_bps_max: bps(receive) };
    ParticipantChange { bandwidth: Some(bandwidth), ..ParticipantChange::default() }
}

/// `<500/->`: kbit/s sent and received.
fn bandwidth_words(Bandwidth { send_bps_max, receive_bps_max }: Bandwidth) -> String {
    let words = |bps: Option<u32>| bps.map_or("-".into(), |bps| (bps / 1_000).to_string());
    match (send_bps_max, receive_bps_max) {
        (None, None) => String::new(),
        (send, receive) => format!("<{}/{}>", words(send), words(receive)),
    }
}

/// `offer "v=0"` or `candidates 2`.
fn signal_words(signal: &PeerSignal) -> String {
    let kind = format!("{:?}", signal.kind).to_lowercase();
    let sdp = signal.sdp.as_ref().map_or(String::new(), |sdp| format!(" {sdp:?}"));
    let candidates = signal.candidates.len();
    if candidates == 0 { format!("{kind}{sdp}") } else { format!("{kind} {candidates}") }
}

/// `2=t1 3=-`: the track in each section.
fn slot_words(slots: &[SlotInfo]) -> String {
    let slot = |slot: &SlotInfo| format!("{}={}", slot.mid, slot.track.as_ref().map_or("-", |track| track.as_str()));
    slots.iter().map(slot).collect::<Vec<_>>().join(" ")
}

fn recording_words(recording: &RecordingInfo) -> String {
    let code = recording.code.map_or(String::new(), |code| format!(" {code}"));
    format!("recording {:?}{code}", recording.state).to_lowercase()
}

fn verdict_words(verdict: RecordingVerdict) -> &'static str {
    match verdict {
        RecordingVerdict::Leave {} => "leave",
        RecordingVerdict::Finish {} => "finish",
        RecordingVerdict::Wait {} => "wait",
        RecordingVerdict::Done { is_complete: true } => "done",
        RecordingVerdict::Done { is_complete: false } => "done, some is missing",
    }
}

fn difference_words(difference: &RosterDifference) -> String {
    let names = |names: &[ParticipantId]| names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let RosterDifference { left, connecting, reconnecting } = difference;
    format!(
        " changed, left [{}] connecting [{}] reconnecting [{}]",
        names(left),
        names(connecting),
        names(reconnecting)
    )
}
