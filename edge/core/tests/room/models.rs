//! The beliefs of clients and nodes, built only from the messages they received, and the invariants that must hold.

use crate::stage::{Stage, participant_of};
use edge_core::SocketId;
use edge_core::room::{Attachment, Output};
use shared::control::{Forward, Microphones, RecordingOrder, RoomToNode, TrackRef, WelcomeParts};
use shared::signal::{
    CallState, ChatMessage, ConnectionState, EdgeToClient, ParticipantInfo, RecordingInfo, RoomInfo, RosterDifference,
    SlotInfo, TrackSource,
};
use shared::{ErrorCode, Mid, ParticipantId, RecordingId, SessionId, TrackId, UnixMillis};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub(crate) struct Models {
    clients: BTreeMap<SocketId, ClientModel>,
    nodes: BTreeMap<SocketId, NodeModel>,
    /// Partially received welcomes.
    parts: BTreeMap<SocketId, WelcomeParts>,
    /// Unanswered requests by socket.
    open_requests: BTreeMap<u32, SocketId>,
    /// The roster and its revision as each participant last heard of them.
    known: BTreeMap<String, (Option<u64>, BTreeMap<ParticipantId, ParticipantInfo>)>,
    /// The view of each participant, which repeated joins and resumes keep.
    views: BTreeMap<String, Option<BTreeSet<String>>>,
    sessions: BTreeMap<String, SessionId>,
    /// Closed sockets: messages sent before the room notices reach nobody.
    gone: BTreeSet<SocketId>,
}

/// The state known to a joined client.
#[derive(Clone, Debug, Default)]
struct ClientModel {
    name: String,
    session: Option<SessionId>,
    room: Option<RoomInfo>,
    roster: BTreeMap<ParticipantId, ParticipantInfo>,
    revision: Option<u64>,
    slots: BTreeMap<Mid, Option<(ParticipantId, TrackId)>>,
    recordings: BTreeMap<RecordingId, RecordingInfo>,
    chat: BTreeMap<u64, ChatMessage>,
    /// The participants whose cameras are on screen; `None` if the client reports no sizes.
    seen: Option<BTreeSet<String>>,
}

/// The state known to a node after hello.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct NodeModel {
    sessions: BTreeSet<SessionId>,
    forwards: BTreeMap<(SessionId, Mid), TrackRef>,
    order: Option<RecordingOrder>,
    microphones: Microphones,
}

impl Models {
    pub(crate) fn asked(&mut self, id: u32, socket: SocketId) {
        self.open_requests.insert(id, socket);
    }

    /// Removes a request that turned out to be none.
    pub(crate) fn not_asked(&mut self, id: u32) {
        self.open_requests.remove(&id);
    }

    /// A closed socket loses its right to an answer.
    pub(crate) fn closed(&mut self, socket: SocketId) {
        self.gone.insert(socket);
        self.clients.remove(&socket);
        self.nodes.remove(&socket);
        self.open_requests.retain(|_, of| *of != socket);
    }

    /// The room has a client's view, in the words of the scripts.
    pub(crate) fn views(&mut self, socket: SocketId, view: &str) {
        let name = |word: &str| word.split('@').next().unwrap_or_default().to_string();
        if let Some(model) = self.clients.get_mut(&socket) {
            model.seen = view.contains('@').then(|| view.split(' ').map(name).collect());
            self.views.insert(model.name.clone(), model.seen.clone());
        }
    }

    pub(crate) fn unanswered(&self) -> usize {
        self.open_requests.len()
    }

    pub(crate) fn hear(&mut self, names: &BTreeMap<SocketId, String>, outputs: &[Output]) {
        for output in outputs {
            match output {
                Output::SendClient { socket, .. } | Output::SendNode { socket, .. } if self.gone.contains(socket) => {}
                Output::SendClient { socket, message: EdgeToClient::Refused { code: ErrorCode::Timeout } } => {
                    // Anything it sends arrives too late.
                    self.open_requests.retain(|_, of| of != socket);
                }
                Output::SendClient { socket, message } => {
                    self.answered(*socket, message);
                    let name = names.get(socket).map_or("?", String::as_str);
                    self.client_hears(*socket, name, message);
                }
                Output::CloseClient { socket, .. } => {
                    let left = self.open_requests.values().filter(|of| *of == socket).count();
                    assert_eq!(left, 0, "{:?} closed with unanswered requests: {outputs:?}", names.get(socket));
                    self.clients.remove(socket);
                }
                Output::SendNode { socket, message } => self.node_hears(*socket, message),
                Output::CloseNode { socket, .. } => {
                    self.nodes.remove(socket);
                }
                Output::Store(_)
                | Output::SendClients { .. }
                | Output::AskFleet(_)
                | Output::AskTurn { .. }
                | Output::AskHeard { .. }
                | Output::AnswerReport { .. }
                | Output::Answer { .. } => {}
            }
        }
        for model in self.clients.values() {
            self.known.insert(model.name.clone(), (model.revision, model.roster.clone()));
        }
    }

