//! One thread, one UDP port, some TCP connections, one `Sfu`: waits, takes a batch of inputs, and sends the results.

mod report;
mod ufrags;

pub(crate) use report::Report;

use crate::record::queue::Outlet;
use crate::tcp::{Arrival, Connections};
use crate::wake::{Ready, Waker};
use anyhow::Context;
use media_core::framing;
use media_core::path::{Link, Path};
use media_core::sfu::{self, Input, Output, Sfu};
use node_shell::linger::Linger;
use report::{REPORT_INTERVAL, Reporter};
use shared::control::{RoomToNode, TrackRef};
use shared::{RoomId, SessionId};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use udp::{Counters, ReceiveBatch, SendBatch, Socket};
use ufrags::Ufrags;

/// Commands that may wait for a shard: control messages are few, and their senders can wait.
const COMMANDS_MAX: usize = 1_024;
/// Reads in a row before other work gets its turn.
const READS_PER_TURN: usize = 4;
/// Fewest and most messages for which a read is prepared: preparing for messages that do not come costs more than
/// another read for those that do.
const MESSAGES_MIN: usize = 8;
const MESSAGES_MAX: usize = 32;
/// Interval at which copies go to the recorder, unless many have accumulated: waking another thread costs as much as
/// some packets.
const HAND_OVER_INTERVAL: Duration = Duration::from_millis(20);
#[derive(Debug)]
pub(crate) enum Command {
    Control {
        room: RoomId,
        message: RoomToNode,
    },
    /// Asks for the connected sessions of a room.
    ConnectedSessions {
        room: RoomId,
        reply: oneshot::Sender<Vec<SessionId>>,
    },
    /// A client's connection, whose first check names a session.
    Connection(Arrival),
    /// The recorder needs a key frame of a track.
    WantKeyframe {
        room: RoomId,
        track: TrackRef,
    },
    /// Hands everything copied so far to the recorder, together with this number.
    HandOver(u64),
    #[cfg(test)]
    Panic,
    /// Ends the thread. Clients get no goodbye: they must believe that nothing happened.
    Stop,
}

/// An event for a room.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) shard: u16,
    pub(crate) output: Output,
}

/// The other threads' end of a shard.
pub(crate) struct Shard {
    index: u16,
    address: SocketAddr,
    config: sfu::Config,
    events: mpsc::Sender<Event>,
    outlet: Outlet,
    ufrags: Ufrags,
    report: Arc<Mutex<Report>>,
    running: Mutex<Running>,
}

/// Its thread, until that ends and another one takes its place.
struct Running {
    commands: mpsc::Sender<Command>,
    waker: Arc<Waker>,
    thread: JoinHandle<()>,
}

impl Shard {
    /// Binds the socket and starts the thread.
    pub(crate) fn start(
        index: u16,
        address: SocketAddr,
        config: sfu::Config,
        events: mpsc::Sender<Event>,
        outlet: Outlet,
    ) -> anyhow::Result<Self> {
        let socket = Socket::bind(address, false).with_context(|| format!("binding UDP {address}"))?;
        let address = socket.local_address().context("reading a shard's address")?;
        let (ufrags, report) = (Ufrags::default(), Arc::<Mutex<Report>>::default());
        let running = run(index, socket, config.clone(), (&events, &outlet), &ufrags, &report)?;
        Ok(Self { index, address, config, events, outlet, ufrags, report, running: Mutex::new(running) })
    }

    /// Starts a thread in place of an ended one, at the same address; `seed` as for the first. Its sessions are lost.
    pub(crate) fn restart(&self, seed: u64) -> anyhow::Result<()> {
        let socket = Socket::bind(self.address, false).with_context(|| format!("binding UDP {}", self.address))?;
        let sessions = std::mem::take(&mut *self.report.lock().unwrap_or_else(PoisonError::into_inner)).sessions;
        // The thread's sessions ended with it; its last report is at most half a second old.
        (0..sessions).for_each(|_| self.config.places.give_back());
        self.ufrags.forget_all();
        let config = sfu::Config { seed, ..self.config.clone() };
        let ways = (&self.events, &self.outlet);
        let running = run(self.index, socket, config, ways, &self.ufrags, &self.report)?;
        *self.running() = running;
        Ok(())
    }

