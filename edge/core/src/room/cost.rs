//! The cost of one toggle in rooms of different sizes that have more tracks than slots.

use super::{Attachment, Config, Input, Output, Room};
use crate::SocketId;
use crate::fleet::{PlaceAnswer, Placement, Relays};
use crate::random::tests::seeded;
use crate::steps;
use offers::Connection;
use shared::rtp_parameters::Fingerprint;
use shared::signal::{ClientFrame, ClientToEdge, EdgeToClient, Reaction, TrackIntent, TrackSource};
use shared::token::JoinClaims;
use shared::{AttemptId, Mid, NodeId, ParticipantId, Region, RoomId, UnixMillis};

#[path = "../../tests/room/offers.rs"]
mod offers;

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const SLOTS: usize = 2;
const SOURCES: [TrackSource; 2] = [TrackSource::Microphone, TrackSource::Camera];
/// Sections of a publisher's offer, in the order of [`SOURCES`].
const MICROPHONE: &str = "0";
const CAMERA: &str = "1";

/// A room of publishers, numbered first, and viewers.
struct Hall {
    room: Room,
}

impl Hall {
    fn new(publishers: usize, viewers: usize) -> Self {
        let mut hall = Self { room: Room::new(daily(), Config::default(), seeded(1)) };
        for number in 0..publishers + viewers {
            hall.join(number, if number < publishers { &SOURCES } else { &[] });
            if number == 0 {
                let epoch = hall.room.state.meta().expect("the room has participants").epoch;
                hall.room.handle_input(NOW, Input::FleetAnswered { epoch, answer: PlaceAnswer::Placed(placement()) });
            }
        }
        hall
    }

    fn join(&mut self, number: usize, sources: &[TrackSource]) {
        let socket = SocketId(number as u64);
        let claims = JoinClaims { participants_max: Some(1_000), ..JoinClaims::new(participant(number), daily()) };
        self.room.handle_input(
            NOW,
            Input::SocketOpened(Attachment::Client { socket, opened_at: NOW, claims, near: Vec::new(), trace: None }),
        );
        let mut connection = Connection::default();
        connection.shape(sources, SLOTS);
        let intent = |source: &TrackSource| {
            let mid = connection.mid_of(*source).expect("published").to_string();
            TrackIntent { mid: Mid::parse(&mid).unwrap(), source: *source, muted: false }
        };
        let tracks = sources.iter().map(intent).collect();
        let attempt = AttemptId::parse("a").unwrap();
        self.say(number, ClientToEdge::Join { attempt, offer: connection.offer(), tracks });
        assert!(self.room.state.members.contains(&participant(number)), "{number}");
    }

    fn say(&mut self, number: usize, message: ClientToEdge) {
        let frame = Ok(ClientFrame { id: None, message });
        self.room.handle_input(NOW, Input::ClientFrame { socket: SocketId(number as u64), frame });
        while self.room.poll_output().is_some() {}
    }

    fn mute(&mut self, number: usize, mid: &str, muted: bool) {
        self.say(number, ClientToEdge::SetMuted { mid: Mid::parse(mid).unwrap(), muted });
    }

    fn look(&mut self, number: usize, at: &[usize]) {
        let participants = at.iter().map(|number| participant(*number)).collect();
        self.say(number, ClientToEdge::View { participants, lines: None });
    }
}

fn daily() -> RoomId {
    RoomId::parse("daily").unwrap()
}

fn participant(number: usize) -> ParticipantId {
    ParticipantId::parse(&format!("p{number}")).unwrap()
}

fn placement() -> Placement {
    Placement {
        node: NodeId::parse("node-a").unwrap(),
        shard: 0,
        candidates: vec![([127, 0, 0, 1], 7000).into()],
        tcp_candidates: vec![],
        fingerprint: Fingerprint([1; 32]),
        region: Region::parse("local").unwrap(),
        relays: Relays::new(),
    }
}

const PUBLISHERS: usize = 12;
const VIEWERS: usize = 30;

/// Checks the steps of a toggle in rooms of different sizes. The closure gets the numbers of the first publisher, the
/// last publisher and the last viewer.
fn check(name: &str, per_viewer: u64, toggle: impl Fn(&mut Hall, usize, usize, usize)) {
    let steps = |times_publishers: usize, times_viewers: usize| {
        let (publishers, viewers) = (times_publishers * PUBLISHERS, times_viewers * VIEWERS);
        let mut hall = Hall::new(publishers, viewers);
        steps::count(|| toggle(&mut hall, 0, publishers - 1, publishers + viewers - 1))
    };
    let small = steps(1, 1);
    assert!(small > 0, "{name} is counted");
    let crowded = steps(1, 2);
    assert!(crowded <= small + per_viewer * VIEWERS as u64, "{name}: {small} steps, {crowded} for twice the viewers");
    let large = steps(2, 2);
    assert!(large <= 2 * small + 10, "{name}: {small} steps, {large} for twice the viewers and twice the tracks");
}

#[test]
fn a_message_for_everybody_is_one_output() {
    let (mut hall, everybody) = (Hall::new(PUBLISHERS, VIEWERS), PUBLISHERS + VIEWERS);
    let message = ClientToEdge::React { reaction: Reaction::Clap };
    let frame = Ok(ClientFrame { id: None, message });
    hall.room.handle_input(NOW, Input::ClientFrame { socket: SocketId(0), frame });
    let outputs: Vec<_> = std::iter::from_fn(|| hall.room.poll_output()).collect();
    let sent = outputs.iter().filter_map(|output| match output {
        Output::SendClients { sockets, message: EdgeToClient::Reacted { .. } } => Some(sockets.len()),
        _ => None,
    });
    assert_eq!(sent.collect::<Vec<_>>(), [everybody - 1]);
    let single = outputs.iter().filter(|output| matches!(output, Output::SendClient { .. })).count();
    assert_eq!(single, 1, "the answer to the request");
}

#[test]
fn what_changes_no_participant_looks_at_no_track() {
    let mut hall = Hall::new(PUBLISHERS, VIEWERS);
    let mute = || ClientToEdge::SetMuted { mid: Mid::parse(MICROPHONE).unwrap(), muted: false };
    let react = || ClientToEdge::React { reaction: Reaction::Clap };
    assert_eq!(steps::count(|| [mute(), react()].into_iter().for_each(|message| hall.say(0, message))), 0);
}

#[test]
fn a_toggle_costs_as_much_as_it_changes() {
    // One viewer's forwards.
    check("view", 0, |hall, first, last, viewer| hall.look(viewer, &[first, last]));
    check("view of nobody new", 0, |hall, first, _, viewer| hall.look(viewer, &[first]));
    // For a track that plays for nobody, each viewer is checked once.
    check("mute, unheard", 1, |hall, first, _, _| hall.mute(first, MICROPHONE, true));
    check("camera off, unseen", 1, |hall, _, last, _| hall.mute(last, CAMERA, true));
    // For a track that everybody receives, or will, two forwards change per viewer.
    let everybody = 2 + 12 * SLOTS as u64;
    check("mute, heard", everybody, |hall, _, last, _| hall.mute(last, MICROPHONE, true));
    check("camera off, seen", everybody, |hall, first, _, _| hall.mute(first, CAMERA, true));
    check("mute and speak", 2 * everybody, |hall, first, _, _| {
        hall.mute(first, MICROPHONE, true);
        hall.mute(first, MICROPHONE, false);
    });
    // One participant's own state.
    check("hand", 0, |hall, _, _, viewer| hall.say(viewer, ClientToEdge::RaiseHand { raised: true }));
}