    /// The revision of the roster that a participant may name in a resume.
    pub(crate) fn revision(&self, participant: &str) -> Option<u64> {
        self.known.get(participant)?.0
    }

    fn answered(&mut self, socket: SocketId, message: &EdgeToClient) {
        let (EdgeToClient::Joined { in_reply_to, .. }
        | EdgeToClient::Resumed { in_reply_to, .. }
        | EdgeToClient::Negotiated { in_reply_to, .. }
        | EdgeToClient::Done { in_reply_to }
        | EdgeToClient::Bans { in_reply_to, .. }
        | EdgeToClient::Audience { in_reply_to, .. }
        | EdgeToClient::PeerServers { in_reply_to, .. }
        | EdgeToClient::Error { in_reply_to, .. }) = message
        else {
            return;
        };
        if let Some(id) = in_reply_to {
            assert_eq!(self.open_requests.remove(id), Some(socket), "request {id} was answered once, to its sender");
        }
    }

    /// The view that the room keeps for a participant: until a join makes another session.
    fn kept_view(&mut self, name: &str, message: &EdgeToClient) -> Option<BTreeSet<String>> {
        let name = participant_of(name);
        if let EdgeToClient::Joined { session, .. } | EdgeToClient::Negotiated { session, .. } = message {
            let before = self.sessions.insert(name.clone(), session.clone());
            if matches!(message, EdgeToClient::Joined { .. }) && before.as_ref() != Some(session) {
                self.views.remove(&name);
            }
        }
        self.views.get(&name).cloned().flatten()
    }

