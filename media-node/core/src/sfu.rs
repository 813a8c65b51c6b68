//! One shard of a media node: datagrams, control messages and time in, datagrams and events out.

mod bandwidth;
mod congestion;
mod control;
mod egress;
mod feedback;
mod loudest;
mod media;
mod overload;
mod record;
mod report;
mod sample;
mod select;
mod subscribe;
mod transport;
mod viewers;

pub use crate::demux::UfragChange;
pub use crate::egress::arena::Run;

use crate::congestion::bandwidth::Bandwidth;
use crate::deadlines::Deadlines;
use crate::demux::{Demux, Protocol};
use crate::egress::rounds::Egress;
use crate::ingress::stream::Stream;
use crate::ingress::track::Track;
use crate::keys::{RoomKey, Rooms, SessionKey, Sessions, StreamKey, Streams, TrackKey, Tracks};
use crate::packet::Moment;
use crate::path::Path;
use crate::places::Places;
use crate::random::Random;
use crate::record::tap::{Batch, Tap};
use crate::room::Room;
use crate::rtcp::ntp::NtpClock;
use crate::session::Session;
use crate::session::dtls::Identity;
use crate::slab::Slab;
use crate::stats::{DropReason, Stats};
use crate::stun::{self, TransactionIds};
use aws_lc_rs::hmac;
use shared::control::{ProbeCredential, RoomToNode, SessionEnd, SessionQuality, TrackRef};
use shared::signal::{EstimateReason, VideoLimit};
use shared::{Mid, RoomId, SessionId, UnixMillis};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

#[allow(clippy::large_enum_variant, reason = "one at a time, and never stored")]
#[derive(Debug)]
pub enum Input<'a> {
    /// A datagram from one of the shard's sockets; decrypted in place.
    Datagram { from: Path, bytes: &'a mut [u8] },
    /// A Room object's message, including the session inside the Fleet object's `assign` (`SetSession`).
    ///
    /// Frames about the control socket itself (`refused`, `error`) have no effect here.
    Control { room: RoomId, message: RoomToNode },
    /// A TCP connection has ended.
    Closed { path: Path },
    /// The time returned by [`Sfu::poll_timeout`] has come.
    Deadline,
}

/// An event for the room or the Worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// ICE and DTLS are connected: media flows.
    SessionConnected {
        room: RoomId,
        session: SessionId,
    },
    SessionClosed {
        room: RoomId,
        session: SessionId,
        end: SessionEnd,
    },
    /// The layers of a published track needed by viewers and the recorder have changed.
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
        reason: EstimateReason,
        slots: Vec<VideoLimit>,
    },
    /// The slots of a session whose video codec its client cannot decode have changed.
    VideoUndecodable {
        room: RoomId,
        session: SessionId,
        mids: Vec<Mid>,
    },
    /// Others should be heard than in the room's last list; best first.
    Loudest {
        room: RoomId,
        microphones: Vec<TrackRef>,
    },
    /// The quality of a session's media in the last minute: for the Worker, not for the room.
    Quality(Box<SessionQuality>),
}

