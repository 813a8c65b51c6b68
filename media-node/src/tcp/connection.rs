//! One client's connection on its shard's thread.

use super::closing::Closing;
use super::entrance::Arrival;
use super::limits;
use super::place::Place;
use media_core::demux::Protocol;
use media_core::framing;
use media_core::path::Path;
use mio::net::TcpStream;
use node_shell::streams::Outgoing;
use std::io::{self, ErrorKind, Read, Write};
use std::time::Instant;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) stream: TcpStream,
    pub(super) path: Path,
    outgoing: Outgoing,
    /// The beginning of a datagram whose rest has not arrived.
    part: Vec<u8>,
    part_since: Option<Instant>,
    /// True while the kernel accepts no more; an event follows.
    is_blocked: bool,
    stalled_since: Option<Instant>,
    /// Set while no session has verified the path.
    stranger_since: Option<Instant>,
    /// True once the client has closed its end.
    pub(super) is_ending: bool,
    /// True while it is in the table's list of connections to read from.
    pub(super) is_listed: bool,
    /// Gives the place back at the end.
    _place: Place,
}

/// More is waiting in the kernel, perhaps the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct HasMore(pub(super) bool);

impl Connection {
    pub(super) fn new(now: Instant, arrival: Arrival, path: Path) -> Self {
        Self {
            stream: TcpStream::from_std(arrival.stream),
            path,
            outgoing: Outgoing::default(),
            part: arrival.first,
            part_since: None,
            is_blocked: false,
            stalled_since: None,
            stranger_since: Some(now),
            is_ending: false,
            is_listed: false,
            _place: arrival.place,
        }
    }

    /// Reads once, behind the part of a datagram that was kept; returns the number of bytes in `memory`. `Err` means
    /// the end.
    pub(super) fn read(&mut self, memory: &mut [u8]) -> io::Result<(usize, HasMore)> {
        let kept = self.part.len();
        if let Some(place) = memory.get_mut(..kept) {
            place.copy_from_slice(&self.part);
        }
        let free = memory.get_mut(kept..).unwrap_or_default();
        let room = free.len();
        loop {
            return match self.stream.read(free) {
                Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
                Ok(count) => Ok((kept + count, HasMore(count == room || self.is_ending))),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Ok((kept, HasMore(false))),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => Err(error),
            };
        }
    }

    /// Keeps the bytes behind the last whole datagram.
    pub(super) fn keep(&mut self, now: Instant, rest: &[u8], has_progressed: bool) {
        self.part.clear();
        self.part.extend_from_slice(rest);
        if rest.is_empty() {
            self.part_since = None;
        } else if has_progressed || self.part_since.is_none() {
            self.part_since = Some(now);
        }
    }

    /// Queues a datagram; false if it must be dropped, because the client reads too slowly.
    pub(super) fn queue(&mut self, datagram: &[u8]) -> bool {
        let is_media = matches!(Protocol::of(datagram), Some(Protocol::Rtp | Protocol::Rtcp));
        let bytes_max = limits::QUEUE_BYTES_MAX + if is_media { 0 } else { limits::URGENT_BYTES_MAX };
        self.outgoing.push(&[&framing::header(datagram), datagram], bytes_max)
    }

    /// True if a flush may send something.
    pub(super) fn can_send(&self) -> bool {
        !self.is_blocked && !self.outgoing.waiting().is_empty()
    }

    /// The kernel accepts data again.
    pub(super) fn unblock(&mut self) {
        self.is_blocked = false;
    }

    /// Sends as much as the kernel accepts, without waiting.
    pub(super) fn flush(&mut self, now: Instant) -> io::Result<()> {
        while self.can_send() {
            match self.stream.write(self.outgoing.waiting()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.outgoing.advance(count);
                    self.stalled_since = None;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.is_blocked = true;
                    self.stalled_since.get_or_insert(now);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The exceeded time limit, if any; `is_known` says whether a session has verified the path.
    pub(super) fn overdue(&mut self, now: Instant, is_known: bool) -> Option<Closing> {
        if is_known {
            self.stranger_since = None;
        } else {
            self.stranger_since.get_or_insert(now);
        }
        let over = |since: Option<Instant>, limit| since.is_some_and(|at| now.saturating_duration_since(at) >= limit);
        if over(self.stranger_since, limits::STRANGER_TIMEOUT) {
            Some(Closing::Stranger)
        } else if over(self.part_since, limits::DATAGRAM_TIMEOUT) {
            Some(Closing::SlowDatagram)
        } else if over(self.stalled_since, limits::STALL_TIMEOUT) {
            Some(Closing::Stalled)
        } else {
            None
        }
    }
}