    fn client_hears(&mut self, socket: SocketId, name: &str, message: &EdgeToClient) {
        let seen = self.kept_view(name, message);
        let joined = self.clients.get_mut(&socket);
        match (message, joined) {
            (EdgeToClient::Joined { session, room, roster, revision, slots, .. }, _) => {
                let (name, session, room) = (participant_of(name), Some(session.clone()), Some(room.clone()));
                let (roster, revision, slots) = (roster_of(roster), *revision, slots_of(slots));
                let model =
                    ClientModel { name, session, room, roster, revision, slots, seen, ..ClientModel::default() };
                self.clients.insert(socket, model);
            }
            (EdgeToClient::Resumed { room, roster, difference, revision, slots, .. }, _) => {
                let (name, room, revision) = (participant_of(name), Some(room.clone()), *revision);
                let known = || &self.known[&name].1;
                let roster = difference.as_ref().map_or_else(|| roster_of(roster), |of| applied(known(), roster, of));
                let slots = slots_of(slots);
                let model = ClientModel { name, room, roster, revision, slots, seen, ..ClientModel::default() };
                self.clients.insert(socket, model);
            }
            (EdgeToClient::Negotiated { session, slots, .. }, Some(model)) => {
                model.session = Some(session.clone());
                model.slots = slots_of(slots);
            }
            (EdgeToClient::ParticipantJoined { participant }, Some(model)) => {
                let before = model.roster.insert(participant.id.clone(), participant.clone());
                assert_eq!(before, None, "{} joined twice", participant.id);
            }
            (EdgeToClient::ParticipantUpdated { participant }, Some(model)) => {
                let before = model.roster.insert(participant.id.clone(), participant.clone());
                assert!(before.is_some_and(|before| before != *participant), "{} is new or the same", participant.id);
            }
            (EdgeToClient::ParticipantLeft { participant, .. }, Some(model)) => {
                assert!(model.roster.remove(participant).is_some(), "{participant} left without having been there");
            }
            (EdgeToClient::Chat { messages }, Some(model)) => model.read(messages),
            (EdgeToClient::Reacted { participant, .. }, Some(model)) => {
                assert!(model.roster.contains_key(participant), "{participant} shows a sign without being there");
                assert_ne!(participant.as_str(), model.name, "{name} sees their own sign");
            }
            (EdgeToClient::SlotsChanged { slots }, Some(model)) => {
                for (mid, playing) in slots_of(slots) {
                    let before = model.slots.insert(mid.clone(), playing.clone());
                    assert!(before.is_some_and(|before| before != playing), "slot {mid} is new, or plays the same");
                }
            }
            (
                EdgeToClient::Done { .. }
                | EdgeToClient::Bans { .. }
                | EdgeToClient::Audience { .. }
                | EdgeToClient::PeerServers { .. }
                | EdgeToClient::GuestsWaiting { .. }
                | EdgeToClient::Error { .. }
                | EdgeToClient::Refused { .. }
                | EdgeToClient::Removed { .. },
                _,
            ) => {}
            (EdgeToClient::RoomUpdated { room }, Some(model)) => model.update_room(room),
            (EdgeToClient::TrackMuted { mid, .. }, Some(model)) => model.check_own_track(mid),
            (EdgeToClient::LayersWanted { mid, .. }, Some(model)) => model.check_own_track(mid),
            (EdgeToClient::VideoLimited { slots, .. }, Some(model)) => {
                model.check_slots(slots.iter().map(|slot| &slot.mid));
            }
            (EdgeToClient::VideoUndecodable { mids }, Some(model)) => model.check_slots(mids),
            (EdgeToClient::RecordingUpdated { recording }, Some(model)) => model.note_recording(recording),
            (EdgeToClient::SectionsNeeded { .. } | EdgeToClient::Sought { .. }, Some(_)) => {}
            (EdgeToClient::TransportDead {} | EdgeToClient::NodeAway {}, Some(_)) => {}
            (EdgeToClient::Signaled { to, .. }, Some(model)) => assert_eq!(to.as_str(), model.name, "for another"),
            (news, None) | (news @ EdgeToClient::RosterChanged { .. }, _) => panic!("{name} hears {news:?}"),
        }
    }

    fn node_hears(&mut self, socket: SocketId, message: &RoomToNode) {
        match (message, self.nodes.get_mut(&socket)) {
            (RoomToNode::WelcomePart { .. } | RoomToNode::Welcome { .. }, _) => {
                let parts = self.parts.entry(socket).or_default();
                let whole = parts.take(message.clone()).expect("no more parts than a node takes");
                let Some(RoomToNode::Welcome { sessions, forwards, recording, microphones }) = whole else { return };
                let mut model = NodeModel::default();
                model.sessions.extend(sessions.iter().map(|session| session.session.clone()));
                model.set(&forwards);
                model.order = recording.map(unsent);
                model.microphones = microphones;
                self.nodes.insert(socket, model);
            }
            (RoomToNode::SetSession { session }, Some(model)) => {
                model.sessions.insert(session.session.clone());
            }
            (RoomToNode::CloseSession { session }, Some(model)) => {
                assert!(model.sessions.remove(session), "closes a session that is not there");
                model.forwards.retain(|(of, _), _| of != session);
            }
            (RoomToNode::SetForwards { forwards }, Some(model)) => model.set(forwards),
            (RoomToNode::SetRecording { recording }, Some(model)) => {
                let recording = recording.clone().map(unsent);
                assert_ne!(model.order, recording, "the order is what it was");
                model.order = recording;
            }
            (RoomToNode::SetMicrophones { microphones }, Some(model)) => {
                assert_ne!(model.microphones, *microphones, "the microphones are what they were");
                model.microphones = microphones.clone();
            }
            (RoomToNode::Release {}, _) => {
                self.nodes.remove(&socket);
            }
            (RoomToNode::Refused { .. } | RoomToNode::Error { .. }, _) => {}
            (news, None) => panic!("a node that was not welcomed hears {news:?}"),
        }
    }

    /// Checks the invariants once all messages have arrived.
    pub(crate) fn check(&self, stage: &Stage) {
        self.check_rosters();
        for model in self.clients.values() {
            self.check_slots(stage, model);
        }
        for model in self.nodes.values() {
            self.check_node(model);
        }
    }

