//! Binding requests that came before the edge told us of their session: kept for a moment, then forgotten.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Most requests that wait at once. A join costs at most a handful, so this is a hundred joins in half a second.
pub const PARKED_REQUESTS_MAX: usize = 1_024;
/// Most bytes they may have in all: requests of browsers have about 120.
pub const PARKED_BYTES_MAX: usize = 256 * 1_024;
/// How long one waits. The client repeats its checks anyway; the edge's message is at most this much later.
pub const PARKED_FOR: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
pub struct Parked {
    /// In the order they came, which is the order they expire in.
    requests: VecDeque<Request>,
    bytes: usize,
}

#[derive(Debug)]
struct Request {
    until: Instant,
    from: SocketAddr,
    ufrag: Box<str>,
    datagram: Box<[u8]>,
}

impl Parked {
    /// Keeps a request; false if there is no room. Those who wait are not pushed out, or a flood could empty the room.
    pub fn park(&mut self, now: Instant, from: SocketAddr, ufrag: &str, datagram: &[u8]) -> bool {
        let has_room = self.requests.len() < PARKED_REQUESTS_MAX && self.bytes + datagram.len() <= PARKED_BYTES_MAX;
        if has_room {
            self.bytes += datagram.len();
            let request = Request { until: now + PARKED_FOR, from, ufrag: ufrag.into(), datagram: datagram.into() };
            self.requests.push_back(request);
        }
        has_room
    }

    /// Takes out what waited for this user fragment, in the order it came.
    pub fn take(&mut self, ufrag: &str) -> Vec<(SocketAddr, Box<[u8]>)> {
        let requests = std::mem::take(&mut self.requests).into_iter();
        let (taken, kept): (VecDeque<_>, _) = requests.partition(|request| *request.ufrag == *ufrag);
        self.requests = kept;
        self.bytes -= taken.iter().map(|request| request.datagram.len()).sum::<usize>();
        taken.into_iter().map(|request| (request.from, request.datagram)).collect()
    }

    /// Forgets what has waited long enough; returns how many.
    pub fn expire(&mut self, now: Instant) -> usize {
        let count = self.requests.iter().take_while(|request| request.until <= now).count();
        self.bytes -= self.requests.drain(..count).map(|request| request.datagram.len()).sum::<usize>();
        count
    }

    pub fn next_expiry(&self) -> Option<Instant> {
        self.requests.front().map(|request| request.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::virtual_time::start;

    fn from() -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], 1))
    }

    fn at(ms: u64) -> Instant {
        start() + Duration::from_millis(ms)
    }

    #[test]
    fn gives_back_what_waited_for_a_name_in_order() {
        let mut parked = Parked::default();
        for (ufrag, byte) in [("a", 1), ("b", 2), ("a", 3)] {
            assert!(parked.park(start(), from(), ufrag, &[byte]));
        }
        let taken: Vec<u8> = parked.take("a").iter().map(|(_, datagram)| datagram[0]).collect();
        assert_eq!((taken, parked.take("a").len(), parked.take("b").len(), parked.bytes), (vec![1, 3], 0, 1, 0));
    }

    #[test]
    fn nothing_waits_longer_than_its_time() {
        let mut parked = Parked::default();
        parked.park(at(0), from(), "a", &[0; 100]);
        parked.park(at(100), from(), "a", &[0; 100]);
        assert_eq!((parked.next_expiry(), parked.expire(at(499))), (Some(at(500)), 0));
        assert_eq!((parked.expire(at(500)), parked.next_expiry(), parked.bytes), (1, Some(at(600)), 100));
    }

    #[test]
    fn count_and_bytes_are_bounded() {
        let mut parked = Parked::default();
        let taken = (0..2 * PARKED_REQUESTS_MAX).filter(|_| parked.park(at(0), from(), "a", &[0; 100])).count();
        assert_eq!(taken, PARKED_REQUESTS_MAX);
        let mut parked = Parked::default();
        let taken = (0..PARKED_REQUESTS_MAX).filter(|_| parked.park(at(0), from(), "a", &[0; 1_024])).count();
        assert_eq!(taken, PARKED_BYTES_MAX / 1_024);
        parked.expire(at(500));
        assert!(parked.park(at(500), from(), "a", &[0; 1_024]), "there is room again");
    }
}
