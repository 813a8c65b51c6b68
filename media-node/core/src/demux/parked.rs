//! Binding requests that arrived before the edge's message about their session: kept briefly, then dropped.

use crate::path::Path;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Most waiting requests. A join needs at most a handful, so this is a hundred joins in half a second.
pub const PARKED_REQUESTS_MAX: usize = 1_024;
/// Most bytes of waiting requests: those of browsers have about 120.
pub const PARKED_BYTES_MAX: usize = 256 * 1_024;
/// Time for which a request waits. The client repeats its checks anyway, and the edge's message is at most this much
/// later.
pub const PARKED_FOR: Duration = Duration::from_millis(500);

#[derive(Debug, Default)]
pub struct Parked {
    /// In order of arrival, and thus of expiry.
    requests: VecDeque<Request>,
    bytes: usize,
}

#[derive(Debug)]
struct Request {
    until: Instant,
    from: Path,
    ufrag: Box<str>,
    datagram: Box<[u8]>,
}

impl Parked {
    /// Keeps a request; false if there is no room. Waiting requests are never evicted, or a flood could remove them
    /// all.
    pub fn park(&mut self, now: Instant, from: Path, ufrag: &str, datagram: &[u8]) -> bool {
        let has_room = self.requests.len() < PARKED_REQUESTS_MAX && self.bytes + datagram.len() <= PARKED_BYTES_MAX;
        if has_room {
            self.bytes += datagram.len();
            let request = Request { until: now + PARKED_FOR, from, ufrag: ufrag.into(), datagram: datagram.into() };
            self.requests.push_back(request);
        }
        has_room
    }

    /// Removes and returns the requests for this user fragment, in order of arrival.
    pub fn take(&mut self, ufrag: &str) -> Vec<(Path, Box<[u8]>)> {
        let requests = std::mem::take(&mut self.requests).into_iter();
        let (taken, kept): (VecDeque<_>, _) = requests.partition(|request| *request.ufrag == *ufrag);
        self.requests = kept;
        self.bytes -= taken.iter().map(|request| request.datagram.len()).sum::<usize>();
        taken.into_iter().map(|request| (request.from, request.datagram)).collect()
    }

    /// Drops requests that have waited too long; returns their number.
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
    use std::net::SocketAddr;

    fn from() -> Path {
        SocketAddr::from(([192, 0, 2, 1], 1)).into()
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
