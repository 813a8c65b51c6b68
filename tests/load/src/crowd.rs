//! Light clients by the hundred on one thread, which come and go: each publishes one track, or receives several.

use crate::client::{Client, Memory};
use crate::clock::wall_ns;
use crate::parameters::{ClientNumber, RTX_PAYLOAD_TYPE};
use crate::publisher::{Publisher, STAMP};
use crate::shape::Shape;
use anyhow::{Context, Result};
use media_core::rtcp::write::Writer;
use media_core::rtp::{self, RtpHeader};
use media_core::session::dtls::Identity;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Sockets are polled, so that a sender does not pay for waking a receiver; a delay is measured as longer by half of it.
pub const POLL_INTERVAL: Duration = Duration::from_millis(2);
/// Interval of the timers of clients that are connecting, and of those that are connected.
const TICK_INTERVALS: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(500)];
/// One packet in this many is decrypted, and its delay measured.
const OPEN_ONE_IN: u64 = 32;
/// Sockets that are handled in one turn; the others come next.
const EVENTS_MAX: usize = 1_024;
/// Messages per read.
const MESSAGES: usize = 32;
/// Packets that one request names; a longer gap is not asked for.
const ASKED_MAX: u16 = 64;
/// Delays kept between two readings.
const DELAYS_MAX: usize = 200_000;
/// A publisher's stream: ten frames a second, 0.7 Mbit/s.
pub const PACKETS_PER_S: u32 = 80;
pub const SHAPE: Shape = Shape::Frames;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Publisher,
    Viewer,
}

/// The measurements since the last reading.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub packets: u64,
    pub bytes: u64,
    /// Packets that publishers sent.
    pub sent: u64,
    /// Packets that did not arrive, neither at first nor again.
    pub missing: u64,
    /// Packets that the clients threw away, as a bad network would.
    pub dropped: u64,
    /// Packets that came because a client asked for them.
    pub repaired: u64,
    /// From a publisher's socket to a viewer's.
    pub delays: Vec<Duration>,
    /// Viewers that received media.
    pub served: usize,
}

#[derive(Debug)]
pub struct Crowd {
    orders: mpsc::Sender<Order>,
    seen: Arc<Mutex<Seen>>,
    thread: JoinHandle<Result<()>>,
}

enum Order {
    Enter(ClientNumber, Role, Box<Client>, Box<dyn FnOnce() + Send>),
    Leave(ClientNumber),
    /// Forgets the measurements so far.
    Anew,
    Stop,
}

impl Crowd {
    /// Viewers throw away this share of what arrives, and ask for it again.
    pub fn start(identity: Identity, loss_permille: u16) -> Result<Self> {
        let (orders, taken) = mpsc::channel();
        let seen = Arc::<Mutex<Seen>>::default();
        let worker = Worker {
            identity,
            loss_permille: loss_permille.into(),
            poll: Poll::new().context("a poll")?,
            members: BTreeMap::new(),
            orders: taken,
            seen: Arc::clone(&seen),
            memory: Memory::default(),
            now_served: 0,
        };
        let thread = std::thread::Builder::new().name("crowd".to_owned()).spawn(move || worker.run())?;
        Ok(Self { orders, seen, thread })
    }

    /// A way in, for other threads.
    #[must_use]
    pub fn door(&self) -> Door {
        Door(self.orders.clone())
    }

    pub fn leave(&self, number: ClientNumber) {
        let _ = self.orders.send(Order::Leave(number));
    }

    /// Begins a measurement.
    pub fn measure(&self) {
        let _ = self.orders.send(Order::Anew);
    }

    #[must_use]
    pub fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }

    /// Ends the thread, and with it all clients; says why if it has ended already.
    pub fn stop(self) -> Result<()> {
        let _ = self.orders.send(Order::Stop);
        self.thread.join().map_err(|_| anyhow::anyhow!("the thread of the clients panicked"))?
    }
}

#[derive(Clone, Debug)]
pub struct Door(mpsc::Sender<Order>);

impl Door {
    /// The callback is called once media can flow.
    pub fn enter(&self, number: ClientNumber, role: Role, client: Client, connected: impl FnOnce() + Send + 'static) {
        // A thread that has ended says why when it is joined.
        let _ = self.0.send(Order::Enter(number, role, Box::new(client), Box::new(connected)));
    }
}

struct Worker {
    identity: Identity,
    loss_permille: u64,
    poll: Poll,
    members: BTreeMap<u32, Member>,
    orders: mpsc::Receiver<Order>,
    seen: Arc<Mutex<Seen>>,
    memory: Memory,
    /// The number of this measurement, so that a viewer is counted once in each.
    now_served: u64,
}

struct Member {
    role: Role,
    state: State,
    tick_at: Instant,
    streams: BTreeMap<u32, Stream>,
    packets: u64,
    /// The measurement in which this viewer was last counted.
    served: u64,
}

enum State {
    Connecting(Box<Client>, Option<Box<dyn FnOnce() + Send>>),
    Viewing(Box<Client>),
    Publishing { publisher: Box<Publisher>, due_at: Instant },
    Gone,
}