    fn check_rosters(&self) {
        let mut rosters = self.clients.values().map(|model| &model.roster);
        let Some(first) = rosters.next() else { return };
        assert!(rosters.all(|roster| roster == first), "rosters differ");
        let rooms: BTreeSet<_> = self.clients.values().map(|model| format!("{:?}", model.room)).collect();
        assert!(rooms.len() <= 1, "the room looks different to some: {rooms:?}");
        let mut chats = self.clients.values().map(|model| &model.chat);
        let Some(chat) = chats.next() else { return };
        // A participant present from the start remembers more than one who joined after the oldest message was
        // forgotten.
        let agree = |other: &BTreeMap<u64, ChatMessage>| other.iter().rev().zip(chat.iter().rev()).all(|(a, b)| a == b);
        assert!(chats.all(agree), "what was written differs");
        for model in self.clients.values() {
            assert!(first.keys().any(|id| id.as_str() == model.name), "{} is not in the roster", model.name);
        }
    }

    fn check_slots(&self, stage: &Stage, model: &ClientModel) {
        let mut playing = BTreeSet::new();
        for (participant, track) in model.slots.values().flatten() {
            assert_ne!(participant.as_str(), model.name, "hears itself");
            assert!(playing.insert(track), "{track} plays twice");
            let publishes = |info: &ParticipantInfo| info.tracks.iter().any(|known| known.id == *track);
            assert!(model.roster.get(participant).is_some_and(publishes), "{track} is not published");
        }
        // No playable track waits while a slot is free.
        let offered = &stage.clients[&model.name].connection.sections;
        for (kind, named) in
            [(shared::rtp_parameters::MediaKind::Audio, "audio"), (shared::rtp_parameters::MediaKind::Video, "video")]
        {
            let of_kind = |mid: &&Mid| {
                let index: usize = mid.as_str().parse().expect("a number");
                offered.get(index) == Some(&crate::offers::Section::Slot(named))
            };
            let slots: Vec<_> = model.slots.keys().filter(of_kind).collect();
            let free = slots.iter().filter(|mid| model.slots[**mid].is_none()).count();
            let others = model.roster.values().filter(|info| info.id.as_str() != model.name);
            let receives = model.roster.get(&id_of(&model.name)).is_none_or(|own| own.grants.subscribe);
            let others = others.filter(|_| receives);
            let tracks = others.flat_map(|info| &info.tracks).filter(|track| track.kind == kind).count();
            assert_eq!(free, slots.len().saturating_sub(tracks), "{} has free {named} slots", model.name);
        }
    }

    /// A node forwards exactly the tracks announced to its clients, as far as the publisher is on the node too and a
    /// camera is on screen.
    fn check_node(&self, node: &NodeModel) {
        let recorded = node.order.iter().flat_map(|order| &order.participants).flat_map(|of| &of.tracks);
        for track in recorded {
            assert!(node.sessions.contains(&track.track.session), "records a session that is not there");
        }
        for ((session, mid), track) in &node.forwards {
            assert!(
                node.sessions.contains(session) && node.sessions.contains(&track.session),
                "forwards of no session"
            );
            let client = self.clients.values().find(|model| model.session.as_ref() == Some(session));
            let playing = client.map(|model| model.slots.get(mid).cloned().flatten());
            assert_ne!(playing, Some(None), "forwards into a free slot");
        }
        for model in self.clients.values() {
            let Some(session) = model.session.as_ref().filter(|session| node.sessions.contains(*session)) else {
                continue;
            };
            for (mid, playing) in &model.slots {
                let forwarded = node.forwards.get(&(session.clone(), mid.clone()));
                let Some((participant, track)) = playing else {
                    assert_eq!(forwarded, None, "forwards into a free slot");
                    continue;
                };
                let publisher = self.clients.values().find(|other| other.name == participant.as_str());
                let Some(session) = publisher.and_then(|publisher| publisher.session.as_ref()) else { continue };
                if node.sessions.contains(session) {
                    let known =
                        model.roster[participant].tracks.iter().find(|known| known.id == *track).expect("known");
                    let is_seen = model.seen.as_ref().is_none_or(|seen| seen.contains(participant.as_str()));
                    if known.source == TrackSource::Camera && !is_seen {
                        assert_eq!(forwarded, None, "{} gets {track}, which is not on screen", model.name);
                        continue;
                    }
                    let expected = TrackRef { session: session.clone(), mid: known.mid.clone() };
                    if model.room.as_ref().is_some_and(|room| room.state == CallState::Paused) {
                        assert_eq!(forwarded, None, "{} gets {track} during a pause", model.name);
                        continue;
                    }
                    // A track muted by a moderator is not forwarded.
                    let silenced = known.muted && forwarded.is_none();
                    assert!(silenced || forwarded == Some(&expected), "{} does not get {track}", model.name);
                }
            }
        }
    }

