//! Frames and calls in transit between browsers, edge and nodes: reliable and ordered, but delayed.

use crate::World;
use crate::edge::Effect;
use crate::node::{Door, Node, Output as NodeOutput};
use crate::relay::{Output as RelayOutput, Relay};
use crate::{Browser, browser};
use edge_core::SocketId;
use edge_core::fleet::{PlaceAnswer, PlaceRequest, Relays};
use edge_core::room::Verb;
use node_core::line::{News, SocketKey};
use shared::{ParticipantId, RoomId};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// One-way delay between a client and the edge, a node and the edge unless overridden, two objects of the edge.
const CLIENT_DELAY: Duration = Duration::from_millis(15);
const NODE_DELAY: Duration = Duration::from_millis(10);
const OBJECT_DELAY: Duration = Duration::from_millis(4);
/// A browser's close code for a broken connection (RFC 6455 §7.1.5).
const ABNORMAL_CLOSURE: u16 = 1006;

/// The other end of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    Browser(String),
    Node(String, SocketKey),
    Relay(String, SocketKey),
}

/// Something in transit.
#[derive(Clone, Debug)]
enum Letter {
    DialBrowser(String),
    DialNode(String, SocketKey, Door),
    DialRelay(String, SocketKey),
    Opened(Party, SocketId),
    Refused(Party, bool),
    ToEdge(SocketId, String),
    FromEdge(Party, SocketId, String),
    /// True if the peer announced that it is going away.
    ClosedAtEdge(SocketId, bool),
    ClosedAtParty(Party, SocketId, u16),
    Ask(RoomId, PlaceRequest),
    Answer(RoomId, u64, PlaceAnswer),
    AskTurn(RoomId, u64),
    AnswerTurn(RoomId, u64, Relays),
}

/// Everything in transit, and the owner of each socket.
#[derive(Debug)]
pub(crate) struct Post {
    letters: BTreeMap<(Instant, u64), Letter>,
    number: u64,
    parties: BTreeMap<SocketId, Party>,
    node_delay: Duration,
}

impl Default for Post {
    fn default() -> Self {
        Self { letters: BTreeMap::new(), number: 0, parties: BTreeMap::new(), node_delay: NODE_DELAY }
    }
}

impl Post {
    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.letters.first_key_value().map(|((at, _), _)| *at)
    }

    fn put(&mut self, at: Instant, letter: Letter) {
        self.number += 1;
        self.letters.insert((at, self.number), letter);
    }

    fn due(&mut self, now: Instant) -> Option<Letter> {
        self.letters.first_entry().filter(|entry| entry.key().0 <= now).map(|entry| entry.remove())
    }

    fn delay(&self, party: &Party) -> Duration {
        match party {
            Party::Browser(_) => CLIENT_DELAY,
            Party::Node(..) | Party::Relay(..) => self.node_delay,
        }
    }

    /// A socket that is not open yet is given up.
    fn forget_dial(&mut self, name: &str, socket: SocketKey) {
        self.letters
            .retain(|_, letter| !matches!(letter, Letter::DialNode(node, of, _) if node == name && *of == socket));
    }

    pub(crate) fn sockets_of(&self, is_meant: impl Fn(&Party) -> bool) -> Vec<SocketId> {
        self.parties.iter().filter(|(_, party)| is_meant(party)).map(|(socket, _)| *socket).collect()
    }
}

impl World {
    /// Sets the delay of control frames from here on.
    pub fn set_control_delay(&mut self, delay: Duration) {
        self.post.node_delay = delay;
    }

    pub(crate) fn with_browser(&mut self, name: &str, act: impl FnOnce(&mut Browser)) {
        let Some(browser) = self.browsers.get_mut(name) else { return };
        act(browser);
        let outputs: Vec<_> = std::iter::from_fn(|| browser.poll_output()).collect();
        let party = Party::Browser(name.into());
        for output in outputs {
            match output {
                browser::Output::Datagram(datagram) => self.net.send(self.clock.now(), datagram),
                browser::Output::Dial => self.post_after(CLIENT_DELAY, Letter::DialBrowser(name.into())),
                browser::Output::Frame(text) => {
                    if let [.., socket] = self.post.sockets_of(|at| *at == party)[..] {
                        self.trace(&format!("{party:?} says {text}"));
                        self.post_after(CLIENT_DELAY, Letter::ToEdge(socket, text));
                    }
                }
                browser::Output::HangUp => self.hang_up(&party, false),
            }
        }
    }

