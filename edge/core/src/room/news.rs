//! Collects the messages caused by one input, which are sent only after the state has been handed to storage.

use super::forwards::ChangedSlots;
use super::member::Member;
use super::topology::Assignment;
use super::{Output, Room};
use crate::SocketId;
use crate::fleet::PlaceRequest;
use shared::control::{Forward, RecordingOrder, RoomToNode, chunks, divide_welcome};
use shared::signal::{EdgeToClient, LeaveReason, ParticipantInfo, Reaction, RoomInfo, SlotInfo};
use shared::{ErrorCode, Mid, ParticipantId, SessionId, UnixMillis, limits};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Default)]
pub(super) struct News {
    /// Messages to single sockets, in order.
    pub(super) direct: Vec<Output>,
    /// Answers that contain the room's state after the input.
    pub(super) replies: Vec<(ParticipantId, Reply)>,
    /// Participants whose pending ICE restart this input withdraws.
    pub(super) restarts_due: Vec<ParticipantId>,
    pub(super) left: Vec<(ParticipantId, LeaveReason)>,
    pub(super) chat: Vec<u64>,
    pub(super) reacted: Vec<(ParticipantId, Reaction)>,
    pub(super) transport_dead: BTreeSet<ParticipantId>,
    /// Publishers of tracks whose watched layers changed.
    pub(super) layers: BTreeSet<(ParticipantId, Mid)>,
    /// Participants whose downlink limits other video than before.
    pub(super) limits: BTreeSet<ParticipantId>,
    /// Participants who cannot decode other video than before.
    pub(super) undecodable: BTreeSet<ParticipantId>,
    pub(super) set_sessions: Vec<(u64, SessionId)>,
    pub(super) closed_sessions: Vec<(u64, SessionId)>,
    /// Assignments whose nodes get the complete state.
    pub(super) welcomes: BTreeSet<u64>,
    pub(super) asks: Vec<PlaceRequest>,
    pub(super) turn_asks: Vec<Output>,
    /// Clients of whom the platform may have heard.
    pub(super) heard_asks: Vec<Output>,
    /// Answers to nodes that reported on recordings.
    pub(super) verdicts: Vec<Output>,
    pub(super) closes: Vec<Output>,
}

/// An answer that contains the room's state after the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    Joined { in_reply_to: Option<u32> },
    Resumed { in_reply_to: Option<u32>, transport_dead: bool, chat_after: u64 },
    Negotiated { in_reply_to: Option<u32> },
}

impl Reply {
    /// Whether it has a roster in it.
    const fn is_full(self) -> bool {
        match self {
            Self::Joined { .. } | Self::Resumed { .. } => true,
            Self::Negotiated { .. } => false,
        }
    }
}

impl News {
    pub(super) fn send_client(&mut self, socket: SocketId, message: EdgeToClient) {
        self.direct.push(Output::SendClient { socket, message });
    }

    pub(super) fn send_node(&mut self, socket: SocketId, message: RoomToNode) {
        self.direct.push(Output::SendNode { socket, message });
    }

    pub(super) fn done(&mut self, socket: SocketId, in_reply_to: Option<u32>) {
        self.send_client(socket, EdgeToClient::Done { in_reply_to });
    }

    pub(super) fn refuse(
        &mut self,
        socket: SocketId,
        in_reply_to: Option<u32>,
        code: ErrorCode,
        message: impl ToString,
    ) {
        self.send_client(socket, EdgeToClient::Error { in_reply_to, code, message: message.to_string() });
    }
}

impl Room {
    /// Finishes an input: updates derived state, stores the changes, then sends the messages.
    pub(super) fn finish(&mut self, now: UnixMillis) {
        for participant in std::mem::take(&mut self.news.restarts_due) {
            self.restart_due(now, &participant);
        }
        self.end_left_assignments();
        self.note_emptiness(now);
        self.note_segments();
        self.note_silence(now);
        let republished = self.note_published();
        let slots = self.fill_slots(&republished);
        self.update_deadlines();
        let infos = self.changed_infos();
        let room = self.changed_room();
        let forwards = self.changed_forwards(&republished);
        self.refresh_relays(now);
        let orders = self.changed_orders();
        let recordings = self.changed_recordings();
        if !self.recordings.changed().is_empty() {
            self.told_recordings = self.recording_infos();
        }
        let changes = self.take_changes(now);
        let news = std::mem::take(&mut self.news);
        if !changes.is_empty() {
            self.outputs.push_back(Output::Store(changes));
        }
        self.outputs.extend(news.direct);
        let full: BTreeSet<_> = news
            .replies
            .iter()
            .filter(|(_, reply)| reply.is_full())
            .map(|(participant, _)| participant.clone())
            .collect();
        let replied: BTreeSet<_> = news.replies.iter().map(|(participant, _)| participant.clone()).collect();
        for (participant, reply) in news.replies {
            self.tell_reply(now, &participant, reply);
        }
        let room = room.map(|room| EdgeToClient::RoomUpdated { room });
        self.tell_everybody(&full, news.left, infos, room.into_iter().chain(recordings).collect());
        self.tell_conversation(&full, news.chat, news.reacted);
        self.tell_guests();
        self.tell_slots(&replied, slots);
        self.tell_adaptation(news.layers, news.limits, news.undecodable);
        for participant in &news.transport_dead {
            self.tell(participant, EdgeToClient::TransportDead {});
        }
        self.tell_nodes(now, &news.welcomes, news.set_sessions, news.closed_sessions, forwards);
        self.tell_recorders(now, &news.welcomes, orders);
        self.outputs.extend(news.asks.into_iter().map(Output::AskFleet));
        self.outputs.extend(news.turn_asks);
        self.outputs.extend(news.heard_asks);
        self.outputs.extend(news.verdicts);
        self.outputs.extend(news.closes);
    }

