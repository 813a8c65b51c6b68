//! Memory in which outgoing packets are written and sealed, with packets for one destination back to back.

use super::outgoing::Written;
use crate::path::Path;
use crate::session::srtp::Sealer;

/// Room for one batch, small enough to stay in a core's second-level cache between sealing and sending.
const ARENA_BYTES: usize = 512 * 1_024;
/// Longest datagram: an Ethernet frame's payload, plus SRTP's overhead for a packet that was that long.
pub const DATAGRAM_BYTES_MAX: usize = 1_600;
/// Most datagrams of a run, limited by Linux (UDP_MAX_SEGMENTS).
const RUN_SEGMENTS_MAX: usize = 64;
/// Most bytes of a run: an IP packet's length has 16 bits, headers included.
const RUN_BYTES_MAX: usize = 65_000;
/// Most packets written before they are sealed: they stay in a core's first-level cache.
const SEALED_TOGETHER: usize = 16;

/// Adjacent datagrams for one destination; one call with UDP GSO sends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run<'a> {
    pub to: Path,
    pub bytes: &'a [u8],
    /// Length of each datagram but the last, which may be shorter.
    pub segment_bytes: usize,
    /// Number of datagrams; at least 1.
    pub segments: usize,
}

#[derive(Debug)]
pub struct Arena {
    memory: Box<[u8]>,
    used: usize,
    datagrams: usize,
    spans: Vec<Span>,
    /// Packets that are yet to be sealed.
    unsealed: Vec<Unsealed>,
}

/// A packet that has its place, with room for its tag.
#[derive(Clone, Copy, Debug)]
struct Unsealed {
    start: usize,
    written: Written,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    pub runs: usize,
    pub datagrams: usize,
    pub bytes: usize,
}

#[derive(Debug)]
struct Span {
    to: Path,
    start: usize,
    bytes: usize,
    segment_bytes: usize,
    segments: usize,
}

impl Default for Arena {
    fn default() -> Self {
        let memory = vec![0; ARENA_BYTES].into_boxed_slice();
        Self { memory, used: 0, datagrams: 0, spans: Vec::new(), unsealed: Vec::with_capacity(SEALED_TOGETHER) }
    }
}

impl Arena {
    pub fn clear(&mut self) {
        self.used = 0;
        self.datagrams = 0;
        self.spans.clear();
        self.unsealed.clear();
    }

    /// True if one more datagram of any length fits.
    pub fn has_room(&self) -> bool {
        self.memory.len() - self.used >= DATAGRAM_BYTES_MAX
    }

    /// The place for the next datagram.
    pub fn free(&mut self) -> &mut [u8] {
        self.memory.get_mut(self.used..).unwrap_or_default()
    }

    /// Adds the first `bytes` of [`Self::free`] as a datagram.
    pub fn push(&mut self, to: Path, bytes: usize) {
        let start = self.used;
        self.used += bytes;
        self.datagrams += 1;
        if let Some(last) = self.spans.last_mut().filter(|last| last.takes(to, bytes)) {
            last.bytes += bytes;
            last.segments += 1;
            return;
        }
        self.spans.push(Span { to, start, bytes, segment_bytes: bytes, segments: 1 });
    }

    /// Adds the packet at the start of [`Self::free`] as a datagram that [`Self::seal`] must seal. False if its tag has no
    /// room.
    #[inline(always)]
    pub fn push_unsealed(&mut self, to: Path, written: Written, sealer: &Sealer) -> bool {
        let (start, bytes) = (self.used, written.bytes + sealer.rtp_overhead_bytes());
        if self.memory.len() - start < bytes {
            return false;
        }
        self.push(to, bytes);
        self.unsealed.push(Unsealed { start, written });
        if self.unsealed.len() >= SEALED_TOGETHER {
            self.seal(sealer);
        }
        true
    }

