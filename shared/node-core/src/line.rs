//! One control socket that is kept open: dialed again after every loss, at the edge's addresses in turn.

use crate::backoff::Backoff;
use std::time::Instant;

/// One attempt of a line, and the socket that comes of it. News of an earlier attempt is out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SocketKey {
    /// Number of the line; 0 is the node's line to the Fleet object.
    pub line: u64,
    pub attempt: u64,
}

/// News of a socket, from the shell that opened it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    Opened,
    /// No socket could be opened; if `is_final`, the edge will not take the same token later.
    Failed {
        is_final: bool,
        reason: String,
    },
    Frame(String),
    /// The edge closed the socket, or the connection broke.
    Closed {
        reason: String,
    },
}

#[derive(Debug)]
pub struct Line {
    number: u64,
    state: State,
    attempts: u64,
    /// The edge has this many addresses.
    edges: usize,
    backoff: Backoff,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Down { dial_at: Instant },
    Dialing,
    Up,
}

impl Line {
    /// A line that is dialed at once. `seed` spreads the waits of many lines and nodes.
    #[must_use]
    pub fn new(now: Instant, number: u64, edges: usize, seed: u64) -> Self {
        Self { number, state: State::Down { dial_at: now }, attempts: 0, edges, backoff: Backoff::new(seed) }
    }

    /// The time of the next attempt; `None` while there is a socket or an attempt.
    #[must_use]
    pub fn dial_at(&self) -> Option<Instant> {
        if let State::Down { dial_at } = self.state { Some(dial_at) } else { None }
    }

    /// Begins an attempt if it is time: returns its socket, and the index of the edge's address.
    pub fn dial(&mut self, now: Instant) -> Option<(SocketKey, usize)> {
        self.dial_at().filter(|at| *at <= now)?;
        self.state = State::Dialing;
        let edge = (self.attempts % self.edges.max(1) as u64) as usize;
        self.attempts += 1;
        Some((self.key(), edge))
    }

    /// The socket of the current attempt; nobody has one while the line is down.
    #[must_use]
    pub fn socket(&self) -> Option<SocketKey> {
        match self.state {
            State::Dialing | State::Up => Some(self.key()),
            State::Down { .. } => None,
        }
    }

    /// The socket, once it is open.
    #[must_use]
    pub fn open(&self) -> Option<SocketKey> {
        (self.state == State::Up).then(|| self.key())
    }

    /// False if the socket belongs to an earlier attempt.
    pub fn handle_opened(&mut self, socket: SocketKey) -> bool {
        let is_awaited = self.state == State::Dialing && socket == self.key();
        if is_awaited {
            self.state = State::Up;
        }
        is_awaited
    }

    /// The attempt failed, or its socket is lost: the next attempt follows after a wait.
    pub fn back_off(&mut self, now: Instant) {
        self.state = State::Down { dial_at: now + self.backoff.next_wait() };
    }

    /// The edge has accepted the node on this socket, so the next loss is a new one.
    pub fn settle(&mut self) {
        self.backoff.reset();
    }

    fn key(&self) -> SocketKey {
        SocketKey { line: self.number, attempt: self.attempts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[expect(clippy::disallowed_methods, reason = "the only source of an `Instant`")]
    fn start() -> Instant {
        Instant::now()
    }

    #[test]
    fn attempts_take_the_addresses_in_turn_and_wait_longer_each_time() {
        let mut now = start();
        let mut line = Line::new(now, 7, 2, 1);
        let (mut edges, mut waits) = (Vec::new(), Vec::new());
        for _ in 0..5 {
            let (socket, edge) = line.dial(now).expect("due");
            assert_eq!((socket.line, line.dial(now), line.dial_at()), (7, None, None), "one attempt at a time");
            edges.push(edge);
            line.back_off(now);
            let at = line.dial_at().expect("a later attempt");
            assert_eq!(line.dial(at - Duration::from_nanos(1)), None, "not before its time");
            waits.push(at - now);
            now = at;
        }
        assert_eq!(edges, [0, 1, 0, 1, 0]);
        // Each wait is at least half of twice the bound before.
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]), "{waits:?}");
        line.settle();
        line.dial(now).expect("due");
        line.back_off(now);
        assert!(line.dial_at().expect("a later attempt") - now <= Duration::from_millis(250));
    }

    #[test]
    fn an_earlier_attempt_opens_nothing() {
        let now = start();
        let mut line = Line::new(now, 1, 1, 1);
        let (first, _) = line.dial(now).expect("due");
        line.back_off(now);
        assert!(!line.handle_opened(first), "it was given up");
        let (second, _) = line.dial(now + Duration::from_secs(1)).expect("due");
        assert!(!line.handle_opened(first));
        assert_eq!((line.open(), line.socket()), (None, Some(second)));
        assert!(line.handle_opened(second));
        assert_eq!(line.open(), Some(second));
    }
}
