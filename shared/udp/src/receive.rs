//! Receives many datagrams with one call (recvmmsg), and runs from one sender in one buffer (UDP_GRO).

use super::address::RawAddress;
use super::{Counters, Socket};
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;

const MESSAGES: usize = 32;
/// Room for one message: with UDP_GRO the kernel joins up to 64 KiB of datagrams.
const MESSAGE_BYTES: usize = 1 << 16;
/// Room for the one control message with the length of the joined datagrams.
const CONTROL_BYTES: usize = 64;

/// Memory for received messages, reused by every call.
#[derive(Debug)]
pub struct ReceiveBatch {
    bytes: Box<[u8]>,
    controls: Box<[Control; MESSAGES]>,
    addresses: Box<[RawAddress; MESSAGES]>,
    messages: Vec<Message>,
    /// Places used since the last [`Self::clear`].
    used: usize,
}

#[derive(Clone, Copy, Debug)]
#[repr(C, align(8))]
struct Control([u8; CONTROL_BYTES]);

/// One message: a datagram, or several of the same length, of which the last may be shorter.
#[derive(Clone, Copy, Debug)]
struct Message {
    socket: u32,
    place: usize,
    from: SocketAddr,
    bytes: usize,
    segment_bytes: usize,
}

/// Datagrams from one sender to one socket, side by side in memory.
#[derive(Debug)]
pub struct Datagrams<B> {
    /// The caller's number of the socket.
    pub socket: u32,
    pub from: SocketAddr,
    pub bytes: B,
    /// Length of each but the last, which may be shorter.
    pub segment_bytes: usize,
}

impl<'data> Datagrams<&'data [u8]> {
    /// The datagrams one by one. RFC 768 allows empty datagrams, and they count too.
    pub fn each(&self) -> impl Iterator<Item = &'data [u8]> + use<'data> {
        let empty = self.bytes.is_empty().then_some(self.bytes);
        self.bytes.chunks(self.segment_bytes).chain(empty)
    }
}

impl Default for ReceiveBatch {
    fn default() -> Self {
        Self {
            bytes: vec![0; MESSAGES * MESSAGE_BYTES].into_boxed_slice(),
            controls: Box::new([Control([0; CONTROL_BYTES]); MESSAGES]),
            addresses: Box::new([RawAddress::EMPTY; MESSAGES]),
            messages: Vec::with_capacity(MESSAGES),
            used: 0,
        }
    }
}

impl ReceiveBatch {
    pub fn clear(&mut self) {
        self.messages.clear();
        self.used = 0;
    }

    /// True if another call cannot add anything.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.used == MESSAGES
    }

    /// Adds up to `messages_max` messages waiting in a socket; returns false if there were none. `number` identifies
    /// the socket in [`Datagrams`].
    pub fn fill(
        &mut self,
        socket: &Socket,
        number: u32,
        messages_max: usize,
        counters: &mut Counters,
    ) -> io::Result<bool> {
        let room = (MESSAGES - self.used).min(messages_max);
        if room == 0 {
            return Ok(false);
        }
        // Written before every call, but only as many as it can use: with single packets, that is most of our own work.
        let mut vectors = [const { MaybeUninit::<libc::iovec>::uninit() }; MESSAGES];
        let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; MESSAGES];
        let memory = self.bytes.chunks_exact_mut(MESSAGE_BYTES).zip(&mut *self.controls).zip(&mut *self.addresses);
        let memory = memory.skip(self.used).take(room);
        for ((header, vector), ((bytes, control), address)) in headers.iter_mut().zip(&mut vectors).zip(memory) {
            let vector = vector.write(libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: MESSAGE_BYTES });
            // SAFETY: all-zero is a valid `mmsghdr`: null pointers and zero lengths.
            let header = header.write(unsafe { std::mem::zeroed() });
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_name = (&raw mut *address).cast();
            header.msg_hdr.msg_namelen = RawAddress::BYTES;
            header.msg_hdr.msg_control = control.0.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = CONTROL_BYTES as _;
        }
        // SAFETY: the first `room` headers point to memory that is ours alone and lives until after the call, with its length.
        let count = unsafe {
            let none = std::ptr::null_mut();
            let headers = headers.as_mut_ptr().cast();
            libc::recvmmsg(socket.descriptor(), headers, room as libc::c_uint, libc::MSG_DONTWAIT, none)
        };
        let Ok(count) = usize::try_from(count) else {
            let error = io::Error::last_os_error();
            let nothing = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
            return if nothing { Ok(false) } else { Err(error) };
        };
        // SAFETY: the call filled no more headers than were written above.
        let filled = headers.iter().take(count.min(room)).map(|header| unsafe { header.assume_init_ref() });
        self.note(filled, number, counters);
        counters.receive_calls += u64::from(count > 0);
        Ok(count > 0)
    }

    fn note<'h>(&mut self, headers: impl Iterator<Item = &'h libc::mmsghdr>, socket: u32, counters: &mut Counters) {
        for header in headers {
            let place = self.used;
            self.used += 1;
            if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                counters.truncated += 1;
                continue;
            }
            let Some(from) = self.addresses.get(place).and_then(RawAddress::read) else { continue };
            let bytes = (header.msg_len as usize).min(MESSAGE_BYTES);
            let segment_bytes = segment_bytes(&header.msg_hdr).unwrap_or(bytes).max(1);
            self.messages.push(Message { socket, place, from, bytes, segment_bytes });
        }
    }

    /// The messages of the batch in order of arrival.
    pub fn messages(&self) -> impl Iterator<Item = Datagrams<&[u8]>> {
        self.messages.iter().filter_map(|message| {
            let start = message.place * MESSAGE_BYTES;
            let bytes = self.bytes.get(start..start + message.bytes)?;
            Some(Datagrams { socket: message.socket, from: message.from, bytes, segment_bytes: message.segment_bytes })
        })
    }

    /// Calls `each` with every datagram of the batch in order of arrival.
    pub fn for_each(&mut self, mut each: impl FnMut(SocketAddr, &mut [u8])) {
        for message in &self.messages {
            let start = message.place * MESSAGE_BYTES;
            let Some(bytes) = self.bytes.get_mut(start..start + message.bytes) else { continue };
            if bytes.is_empty() {
                each(message.from, bytes);
                continue;
            }
            for datagram in bytes.chunks_mut(message.segment_bytes) {
                each(message.from, datagram);
            }
        }
    }
}

/// Length of the datagrams that the kernel joined, if it joined any.
fn segment_bytes(header: &libc::msghdr) -> Option<usize> {
    // SAFETY: the header was filled by recvmmsg, and its control memory is still alive; the macros stay within
    // `msg_controllen`. The value is read unaligned, after its level and type said what it is.
    unsafe {
        let mut control = libc::CMSG_FIRSTHDR(header);
        while !control.is_null() {
            if (*control).cmsg_level == libc::SOL_UDP && (*control).cmsg_type == libc::UDP_GRO {
                let segment: libc::c_int = libc::CMSG_DATA(control).cast::<libc::c_int>().read_unaligned();
                return usize::try_from(segment).ok().filter(|bytes| *bytes > 0);
            }
            control = libc::CMSG_NXTHDR(header, control);
        }
    }
    None
}