    pub(crate) fn with_node(&mut self, name: &str, act: impl FnOnce(&mut Node)) {
        let Some(node) = self.nodes.get_mut(name) else { return };
        act(node);
        let outputs: Vec<_> = std::iter::from_fn(|| node.poll_output()).collect();
        for output in outputs {
            match output {
                NodeOutput::Datagram(datagram) => self.net.send(self.clock.now(), datagram),
                NodeOutput::Dial(socket, door) => {
                    let is_fleet = matches!(door, Door::Fleet);
                    self.dials.push((self.clock.elapsed(), name.into(), is_fleet));
                    self.post_after(self.post.node_delay, Letter::DialNode(name.into(), socket, door));
                }
                NodeOutput::Frame(socket, text) => self.send_frame(&Party::Node(name.into(), socket), text),
                NodeOutput::HangUp(socket) => {
                    self.post.forget_dial(name, socket);
                    self.hang_up(&Party::Node(name.into(), socket), false);
                }
            }
        }
    }

    pub(crate) fn with_relay(&mut self, name: &str, act: impl FnOnce(&mut Relay)) {
        let Some(relay) = self.relays.get_mut(name) else { return };
        act(relay);
        let outputs: Vec<_> = std::iter::from_fn(|| relay.poll_output()).collect();
        for output in outputs {
            match output {
                RelayOutput::Datagram(datagram) => self.net.send(self.clock.now(), datagram),
                RelayOutput::Dial(socket) => {
                    self.post_after(self.post.node_delay, Letter::DialRelay(name.into(), socket));
                }
                RelayOutput::Frame(socket, text) => self.send_frame(&Party::Relay(name.into(), socket), text),
                RelayOutput::HangUp(socket) => self.hang_up(&Party::Relay(name.into(), socket), false),
            }
        }
    }

    fn send_frame(&mut self, party: &Party, text: String) {
        let [socket] = self.post.sockets_of(|at| at == party)[..] else { return };
        self.trace(&format!("{party:?} says {text}"));
        self.reported.push((self.clock.elapsed(), text.clone()));
        self.post_after(self.post.node_delay, Letter::ToEdge(socket, text));
    }

    fn post_after(&mut self, delay: Duration, letter: Letter) {
        self.post.put(self.clock.now() + delay, letter);
    }

    /// A party closes its socket, possibly because it is going away.
    pub(crate) fn hang_up(&mut self, party: &Party, going_away: bool) {
        for socket in self.post.sockets_of(|at| at == party) {
            self.post.parties.remove(&socket);
            self.post_after(self.post.delay(party), Letter::ClosedAtEdge(socket, going_away));
        }
    }

    /// Breaks a connection: both sides notice.
    pub(crate) fn break_socket(&mut self, socket: SocketId) {
        let Some(party) = self.post.parties.get(&socket).cloned() else { return };
        self.post_after(self.post.delay(&party), Letter::ClosedAtEdge(socket, false));
        self.post_after(Duration::ZERO, Letter::ClosedAtParty(party, socket, ABNORMAL_CLOSURE));
    }

    pub(crate) fn break_control(&mut self, name: &str) {
        let is_meant = |party: &Party| matches!(party, Party::Node(node, _) | Party::Relay(node, _) if node == name);
        for socket in self.post.sockets_of(is_meant) {
            self.break_socket(socket);
        }
    }

    /// Kills and restarts the edge's runtime: every socket breaks, and only stored state remains.
    pub fn restart_edge(&mut self) {
        for socket in self.edge.restart() {
            if let Some(party) = self.post.parties.get(&socket).cloned() {
                self.post_after(Duration::ZERO, Letter::ClosedAtParty(party, socket, ABNORMAL_CLOSURE));
            }
        }
    }

    /// The application's server changes something in the room.
    pub fn moderate(&mut self, verb: Verb) {
        let (clock, room) = (self.clock, self.room.clone());
        self.edge.moderate(&clock, &room, verb);
        self.drain_edge();
    }

    pub(crate) fn deliver_post(&mut self) {
        while let Some(letter) = self.post.due(self.clock.now()) {
            self.deliver_letter(letter);
            self.drain_edge();
        }
    }

    fn deliver_letter(&mut self, letter: Letter) {
        let clock = self.clock;
        match letter {
            Letter::DialBrowser(name) => self.open_browser(name),
            Letter::DialNode(name, socket, door) => self.open_node(name, socket, &door),
            Letter::DialRelay(name, socket) => self.open_relay(name, socket),
            Letter::ToEdge(socket, text) => self.edge.handle_frame(&clock, socket, &text),
            Letter::ClosedAtEdge(socket, going_away) => self.edge.handle_closed(&clock, socket, going_away),
            Letter::Ask(room, request) => self.edge.handle_ask(&clock, room, request),
            Letter::Answer(room, epoch, answer) => self.edge.handle_answer(&clock, &room, epoch, answer),
            Letter::AskTurn(room, epoch) => self.edge.handle_turn_ask(&clock, room, epoch),
            Letter::AnswerTurn(room, epoch, relays) => self.edge.handle_turn_answer(&clock, &room, epoch, relays),
            Letter::Opened(party, socket) => self.handle_opened(party, socket),
            Letter::Refused(Party::Browser(_), _) => {}
            Letter::Refused(party, is_final) => {
                self.tell_party(party, News::Failed { is_final, reason: String::new() });
            }
            Letter::FromEdge(_, socket, _) if !self.post.parties.contains_key(&socket) => {}
            Letter::FromEdge(Party::Browser(name), _, text) => {
                self.with_browser(&name, |browser| browser.handle_frame(&clock, &text));
            }
            Letter::FromEdge(party, _, text) => self.tell_party(party, News::Frame(text)),
            Letter::ClosedAtParty(party, socket, code) => self.handle_closed(party, socket, code),
        }
    }

