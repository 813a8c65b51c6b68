//! The client's conversation with its room.

use super::offer::RIDS;
use super::signaling::Asked;
use super::{Browser, Output, Phase, Socket};
use crate::clock::Clock;
use shared::signal::{
    ChatMessage, ClientToEdge, EdgeToClient, NegotiateReason, ParticipantInfo, SlotInfo, TrackIntent, TrackSource,
    close_code,
};
use shared::{ErrorCode, MessageId, Mid, ParticipantId, SessionId};
use std::collections::BTreeMap;
use std::time::Duration;

/// Delay before a lost socket is reopened.
const REDIAL_AFTER: Duration = Duration::from_millis(300);
/// Delay before a repeatable request is repeated.
const RETRY_AFTER: Duration = Duration::from_millis(1_000);

impl Browser {
    /// Joins the room, or resumes the session.
    pub fn handle_opened(&mut self, clock: &Clock) {
        self.clock = *clock;
        self.socket = Socket::Open;
        let chat_after = self.knowledge.chat.keys().next_back().copied();
        match self.knowledge.session.clone() {
            Some((session, resume_token)) => {
                let revision = self.knowledge.revision;
                self.ask(Asked::Resume, ClientToEdge::Resume { session, resume_token, chat_after, revision });
            }
            None => self.join(),
        }
    }

    fn join(&mut self) {
        let offer = self.write_offer();
        let (attempt, tracks) = (self.attempt.clone(), self.intents());
        self.ask(Asked::Join, ClientToEdge::Join { attempt, offer, tracks });
    }

    pub(super) fn intents(&self) -> Vec<TrackIntent> {
        let intent = |publisher: &super::Publisher| TrackIntent {
            mid: publisher.mid.clone(),
            source: publisher.source,
            muted: publisher.is_muted,
        };
        self.publishers.iter().map(intent).collect()
    }

    pub(super) fn ask(&mut self, asked: Asked, message: ClientToEdge) {
        if self.socket == Socket::Open {
            let frame = self.requests.frame(&self.clock, asked, message);
            self.outputs.push_back(Output::Frame(frame));
        }
    }

    pub fn set_muted(&mut self, clock: &Clock, mid: &Mid, muted: bool) {
        self.clock = *clock;
        for publisher in self.publishers.iter_mut().filter(|publisher| publisher.mid == *mid) {
            publisher.is_muted = muted;
        }
        self.ask(Asked::Other, ClientToEdge::SetMuted { mid: mid.clone(), muted });
    }

    /// Sets how loud the microphones are from here on, in −dBov.
    pub fn set_level(&mut self, level: u8) {
        self.publishers.iter_mut().for_each(|publisher| publisher.level = level);
    }

    /// Makes screens move, with this many packets per frame, or stand still.
    pub fn set_motion(&mut self, clock: &Clock, parts: Option<u8>) {
        let screens = self.publishers.iter_mut().filter(|publisher| publisher.source == TrackSource::Screen);
        screens.for_each(|publisher| publisher.set_motion(clock, parts));
    }

    /// Writes a chat message; it is not repeated if no answer arrives.
    pub fn write(&mut self, clock: &Clock, message: MessageId, text: &str) {
        self.clock = *clock;
        self.ask(Asked::Other, ClientToEdge::Chat { message, text: text.into() });
    }

    /// Sets the user's view.
    pub fn view(&mut self, clock: &Clock, participants: Vec<ParticipantId>) {
        self.clock = *clock;
        self.ask(Asked::Other, ClientToEdge::View { participants, lines: None });
    }

    /// Sets the lines in which the user sees a participant, and nobody else.
    pub fn view_in(&mut self, clock: &Clock, participant: ParticipantId, lines: u16) {
        self.clock = *clock;
        let lines = Some([(participant.clone(), lines)].into());
        self.ask(Asked::Other, ClientToEdge::View { participants: vec![participant], lines });
    }

    pub fn kick(&mut self, clock: &Clock, participant: ParticipantId) {
        self.clock = *clock;
        self.ask(Asked::Other, ClientToEdge::Kick { participant, reason: None, ban: None });
    }

    pub fn leave(&mut self, clock: &Clock) {
        self.clock = *clock;
        self.phase = Phase::Leaving;
        self.transport = None;
        self.ask(Asked::Leave, ClientToEdge::Leave {});
    }

