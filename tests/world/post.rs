//! Frames and calls on their way between browsers, edge and nodes: reliable and in order, but not at once.

use crate::World;
use crate::edge::Effect;
use crate::node::{Node, Output as NodeOutput, Peer};
use crate::relay::{Output as RelayOutput, Relay};
use crate::{Browser, browser};
use edge_core::SocketId;
use edge_core::fleet::{PlaceAnswer, PlaceRequest};
use shared::{ParticipantId, RoomId};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// One way between a client and the edge, a node and the edge unless told otherwise, two objects of the edge.
const CLIENT_DELAY: Duration = Duration::from_millis(15);
const NODE_DELAY: Duration = Duration::from_millis(10);
const OBJECT_DELAY: Duration = Duration::from_millis(4);
/// What a browser is told when its connection breaks (RFC 6455 §7.1.5).
const ABNORMAL_CLOSURE: u16 = 1006;

/// The other end of a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Party {
    Browser(String),
    Node(String, Peer),
    Relay(String),
}

/// Something on its way.
#[derive(Clone, Debug)]
enum Letter {
    DialBrowser(String),
    DialNode(String, Peer, String),
    DialRelay(String),
    Opened(Party, SocketId),
    Refused(Party, bool),
    ToEdge(SocketId, String),
    FromEdge(Party, SocketId, String),
    /// And whether the other side said that it is going away.
    ClosedAtEdge(SocketId, bool),
    ClosedAtParty(Party, SocketId, u16),
    Ask(RoomId, PlaceRequest),
    Answer(RoomId, u64, PlaceAnswer),
    AskTurn(RoomId, u64),
    AnswerTurn(RoomId, u64, Vec<String>),
}

/// All that is on its way, and who is at which socket.
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
            Party::Node(..) | Party::Relay(_) => self.node_delay,
        }
    }

    pub(crate) fn sockets_of(&self, is_meant: impl Fn(&Party) -> bool) -> Vec<SocketId> {
        self.parties.iter().filter(|(_, party)| is_meant(party)).map(|(socket, _)| *socket).collect()
    }
}

