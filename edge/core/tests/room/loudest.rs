//! More open microphones than slots: a node says who is heard, and the slots follow.

use crate::scripts::act;
use crate::stage::Stage;
use edge_core::SocketId;
use edge_core::room::Output;
use shared::control::{Microphones, RoomToNode, TrackRef};
use shared::signal::{EdgeToClient, SlotInfo};
use shared::{Mid, limits};
use std::collections::{BTreeMap, BTreeSet};

const MAX: usize = limits::SLOTS_PER_KIND_MAX;
/// Participants with an open microphone.
const CROWD: usize = MAX + 6;

/// Digits at the end would be those of a socket.
fn name(number: usize) -> String {
    let letter = |number: usize| char::from(b'a' + (number % 26) as u8);
    ['p', letter(number / 26), letter(number)].iter().collect()
}

fn names(numbers: impl IntoIterator<Item = usize>) -> BTreeSet<String> {
    numbers.into_iter().map(name).collect()
}

/// A room and the knowledge of its clients and its node, from their messages.
struct Hall {
    stage: Stage,
    slots: BTreeMap<SocketId, BTreeMap<Mid, Option<String>>>,
    microphones: Microphones,
    /// Of the last step.
    outputs: Vec<Output>,
    steps: Vec<String>,
}

impl Hall {
    /// A room with a listener and this many open microphones.
    fn new(count: usize) -> Self {
        let (stage, slots, microphones) = (Stage::new(1), BTreeMap::new(), Microphones::default());
        let mut hall = Self { stage, slots, microphones, outputs: Vec::new(), steps: Vec::new() };
        hall.act("zoe opens viewer");
        hall.act("zoe joins a slots=24");
        hall.act("fleet gives node-a e1");
        hall.act("node-a dials e1");
        hall.act("node-a hello e1");
        for number in 0..count {
            hall.join(number);
        }
        hall
    }

    fn join(&mut self, number: usize) {
        self.act(&format!("{} opens", name(number)));
        self.act(&format!("{} joins a slots=24 mic", name(number)));
    }

    fn act(&mut self, step: &str) {
        self.steps.push(step.to_string());
        self.stage.now = self.stage.now.plus_ms(100);
        self.outputs = act(&mut self.stage, step);
        for output in &self.outputs {
            match output {
                Output::SendClient { socket, message: EdgeToClient::Joined { slots, .. } }
                | Output::SendClient { socket, message: EdgeToClient::Negotiated { slots, .. } } => {
                    self.slots.insert(*socket, BTreeMap::from_iter(slots.iter().map(playing)));
                }
                Output::SendClient { socket, message: EdgeToClient::SlotsChanged { slots } } => {
                    self.slots.entry(*socket).or_default().extend(slots.iter().map(playing));
                }
                Output::SendNode { message: RoomToNode::SetMicrophones { microphones }, .. }
                | Output::SendNode { message: RoomToNode::Welcome { microphones, .. }, .. } => {
                    self.microphones = microphones.clone();
                }
                _ => {}
            }
        }
    }

    /// The node reports these, best first.
    fn report(&mut self, node: &str, numbers: impl IntoIterator<Item = usize>) {
        let whom: Vec<String> = numbers.into_iter().map(name).collect();
        self.act(&format!("{node} hears {}", whom.join(" ")));
    }

    /// The participants in the slots of another one.
    fn heard_by(&self, whom: &str) -> BTreeSet<String> {
        self.slots[&self.stage.socket(whom)].values().flatten().cloned().collect()
    }

    /// Everybody but the participant hears the microphone.
    fn check_heard_by_all(&self, number: usize) {
        let of = name(number);
        for whom in self.stage.sockets.keys().filter(|whom| !whom.starts_with("node") && **whom != of) {
            assert!(self.heard_by(whom).contains(&of), "{whom} does not hear {of}");
        }
    }

    fn owners(&self, tracks: &[TrackRef]) -> Vec<String> {
        tracks.iter().map(|track| self.stage.owners[&track.session].clone()).collect()
    }

    fn heard(&self) -> Vec<String> {
        self.owners(&self.microphones.heard)
    }

    fn waiting(&self) -> Vec<String> {
        self.owners(&self.microphones.waiting)
    }

    /// Messages of a kind in the last step.
    fn count(&self, is_meant: impl Fn(&Output) -> bool) -> usize {
        self.outputs.iter().filter(|output| is_meant(output)).count()
    }
}

