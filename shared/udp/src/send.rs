//! Sends many runs of datagrams with one call (sendmmsg), each run as one message that the kernel splits (UDP_SEGMENT).

use super::address::RawAddress;
use super::{Counters, Socket};
use std::io;
use std::marker::PhantomData;
use std::net::SocketAddr;
use std::os::fd::RawFd;

const MESSAGES: usize = 256;
/// Pieces of memory of all messages of one call.
const PIECES: usize = 1024;
/// Pieces of memory of one datagram.
pub const PARTS: usize = 3;
/// Most datagrams into which the kernel splits one message: UDP_MAX_SEGMENTS of kernels before 6.9.
const SEGMENTS_MAX: usize = 64;
/// Most bytes of one message: those of the longest IPv4 datagram, without its headers.
const RUN_BYTES_MAX: usize = 65_507;
/// Room for the one control message that tells the length of the segments.
const CONTROL_BYTES: usize = 24;
/// Number of 1 ms waits for room in a full send buffer before the rest is discarded: late packets are of little use,
/// and all other destinations wait too.
const FULL_BUFFER_WAITS: u32 = 5;

const _: () = assert!(SEGMENTS_MAX * PARTS <= PIECES);

/// Memory for one call, reused for the next.
#[derive(Debug)]
pub struct SendBatch {
    /// True while the kernel and the network card split runs.
    offloads: bool,
    headers: Vec<libc::mmsghdr>,
    pieces: Box<[libc::iovec; PIECES]>,
    pieces_used: usize,
    addresses: Box<[RawAddress; MESSAGES]>,
    controls: Box<[Control; MESSAGES]>,
    runs: Box<[RunLength; MESSAGES]>,
}

// SAFETY: the raw pointers inside the headers and pieces are written and used during the life of one `Sending` only.
unsafe impl Send for SendBatch {}

#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// The number of datagrams in a message, and the length of each but the last.
#[derive(Clone, Copy, Debug)]
struct RunLength {
    segments: u32,
    segment_bytes: u16,
}

enum Failure {
    Interrupted,
    BufferFull,
    /// This kernel, card or path cannot split runs.
    NoOffload,
    Destination,
}

impl Default for SendBatch {
    fn default() -> Self {
        let nothing = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
        Self {
            offloads: true,
            headers: Vec::with_capacity(MESSAGES),
            pieces: Box::new([nothing; PIECES]),
            pieces_used: 0,
            addresses: Box::new([RawAddress::EMPTY; MESSAGES]),
            controls: Box::new([Control([0; CONTROL_BYTES]); MESSAGES]),
            runs: Box::new([RunLength { segments: 0, segment_bytes: 0 }; MESSAGES]),
        }
    }
}

impl SendBatch {
    /// Starts sending from a socket; added datagrams leave when the result is dropped, or earlier.
    pub fn sending<'batch, 'data>(
        &'batch mut self,
        socket: &Socket,
        counters: &'batch mut Counters,
    ) -> Sending<'batch, 'data> {
        // A leaked `Sending` may have left pointers to freed memory.
        self.headers.clear();
        self.pieces_used = 0;
        Sending { batch: self, fd: socket.descriptor(), is_ipv6: socket.is_ipv6(), counters, data: PhantomData }
    }
}

/// Runs of datagrams on their way out of one socket. Failed sends are counted: one bad destination must not harm the
/// others.
#[derive(Debug)]
pub struct Sending<'batch, 'data> {
    batch: &'batch mut SendBatch,
    fd: RawFd,
    is_ipv6: bool,
    counters: &'batch mut Counters,
    /// Borrows everything that was added until this value is dropped.
    data: PhantomData<&'data [u8]>,
}