    pub(crate) fn index(&self) -> u16 {
        self.index
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sends the shard a command; waits while its queue is full. False if the thread has ended.
    pub(crate) async fn tell(&self, command: Command) -> bool {
        let (commands, waker) = self.way();
        let is_taken = commands.send(command).await.is_ok();
        waker.wake();
        is_taken
    }

    /// Sends the shard a command that may be lost.
    pub(crate) fn nudge(&self, command: Command) {
        let (commands, waker) = self.way();
        if commands.try_send(command).is_ok() {
            waker.wake();
        }
    }

    /// Asks for the connected sessions of a room, after everything that the shard was told before. A shard that ends
    /// gives no answer.
    pub(crate) async fn connected_sessions(&self, room: RoomId) -> oneshot::Receiver<Vec<SessionId>> {
        let (reply, answer) = oneshot::channel();
        self.tell(Command::ConnectedSessions { room, reply }).await;
        answer
    }

    /// True if a session has this user fragment; costs its thread nothing.
    pub(crate) fn has_ufrag(&self, ufrag: &str) -> bool {
        self.ufrags.has(ufrag)
    }

    pub(crate) fn report(&self) -> Report {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// True if its thread has ended, which happens only after a serious error.
    pub(crate) fn has_ended(&self) -> bool {
        self.running().thread.is_finished()
    }

    fn way(&self) -> (mpsc::Sender<Command>, Arc<Waker>) {
        let running = self.running();
        (running.commands.clone(), Arc::clone(&running.waker))
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn run(
    index: u16,
    socket: Socket,
    config: sfu::Config,
    (events, outlet): (&mpsc::Sender<Event>, &Outlet),
    ufrags: &Ufrags,
    report: &Arc<Mutex<Report>>,
) -> anyhow::Result<Running> {
    let waker = Arc::new(Waker::new().context("creating an eventfd")?);
    let (commands, receiver) = mpsc::channel(COMMANDS_MAX);
    let worker = Worker {
        index,
        sfu: Sfu::new(config),
        socket,
        incoming: ReceiveBatch::default(),
        outgoing: SendBatch::default(),
        expected: MESSAGES_MIN,
        linger: Linger::new(now()),
        counters: Counters::default(),
        connections: Connections::new()?,
        stream_memory: Connections::memory(),
        waker: Arc::clone(&waker),
        commands: receiver,
        events: events.clone(),
        outlet: outlet.clone(),
        ufrags: ufrags.clone(),
        commands_taken: 0,
        handed_over_at: now(),
        asked_for: None,
        reporter: Reporter::new(now(), Arc::clone(report)),
    };
    let thread = std::thread::Builder::new()
        .name(format!("shard-{index}"))
        .spawn(move || worker.run())
        .context("starting a shard's thread")?;
    Ok(Running { commands, waker, thread })
}

struct Worker {
    index: u16,
    sfu: Sfu,
    socket: Socket,
    incoming: ReceiveBatch,
    outgoing: SendBatch,
    /// The number of messages for which the next read is prepared.
    expected: usize,
    linger: Linger,
    counters: Counters,
    connections: Connections,
    /// The last read from a connection.
    stream_memory: Box<[u8]>,
    waker: Arc<Waker>,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    outlet: Outlet,
    ufrags: Ufrags,
    commands_taken: u64,
    handed_over_at: Instant,
    /// The number that the recorder waits for.
    asked_for: Option<u64>,
    reporter: Reporter,
}

impl Worker {
    /// Priorities of a turn: datagrams (a few reads), commands, timers; then everything that follows is sent.
    fn run(mut self) {
        loop {
            let timeout = self.sleep(now());
            let mut messages = 0;
            match self.waker.wait(self.socket.descriptor(), self.connections.descriptor(), timeout) {
                Ok(Ready { socket, streams, woken: _ }) => {
                    if socket {
                        messages = self.read();
                    }
                    if streams || self.connections.readable() > 0 {
                        self.read_streams();
                    }
                }
                Err(error) => {
                    tracing::error!(shard = self.index, %error, "waiting for the socket failed");
                    return;
                }
            }
            if self.obey().is_break() {
                return;
            }
            let now = now();
            if self.sfu.poll_timeout().is_some_and(|at| at <= now) {
                self.sfu.handle_input(now, Input::Deadline);
            }
            self.publish_ufrags();
            self.transmit(now);
            self.tell_rooms();
            self.hand_over(now);
            if self.reporter.is_due(now) {
                self.connections.sweep(now, |path| self.sfu.knows(path));
                self.forget_ended(now);
                let streams = self.connections.report();
                let counts = (self.commands_taken, self.linger.count);
                self.reporter.report(now, &self.sfu, counts, self.counters, streams);
            }
            self.linger(now, messages);
        }
    }

    fn sleep(&self, now: Instant) -> Duration {
        if self.connections.readable() > 0 {
            return Duration::ZERO;
        }
        let next = self.sfu.poll_timeout().map_or(REPORT_INTERVAL, |at| at.saturating_duration_since(now));
        if self.sfu.recorded().is_empty() && self.asked_for.is_none() {
            return next.min(REPORT_INTERVAL);
        }
        // A busy recorder is asked again after the same time.
        next.min((self.handed_over_at + HAND_OVER_INTERVAL).saturating_duration_since(now))
    }

    /// Lets datagrams gather before the next look at the socket, if many have come one by one: the reports of many
    /// viewers. Deadlines are kept.
    fn linger(&mut self, now: Instant, messages: usize) {
        if messages == 0 {
            return;
        }
        if let Some(time) = self.linger.after(now, messages) {
            let next = self.sleep(self::now());
            std::thread::sleep(time.min(next));
        }
    }

    /// Handles waiting datagrams and returns the number of messages.
    fn read(&mut self) -> usize {
        let mut messages = 0;
        for _ in 0..READS_PER_TURN {
            self.incoming.clear();
            let wanted = self.expected;
            match self.incoming.fill(&self.socket, 0, wanted, &mut self.counters) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    // An earlier datagram's ICMP error, for instance: the socket still works.
                    tracing::debug!(shard = self.index, %error, "receiving failed");
                    break;
                }
            }
            let now = now();
            let Self { sfu, socket, incoming, outgoing, counters, connections, .. } = self;
            incoming.for_each(|from, bytes| {
                sfu.handle_input(now, Input::Datagram { from: from.into(), bytes });
                if sfu.is_urgent() {
                    transmit(sfu, socket, outgoing, counters, connections, now);
                }
            });
            let came = self.incoming.messages().count();
            messages += came;
            self.expected = (2 * came).clamp(MESSAGES_MIN, MESSAGES_MAX);
            if came < wanted {
                break;
            }
            self.transmit(now);
        }
        messages
    }

    /// Reads once from each connection that has something.
    fn read_streams(&mut self) {
        let now = now();
        self.connections.poll(now);
        for _ in 0..self.connections.readable() {
            let mut memory = std::mem::take(&mut self.stream_memory);
            if let Some(read) = self.connections.read(&mut memory) {
                let mut stream = memory.get_mut(..read.bytes).unwrap_or_default();
                let outcome = loop {
                    match framing::next_datagram(stream, framing::DATAGRAM_BYTES_MAX) {
                        Ok(Some(place)) => {
                            let (datagram, rest) = stream.split_at_mut(place.end);
                            self.take(now, read.path, datagram.get_mut(place).unwrap_or_default());
                            stream = rest;
                        }
                        Ok(None) => break Ok(()),
                        Err(too_long) => break Err(too_long),
                    }
                };
                match outcome {
                    Ok(()) => self.connections.keep(now, read, stream),
                    Err(framing::TooLong) => self.connections.refuse(read),
                }
            }
            self.stream_memory = memory;
        }
        self.forget_ended(now);
    }

    /// Takes a datagram from a connection; empty ones are allowed, and mean nothing (RFC 4571 §2).
    fn take(&mut self, now: Instant, from: Path, bytes: &mut [u8]) {
        if !bytes.is_empty() {
            self.sfu.handle_input(now, Input::Datagram { from, bytes });
        }
        if self.sfu.is_urgent() {
            self.transmit(now);
        }
    }

    fn forget_ended(&mut self, now: Instant) {
        while let Some(path) = self.connections.next_ended() {
            self.sfu.handle_input(now, Input::Closed { path });
        }
    }

    fn obey(&mut self) -> std::ops::ControlFlow<()> {
        while let Ok(command) = self.commands.try_recv() {
            self.commands_taken += 1;
            match command {
                Command::Control { room, message } => {
                    self.sfu.handle_input(now(), Input::Control { room, message });
                }
                Command::ConnectedSessions { room, reply } => {
                    // The caller may have given up.
                    let _ = reply.send(self.sfu.connected_sessions(&room));
                }
                Command::Connection(arrival) => self.connections.admit(now(), arrival),
                Command::WantKeyframe { room, track } => self.sfu.want_recorded_keyframe(now(), &room, &track),
                Command::HandOver(number) => self.asked_for = Some(number),
                #[cfg(test)]
                Command::Panic => panic!("told to"),
                Command::Stop => return std::ops::ControlFlow::Break(()),
            }
        }
        std::ops::ControlFlow::Continue(())
    }

    fn publish_ufrags(&mut self) {
        while let Some(change) = self.sfu.poll_ufrag() {
            self.ufrags.note(change);
        }
    }

    fn transmit(&mut self, now: Instant) {
        let Self { sfu, socket, outgoing, counters, connections, .. } = self;
        transmit(sfu, socket, outgoing, counters, connections, now);
    }

    /// Hands the copies to the recorder.
    fn hand_over(&mut self, now: Instant) {
        let batch = self.sfu.recorded();
        let is_due = now.saturating_duration_since(self.handed_over_at) >= HAND_OVER_INTERVAL;
        let is_wanted = !batch.is_empty() && (is_due || batch.is_half_full());
        if is_wanted || self.asked_for.is_some() {
            self.handed_over_at = now;
            let (sfu, asked_for) = (&mut self.sfu, self.asked_for);
            if self.outlet.offer(self.index, asked_for, |next| sfu.exchange_recorded(next)) {
                self.asked_for = None;
            }
        }
    }

    /// Sends the rooms' events; those that do not fit wait in the core for the next turn.
    fn tell_rooms(&mut self) {
        while let Ok(place) = self.events.try_reserve() {
            let Some(output) = self.sfu.poll_output() else { return };
            place.send(Event { shard: self.index, output });
        }
    }
}

/// Sends everything that the core has ready.
fn transmit(
    sfu: &mut Sfu,
    socket: &Socket,
    outgoing: &mut SendBatch,
    counters: &mut Counters,
    connections: &mut Connections,
    now: Instant,
) {
    while let Some(runs) = sfu.poll_transmits(now) {
        let mut sending = outgoing.sending(socket, counters);
        runs.for_each(|run| match run.to.link {
            Link::Udp => sending.run(run.to.address, run.bytes, run.segment_bytes),
            Link::Tcp(number) => connections.queue(number, run.bytes, run.segment_bytes),
        });
    }
    connections.flush(now);
}

/// The shell reads the clock: once for each batch.
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use media_core::congestion::bandwidth::Bandwidth;
    use media_core::places::Places;
    use std::net::Ipv4Addr;

    pub(crate) fn shard() -> Shard {
        let config = sfu::Config {
            identity: crate::identity::make().expect("an identity"),
            seed: 1,
            started_at: now(),
            wall_clock: shared::UnixMillis(0),
            places: Arc::new(Places::new(1)),
            bandwidth: Bandwidth::default(),
            probe: None,
        };
        let (events, _) = mpsc::channel(1);
        let (outlet, _) = crate::record::queue::queue();
        Shard::start(0, (Ipv4Addr::LOCALHOST, 0).into(), config, events, outlet).expect("starts")
    }

    #[tokio::test]
    async fn a_shard_that_died_is_started_again_where_it_was() {
        let shard = shard();
        let address = shard.address();
        for seed in 2..5 {
            shard.tell(Command::Panic).await;
            while !shard.has_ended() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            shard.restart(seed).expect("restarts");
            assert!(!shard.has_ended());
            assert_eq!(shard.address(), address);
            assert!(shard.tell(Command::WantKeyframe { room: room(), track: track() }).await, "it listens");
        }
        shard.tell(Command::Stop).await;
    }

    #[tokio::test]
    async fn a_shard_that_died_gives_its_places_back() {
        let shard = shard();
        for seed in 2..4 {
            shard.tell(open_session()).await;
            // The only place of the node is taken; the shard reports that with its next report.
            let until = now() + 10 * REPORT_INTERVAL;
            while shard.report().sessions != 1 {
                assert!(now() < until, "there is no place for a session");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(shard.has_ufrag("node"));
            shard.tell(Command::Panic).await;
            while !shard.has_ended() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            shard.restart(seed).expect("restarts");
            assert!(!shard.has_ufrag("node"), "its sessions are lost");
        }
        shard.tell(Command::Stop).await;
    }

    #[tokio::test]
    async fn datagrams_that_follow_each_other_closely_gather_and_all_are_read() {
        let shard = shard();
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        let until = now() + 20 * REPORT_INTERVAL;
        let mut sent = 0;
        while shard.report().lingers == 0 {
            // On a busy machine, datagrams bunch up for a while.
            assert!(now() < until, "datagrams were never left to gather");
            for _ in 0..200 {
                socket.send_to(b"x", shard.address()).expect("sends");
                sent += 1;
                let next = now() + Duration::from_micros(50);
                while now() < next {
                    std::hint::spin_loop();
                }
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        while shard.report().stats.datagrams_in < sent {
            assert!(now() < until, "{} of {sent} datagrams were read", shard.report().stats.datagrams_in);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        shard.tell(Command::Stop).await;
    }

    /// Opens a session with the user fragment `node`.
    pub(crate) fn open_session() -> Command {
        let message = serde_json::from_value(serde_json::json!({ "type": "set_session", "session": {
            "session": "s", "participant": "ada", "sections": [],
            "ice": { "node_ufrag": "node", "node_pwd": "secret", "client_ufrag": "ada", "client_pwd": "" },
            "client_fingerprint": "00:".repeat(31) + "00",
        } }));
        Command::Control { room: room(), message: message.expect("a message") }
    }

    fn room() -> RoomId {
        RoomId::parse("room").expect("an id")
    }

    fn track() -> TrackRef {
        let (session, mid) = (SessionId::parse("s").expect("an id"), shared::Mid::parse("0").expect("a mid"));
        TrackRef { session, mid }
    }
}
