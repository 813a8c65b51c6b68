//! One shard of a media node: datagrams, control messages and time in, datagrams and events out.

mod bandwidth;
mod congestion;
mod control;
mod egress;
mod feedback;
mod media;
mod overload;
mod record;
mod report;
mod sample;
mod select;
mod subscribe;
mod transport;
mod viewers;

pub use crate::egress::arena::Run;

use crate::congestion::bandwidth::Bandwidth;
use crate::deadlines::Deadlines;
use crate::demux::{Demux, Protocol};
use crate::ingress::stream::Stream;
use crate::ingress::track::Track;
use crate::keys::{RoomKey, Rooms, SessionKey, Sessions, StreamKey, Streams, TrackKey, Tracks};
use crate::packet::Moment;
use crate::places::Places;
use crate::random::Random;
use crate::record::tap::{Batch, Tap};
use crate::room::Room;
use crate::rtcp::ntp::NtpClock;
use crate::session::Session;
use crate::session::dtls::Identity;
use crate::slab::Slab;
use crate::stats::{DropReason, Stats};
use crate::stun::TransactionIds;
use egress::Egress;
use shared::control::{RoomToNode, SessionEnd, SessionQuality};
use shared::signal::VideoLimit;
use shared::{Mid, RoomId, SessionId, UnixMillis};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram of the shard's socket; it is decrypted where it lies.
    Datagram { from: SocketAddr, bytes: &'a mut [u8] },
    /// A Room object's message. The session inside the Fleet object's `assign` is one as well (`SetSession`).
    ///
    /// Frames that concern the control socket itself (`refused`, `error`) change nothing here.
    Control { room: RoomId, message: RoomToNode },
    /// The time that [`Sfu::poll_timeout`] named has come.
    Deadline,
}

/// Something the room wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// ICE and DTLS are done: media flows.
    SessionConnected {
        room: RoomId,
        session: SessionId,
    },
    SessionClosed {
        room: RoomId,
        session: SessionId,
        end: SessionEnd,
    },
    /// The layers of a published track that its viewers and the recorder need have changed.
    LayersWanted {
        room: RoomId,
        session: SessionId,
        mid: Mid,
        rids: Vec<String>,
    },
    /// The slots of a session whose video is limited by its downlink have changed.
    VideoLimited {
        room: RoomId,
        session: SessionId,
        estimate_bps: u32,
        slots: Vec<VideoLimit>,
    },
    /// The slots of a session whose video comes in codecs that its client cannot read have changed.
    VideoUndecodable {
        room: RoomId,
        session: SessionId,
        mids: Vec<Mid>,
    },
    /// What the media of a session was like in the last minute: for the Worker, not for the room.
    Quality(Box<SessionQuality>),
}

/// What a shard is made with.
#[derive(Clone, Debug)]
pub struct Config {
    /// The node's certificate: one for all shards.
    pub identity: Identity,
    /// Drawn from the operating system by the shell, named by a test.
    pub seed: u64,
    /// The moment the shard is made.
    pub started_at: Instant,
    /// What the wall clock says at that moment: sender reports tell it.
    pub wall_clock: UnixMillis,
    /// Shared by all shards of the node; sessions beyond them are refused.
    pub places: Arc<Places>,
    pub bandwidth: Bandwidth,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// Checks that wait for their session are forgotten.
    Parked,
    Dtls(SessionKey),
    Consent(SessionKey),
    Report(SessionKey),
    /// A publisher is told what arrived when.
    Arrivals(SessionKey),
    /// The estimate for a client changes by itself.
    Congestion(SessionKey),
    /// The next packets of a probe are due.
    Probe(SessionKey),
    /// What the pacer held for a client may leave.
    Pace(SessionKey),
    Repair(StreamKey),
    Keyframe(StreamKey),
    /// The layers of its slots are chosen again.
    Select(SessionKey),
    /// The shard's limit is divided.
    Divide,
    /// A session's quality is sampled.
    Sample(SessionKey),
    /// What the viewers of a track need is summed up.
    Viewers(TrackKey),
}

/// One shard: every session whose clients send to its UDP port.
///
/// The shell gives it everything that one read brought, then drains it:
/// ```text
/// for (from, bytes) in batch {
///     sfu.handle_input(now, Input::Datagram { from, bytes });
///     if sfu.is_urgent() { /* as below */ }
/// }
/// while let Some(runs) = sfu.poll_transmits(now) { for run in runs { socket.send(run) } }
/// while let Some(output) = sfu.poll_output() { .. }
/// wait_until(sfu.poll_timeout());
/// ```
pub struct Sfu {
    identity: Identity,
    clock: NtpClock,
    random: Random,
    transactions: TransactionIds,
    places: Arc<Places>,
    bandwidth: Bandwidth,
    share_bps: Option<u64>,
    /// Kept between divisions.
    wishes: Vec<u64>,
    sessions: Slab<Sessions, Session>,
    tracks: Slab<Tracks, Track>,
    streams: Slab<Streams, Stream>,
    stream_instances: u64,
    rooms: Slab<Rooms, Room>,
    rooms_by_id: BTreeMap<RoomId, RoomKey>,
    demux: Demux,
    deadlines: Deadlines<Timer>,
    egress: Egress,
    tap: Tap,
    outputs: VecDeque<Output>,
    stats: Stats,
}