fn playing(slot: &SlotInfo) -> (Mid, Option<String>) {
    (slot.mid.clone(), slot.participant.as_ref().map(ToString::to_string))
}

fn is_for_node(output: &Output) -> bool {
    matches!(output, Output::SendNode { message: RoomToNode::SetMicrophones { .. }, .. })
}

fn is_slot_change(output: &Output) -> bool {
    matches!(output, Output::SendClient { message: EdgeToClient::SlotsChanged { .. }, .. })
}

#[test]
fn a_room_with_a_slot_for_each_microphone_does_not_ask_the_node() {
    let mut hall = Hall::new(0);
    for number in 0..MAX {
        hall.join(number);
        assert_eq!(hall.count(is_for_node), 0, "{number}");
    }
    hall.report("node-a", [0]);
    assert_eq!(hall.outputs, [], "a report of others is late");
    assert!(hall.stage.rows.values().all(|row| !row.contains("\"heard\"")), "nothing more is stored");
}

#[test]
fn the_newest_microphones_wait_until_the_node_hears_them() {
    let mut hall = Hall::new(CROWD);
    assert_eq!(hall.heard(), (0..MAX).rev().map(name).collect::<Vec<_>>());
    assert_eq!(hall.waiting().len(), CROWD - MAX);
    assert_eq!(hall.heard_by("zoe"), names(0..MAX));
    // The last one speaks, and the first one has been silent longest.
    let last = CROWD - 1;
    hall.report("node-a", std::iter::once(last).chain(1..MAX));
    hall.check_heard_by_all(last);
    assert_eq!(hall.heard_by("zoe"), names((1..MAX).chain([last])));
    assert_eq!(hall.heard(), std::iter::once(last).chain(1..MAX).map(name).collect::<Vec<_>>());
    let changes = hall.outputs.iter().filter_map(|output| match output {
        Output::SendClient { message: EdgeToClient::SlotsChanged { slots }, .. } => Some(slots.len()),
        _ => None,
    });
    assert!(changes.clone().all(|slots| slots == 1), "one slot changes");
    assert!(changes.count() <= CROWD + 1);
    hall.report("node-a", std::iter::once(last).chain(1..MAX));
    assert_eq!(hall.outputs, [], "saying it again changes nothing");
}

#[test]
fn nothing_but_an_open_microphone_wins_a_slot() {
    let mut hall = Hall::new(CROWD);
    hall.act("pbd mutes 0");
    hall.act("api silences pbc t29");
    hall.act("api grants pbb s");
    let before = hall.heard();
    // Sessions: 27 has lost the grant, 28 was muted by a moderator, 29 has muted.
    hall.report("node-a", [27, 28, 29].into_iter().chain(0..MAX - 3));
    assert_eq!(hall.heard_by("zoe"), names(0..MAX), "{before:?}");
    // One that says the same twice, and nothing else.
    hall.report("node-a", [24, 24, 24]);
    hall.check_heard_by_all(24);
    assert_eq!(hall.heard().len(), MAX, "the others are filled up");
}

#[test]
fn a_slot_that_becomes_free_goes_to_one_who_waits() {
    let mut hall = Hall::new(CROWD);
    hall.act("paf mutes 0");
    assert_eq!(hall.heard_by("zoe"), names((0..MAX).filter(|number| *number != 5).chain([CROWD - 1])));
    assert_eq!(hall.count(is_for_node), 1);
    // The one in its place may be speaking.
    hall.act("paf unmutes 0");
    assert!(!hall.heard_by("zoe").contains("paf"));
    assert!(hall.waiting().contains(&"paf".to_string()));
    hall.act("pag leaves");
    assert_eq!(hall.heard_by("zoe").len(), MAX);
    // Below the limit everybody who is open is heard again, and the node need not listen any more.
    for number in 0..5 {
        hall.act(&format!("{} leaves", name(number)));
    }
    assert!(hall.microphones.is_empty());
    assert_eq!(hall.heard_by("zoe"), names((5..CROWD).filter(|number| *number != 6)));
    assert!(hall.stage.rows.values().all(|row| !row.contains("\"heard\"")));
}