impl<'data> Sending<'_, 'data> {
    /// Adds datagrams that are adjacent in memory, all of `segment_bytes` but the last, which may be shorter.
    pub fn run(&mut self, to: SocketAddr, bytes: &'data [u8], segment_bytes: usize) {
        let segment_bytes = segment_bytes.max(1);
        for part in bytes.chunks(segment_bytes * self.segments_per_message(segment_bytes)) {
            let segments = part.len().div_ceil(segment_bytes);
            self.push(to, std::iter::once(part), segments, segment_bytes);
        }
    }

    /// Adds datagrams that each consist of a head, a body and a tail; all have the length of the first but the last,
    /// which may be shorter.
    pub fn run_of_parts(&mut self, to: SocketAddr, datagrams: &[[&'data [u8]; PARTS]]) {
        let Some(first) = datagrams.first() else { return };
        let segment_bytes = first.iter().map(|part| part.len()).sum::<usize>().max(1);
        for message in datagrams.chunks(self.segments_per_message(segment_bytes)) {
            self.push(to, message.iter().flatten().copied(), message.len(), segment_bytes);
        }
    }

    fn segments_per_message(&self, segment_bytes: usize) -> usize {
        if self.batch.offloads { SEGMENTS_MAX.min(RUN_BYTES_MAX / segment_bytes).max(1) } else { 1 }
    }

    fn push<'p>(
        &mut self,
        to: SocketAddr,
        pieces: impl Iterator<Item = &'p [u8]>,
        segments: usize,
        segment_bytes: usize,
    ) where
        'data: 'p,
    {
        if self.batch.headers.len() == MESSAGES || self.batch.pieces_used + PARTS * segments > PIECES {
            self.flush();
        }
        if self.batch.push(to, self.is_ipv6, pieces, segments, segment_bytes).is_none() {
            self.counters.send_failures += segments as u64;
        }
    }

    fn flush(&mut self) {
        self.batch.flush(self.fd, self.counters);
    }
}

impl Drop for Sending<'_, '_> {
    fn drop(&mut self) {
        self.flush();
    }
}