    /// Sends to a participant with an open socket.
    pub(super) fn tell(&mut self, participant: &ParticipantId, message: EdgeToClient) {
        let member = self.members.get(participant).filter(|member| member.answered);
        if let Some(socket) = member.and_then(|member| member.socket) {
            self.outputs.push_back(Output::SendClient { socket, message });
        }
    }

    /// Participants whose answer of this step contains the known TURN nodes.
    fn refresh_relays(&mut self, now: UnixMillis) {
        let answered: BTreeSet<ParticipantId> =
            self.news.replies.iter().map(|(participant, _)| participant.clone()).collect();
        for participant in answered {
            self.refresh_relay(now, &participant);
        }
    }

    fn tell_reply(&mut self, now: UnixMillis, participant: &ParticipantId, reply: Reply) {
        let Some(member) = self.members.get(participant) else { return };
        let session = self.sessions.get(&member.session);
        let assignment = session.and_then(|session| self.assignments.get(&session.epoch?));
        let answer = session.zip(assignment).map(|(session, assignment)| session.answer(&member.session, assignment));
        let ice_servers = self.ice_servers(now, participant);
        let slots: Vec<SlotInfo> = member.slots.iter().map(Into::into).collect();
        let message = match reply {
            Reply::Joined { in_reply_to } => EdgeToClient::Joined {
                in_reply_to,
                participant: participant.clone(),
                session: member.session.clone(),
                resume_token: member.resume_secrets.current().into(),
                answer: answer.unwrap_or_default(),
                room: self.room_info(),
                roster: self.roster(),
                slots,
                ice_servers,
                chat_last: self.chat_last(),
                recording: self.shown_recording(now),
            },
            Reply::Resumed { in_reply_to, transport_dead, .. } => EdgeToClient::Resumed {
                in_reply_to,
                resume_token: member.resume_secrets.current().into(),
                room: self.room_info(),
                roster: self.roster(),
                slots,
                transport_dead,
                ice_servers,
                recording: self.shown_recording(now),
            },
            Reply::Negotiated { in_reply_to } => EdgeToClient::Negotiated {
                in_reply_to,
                session: member.session.clone(),
                answer: answer.unwrap_or_default(),
                slots,
                ice_servers,
            },
        };
        self.tell(participant, message);
        let missed = match reply {
            Reply::Joined { .. } => self.chat_after(0),
            Reply::Resumed { chat_after, .. } => self.chat_after(chat_after),
            Reply::Negotiated { .. } => Vec::new(),
        };
        for messages in missed {
            self.tell(participant, messages);
        }
    }

    /// Sends roster changes to all clients that did not just get the complete state.
    fn tell_everybody(
        &mut self,
        full: &BTreeSet<ParticipantId>,
        left: Vec<(ParticipantId, LeaveReason)>,
        infos: Vec<(bool, ParticipantInfo)>,
        room: Vec<EdgeToClient>,
    ) {
        let left = left.into_iter().map(|(participant, reason)| EdgeToClient::ParticipantLeft { participant, reason });
        let infos = infos.into_iter().map(|(is_new, participant)| match is_new {
            true => EdgeToClient::ParticipantJoined { participant },
            false => EdgeToClient::ParticipantUpdated { participant },
        });
        for message in left.chain(infos).chain(room).collect::<Vec<_>>() {
            self.tell_all_but(&message, |participant| full.contains(participant));
        }
    }

    /// Sends chat messages and reactions to all clients that did not just get the complete state; the author of a
    /// reaction already shows it.
    fn tell_conversation(
        &mut self,
        full: &BTreeSet<ParticipantId>,
        chat: Vec<u64>,
        reacted: Vec<(ParticipantId, Reaction)>,
    ) {
        let messages: Vec<_> = chat.iter().filter_map(|number| self.chat.get(number).cloned()).collect();
        if !messages.is_empty() {
            self.tell_all_but(&EdgeToClient::Chat { messages }, |participant| full.contains(participant));
        }
        for (who, reaction) in reacted {
            let message = EdgeToClient::Reacted { participant: who.clone(), reaction };
            self.tell_all_but(&message, |participant| *participant == who);
        }
    }