    pub fn handle_closed(&mut self, clock: &Clock, code: u16) {
        self.clock = *clock;
        self.requests.forget();
        if self.phase == Phase::Leaving && code == close_code::NORMAL {
            self.go(None);
        }
        let is_final = matches!(code, close_code::NORMAL | close_code::POLICY | close_code::REMOVED);
        if matches!(self.phase, Phase::Gone(_)) {
            self.socket = Socket::Closed;
        } else if is_final {
            self.breach(format!("the socket was closed with {code} and no reason given"));
            self.go(None);
        } else {
            self.socket = Socket::Lost(clock.now() + REDIAL_AFTER);
        }
    }

    fn go(&mut self, code: Option<ErrorCode>) {
        self.phase = Phase::Gone(code);
        self.transport = None;
    }

    pub fn handle_frame(&mut self, clock: &Clock, text: &str) {
        self.clock = *clock;
        match serde_json::from_str(text) {
            Ok(message) => self.handle_message(message),
            Err(error) => self.breach(format!("a frame that says nothing: {error}")),
        }
        self.take_more_slots();
        if let Some(breach) = self.knowledge.breach(&self.guest.participant) {
            self.breach(breach);
        }
        self.flush();
    }

    fn handle_message(&mut self, message: EdgeToClient) {
        match message {
            EdgeToClient::Joined { participant, .. } if participant != self.guest.participant => {
                self.breach(format!("joined as {participant}"));
            }
            message @ (EdgeToClient::Joined { .. } | EdgeToClient::Resumed { .. }) => self.handle_greeting(message),
            EdgeToClient::Negotiated { in_reply_to, session, answer, slots, ice_servers } => {
                self.expect_reply("negotiated", in_reply_to, |asked| matches!(asked, Asked::Negotiate(_)));
                self.note_session(session);
                self.knowledge.set_slots(&self.clock, slots);
                self.apply_answer(&answer, &ice_servers);
            }
            EdgeToClient::Done { in_reply_to } => {
                self.expect_reply("done", in_reply_to, |asked| matches!(asked, Asked::Other | Asked::Leave));
            }
            EdgeToClient::Error { in_reply_to, code, message } => self.handle_error(in_reply_to, code, &message),
            EdgeToClient::Refused { code } | EdgeToClient::Removed { code, .. } => self.go(Some(code)),
            EdgeToClient::TransportDead {} => self.negotiate(NegotiateReason::TransportDead),
            EdgeToClient::SectionsNeeded { audio, video } => {
                self.knowledge.sections_needed = Some((audio, video));
            }
            EdgeToClient::LayersWanted { mid, rids } => self.set_layers(&mid, &rids),
            EdgeToClient::RoomUpdated { .. }
            | EdgeToClient::TrackMuted { .. }
            | EdgeToClient::VideoLimited { .. }
            | EdgeToClient::VideoUndecodable { .. } => {}
            EdgeToClient::SlotsChanged { slots } => self.knowledge.set_slots(&self.clock, slots),
            EdgeToClient::RecordingUpdated { .. } => self.breach("nobody records here".into()),
            EdgeToClient::Chat { messages } => self.note_chat(messages),
            EdgeToClient::Reacted { .. }
            | EdgeToClient::Sought { .. }
            | EdgeToClient::Signaled { .. }
            | EdgeToClient::GuestsWaiting { .. }
            | EdgeToClient::NodeAway {} => {}
            EdgeToClient::Bans { .. } => self.breach("nobody asks who is banned".into()),
            EdgeToClient::Audience { .. } => self.breach("nobody asks for the audience".into()),
            EdgeToClient::PeerServers { .. } => self.breach("nobody asks for servers".into()),
            EdgeToClient::ParticipantJoined { participant } => self.note_joined(participant),
            EdgeToClient::ParticipantUpdated { participant } => {
                if self.knowledge.roster.insert(participant.id.clone(), participant).is_none() {
                    self.breach("news of a participant who is not here".into());
                }
            }
            EdgeToClient::RosterChanged { changed, left, revision } => {
                self.knowledge.change_roster(changed, &left);
                self.knowledge.revision = revision.or(self.knowledge.revision);
            }
            EdgeToClient::ParticipantLeft { participant, .. } => {
                if self.knowledge.roster.remove(&participant).is_none() {
                    self.breach(format!("{participant} left without having been here"));
                }
            }
        }
    }

