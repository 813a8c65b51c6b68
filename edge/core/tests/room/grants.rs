//! A token's grants limit its holder, whatever ids they know.

use crate::stage::Stage;
use edge_core::room::Output;
use shared::Mid;
use shared::control::{NodeToRoom, RoomToNode};
use shared::signal::{ClientToEdge, EdgeToClient, ParticipantChange, TrackSource};
use shared::token::Grants;
use std::collections::BTreeSet;

const MICROPHONE: [(TrackSource, bool); 1] = [(TrackSource::Microphone, false)];
const SPEAKER: Grants =
    Grants { publish: true, subscribe: false, chat: true, moderate: false, record: false, ..Grants::NONE };
const HOST: Grants = Grants { moderate: true, ..SPEAKER };

/// Playing slots: those announced to clients, and those that the node was told to fill.
#[derive(Default)]
struct Playing {
    slots: BTreeSet<Mid>,
    forwards: BTreeSet<Mid>,
}

impl Playing {
    fn hear(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::SendClient {
                    message: EdgeToClient::Joined { slots, .. } | EdgeToClient::SlotsChanged { slots },
                    ..
                } => slots.into_iter().for_each(|slot| put(&mut self.slots, slot.mid, slot.track.is_some())),
                Output::SendNode {
                    message: RoomToNode::Welcome { forwards, .. } | RoomToNode::SetForwards { forwards },
                    ..
                } => forwards.into_iter().for_each(|it| put(&mut self.forwards, it.mid, it.track.is_some())),
                _ => {}
            }
        }
    }

    fn join(&mut self, stage: &mut Stage, name: &str, grants: Grants) {
        self.hear(stage.open_client(name, grants, None));
        let join = stage.join(name, name, &MICROPHONE, 2);
        let asked = stage.epochs.len();
        self.hear(stage.say(name, join).1);
        if let Some(epoch) = stage.epochs.get(asked).copied() {
            self.hear(stage.give("node-a", epoch));
            self.hear(stage.open_node("node-a", epoch));
            let hello = NodeToRoom::Hello {
                node: "node-a".parse().expect("a name"),
                epoch,
                connected: vec![],
                reports_loudest: true,
            };
            self.hear(stage.node_says("node-a", hello));
        }
    }

    fn count(&self) -> (usize, usize) {
        (self.slots.len(), self.forwards.len())
    }
}

fn put(set: &mut BTreeSet<Mid>, mid: Mid, plays: bool) {
    if plays {
        set.insert(mid);
    } else {
        set.remove(&mid);
    }
}

/// The others may receive nothing, so everything that plays, plays for eve.
fn check(token: Grants, expected: [(usize, usize); 3]) {
    let (mut stage, mut playing) = (Stage::new(1), Playing::default());
    playing.join(&mut stage, "ada", HOST);
    playing.join(&mut stage, "eve", token);
    assert_eq!(playing.count(), expected[0], "ada was there");
    playing.join(&mut stage, "bob", SPEAKER);
    // Knowing the participants opens nothing.
    let participants = ["ada", "bob"].map(|name| name.parse().expect("a name")).to_vec();
    playing.hear(stage.say("eve", ClientToEdge::View { participants, lines: None }).1);
    assert_eq!(playing.count(), expected[1], "bob came");
    let change = ParticipantChange { grants: Some(SPEAKER), ..ParticipantChange::default() };
    let participant = "eve".parse().expect("a name");
    playing.hear(stage.say("ada", ClientToEdge::UpdateParticipant { participant, change }).1);
    assert_eq!(playing.count(), expected[2], "the grant was taken away");
}

// Holds S-A7-16.
#[test]
fn nothing_plays_without_the_grant_to_subscribe_and_nothing_any_more_once_it_is_taken() {
    check(SPEAKER, [(0, 0), (0, 0), (0, 0)]);
    check(Grants::default(), [(1, 1), (2, 2), (0, 0)]);
}