/// The packets of one SSRC.
#[derive(Debug, Default)]
struct Stream {
    highest: Option<u16>,
}

impl Worker {
    fn run(mut self) -> Result<()> {
        let mut events = Events::with_capacity(EVENTS_MAX);
        let seen = Arc::clone(&self.seen);
        loop {
            while let Ok(order) = self.orders.try_recv() {
                if self.obey(order)?.is_break() {
                    return Ok(());
                }
            }
            self.poll.poll(&mut events, Some(Duration::ZERO)).context("polling the sockets")?;
            for token in events.iter().map(|event| event.token().0 as u32) {
                let Some(member) = self.members.get_mut(&token) else { continue };
                let tools =
                    Tools { identity: &self.identity, loss_permille: self.loss_permille, round: self.now_served };
                member.read(&tools, &mut self.memory, &mut lock(&seen))?;
            }
            let now = Instant::now();
            let mut sent = 0;
            for (number, member) in &mut self.members {
                sent += member.work(now, ClientNumber(*number), &mut self.memory)?;
            }
            lock(&seen).sent += sent;
            std::thread::sleep(POLL_INTERVAL);
        }
    }

    fn obey(&mut self, order: Order) -> Result<ControlFlow<()>> {
        match order {
            Order::Enter(number, role, client, connected) => {
                let descriptor = client.socket().descriptor();
                self.poll
                    .registry()
                    .register(&mut SourceFd(&descriptor), Token(number.0 as usize), Interest::READABLE)
                    .context("watching a socket")?;
                let state = State::Connecting(client, Some(connected));
                let tick_at = Instant::now();
                let member = Member { role, state, tick_at, streams: BTreeMap::new(), packets: 0, served: 0 };
                self.members.insert(number.0, member);
            }
            // A closed socket is no longer watched.
            Order::Leave(number) => drop(self.members.remove(&number.0)),
            Order::Anew => {
                self.now_served += 1;
                *lock(&self.seen) = Seen::default();
            }
            Order::Stop => return Ok(ControlFlow::Break(())),
        }
        Ok(ControlFlow::Continue(()))
    }
}

struct Tools<'a> {
    identity: &'a Identity,
    loss_permille: u64,
    round: u64,
}

impl Member {
    /// Handles what is due without a datagram; returns the number of packets sent by a publisher.
    fn work(&mut self, now: Instant, number: ClientNumber, memory: &mut Memory) -> Result<u64> {
        if let State::Publishing { publisher, due_at } = &mut self.state {
            if *due_at <= now {
                *due_at = (*due_at + SHAPE.interval(PACKETS_PER_S)).max(now);
                publisher.publish_frame(SHAPE, memory)?;
                return Ok(SHAPE.frame(0).len() as u64);
            }
            return Ok(0);
        }
        if now < self.tick_at {
            return Ok(0);
        }
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Connecting(mut client, connected) => {
                client.tick(now, memory);
                self.tick_at = now + TICK_INTERVALS[0];
                self.state = State::Connecting(client, connected);
                self.begin(now, number);
            }
            State::Viewing(mut client) => {
                client.tick(now, memory);
                self.tick_at = now + TICK_INTERVALS[1];
                self.state = State::Viewing(client);
            }
            other => self.state = other,
        }
        Ok(0)
    }

    /// Begins its role if media can flow.
    fn begin(&mut self, now: Instant, number: ClientNumber) {
        self.state = match std::mem::replace(&mut self.state, State::Gone) {
            State::Connecting(client, connected) if client.is_connected() => {
                if let Some(connected) = connected {
                    connected();
                }
                match self.role {
                    Role::Viewer => State::Viewing(client),
                    Role::Publisher => {
                        let publisher = Box::new(Publisher::new(*client, number));
                        // Publishers that join together do not send together.
                        let interval_ms = SHAPE.interval(PACKETS_PER_S).as_millis() as u32;
                        let due_at = now + Duration::from_millis(u64::from(number.0 * 37 % interval_ms.max(1)));
                        State::Publishing { publisher, due_at }
                    }
                }
            }
            other => other,
        };
    }

    /// Reads until the socket is empty: it is reported once for all datagrams.
    fn read(&mut self, tools: &Tools<'_>, memory: &mut Memory, seen: &mut Seen) -> Result<()> {
        let (State::Connecting(client, _) | State::Viewing(client)) = &mut self.state else {
            return match &mut self.state {
                State::Publishing { publisher, .. } => publisher.idle(memory),
                _gone => Ok(()),
            };
        };
        let mut incoming = std::mem::take(&mut memory.incoming);
        let mut failed = Ok(());
        let mut lost: Vec<(u32, u16)> = Vec::new();
        loop {
            incoming.clear();
            if !incoming.fill(client.socket(), 0, MESSAGES, &mut memory.counters)? {
                break;
            }
            incoming.for_each(|_, datagram| {
                let is_media = datagram.first().is_some_and(|first| first >> 6 == 2);
                if !is_media {
                    let handled = client.handle(Instant::now(), tools.identity, datagram);
                    failed = std::mem::replace(&mut failed, Ok(())).and(handled);
                } else if !rtp::is_rtcp(datagram) {
                    self.packets += 1;
                    if self.served != tools.round {
                        self.served = tools.round;
                        seen.served += 1;
                    }
                    let is_dropped = scramble(self.packets) % 1_000 < tools.loss_permille;
                    take(datagram, is_dropped, &mut self.streams, &mut lost, seen);
                    if self.packets.is_multiple_of(OPEN_ONE_IN) {
                        measure(client, datagram, seen);
                    }
                }
            });
            if !incoming.is_full() {
                break;
            }
        }
        memory.incoming = incoming;
        failed?;
        client.answer_check(memory);
        client.tick(Instant::now(), memory);
        client.flush(memory);
        for gap in lost.chunk_by(|(one, _), (other, _)| one == other) {
            ask(client, gap, memory);
        }
        Ok(())
    }
}

