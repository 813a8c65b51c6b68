//! One thread, one UDP port, one `Sfu`: waits, takes a batch of inputs, and sends what follows from them.

use crate::record::Outlet;
use crate::wake::Waker;
use anyhow::Context;
use media_core::sfu::{self, Input, Output, Sfu};
use media_core::stats::Stats;
use shared::control::{RoomToNode, TrackRef};
use shared::{RoomId, SessionId};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use udp::{Counters, ReceiveBatch, SendBatch, Socket};

/// Commands that may wait for a shard: control messages are few, and their senders can wait.
const COMMANDS_MAX: usize = 1_024;
/// Reads in a row before the other things have their turn.
const READS_PER_TURN: usize = 4;
/// What is recorded goes to the recorder this often, or when much has come together: waking another thread costs as much as some packets.
const HAND_OVER_INTERVAL: Duration = Duration::from_millis(20);
/// How often the shard says how it is; also its longest sleep.
const REPORT_INTERVAL: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) enum Command {
    Control {
        room: RoomId,
        message: RoomToNode,
    },
    /// Which sessions of a room are connected?
    ConnectedSessions {
        room: RoomId,
        reply: oneshot::Sender<Vec<SessionId>>,
    },
    /// The recorder needs a key frame of a track.
    WantKeyframe {
        room: RoomId,
        track: TrackRef,
    },
    /// Give the recorder everything that was copied until here, and this number with it.
    HandOver(u64),
    #[cfg(test)]
    Panic,
    /// End the thread. Nobody is told goodbye: clients are to believe that nothing happened.
    Stop,
}

/// What a shard has to tell the rooms.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) shard: u16,
    pub(crate) output: Output,
}

/// How a shard is, as of its last report.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report {
    pub(crate) stats: Stats,
    pub(crate) udp: Counters,
    /// Rooms with a session here.
    pub(crate) rooms: usize,
    pub(crate) sessions: usize,
    /// What every client may be sent while the shard's limit is reached; 0 while it is not.
    pub(crate) share_bps: u64,
    /// Datagrams sent per second lately.
    pub(crate) datagrams_out_per_s: u64,
    /// Thousandths of a core used lately.
    pub(crate) busy_permille: u16,
    /// When this was written; `None` before the first report.
    pub(crate) at: Option<Instant>,
}

/// The other threads' end of a shard.
pub(crate) struct Shard {
    index: u16,
    address: SocketAddr,
    config: sfu::Config,
    events: mpsc::Sender<Event>,
    outlet: Outlet,
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
        let report = Arc::<Mutex<Report>>::default();
        let running = run(index, socket, config.clone(), &events, &outlet, &report)?;
        Ok(Self { index, address, config, events, outlet, report, running: Mutex::new(running) })
    }

    /// Starts a thread in place of one that has ended, at the same address; `seed` as for the first. Its sessions are lost.
    pub(crate) fn restart(&self, seed: u64) -> anyhow::Result<()> {
        let socket = Socket::bind(self.address, false).with_context(|| format!("binding UDP {}", self.address))?;
        let sessions = std::mem::take(&mut *self.report.lock().unwrap_or_else(PoisonError::into_inner)).sessions;
        // What the thread had open ended with it; its last report is half a second old at most.
        (0..sessions).for_each(|_| self.config.places.give_back());
        let config = sfu::Config { seed, ..self.config.clone() };
        let running = run(self.index, socket, config, &self.events, &self.outlet, &self.report)?;
        *self.running() = running;
        Ok(())
    }

    pub(crate) fn index(&self) -> u16 {
        self.index
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Tells the shard something; waits while it has too much to do already. False if the thread has ended.
    pub(crate) async fn tell(&self, command: Command) -> bool {
        let (commands, waker) = self.way();
        let is_taken = commands.send(command).await.is_ok();
        waker.wake();
        is_taken
    }

    /// Tells the shard something that it may as well not hear.
    pub(crate) fn nudge(&self, command: Command) {
        let (commands, waker) = self.way();
        if commands.try_send(command).is_ok() {
            waker.wake();
        }
    }

    pub(crate) async fn connected_sessions(&self, room: RoomId) -> Vec<SessionId> {
        let (reply, answer) = oneshot::channel();
        self.tell(Command::ConnectedSessions { room, reply }).await;
        answer.await.unwrap_or_default()
    }

    pub(crate) fn report(&self) -> Report {
        self.report.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether its thread has ended, which it never does by itself unless something is very wrong.
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
    events: &mpsc::Sender<Event>,
    outlet: &Outlet,
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
        counters: Counters::default(),
        waker: Arc::clone(&waker),
        commands: receiver,
        events: events.clone(),
        outlet: outlet.clone(),
        handed_over_at: now(),
        asked_for: None,
        reporter: Reporter::new(Arc::clone(report)),
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
    counters: Counters,
    waker: Arc<Waker>,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<Event>,
    outlet: Outlet,
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
            match self.waker.wait(self.socket.descriptor(), timeout) {
                Ok(ready) if ready.socket => self.read(),
                Ok(_) => {}
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
            self.transmit(now);
            self.tell_rooms();
            self.hand_over(now);
            self.reporter.report(now, &self.sfu, self.counters);
        }
    }

    fn sleep(&self, now: Instant) -> Duration {
        let next = self.sfu.poll_timeout().map_or(REPORT_INTERVAL, |at| at.saturating_duration_since(now));
        if self.sfu.recorded().is_empty() && self.asked_for.is_none() {
            return next.min(REPORT_INTERVAL);
        }
        // A recorder that has no place for it is asked again after the same time.
        next.min((self.handed_over_at + HAND_OVER_INTERVAL).saturating_duration_since(now))
    }

    fn read(&mut self) {
        for _ in 0..READS_PER_TURN {
            self.incoming.clear();
            match self.incoming.fill(&self.socket, 0, usize::MAX, &mut self.counters) {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    // An earlier datagram's ICMP error, for instance: the socket goes on.
                    tracing::debug!(shard = self.index, %error, "receiving failed");
                    return;
                }
            }
            let now = now();
            let Self { sfu, socket, incoming, outgoing, counters, .. } = self;
            incoming.for_each(|from, bytes| {
                sfu.handle_input(now, Input::Datagram { from, bytes });
                if sfu.is_urgent() {
                    transmit(sfu, socket, outgoing, counters, now);
                }
            });
            if !self.incoming.is_full() {
                return;
            }
            self.transmit(now);
        }
    }

    fn obey(&mut self) -> std::ops::ControlFlow<()> {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Control { room, message } => {
                    self.sfu.handle_input(now(), Input::Control { room, message });
                }
                Command::ConnectedSessions { room, reply } => {
                    // The caller may have given up.
                    let _ = reply.send(self.sfu.connected_sessions(&room));
                }
                Command::WantKeyframe { room, track } => self.sfu.want_recorded_keyframe(now(), &room, &track),
                Command::HandOver(number) => self.asked_for = Some(number),
                #[cfg(test)]
                Command::Panic => panic!("told to"),
                Command::Stop => return std::ops::ControlFlow::Break(()),
            }
        }
        std::ops::ControlFlow::Continue(())
    }

    fn transmit(&mut self, now: Instant) {
        transmit(&mut self.sfu, &self.socket, &mut self.outgoing, &mut self.counters, now);
    }

    /// Gives the recorder what was copied for it.
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

    /// Tells the rooms what they want to know; what does not fit waits in the core for the next turn.
    fn tell_rooms(&mut self) {
        while let Ok(place) = self.events.try_reserve() {
            let Some(output) = self.sfu.poll_output() else { return };
            place.send(Event { shard: self.index, output });
        }
    }
}