    fn tell_all_but(&mut self, message: &EdgeToClient, is_told: impl Fn(&ParticipantId) -> bool) {
        let listens = |member: &&Member| member.answered && !is_told(&member.id);
        let sockets = self.members.values().filter(listens).filter_map(|member| member.socket);
        self.outputs.extend(sockets.map(|socket| Output::SendClient { socket, message: message.clone() }));
    }

    fn tell_slots(&mut self, replied: &BTreeSet<ParticipantId>, changed: Vec<ChangedSlots>) {
        for ChangedSlots { participant, slots, sections_needed } in changed {
            if !slots.is_empty() && !replied.contains(&participant) {
                self.tell(&participant, EdgeToClient::SlotsChanged { slots });
            }
            if let Some((audio, video)) = sections_needed {
                self.tell(&participant, EdgeToClient::SectionsNeeded { audio, video });
            }
        }
    }

    fn tell_nodes(
        &mut self,
        now: UnixMillis,
        welcomes: &BTreeSet<u64>,
        set: Vec<(u64, SessionId)>,
        closed: Vec<(u64, SessionId)>,
        forwards: Vec<(u64, Forward)>,
    ) {
        let mut messages: BTreeMap<u64, Vec<RoomToNode>> = BTreeMap::new();
        for epoch in welcomes {
            messages.insert(*epoch, self.welcome(now, *epoch));
        }
        let told = |epoch: &u64| !welcomes.contains(epoch);
        for (epoch, id) in set.into_iter().filter(|(epoch, _)| told(epoch)) {
            if let Some(session) = self.sessions.get(&id) {
                messages.entry(epoch).or_default().push(RoomToNode::SetSession { session: session.to_node(&id) });
            }
        }
        for (epoch, session) in closed.into_iter().filter(|(epoch, _)| told(epoch)) {
            messages.entry(epoch).or_default().push(RoomToNode::CloseSession { session });
        }
        let mut by_epoch: BTreeMap<u64, Vec<Forward>> = BTreeMap::new();
        for (epoch, forward) in forwards.into_iter().filter(|(epoch, _)| told(epoch)) {
            by_epoch.entry(epoch).or_default().push(forward);
        }
        for (epoch, forwards) in by_epoch {
            let frames = chunks(forwards, limits::FORWARDS_PER_FRAME);
            messages.entry(epoch).or_default().extend(frames.map(|forwards| RoomToNode::SetForwards { forwards }));
        }
        for (epoch, messages) in messages {
            let socket = self.assignments.get(&epoch).and_then(Assignment::socket);
            let Some(socket) = socket else { continue };
            self.outputs.extend(messages.into_iter().map(|message| Output::SendNode { socket, message }));
        }
    }

    /// Sends recording orders to nodes that did not just get the complete state.
    fn tell_recorders(
        &mut self,
        now: UnixMillis,
        welcomes: &BTreeSet<u64>,
        orders: Vec<(u64, Option<RecordingOrder>)>,
    ) {
        for (epoch, recording) in orders.into_iter().filter(|(epoch, _)| !welcomes.contains(epoch)) {
            let socket = self.assignments.get(&epoch).and_then(Assignment::socket);
            let Some(socket) = socket else { continue };
            let recording = recording.map(|order| RecordingOrder { sent_at: now, ..order });
            self.outputs.push_back(Output::SendNode { socket, message: RoomToNode::SetRecording { recording } });
        }
    }

    /// The complete state for an assignment's node, split into frames.
    fn welcome(&self, now: UnixMillis, epoch: u64) -> Vec<RoomToNode> {
        let sessions = self.sessions.iter().filter(|(_, session)| session.epoch == Some(epoch));
        let sessions = sessions.map(|(id, session)| session.to_node(id)).collect();
        let received = self.told_forwards.iter().filter(|(_, received)| received.epoch == epoch);
        let forwards = received.flat_map(|(session, received)| received.forwards(session));
        let order = self.told_orders.get(&epoch).map(|order| RecordingOrder { sent_at: now, ..order.clone() });
        divide_welcome(sessions, forwards.collect(), order)
    }

    /// The room's properties, if this input changed them.
    fn changed_room(&mut self) -> Option<RoomInfo> {
        let info = self.room_info();
        let told = std::mem::replace(&mut self.told_room, info);
        (told != self.told_room).then(|| self.told_room.clone())
    }

    /// Participants whose public state this input changed, and whether they are new.
    fn changed_infos(&mut self) -> Vec<(bool, ParticipantInfo)> {
        let stale = self.touched_members();
        // A participant that left and came back within one input is new.
        for (participant, _) in &self.news.left {
            self.told_infos.remove(participant);
        }
        let mut changed = Vec::new();
        for participant in stale {
            let Some(member) = self.members.get(&participant) else {
                self.told_infos.remove(&participant);
                continue;
            };
            let info = self.info(member);
            let told = self.told_infos.insert(participant, info.clone());
            if told.as_ref() != Some(&info) {
                changed.push((told.is_none(), info));
            }
        }
        changed
    }
}
