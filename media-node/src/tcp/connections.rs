//! A shard's connections: which of them can be read, what waits for them, and when they end.

use super::closing::Closing;
use super::connection::{Connection, HasMore};
use super::entrance::Arrival;
use super::limits;
use anyhow::Context;
use media_core::path::{Link, Path};
use mio::{Events, Interest, Poll, Token};
use std::collections::{BTreeMap, VecDeque};
use std::io::ErrorKind;
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

/// Events of one poll; the rest follows with the next.
const EVENTS: usize = 256;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct StreamReport {
    pub(crate) open: u64,
    pub(crate) accepted: u64,
    /// Datagrams dropped because their client reads too slowly.
    pub(crate) slow_reader: u64,
    /// Indexed like [`Closing::ALL`].
    pub(crate) closed: [u64; Closing::ALL.len()],
}

pub(crate) struct Connections {
    poll: Poll,
    events: Events,
    open: BTreeMap<NonZeroU32, Connection>,
    last: u32,
    /// Connections that may have something to read.
    readable: VecDeque<NonZeroU32>,
    /// Connections to which something was queued since the last flush.
    queued: Vec<NonZeroU32>,
    /// Paths of connections that have ended, until the core is told.
    ended: Vec<Path>,
    report: StreamReport,
}

/// A read from a connection: the bytes are in the caller's memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadFrom {
    number: NonZeroU32,
    pub(crate) path: Path,
    pub(crate) bytes: usize,
}