/// Sends everything that the core has ready.
fn transmit(sfu: &mut Sfu, socket: &Socket, outgoing: &mut SendBatch, counters: &mut Counters, now: Instant) {
    while let Some(runs) = sfu.poll_transmits(now) {
        let mut sending = outgoing.sending(socket, counters);
        runs.for_each(|run| sending.run(run.to, run.bytes, run.segment_bytes));
    }
}

struct Reporter {
    report: Arc<Mutex<Report>>,
    due_at: Instant,
    last_at: Instant,
    last_datagrams: u64,
    last_cpu: Duration,
}

impl Reporter {
    fn new(report: Arc<Mutex<Report>>) -> Self {
        let now = now();
        Self { report, due_at: now, last_at: now, last_datagrams: 0, last_cpu: Duration::ZERO }
    }

    fn report(&mut self, now: Instant, sfu: &Sfu, udp: Counters) {
        if now < self.due_at {
            return;
        }
        let stats = sfu.stats();
        let elapsed_ms = now.saturating_duration_since(self.last_at).as_millis().max(1) as u64;
        let cpu = thread_cpu();
        let report = Report {
            stats: stats.clone(),
            udp,
            rooms: sfu.room_count(),
            sessions: sfu.session_count(),
            share_bps: sfu.share_bps().unwrap_or(0),
            datagrams_out_per_s: (stats.datagrams_out - self.last_datagrams) * 1_000 / elapsed_ms,
            busy_permille: permille(cpu.saturating_sub(self.last_cpu), elapsed_ms),
            at: Some(now),
        };
        (self.last_datagrams, self.last_cpu, self.last_at) = (stats.datagrams_out, cpu, now);
        self.due_at = now + REPORT_INTERVAL;
        *self.report.lock().unwrap_or_else(PoisonError::into_inner) = report;
    }
}

fn permille(used: Duration, elapsed_ms: u64) -> u16 {
    (used.as_micros() as u64 / elapsed_ms).min(1_000) as u16
}

/// The shell is where the clock is read: once for each batch.
fn now() -> Instant {
    Instant::now()
}

/// Processor time that this thread has used.
fn thread_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is valid for writing; the call cannot fail for the calling thread's own clock.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use media_core::congestion::bandwidth::Bandwidth;
    use media_core::places::Places;
    use std::net::Ipv4Addr;

    fn shard() -> Shard {
        let config = sfu::Config {
            identity: crate::identity::make().expect("an identity"),
            seed: 1,
            started_at: now(),
            wall_clock: shared::UnixMillis(0),
            places: Arc::new(Places::new(1)),
            bandwidth: Bandwidth::default(),
        };
        let (events, _) = mpsc::channel(1);
        let (outlet, _) = crate::record::queue();
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
            let message = serde_json::from_value(serde_json::json!({ "type": "set_session", "session": {
                "session": "s", "participant": "ada", "sections": [],
                "ice": { "node_ufrag": "node", "node_pwd": "secret", "client_ufrag": "ada", "client_pwd": "" },
                "client_fingerprint": "00:".repeat(31) + "00",
            } }));
            shard.tell(Command::Control { room: room(), message: message.expect("a message") }).await;
            // The only place of the node is taken; the shard says so with its next report.
            let until = now() + 10 * REPORT_INTERVAL;
            while shard.report().sessions != 1 {
                assert!(now() < until, "there is no place for a session");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            shard.tell(Command::Panic).await;
            while !shard.has_ended() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            shard.restart(seed).expect("restarts");
        }
        shard.tell(Command::Stop).await;
    }

    fn room() -> RoomId {
        RoomId::parse("room").expect("an id")
    }

    fn track() -> TrackRef {
        let (session, mid) = (SessionId::parse("s").expect("an id"), shared::Mid::parse("0").expect("a mid"));
        TrackRef { session, mid }
    }
}