#[derive(Clone, Debug)]
pub struct Config {
    /// The node's certificate, the same for all shards.
    pub identity: Identity,
    /// Drawn from the operating system by the shell, named by a test.
    pub seed: u64,
    /// The time of the shard's creation.
    pub started_at: Instant,
    /// The wall clock at that time, used in sender reports.
    pub wall_clock: UnixMillis,
    /// Shared by all shards of the node; when none is free, sessions are refused.
    pub places: Arc<Places>,
    pub bandwidth: Bandwidth,
    /// Answers probes of other nodes; `None` if the node knows its address.
    pub probe: Option<ProbeCredential>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    /// Checks that wait for their session are dropped.
    Parked,
    Dtls(SessionKey),
    Consent(SessionKey),
    Report(SessionKey),
    /// Arrivals are reported to a publisher.
    Arrivals(SessionKey),
    /// A client's estimate changes by itself.
    Congestion(SessionKey),
    /// The next packets of a probe are due.
    Probe(SessionKey),
    /// Packets held by a client's pacer may leave.
    Pace(SessionKey),
    Repair(StreamKey),
    Keyframe(StreamKey),
    /// The layers of a session's slots are chosen again.
    Select(SessionKey),
    /// The shard's limit is divided.
    Divide,
    /// A session's quality is sampled.
    Sample(SessionKey),
    /// The needs of a track's viewers are summed up.
    Viewers(TrackKey),
    /// The microphones that are heard are chosen again.
    Loudest(RoomKey),
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
    /// The user fragment and the key of probes.
    probe: Option<(String, hmac::Key)>,
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
    /// Empty, but keeps its memory.
    due: Vec<Timer>,
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
            probe: config.probe.map(|ProbeCredential { ufrag, pwd, .. }| (ufrag, stun::key(&pwd))),
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
            due: Vec::new(),
            egress: Egress::default(),
            tap: Tap::default(),
            outputs: VecDeque::new(),
            stats: Stats::default(),
        }
    }

    /// Handles one input. Resulting datagrams wait until [`Self::poll_transmits`].
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Datagram { from, bytes } => self.handle_datagram(now, from, bytes),
            Input::Control { room, message } => self.handle_control(now, room, message),
            Input::Closed { path } => self.forget_path(now, path),
            Input::Deadline => {
                let mut due = std::mem::take(&mut self.due);
                self.deadlines.take_due(now, &mut due);
                for timer in due.drain(..) {
                    self.handle_timer(now, timer);
                }
                self.due = due;
            }
        }
    }

    /// Exchanges the recorder's batch for an emptied one; returns `next` if nothing was copied.
    pub fn exchange_recorded(&mut self, next: Batch) -> Batch {
        self.tap.exchange(next)
    }

    /// Packets copied for the recorder.
    pub fn recorded(&self) -> &Batch {
        self.tap.batch()
    }

    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next user fragment that a session got or lost, on the node's side.
    pub fn poll_ufrag(&mut self) -> Option<UfragChange> {
        self.demux.next_ufrag_change()
    }

    /// True if [`Self::poll_transmits`] must be called before the next datagram, or packets are lost: a read may bring
    /// more of one track than is kept.
    pub fn is_urgent(&self) -> bool {
        self.egress.is_urgent
    }

    /// Writes and seals waiting packets, as many as fit into the arena; call it until it returns `None`.
    pub fn poll_transmits(&mut self, now: Instant) -> Option<impl Iterator<Item = Run<'_>>> {
        self.fill_arena(now).then(|| self.egress.arena.runs())
    }

    /// The latest time for [`Input::Deadline`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        // The hold changes with every frame, so it is no timer of the index; sending checks the time itself.
        [self.deadlines.next(), self.egress.held_until].into_iter().flatten().min()
    }

    /// Connected sessions of a room, for a `hello`.
    pub fn connected_sessions(&self, room: &RoomId) -> Vec<SessionId> {
        let room = self.rooms_by_id.get(room).and_then(|key| self.rooms.get(*key));
        let sessions = room.into_iter().flat_map(|room| room.sessions.values());
        let connected = sessions.filter_map(|key| self.sessions.get(*key)).filter(|session| session.is_connected());
        connected.map(|session| session.id.clone()).collect()
    }

    /// True if a session has verified this path.
    pub fn knows(&self, path: Path) -> bool {
        self.demux.by_path(path).is_some()
    }

    pub fn room_count(&self) -> usize {
        self.rooms.count()
    }

    pub fn session_count(&self) -> usize {
        self.sessions.count()
    }

    pub fn timer_count(&self) -> usize {
        self.deadlines.count()
    }

    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    fn handle_datagram(&mut self, now: Instant, from: Path, bytes: &mut [u8]) {
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
            Timer::Loudest(room) => self.choose_loudest(now, room),
        }
    }

    fn moment(&self, now: Instant) -> Moment {
        Moment { now, ntp: self.clock.at(now) }
    }
}

#[cfg(test)]
mod tests;