    /// All published tracks with their publishers.
    pub(crate) fn tracks(&self) -> Vec<(&str, &str)> {
        let infos = self.clients.values().next().into_iter().flat_map(|model| model.roster.values());
        infos.flat_map(|info| info.tracks.iter().map(|track| (info.id.as_str(), track.id.as_str()))).collect()
    }

    /// True if a client on this socket was told that it has joined.
    pub(crate) fn has_joined(&self, attachment: &Attachment) -> bool {
        self.clients.contains_key(&attachment.socket())
    }
}

impl ClientModel {
    fn note_recording(&mut self, recording: &RecordingInfo) {
        let before = self.recordings.insert(recording.id.clone(), recording.clone());
        assert_ne!(before.as_ref(), Some(recording), "nothing about the recording is new");
        let ran = |recording: &RecordingInfo| recording.state.is_running();
        assert!(!ran(recording) || before.is_none_or(|before| ran(&before)), "an ended recording runs again");
        assert_eq!(ran(recording), recording.ended_at.is_none(), "a recording ends once");
    }

    fn read(&mut self, messages: &[ChatMessage]) {
        for message in messages {
            let before = self.chat.insert(message.number, message.clone());
            assert_eq!(before, None, "{} is told message {} twice", self.name, message.number);
        }
    }

    fn check_slots<'a>(&self, mids: impl IntoIterator<Item = &'a Mid>) {
        for mid in mids {
            assert!(self.slots.contains_key(mid), "{} does not have the slot {mid}", self.name);
        }
    }

    fn update_room(&mut self, room: &RoomInfo) {
        assert_ne!(self.room.replace(room.clone()).as_ref(), Some(room), "the room is updated, but the same");
    }

    fn check_own_track(&self, mid: &Mid) {
        let own = self.roster.get(&id_of(&self.name));
        assert!(own.is_none_or(|own| own.tracks.iter().any(|track| track.mid == *mid)), "no own track is {mid}");
    }
}

impl NodeModel {
    fn set(&mut self, forwards: &[Forward]) {
        for Forward { session, mid, track, .. } in forwards {
            let key = (session.clone(), mid.clone());
            match track {
                Some(track) => self.forwards.insert(key, track.clone()),
                None => self.forwards.remove(&key),
            };
        }
    }
}

fn id_of(name: &str) -> ParticipantId {
    ParticipantId::parse(name).expect("a name")
}

/// The roster that follows from a known one and a difference.
pub(crate) fn applied(
    known: &BTreeMap<ParticipantId, ParticipantInfo>,
    changed: &[ParticipantInfo],
    RosterDifference { left, connecting, reconnecting }: &RosterDifference,
) -> BTreeMap<ParticipantId, ParticipantInfo> {
    let mut roster = known.clone();
    left.iter().for_each(|id| drop(roster.remove(id)));
    roster.extend(roster_of(changed));
    for (id, info) in &mut roster {
        info.connection = match (connecting.contains(id), reconnecting.contains(id)) {
            (true, _) => ConnectionState::Connecting,
            (_, true) => ConnectionState::Reconnecting,
            (false, false) => ConnectionState::Connected,
        };
    }
    roster
}

pub(crate) fn roster_of(roster: &[ParticipantInfo]) -> BTreeMap<ParticipantId, ParticipantInfo> {
    roster.iter().map(|info| (info.id.clone(), info.clone())).collect()
}

fn slots_of(slots: &[SlotInfo]) -> BTreeMap<Mid, Option<(ParticipantId, TrackId)>> {
    slots.iter().map(|slot| (slot.mid.clone(), slot.participant.clone().zip(slot.track.clone()))).collect()
}

/// An order without its time of sending.
fn unsent(order: RecordingOrder) -> RecordingOrder {
    RecordingOrder { sent_at: UnixMillis::default(), ..order }
}