impl Connections {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            poll: Poll::new().context("creating an epoll instance")?,
            events: Events::with_capacity(EVENTS),
            open: BTreeMap::new(),
            last: 0,
            readable: VecDeque::new(),
            queued: Vec::new(),
            ended: Vec::new(),
            report: StreamReport::default(),
        })
    }

    /// Memory for [`Self::read`].
    pub(crate) fn memory() -> Box<[u8]> {
        vec![0; limits::READ_BYTES].into_boxed_slice()
    }

    /// Readable when a connection needs attention; `None` without connections, which keeps the wait as cheap as
    /// without TCP.
    pub(crate) fn descriptor(&self) -> Option<RawFd> {
        (!self.open.is_empty()).then(|| self.poll.as_raw_fd())
    }

    /// The number of connections that [`Self::read`] has something for.
    pub(crate) fn readable(&self) -> usize {
        self.readable.len()
    }

    pub(crate) fn report(&self) -> StreamReport {
        StreamReport { open: self.open.len() as u64, ..self.report }
    }

    pub(crate) fn admit(&mut self, now: Instant, arrival: Arrival) {
        let number = self.next_number();
        let path = Path { address: arrival.from, link: Link::Tcp(number) };
        let mut connection = Connection::new(now, arrival, path);
        let token = Token(number.get() as usize);
        let interest = Interest::READABLE | Interest::WRITABLE;
        if let Err(error) = self.poll.registry().register(&mut connection.stream, token, interest) {
            tracing::warn!(%error, "a connection cannot be watched");
            return;
        }
        self.report.accepted += 1;
        // Its first datagram has been read already.
        connection.is_listed = true;
        self.readable.push_back(number);
        self.open.insert(number, connection);
    }

    /// An unused number; the numbers of ended connections are used again after 2^32 others.
    fn next_number(&mut self) -> NonZeroU32 {
        loop {
            self.last = self.last.wrapping_add(1);
            if let Some(number) = NonZeroU32::new(self.last).filter(|number| !self.open.contains_key(number)) {
                return number;
            }
        }
    }

    /// Learns which connections can be read, and sends to those that can be written again.
    pub(crate) fn poll(&mut self, now: Instant) {
        if let Err(error) = self.poll.poll(&mut self.events, Some(Duration::ZERO)) {
            if error.kind() != ErrorKind::Interrupted {
                tracing::error!(%error, "polling connections failed");
            }
            return;
        }
        let mut broken = Vec::new();
        for event in &self.events {
            let number = u32::try_from(event.token().0).ok().and_then(NonZeroU32::new);
            let Some((number, connection)) = number.and_then(|number| Some((number, self.open.get_mut(&number)?)))
            else {
                continue;
            };
            connection.is_ending |= event.is_read_closed() || event.is_error();
            if event.is_readable() || connection.is_ending {
                list(&mut self.readable, number, connection);
            }
            if event.is_writable() {
                connection.unblock();
                if connection.flush(now).is_err() {
                    broken.push(number);
                }
            }
        }
        broken.into_iter().for_each(|number| self.remove(number));
    }

    /// Reads from the next readable connection.
    pub(crate) fn read(&mut self, memory: &mut [u8]) -> Option<ReadFrom> {
        let number = self.readable.pop_front()?;
        let connection = self.open.get_mut(&number)?;
        connection.is_listed = false;
        match connection.read(memory) {
            Ok((bytes, HasMore(has_more))) => {
                if has_more {
                    list(&mut self.readable, number, connection);
                }
                Some(ReadFrom { number, path: connection.path, bytes })
            }
            Err(_) => {
                self.remove(number);
                None
            }
        }
    }

    /// Keeps what follows the last whole datagram of a read.
    pub(crate) fn keep(&mut self, now: Instant, read: ReadFrom, rest: &[u8]) {
        if let Some(connection) = self.open.get_mut(&read.number) {
            connection.keep(now, rest, rest.len() < read.bytes);
        }
    }

    /// Queues a run of datagrams, which leave with the next flush; what a slow client has no room for is dropped.
    pub(crate) fn queue(&mut self, number: NonZeroU32, bytes: &[u8], segment_bytes: usize) {
        let datagrams = bytes.chunks(segment_bytes.max(1));
        let Some(connection) = self.open.get_mut(&number) else { return };
        let could_send = connection.can_send();
        for datagram in datagrams {
            if !connection.queue(datagram) {
                self.report.slow_reader += 1;
            }
        }
        if !could_send && connection.can_send() {
            self.queued.push(number);
        }
    }

    /// Sends what was queued, as far as the kernel accepts it.
    pub(crate) fn flush(&mut self, now: Instant) {
        while let Some(number) = self.queued.pop() {
            if self.open.get_mut(&number).is_some_and(|connection| connection.flush(now).is_err()) {
                self.remove(number);
            }
        }
    }

    /// Closes connections whose time is over.
    pub(crate) fn sweep(&mut self, now: Instant, is_known: impl Fn(Path) -> bool) {
        let overdue = self.open.iter_mut().filter_map(|(number, connection)| {
            let is_known = is_known(connection.path);
            Some((*number, connection.overdue(now, is_known)?))
        });
        for (number, why) in overdue.collect::<Vec<_>>() {
            self.close(number, why);
        }
    }

    /// Closes a connection with a datagram that is too long.
    pub(crate) fn refuse(&mut self, read: ReadFrom) {
        self.close(read.number, Closing::Broken);
    }

    /// A path that has ended since the last call.
    pub(crate) fn next_ended(&mut self) -> Option<Path> {
        self.ended.pop()
    }

    fn close(&mut self, number: NonZeroU32, why: Closing) {
        tracing::debug!(?why, "closing a TCP connection");
        let place = Closing::ALL.iter().position(|(known, _)| *known == why);
        if let Some(count) = place.and_then(|place| self.report.closed.get_mut(place)) {
            *count += 1;
        }
        self.remove(number);
    }

    /// Dropping the stream closes it, which ends its events.
    fn remove(&mut self, number: NonZeroU32) {
        if let Some(connection) = self.open.remove(&number) {
            self.ended.push(connection.path);
        }
    }
}

fn list(readable: &mut VecDeque<NonZeroU32>, number: NonZeroU32, connection: &mut Connection) {
    if !std::mem::replace(&mut connection.is_listed, true) {
        readable.push_back(number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_on_after_the_last_one() {
        let mut connections = Connections { last: u32::MAX - 1, ..Connections::new().expect("an epoll instance") };
        assert_eq!([(); 3].map(|()| connections.next_number().get()), [u32::MAX, 1, 2]);
    }
}