    fn open_browser(&mut self, name: String) {
        let Ok(participant) = ParticipantId::parse(&name) else { return };
        let Some(room) = self.rooms.get(&name) else { return };
        let socket = self.edge.accept_client(&self.clock, room, &participant);
        let party = Party::Browser(name);
        self.post.parties.insert(socket, party.clone());
        self.post_after(CLIENT_DELAY, Letter::Opened(party, socket));
    }

    fn open_node(&mut self, name: String, socket: SocketKey, door: &Door) {
        let Some(node) = self.nodes.get(&name) else { return };
        let is_cut_off = self.cut_off.contains(&name);
        let opened = match door {
            _ if is_cut_off => None,
            Door::Fleet => Some(self.edge.accept_fleet(&self.clock, node.id())),
            Door::Room { room, ticket } => self.edge.accept_node(&self.clock, room, ticket),
        };
        let party = Party::Node(name, socket);
        match opened {
            Some(socket) => {
                self.post.parties.insert(socket, party.clone());
                self.post_after(self.post.node_delay, Letter::Opened(party, socket));
            }
            None => self.post_after(self.post.node_delay, Letter::Refused(party, !is_cut_off)),
        }
    }

    fn open_relay(&mut self, name: String, socket: SocketKey) {
        let Some(relay) = self.relays.get(&name) else { return };
        let (opened, party) = (self.edge.accept_fleet(&self.clock, relay.id()), Party::Relay(name, socket));
        self.post.parties.insert(opened, party.clone());
        self.post_after(self.post.node_delay, Letter::Opened(party, opened));
    }

    fn handle_opened(&mut self, party: Party, socket: SocketId) {
        let clock = self.clock;
        if !self.post.parties.contains_key(&socket) {
            return;
        }
        match party {
            Party::Browser(name) => self.with_browser(&name, |browser| browser.handle_opened(&clock)),
            party => self.tell_party(party, News::Opened),
        }
    }

    fn handle_closed(&mut self, party: Party, socket: SocketId, code: u16) {
        let clock = self.clock;
        if self.post.parties.remove(&socket).is_none() {
            return;
        }
        match party {
            Party::Browser(name) => self.with_browser(&name, |browser| browser.handle_closed(&clock, code)),
            party => self.tell_party(party, News::Closed { reason: code.to_string() }),
        }
    }

    /// Tells a node about one of its sockets.
    fn tell_party(&mut self, party: Party, news: News) {
        let clock = self.clock;
        match party {
            Party::Browser(_) => {}
            Party::Node(name, socket) => self.with_node(&name, |node| node.handle_news(&clock, socket, news)),
            Party::Relay(name, socket) => self.with_relay(&name, |relay| relay.handle_news(&clock, socket, news)),
        }
    }

    /// Sends the edge's outputs.
    pub(crate) fn drain_edge(&mut self) {
        for effect in self.edge.take_effects() {
            match effect {
                Effect::Send(socket, text) => {
                    let Some(party) = self.post.parties.get(&socket).cloned() else { continue };
                    self.note_said(format!("{party:?}: {text}"));
                    self.post_after(self.post.delay(&party), Letter::FromEdge(party, socket, text));
                }
                Effect::Close(socket, code) => {
                    let Some(party) = self.post.parties.get(&socket).cloned() else { continue };
                    self.note_said(format!("{party:?}: closed with {code}"));
                    self.post_after(self.post.delay(&party), Letter::ClosedAtParty(party, socket, code));
                }
                Effect::Ask(room, request) => self.post_after(OBJECT_DELAY, Letter::Ask(room, request)),
                Effect::AskTurn(room, epoch) => self.post_after(OBJECT_DELAY, Letter::AskTurn(room, epoch)),
                Effect::AnswerTurn(room, epoch, relays) => {
                    self.post_after(OBJECT_DELAY, Letter::AnswerTurn(room, epoch, relays));
                }
                Effect::Answer(room, epoch, answer) => {
                    self.post_after(OBJECT_DELAY, Letter::Answer(room, epoch, answer));
                }
            }
        }
    }
}