fn take(
    datagram: &[u8],
    is_dropped: bool,
    streams: &mut BTreeMap<u32, Stream>,
    lost: &mut Vec<(u32, u16)>,
    seen: &mut Seen,
) {
    let Some(header) = RtpHeader::parse(datagram) else { return };
    let (ssrc, sequence, bytes) = (header.ssrc, header.sequence, datagram.len() as u64);
    seen.packets += 1;
    seen.bytes += bytes;
    if header.payload_type == RTX_PAYLOAD_TYPE {
        seen.repaired += 1;
        seen.missing = seen.missing.saturating_sub(1);
        return;
    }
    if is_dropped {
        seen.dropped += 1;
        return;
    }
    let stream = streams.entry(ssrc).or_default();
    let step = stream.highest.map_or(1, |highest| sequence.wrapping_sub(highest));
    match step {
        0 => {}
        1..0x8000 => {
            seen.missing += u64::from(step - 1);
            if step <= ASKED_MAX {
                lost.extend((1..step).map(|back| (ssrc, sequence.wrapping_sub(step - back))));
            }
            stream.highest = Some(sequence);
        }
        // A late packet.
        _ => seen.missing = seen.missing.saturating_sub(1),
    }
}

fn measure(client: &mut Client, datagram: &mut [u8], seen: &mut Seen) {
    let Some(header) = RtpHeader::parse(datagram) else { return };
    let (header_bytes, is_media) = (header.header_bytes(), header.payload_type != RTX_PAYLOAD_TYPE);
    let opened = client.opener().and_then(|opener| opener.open_rtp(datagram, header_bytes).ok());
    let stamp = opened.filter(|_| is_media).and_then(|_| datagram.get(header_bytes..)?.get(STAMP)?.first_chunk());
    let age = stamp.map(|stamp| Duration::from_nanos(wall_ns().saturating_sub(u64::from_be_bytes(*stamp))));
    if let Some(age) = age.filter(|_| seen.delays.len() < DELAYS_MAX) {
        seen.delays.push(age);
    }
}

/// Asks for lost packets of one SSRC (RFC 4585 §6.2.1).
fn ask(client: &mut Client, gap: &[(u32, u16)], memory: &mut Memory) {
    let Some((ssrc, _)) = gap.first() else { return };
    let mut buffer = [0; 512];
    let mut writer = Writer::new(&mut buffer);
    let written = writer
        .receiver_report(1, std::iter::empty())
        .and_then(|()| writer.nack(1, *ssrc, gap.iter().map(|(_, sequence)| *sequence)));
    let plain_bytes = writer.bytes();
    if written.is_ok()
        && let Some(bytes) = client.sealer().and_then(|sealer| sealer.seal_rtcp(&mut buffer, plain_bytes))
    {
        client.send(memory, buffer.get(..bytes).into_iter());
    }
}

/// Spreads consecutive numbers (MurmurHash3's finaliser).
fn scramble(number: u64) -> u64 {
    let mixed = (number ^ (number >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ (mixed >> 33)
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16, payload_type: u8) -> Vec<u8> {
        let mut packet = vec![0; 40];
        (packet[0], packet[1]) = (0x80, payload_type);
        packet[2..4].copy_from_slice(&sequence.to_be_bytes());
        packet
    }

    #[test]
    fn a_packet_is_missing_until_it_comes_late_or_again() {
        let (mut streams, mut lost, mut seen) = (BTreeMap::new(), Vec::new(), Seen::default());
        let mut take = |sequence, payload_type, is_dropped| {
            take(&packet(sequence, payload_type), is_dropped, &mut streams, &mut lost, &mut seen);
            (seen.missing, seen.dropped, seen.repaired, lost.len())
        };
        assert_eq!(take(65_534, 96, false), (0, 0, 0, 0));
        assert_eq!(take(65_535, 96, true), (0, 1, 0, 0));
        assert_eq!(take(1, 96, false), (2, 1, 0, 2));
        assert_eq!(take(0, 96, false), (1, 1, 0, 2), "late");
        assert_eq!(take(7, RTX_PAYLOAD_TYPE, false), (0, 1, 1, 2), "again");
        assert_eq!(take(1, 96, false), (0, 1, 1, 2), "a duplicate");
        assert_eq!(lost, [(0, 65_535), (0, 0)]);
    }
}