impl World {
    /// Control frames take this long from here on.
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
                NodeOutput::Dial(peer, ticket) => {
                    self.post_after(self.post.node_delay, Letter::DialNode(name.into(), peer, ticket));
                }
                NodeOutput::Frame(socket, text) => {
                    self.trace(&format!("{name} says {text}"));
                    self.post_after(self.post.node_delay, Letter::ToEdge(socket, text));
                }
                NodeOutput::HangUp(socket) => {
                    self.post.parties.remove(&socket);
                    self.post_after(self.post.node_delay, Letter::ClosedAtEdge(socket, false));
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
                RelayOutput::Dial => self.post_after(self.post.node_delay, Letter::DialRelay(name.into())),
                RelayOutput::Frame(socket, text) => {
                    self.trace(&format!("{name} says {text}"));
                    self.post_after(self.post.node_delay, Letter::ToEdge(socket, text));
                }
            }
        }
    }

    fn post_after(&mut self, delay: Duration, letter: Letter) {
        self.post.put(self.clock.now() + delay, letter);
    }

    /// A party closes its socket, perhaps because it is going away.
    pub(crate) fn hang_up(&mut self, party: &Party, going_away: bool) {
        for socket in self.post.sockets_of(|at| at == party) {
            self.post.parties.remove(&socket);
            self.post_after(self.post.delay(party), Letter::ClosedAtEdge(socket, going_away));
        }
    }

    /// A connection breaks: both sides hear of it.
    pub(crate) fn break_socket(&mut self, socket: SocketId) {
        let Some(party) = self.post.parties.get(&socket).cloned() else { return };
        self.post_after(self.post.delay(&party), Letter::ClosedAtEdge(socket, false));
        self.post_after(Duration::ZERO, Letter::ClosedAtParty(party, socket, ABNORMAL_CLOSURE));
    }

    /// All control sockets of a node break.
    pub(crate) fn break_control(&mut self, name: &str) {
        let is_meant = |party: &Party| matches!(party, Party::Node(node, _) | Party::Relay(node) if node == name);
        for socket in self.post.sockets_of(is_meant) {
            self.break_socket(socket);
        }
    }

    /// The edge's runtime is killed and starts again: every socket breaks, and only what was stored is left.
    pub fn restart_edge(&mut self) {
        for socket in self.edge.restart() {
            if let Some(party) = self.post.parties.get(&socket).cloned() {
                self.post_after(Duration::ZERO, Letter::ClosedAtParty(party, socket, ABNORMAL_CLOSURE));
            }
        }
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
            Letter::DialNode(name, peer, ticket) => self.open_node(name, peer, &ticket),
            Letter::DialRelay(name) => self.open_relay(name),
            Letter::ToEdge(socket, text) => self.edge.handle_frame(&clock, socket, &text),
            Letter::ClosedAtEdge(socket, going_away) => self.edge.handle_closed(&clock, socket, going_away),
            Letter::Ask(room, request) => self.edge.handle_ask(&clock, room, request),
            Letter::Answer(room, epoch, answer) => self.edge.handle_answer(&clock, &room, epoch, answer),
            Letter::AskTurn(room, epoch) => self.edge.handle_turn_ask(&clock, room, epoch),
            Letter::AnswerTurn(room, epoch, urls) => self.edge.handle_turn_answer(&clock, &room, epoch, urls),
            Letter::Opened(party, socket) => self.handle_opened(party, socket),
            Letter::Refused(Party::Node(name, peer), is_final) => {
                self.with_node(&name, |node| node.handle_refused(&clock, &peer, is_final));
            }
            Letter::Refused(Party::Browser(_) | Party::Relay(_), _) => {}
            Letter::FromEdge(_, socket, _) if !self.post.parties.contains_key(&socket) => {}
            Letter::FromEdge(Party::Browser(name), _, text) => {
                self.with_browser(&name, |browser| browser.handle_frame(&clock, &text));
            }
            Letter::FromEdge(Party::Node(name, peer), _, text) => {
                self.with_node(&name, |node| node.handle_frame(&clock, &peer, &text));
            }
            Letter::FromEdge(Party::Relay(name), _, text) => {
                self.with_relay(&name, |relay| relay.handle_frame(&clock, &text));
            }
            Letter::ClosedAtParty(party, socket, code) => self.handle_closed(party, socket, code),
        }
    }

    fn open_browser(&mut self, name: String) {
        let Ok(participant) = ParticipantId::parse(&name) else { return };
        let socket = self.edge.accept_client(&self.clock, &self.room, &participant);
        let party = Party::Browser(name);
        self.post.parties.insert(socket, party.clone());
        self.post_after(CLIENT_DELAY, Letter::Opened(party, socket));
    }

    fn open_node(&mut self, name: String, peer: Peer, ticket: &str) {
        let Some(node) = self.nodes.get(&name) else { return };
        let party = Party::Node(name.clone(), peer.clone());
        let is_cut_off = self.cut_off.contains(&name);
        let socket = match &peer {
            _ if is_cut_off => None,
            Peer::Fleet => Some(self.edge.accept_fleet(&self.clock, node.id())),
            Peer::Room(room, _) => self.edge.accept_node(&self.clock, room, ticket),
        };
        match socket {
            Some(socket) => {
                self.post.parties.insert(socket, party.clone());
                self.post_after(self.post.node_delay, Letter::Opened(party, socket));
            }
            None => self.post_after(self.post.node_delay, Letter::Refused(party, !is_cut_off)),
        }
    }

    fn open_relay(&mut self, name: String) {
        let Some(relay) = self.relays.get(&name) else { return };
        let (socket, party) = (self.edge.accept_fleet(&self.clock, relay.id()), Party::Relay(name));
        self.post.parties.insert(socket, party.clone());
        self.post_after(self.post.node_delay, Letter::Opened(party, socket));
    }

    fn handle_opened(&mut self, party: Party, socket: SocketId) {
        let clock = self.clock;
        if !self.post.parties.contains_key(&socket) {
            return;
        }
        match party {
            Party::Browser(name) => self.with_browser(&name, |browser| browser.handle_opened(&clock)),
            Party::Node(name, peer) => self.with_node(&name, |node| node.handle_opened(&clock, &peer, socket)),
            Party::Relay(name) => self.with_relay(&name, |relay| relay.handle_opened(&clock, socket)),
        }
    }

    fn handle_closed(&mut self, party: Party, socket: SocketId, code: u16) {
        let clock = self.clock;
        if self.post.parties.remove(&socket).is_none() {
            return;
        }
        match party {
            Party::Browser(name) => self.with_browser(&name, |browser| browser.handle_closed(&clock, code)),
            Party::Node(name, peer) => self.with_node(&name, |node| node.handle_closed(&clock, &peer, socket)),
            Party::Relay(name) => self.with_relay(&name, |relay| relay.handle_closed(&clock)),
        }
    }

    /// Sends off what the edge wants done.
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
                Effect::AnswerTurn(room, epoch, urls) => {
                    self.post_after(OBJECT_DELAY, Letter::AnswerTurn(room, epoch, urls));
                }
                Effect::Answer(room, epoch, answer) => {
                    self.post_after(OBJECT_DELAY, Letter::Answer(room, epoch, answer));
                }
            }
        }
    }
}
