//! Rooms whose clients are in this process.

use super::{CLIENT_CORE, Case, DELAY_ROOM, LAYERS_ROOM, LOSS_MAX, WARM};
use anyhow::{Context, Result, bail};
use load::client::{self, Client, Memory};
use load::local_edge::{Caller, LocalEdge};
use load::parameters::{ClientNumber, slot};
use load::process;
use load::publisher::{Publisher, publish};
use load::sink::Sink;
use load::stopwatch::Stopwatch;
use media_core::session::dtls::Identity;
use shared::RoomId;
use shared::control::{
    Assignment, FleetToNode, Forward, Microphones, NodeRegistration, NodeToRoom, RoomToNode, TrackRef,
};
use std::time::Duration;

/// A room whose publishers' tracks play in a slot of each subscriber.
pub(crate) struct Room {
    pub(crate) size: (u32, u32),
    pub(crate) publishers: Vec<Publisher>,
    pub(crate) sink: Sink,
    /// The last subscriber, in the room for the delay.
    pub(crate) stopwatch: Option<Stopwatch>,
}

pub(crate) async fn open_room(
    edge: &LocalEdge,
    fleet: &mut Caller,
    registration: &NodeRegistration,
    place: u32,
    (publishers, subscribers): (u32, u32),
) -> Result<Room> {
    let numbers: Vec<_> = (0..publishers + subscribers).map(|client| ClientNumber(1_000 * place + client)).collect();
    let identity = client::identity()?;
    let (first, others) = numbers.split_at(publishers as usize);
    let has_layers = (publishers, subscribers) == LAYERS_ROOM;
    let publisher = if has_layers { ClientNumber::publisher_of_layers } else { ClientNumber::publisher };
    let mut sessions: Vec<_> = first.iter().map(|number| publisher(*number, identity.fingerprint())).collect();
    sessions.extend(others.iter().map(|number| number.subscriber_of(identity.fingerprint(), publishers)));
    let sessions = sessions.into_iter().map(ClientNumber::with_extensions).collect();
    let tracks = first.iter().map(|number| TrackRef { session: number.session(), mid: number.mid() });
    let forwards_to = |number: &ClientNumber| {
        let session = number.session();
        let lines_max = [Some(180), Some(360), None][number.0 as usize % 3].filter(|_| has_layers);
        let forward = |(place, track)| Forward { lines_max, ..Forward::new(session.clone(), slot(place), Some(track)) };
        (0..).zip(tracks.clone()).map(forward).collect::<Vec<_>>()
    };
    let forwards = others.iter().flat_map(forwards_to).collect();
    let room = RoomId::parse(&format!("room-{place}"))?;
    let assignment = Assignment { room, epoch: 1, shard: 0, ticket: "ticket".to_owned(), session: None };
    fleet.send(&FleetToNode::Assign(Box::new(assignment))).await?;
    let mut caller = edge.accept().await?;
    let NodeToRoom::Hello { .. } = caller.next().await? else { bail!("the node does not say hello") };
    caller
        .send(&RoomToNode::Welcome { sessions, forwards, recording: None, microphones: Microphones::default() })
        .await?;
    tokio::spawn(caller.drain());

    let shard = registration.shards.first().and_then(|shard| shard.candidates.first());
    let (address, fingerprint) = (*shard.context("a node without shards")?, registration.fingerprint);
    tokio::task::spawn_blocking(move || {
        let clients = numbers.iter().map(|number| Client::new(*number, address, &identity, fingerprint));
        Room::connect((publishers, subscribers), clients.collect::<Result<_>>()?, numbers, &identity)
    })
    .await?
}

impl Room {
    /// Nanoseconds that a server needs for a packet to a subscriber.
    pub(crate) fn forward(
        &mut self,
        case: Case,
        pid: u32,
        time: Duration,
        is_strict: bool,
        memory: &mut Memory,
    ) -> Result<f64> {
        let Self { publishers, sink, .. } = self;
        publish(publishers, case.shape, case.packets_per_s, WARM, memory)?;
        let (cpu, counts) = (process::cpu_ns(pid)?, sink.counts().snapshot());
        publish(publishers, case.shape, case.packets_per_s, time, memory)?;
        let (cpu, after) = (process::cpu_ns(pid)? - cpu, sink.counts().snapshot());
        let received = after.received - counts.received;
        check_loss(received, after.expected - counts.expected, is_strict)?;
        // A tenth too few means that the publisher fell behind.
        if is_strict && (received as f64) < time.as_secs_f64() * case.sent_per_s() * 0.9 {
            bail!("only {received} packets came");
        }
        Ok(cpu as f64 / received as f64)
    }

    /// Connects clients, the publishers first.
    pub(crate) fn connect(
        size: (u32, u32),
        mut clients: Vec<Client>,
        numbers: Vec<ClientNumber>,
        identity: &Identity,
    ) -> Result<Self> {
        process::pin_to_core(CLIENT_CORE)?;
        client::connect(&mut clients, identity, &mut Memory::default())?;
        let last = if size == DELAY_ROOM { clients.pop() } else { None };
        let stopwatch = last.map(|client| Stopwatch::start(client, CLIENT_CORE)).transpose()?;
        let publishers = std::iter::zip(clients.drain(..size.0 as usize), numbers);
        let publisher = if size == LAYERS_ROOM { Publisher::of_layers } else { Publisher::new };
        let publishers = publishers.map(|(client, number)| publisher(client, number)).collect();
        Ok(Self { size, publishers, sink: Sink::start(clients, Vec::new(), CLIENT_CORE)?, stopwatch })
    }
}

pub(crate) fn check_loss(received: u64, expected: u64, is_strict: bool) -> Result<()> {
    let lost = expected.saturating_sub(received) as f64 / expected.max(1) as f64;
    if received == 0 || (is_strict && lost > LOSS_MAX) {
        bail!("{:.2} % of {expected} packets were lost", 100.0 * lost);
    }
    Ok(())
}