impl SendBatch {
    fn push<'p>(
        &mut self,
        to: SocketAddr,
        is_ipv6: bool,
        pieces: impl Iterator<Item = &'p [u8]>,
        segments: usize,
        segment_bytes: usize,
    ) -> Option<()> {
        let place = self.headers.len();
        let (raw, raw_bytes) = RawAddress::new(to, is_ipv6)?;
        let address = self.addresses.get_mut(place)?;
        *address = raw;
        *self.runs.get_mut(place)? = RunLength { segments: segments as u32, segment_bytes: segment_bytes as u16 };
        let first = self.pieces_used;
        for bytes in pieces.filter(|bytes| !bytes.is_empty()) {
            // The kernel only reads; the type is shared with receiving.
            *self.pieces.get_mut(self.pieces_used)? =
                libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            self.pieces_used += 1;
        }
        // SAFETY: all-zero is a valid `mmsghdr`: null pointers and zero lengths.
        let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
        header.msg_hdr.msg_name = (&raw mut *address).cast();
        header.msg_hdr.msg_namelen = raw_bytes;
        header.msg_hdr.msg_iov = self.pieces.get_mut(first..self.pieces_used)?.as_mut_ptr();
        header.msg_hdr.msg_iovlen = self.pieces_used - first;
        if segments > 1 {
            tell_segment_bytes(&mut header.msg_hdr, self.controls.get_mut(place)?, segment_bytes as u16);
        }
        self.headers.push(header);
        Some(())
    }

    fn flush(&mut self, fd: RawFd, counters: &mut Counters) {
        let (mut sent, mut waits) = (0, 0);
        while sent < self.headers.len() {
            counters.send_calls += 1;
            let error = match self.send_from(fd, sent) {
                Ok(count) => {
                    sent += count;
                    continue;
                }
                Err(error) => error,
            };
            match self.failure(sent, &error) {
                Failure::Interrupted => {}
                Failure::BufferFull if waits < FULL_BUFFER_WAITS => {
                    waits += 1;
                    wait_for_room(fd);
                }
                Failure::BufferFull => {
                    counters.send_overflows += self.segments_from(sent);
                    break;
                }
                Failure::NoOffload => {
                    self.send_singly(fd, sent, counters);
                    sent += 1;
                }
                Failure::Destination => {
                    counters.send_failures += self.runs.get(sent).map_or(0, |run| u64::from(run.segments));
                    sent += 1;
                }
            }
        }
        self.headers.clear();
        self.pieces_used = 0;
    }

    /// Passes the messages from `place` on to the kernel with one call; returns how many the kernel accepted.
    fn send_from(&mut self, fd: RawFd, place: usize) -> io::Result<usize> {
        let messages = self.headers.get_mut(place..).unwrap_or_default();
        // SAFETY: every header points to memory that lives until after the call: our own, and what `Sending` borrows.
        let count = unsafe {
            match messages {
                // 5 % cheaper than sendmmsg.
                [single] => libc::c_int::from(libc::sendmsg(fd, &single.msg_hdr, 0) >= 0),
                many => libc::sendmmsg(fd, many.as_mut_ptr(), many.len() as libc::c_uint, 0),
            }
        };
        match usize::try_from(count) {
            Ok(count @ 1..) => Ok(count),
            Ok(0) | Err(_) => Err(io::Error::last_os_error()),
        }
    }

    fn failure(&mut self, place: usize, error: &io::Error) -> Failure {
        let is_run = self.runs.get(place).is_some_and(|run| run.segments > 1);
        match error.raw_os_error() {
            Some(libc::EINTR) => Failure::Interrupted,
            Some(libc::EAGAIN | libc::ENOBUFS | libc::ENOMEM) => Failure::BufferFull,
            // EIO: the card cannot compute checksums of segments (udp_send_skb), which will not change.
            Some(libc::EIO | libc::EOPNOTSUPP | libc::ENOPROTOOPT) if is_run => {
                tracing::info!(%error, "UDP_SEGMENT is not available on this path");
                self.offloads = false;
                Failure::NoOffload
            }
            // A segment exceeds this destination's path MTU; other destinations may be fine.
            Some(libc::EINVAL | libc::EMSGSIZE) if is_run => Failure::NoOffload,
            Some(_) | None => {
                tracing::debug!(%error, "sending to a destination failed");
                Failure::Destination
            }
        }
    }

    fn send_singly(&mut self, fd: RawFd, place: usize, counters: &mut Counters) {
        counters.segmented_here += 1;
        let (Some(header), Some(run)) = (self.headers.get(place), self.runs.get(place)) else { return };
        let mut single = header.msg_hdr;
        single.msg_control = std::ptr::null_mut();
        single.msg_controllen = 0;
        let mut bytes = Vec::with_capacity(usize::from(run.segment_bytes) * run.segments as usize);
        // SAFETY: the message's pieces were written by `push` and are still in place, and so are the bytes they name.
        unsafe {
            for piece in std::slice::from_raw_parts(single.msg_iov, single.msg_iovlen) {
                bytes.extend_from_slice(std::slice::from_raw_parts(piece.iov_base.cast::<u8>(), piece.iov_len));
            }
        }
        for datagram in bytes.chunks_mut(usize::from(run.segment_bytes).max(1)) {
            let mut vector = libc::iovec { iov_base: datagram.as_mut_ptr().cast(), iov_len: datagram.len() };
            single.msg_iov = &mut vector;
            single.msg_iovlen = 1;
            // SAFETY: the header points to the vector above and to our address memory; the kernel only reads them.
            let result = unsafe { libc::sendmsg(fd, &single, 0) };
            counters.send_calls += 1;
            counters.send_failures += u64::from(result < 0);
        }
    }

    fn segments_from(&self, place: usize) -> u64 {
        self.runs.iter().take(self.headers.len()).skip(place).map(|run| u64::from(run.segments)).sum()
    }
}

/// Adds the control message that makes the kernel split the message into datagrams of this length (udp(7),
/// UDP_SEGMENT).
fn tell_segment_bytes(header: &mut libc::msghdr, control: &mut Control, segment_bytes: u16) {
    header.msg_control = control.0.as_mut_ptr().cast();
    // SAFETY: the control memory is aligned and has room for a header and two bytes, which is all that is written.
    unsafe {
        header.msg_controllen = libc::CMSG_SPACE(size_of::<u16>() as libc::c_uint) as _;
        let first = libc::CMSG_FIRSTHDR(header);
        (*first).cmsg_level = libc::SOL_UDP;
        (*first).cmsg_type = libc::UDP_SEGMENT;
        (*first).cmsg_len = libc::CMSG_LEN(size_of::<u16>() as libc::c_uint) as _;
        libc::CMSG_DATA(first).cast::<u16>().write_unaligned(segment_bytes);
    }
}

fn wait_for_room(fd: RawFd) {
    let mut watched = libc::pollfd { fd, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one descriptor is told, and one is there. How the wait ended does not matter: the next send tells.
    unsafe { libc::poll(&mut watched, 1, 1) };
}