    /// Handles `joined` and `resumed`.
    fn handle_greeting(&mut self, message: EdgeToClient) {
        match message {
            EdgeToClient::Joined {
                in_reply_to,
                session,
                resume_token,
                answer,
                roster,
                revision,
                slots,
                ice_servers,
                ..
            } => {
                self.expect_reply("joined", in_reply_to, |asked| asked == Asked::Join);
                self.enter((session, resume_token), roster, slots);
                self.knowledge.revision = revision;
                self.apply_answer(&answer, &ice_servers);
            }
            EdgeToClient::Resumed {
                in_reply_to,
                resume_token,
                roster,
                difference,
                revision,
                slots,
                transport_dead,
                ..
            } => {
                if let Some((_, known)) = &mut self.knowledge.session {
                    *known = resume_token;
                }
                self.expect_reply("resumed", in_reply_to, |asked| asked == Asked::Resume);
                match difference {
                    Some(difference) => self.knowledge.apply(roster, &difference),
                    None => self.knowledge.set_roster(roster),
                }
                self.knowledge.revision = revision;
                self.knowledge.set_slots(&self.clock, slots);
                if self.phase == Phase::Leaving {
                    self.ask(Asked::Leave, ClientToEdge::Leave {});
                } else if let Some(reason) =
                    self.unanswered.or(transport_dead.then_some(NegotiateReason::TransportDead))
                {
                    self.negotiate(reason);
                }
            }
            other => self.breach(format!("{other:?} greets nobody")),
        }
    }

    fn enter(&mut self, session: (SessionId, String), roster: Vec<ParticipantInfo>, slots: Vec<SlotInfo>) {
        self.phase = Phase::Inside;
        self.knowledge.session = Some(session);
        self.knowledge.set_roster(roster);
        self.knowledge.chat.clear();
        self.knowledge.set_slots(&self.clock, slots);
    }

    fn note_session(&mut self, session: SessionId) {
        if let Some((known, _)) = &mut self.knowledge.session
            && std::mem::replace(known, session.clone()) != session
        {
            // Another node begins with all layers.
            self.publishers.iter_mut().for_each(|publisher| publisher.set_layers(|_| true));
        }
    }

    fn set_layers(&mut self, mid: &Mid, rids: &[String]) {
        for publisher in self.publishers.iter_mut().filter(|publisher| publisher.mid == *mid) {
            publisher.set_layers(|place| rids.iter().any(|rid| *rid == RIDS[place]));
        }
    }

    fn note_chat(&mut self, messages: Vec<ChatMessage>) {
        for message in messages {
            if let Some(twice) = self.knowledge.chat.insert(message.number, message) {
                self.breach(format!("message {} came twice", twice.number));
            }
        }
    }

    fn note_joined(&mut self, participant: ParticipantInfo) {
        let before = self.knowledge.roster.insert(participant.id.clone(), participant);
        if let Some(before) = before {
            self.breach(format!("{} joined twice", before.id));
        }
    }

    fn expect_reply(&mut self, reply: &str, in_reply_to: Option<u32>, is_meant: impl Fn(Asked) -> bool) {
        let asked = self.requests.answered(in_reply_to);
        if !asked.is_some_and(is_meant) {
            self.breach(format!("{reply} answers {asked:?}"));
        }
    }

    fn handle_error(&mut self, in_reply_to: Option<u32>, code: ErrorCode, message: &str) {
        self.knowledge.refusals.push(code);
        match self.requests.answered(in_reply_to) {
            Some(Asked::Join) if code.may_retry() => {
                self.outputs.push_back(Output::HangUp);
                self.socket = Socket::Lost(self.clock.now() + RETRY_AFTER);
            }
            Some(Asked::Join) => self.go(Some(code)),
            Some(Asked::Leave) => self.breach(format!("leaving was refused: {code}, {message}")),
            Some(Asked::Resume) if self.phase == Phase::Leaving => self.go(None),
            // The session is gone: joins again with a new transport.
            Some(Asked::Resume) => self.start_over(),
            Some(Asked::Negotiate(reason)) if code.may_retry() => self.retry_after(RETRY_AFTER, reason),
            Some(Asked::Other) => {}
            Some(asked @ Asked::Negotiate(_)) => self.breach(format!("{asked:?} refused: {code}, {message}")),
            None => self.breach(format!("an error that answers nothing: {code}, {message}")),
        }
    }

    fn start_over(&mut self) {
        self.phase = Phase::Joining;
        self.knowledge.session = None;
        self.knowledge.slots = BTreeMap::new();
        self.transport = None;
        self.slots.clear();
        self.attempt =
            shared::AttemptId::parse(&format!("{:016x}", self.random.next_u64())).expect("letters and digits");
        self.renew_credentials();
        self.join();
    }
}