#[test]
fn another_node_hears_the_same() {
    let mut hall = Hall::new(CROWD);
    hall.report("node-a", (6..CROWD).rev());
    let heard = hall.heard();
    hall.act("node-a drains");
    hall.act("fleet gives node-b e2");
    hall.act("node-b dials e2");
    hall.act("node-b hello e2");
    for number in 0..CROWD / 2 {
        hall.act(&format!("{} negotiates dead mic slots=24", name(number)));
    }
    // Each node knows its own, and speaks for no other.
    hall.report("node-a", [20, 3]);
    hall.report("node-b", [4, 14]);
    hall.check_heard_by_all(20);
    hall.check_heard_by_all(4);
    for number in CROWD / 2..CROWD {
        hall.act(&format!("{} negotiates dead mic slots=24", name(number)));
    }
    hall.act("zoe negotiates dead slots=24");
    assert_eq!(hall.heard().len(), MAX);
    let stayed = hall.heard().into_iter().collect::<BTreeSet<_>>();
    let before = heard.into_iter().collect::<BTreeSet<_>>();
    assert!(before.difference(&stayed).count() <= 1, "only the one who spoke up has taken another's place");
    assert_eq!(hall.heard_by("zoe"), stayed);
}

/// A node of an earlier version says nothing about microphones, so those opened last are heard, as before.
#[test]
fn beside_a_node_that_does_not_listen_the_newest_are_heard() {
    let mut hall = Hall::new(CROWD);
    assert!(!hall.heard_by("zoe").contains(&name(CROWD - 1)));
    for step in ["node-a closes", "node-a2 dials e1", "node-a2 hello-of-old e1"] {
        hall.act(step);
    }
    assert!(hall.microphones.is_empty(), "nobody would listen");
    assert_eq!(hall.heard_by("zoe"), names(CROWD - MAX..CROWD));
    hall.act("pab mutes 0");
    hall.act("pab unmutes 0");
    hall.check_heard_by_all(1);
    let heard = hall.heard_by("zoe");
    assert_eq!(hall.stage.sleep(), []);
    for step in ["node-a2 closes", "node-a3 dials e1"] {
        hall.act(step);
    }
    assert_eq!(hall.heard_by("zoe"), heard, "without a node nobody is heard, so nothing changes");
    hall.act("node-a3 hello e1");
    assert_eq!((hall.heard().len(), hall.waiting().len()), (MAX, CROWD - MAX));
}

#[test]
fn a_sleep_after_any_step_changes_nothing() {
    let mut hall = Hall::new(CROWD);
    let begin = hall.steps.len();
    hall.report("node-a", [29].into_iter().chain(1..MAX));
    hall.report("node-a", [28, 29].into_iter().chain(2..MAX));
    for step in ["pbd mutes 0", "pbd unmutes 0", "pac leaves", "node-a closes", "node-a2 dials e1", "node-a2 hello e1"]
    {
        hall.act(step);
    }
    hall.report("node-a2", [27].into_iter().chain(4..MAX));
    for number in 0..8 {
        if number != 2 {
            hall.act(&format!("{} leaves", name(number)));
        }
    }
    let steps = hall.steps;
    let awake = play(&steps, None);
    for asleep_after in begin - 2..steps.len() {
        assert!(play(&steps, Some(asleep_after)) == awake, "slept after {:?}", steps[asleep_after]);
    }
}

/// The outputs of each step, and the rows in the end.
fn play(steps: &[String], asleep_after: Option<usize>) -> (Vec<Vec<Output>>, BTreeMap<String, String>) {
    let mut stage = Stage::new(1);
    let mut outputs = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        stage.now = stage.now.plus_ms(100);
        outputs.push(act(&mut stage, step));
        if asleep_after == Some(index) {
            assert_eq!(stage.sleep(), [], "waking up is no news");
        }
    }
    (outputs, stage.rows)
}

#[test]
fn who_is_heard_costs_one_slot_for_each_listener() {
    let mut hall = Hall::new(CROWD);
    hall.report("node-a", [29].into_iter().chain(1..MAX));
    assert_eq!(hall.count(|output| matches!(output, Output::Store(_))), 1);
    assert!(hall.count(is_slot_change) <= CROWD + 1);
    let forwards = hall.outputs.iter().filter_map(|output| match output {
        Output::SendNode { message: RoomToNode::SetForwards { forwards }, .. } => Some(forwards.len()),
        _ => None,
    });
    assert_eq!(forwards.sum::<usize>(), hall.count(is_slot_change));
    assert_eq!(hall.count(is_for_node), 1, "the node learns that its choice holds");
}