    /// Seals every packet that has not been sealed. All must be to the sealer's client.
    // Not one by one as they are written: the cipher would wait until the payload's copy has reached the cache.
    pub fn seal(&mut self, sealer: &Sealer) {
        for Unsealed { start, written } in self.unsealed.drain(..) {
            let Written { bytes, header_bytes, ssrc, index, .. } = written;
            let sealed_bytes = bytes + sealer.rtp_overhead_bytes();
            let Some(packet) = self.memory.get_mut(start..start + sealed_bytes) else { continue };
            if sealer.seal_rtp(packet, header_bytes, bytes, ssrc, index).is_none() {
                // Never, but nothing leaves unencrypted.
                packet.fill(0);
            }
        }
    }

    pub fn runs(&self) -> impl Iterator<Item = Run<'_>> {
        self.spans.iter().filter_map(|span| {
            let bytes = self.memory.get(span.start..span.start + span.bytes)?;
            Some(Run { to: span.to, bytes, segment_bytes: span.segment_bytes, segments: span.segments })
        })
    }

    pub fn totals(&self) -> Totals {
        Totals { runs: self.spans.len(), datagrams: self.datagrams, bytes: self.used }
    }
}

impl Span {
    /// True if a datagram can join the run: none may be longer than the first, and a shorter one ends the run.
    fn takes(&self, to: Path, bytes: usize) -> bool {
        let is_open = self.bytes == self.segments * self.segment_bytes;
        let fits = self.segments < RUN_SEGMENTS_MAX && self.bytes + bytes <= RUN_BYTES_MAX;
        self.to == to && bytes <= self.segment_bytes && is_open && fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn path(port: u16) -> Path {
        SocketAddr::from(([192, 0, 2, 1], port)).into()
    }

    /// Pushes datagrams (destination, length) and checks the runs (destination, segment size, datagrams, bytes).
    fn check(datagrams: &[(u16, usize)], expected: &[(u16, usize, usize, usize)]) {
        let mut arena = Arena::default();
        for (number, (port, bytes)) in datagrams.iter().enumerate() {
            assert!(arena.has_room());
            arena.free()[..*bytes].fill(number as u8);
            arena.push(path(*port), *bytes);
        }
        let runs: Vec<_> =
            arena.runs().map(|run| (run.to.address.port(), run.segment_bytes, run.segments, run.bytes.len())).collect();
        assert_eq!(runs, expected);
        let written: Vec<u8> = arena.runs().flat_map(|run| run.bytes.to_vec()).collect();
        let pushed: Vec<u8> =
            datagrams.iter().enumerate().flat_map(|(number, (_, bytes))| vec![number as u8; *bytes]).collect();
        assert_eq!(written, pushed);
    }

    #[test]
    fn equal_lengths_to_one_destination_make_a_run() {
        check(&[(1, 900), (1, 900), (2, 900), (2, 900), (2, 900)], &[(1, 900, 2, 1_800), (2, 900, 3, 2_700)]);
    }

    #[test]
    fn only_the_last_of_a_run_may_be_shorter() {
        check(&[(1, 900), (1, 900), (1, 500), (1, 500)], &[(1, 900, 3, 2_300), (1, 500, 1, 500)]);
        check(&[(1, 900), (1, 901), (1, 901)], &[(1, 900, 1, 900), (1, 901, 2, 1_802)]);
    }

    #[test]
    fn runs_are_bounded_in_number_and_bytes() {
        check(&[(1, 100); 70], &[(1, 100, 64, 6_400), (1, 100, 6, 600)]);
        check(&[(1, 1_200); 60], &[(1, 1_200, 54, 64_800), (1, 1_200, 6, 7_200)]);
    }

    #[test]
    fn says_when_it_is_full_and_begins_anew() {
        let mut arena = Arena::default();
        let mut count = 0;
        while arena.has_room() {
            arena.push(path(1), DATAGRAM_BYTES_MAX);
            count += 1;
        }
        let bytes = count * DATAGRAM_BYTES_MAX;
        assert_eq!(arena.totals(), Totals { runs: count.div_ceil(40), datagrams: count, bytes });
        arena.clear();
        assert!(arena.has_room() && arena.runs().next().is_none());
    }
}