impl Sfu {
    pub fn new(config: Config) -> Self {
        let transactions = TransactionIds::seeded(config.seed);
        Self {
            clock: NtpClock::new(config.started_at, config.wall_clock),
            random: Random::seeded(transactions.public_seed()),
            transactions,
            identity: config.identity,
            places: config.places,
            bandwidth: config.bandwidth,
            share_bps: None,
            wishes: Vec::new(),
            sessions: Slab::default(),
            tracks: Slab::default(),
            streams: Slab::default(),
            stream_instances: 0,
            rooms: Slab::default(),
            rooms_by_id: BTreeMap::new(),
            demux: Demux::default(),
            deadlines: Deadlines::default(),
            egress: Egress::default(),
            tap: Tap::default(),
            outputs: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// Takes note of what happened. Datagrams that follow from it wait until [`Self::poll_transmits`].
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Datagram { from, bytes } => self.handle_datagram(now, from, bytes),
            Input::Control { room, message } => self.handle_control(now, room, message),
            Input::Deadline => {
                for timer in self.deadlines.take_due(now) {
                    self.handle_timer(now, timer);
                }
            }
        }
    }

    /// What was copied for the recorder, taken in exchange for an emptied batch; `next` comes back where there is nothing.
    pub fn exchange_recorded(&mut self, next: Batch) -> Batch {
        self.tap.exchange(next)
    }

    /// What was copied for the recorder.
    pub fn recorded(&self) -> &Batch {
        self.tap.batch()
    }

    /// The next event for a room.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// Whether [`Self::poll_transmits`] must be called before the next datagram, or packets are lost: a read may bring more of
    /// one track than is kept.
    pub fn is_urgent(&self) -> bool {
        self.egress.is_urgent
    }

    /// Writes and seals what waits to be sent, as much as the arena takes; call it until it returns nothing.
    pub fn poll_transmits(&mut self, now: Instant) -> Option<impl Iterator<Item = Run<'_>>> {
        self.fill_arena(now).then(|| self.egress.arena.runs())
    }

    /// When to come back with [`Input::Deadline`], if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        // What is held changes with every frame, so it is no timer of the index; sending looks at the time itself.
        [self.deadlines.next(), self.egress.held_until].into_iter().flatten().min()
    }

    /// The sessions of a room whose media is up, as a `hello` says them.
    pub fn connected_sessions(&self, room: &RoomId) -> Vec<SessionId> {
        let room = self.rooms_by_id.get(room).and_then(|key| self.rooms.get(*key));
        let sessions = room.into_iter().flat_map(|room| room.sessions.values());
        let connected = sessions.filter_map(|key| self.sessions.get(*key)).filter(|session| session.is_connected());
        connected.map(|session| session.id.clone()).collect()
    }

    pub fn room_count(&self) -> usize {
        self.rooms.count()
    }

    pub fn session_count(&self) -> usize {
        self.sessions.count()
    }

    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    fn handle_datagram(&mut self, now: Instant, from: SocketAddr, bytes: &mut [u8]) {
        self.stats.datagrams_in += 1;
        self.stats.bytes_in += bytes.len() as u64;
        let result = match Protocol::of(bytes) {
            Some(Protocol::Rtp) => self.handle_rtp(now, from, bytes),
            Some(Protocol::Rtcp) => self.handle_rtcp(now, from, bytes),
            Some(Protocol::Stun) => self.handle_stun(now, from, bytes),
            Some(Protocol::Dtls) => self.handle_dtls(now, from, bytes),
            None => Err(DropReason::UnknownProtocol),
        };
        if let Err(reason) = result {
            tracing::trace!(bytes = bytes.len(), reason = reason.label(), "datagram dropped");
            self.stats.drop(reason);
        }
    }

    fn handle_timer(&mut self, now: Instant, timer: Timer) {
        match timer {
            Timer::Parked => self.expire_parked(now),
            Timer::Dtls(session) => self.handle_dtls_timeout(now, session),
            Timer::Consent(session) => self.check_consent(now, session),
            Timer::Report(session) => self.report(now, session),
            Timer::Arrivals(session) => self.report_arrivals(now, session),
            Timer::Congestion(session) => self.handle_congestion_timeout(now, session),
            Timer::Pace(session) => self.send_held(session),
            Timer::Probe(session) => self.send_probe(now, session),
            Timer::Repair(stream) => self.ask_for_losses(now, stream),
            Timer::Keyframe(stream) => self.ask_for_keyframe(now, stream),
            Timer::Select(session) => self.select_streams(now, session),
            Timer::Divide => self.divide(now),
            Timer::Sample(session) => self.sample(now, session),
            Timer::Viewers(track) => self.sum_up_viewers(now, track),
        }
    }

    fn moment(&self, now: Instant) -> Moment {
        Moment { now, ntp: self.clock.at(now) }
    }
}

#[cfg(test)]
mod tests;
