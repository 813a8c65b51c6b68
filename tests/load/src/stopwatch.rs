//! Measures how long packets take from their publisher to one receiver, by the kernel's time stamps of their arrival, so
//! that it does not matter when this thread runs.

use crate::client::{Client, Memory};
use crate::parameters::EXTENSIONS;
use crate::process;
use crate::publisher::STAMP;
use crate::sink::report;
use anyhow::{Context, Result};
use media_core::congestion::reporter::Reporter;
use media_core::rtp::{self, RtpHeader};
use std::io;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Interval between reads.
const INTERVAL: Duration = Duration::from_millis(2);
const TICK_INTERVAL: Duration = Duration::from_millis(500);
/// Several datagrams may arrive as one message.
const MESSAGE_BYTES_MAX: usize = 1 << 16;

#[derive(Debug)]
pub struct Stopwatch {
    delays_ns: Arc<Mutex<Vec<u64>>>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<()>>,
}

impl Stopwatch {
    /// Receives for a connected client.
    pub fn start(client: Client, core: usize) -> Result<Self> {
        let (delays_ns, stop) = (Arc::<Mutex<Vec<u64>>>::default(), Arc::<AtomicBool>::default());
        let (delays, is_over) = (Arc::clone(&delays_ns), Arc::clone(&stop));
        stamp_arrivals(client.socket().descriptor())?;
        let thread = std::thread::Builder::new().name("stopwatch".to_owned()).spawn(move || {
            process::pin_to_core(core)?;
            run(client, &delays, &is_over)
        })?;
        Ok(Self { delays_ns, stop, thread })
    }

    /// The delays since the last call, in ascending order.
    #[must_use]
    pub fn take(&self) -> Vec<u64> {
        let mut delays = std::mem::take(&mut *self.delays_ns.lock().unwrap_or_else(PoisonError::into_inner));
        delays.sort_unstable();
        delays
    }

    /// Ends the thread.
    pub fn stop(self) -> Result<()> {
        self.stop.store(true, Relaxed);
        self.thread.join().map_err(|_| anyhow::anyhow!("the stopwatch's thread panicked"))?
    }
}

fn run(mut client: Client, delays: &Mutex<Vec<u64>>, stop: &AtomicBool) -> Result<()> {
    let (mut memory, mut buffer, mut tick_at) = (Memory::default(), vec![0; MESSAGE_BYTES_MAX], Instant::now());
    let mut reporter = Reporter::new(tick_at, EXTENSIONS.transport_cc.unwrap_or_default());
    while !stop.load(Relaxed) {
        let descriptor = client.socket().descriptor();
        while let Some(message) = receive(descriptor, &mut buffer)? {
            let datagrams = buffer.get_mut(..message.bytes).context("a message")?.chunks_mut(message.segment_bytes);
            let now = Instant::now();
            let taken = datagrams.filter_map(|datagram| {
                let (bytes, arrived_ns) = (datagram.len(), message.arrived_ns);
                if let Some(header) = RtpHeader::parse(datagram).filter(|_| !rtp::is_rtcp(datagram)) {
                    reporter.record(now, &header, bytes);
                }
                delay(&mut client, datagram, arrived_ns)
            });
            delays.lock().unwrap_or_else(PoisonError::into_inner).extend(taken);
        }
        client.answer_check(&mut memory);
        report(Instant::now(), &mut reporter, &mut client, &mut memory);
        if tick_at <= Instant::now() {
            tick_at = Instant::now() + TICK_INTERVAL;
            client.tick(Instant::now(), &mut memory);
        }
        std::thread::sleep(INTERVAL);
    }
    Ok(())
}

/// `None` if it is no packet of the publisher.
fn delay(client: &mut Client, datagram: &mut [u8], arrived_ns: u64) -> Option<u64> {
    if *datagram.first()? <= 3 {
        client.handle_stun(datagram);
    }
    let is_media = datagram.first()? >> 6 == 2 && !rtp::is_rtcp(datagram);
    let header_bytes = RtpHeader::parse(datagram).filter(|_| is_media)?.header_bytes();
    client.opener()?.open_rtp(datagram, header_bytes).ok()?;
    let stamp = datagram.get(header_bytes..)?.get(STAMP)?.try_into().ok()?;
    arrived_ns.checked_sub(u64::from_be_bytes(stamp))
}

struct Message {
    bytes: usize,
    segment_bytes: usize,
    arrived_ns: u64,
}

fn stamp_arrivals(socket: RawFd) -> Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option takes a number, which is read only during the call.
    let result = unsafe {
        libc::setsockopt(
            socket,
            libc::SOL_SOCKET,
            libc::SO_TIMESTAMPNS,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()).context("time stamps of arrivals") }
}

/// Reads a message without waiting, with its time stamp and the size of the datagrams that the kernel joined.
fn receive(socket: RawFd, buffer: &mut [u8]) -> Result<Option<Message>> {
    let mut control = [0_u64; 16];
    let mut piece = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all-zero is a valid message header; its pointers are set to memory that outlives the call.
    let (bytes, mut header) = unsafe {
        let mut header: libc::msghdr = std::mem::zeroed();
        (header.msg_iov, header.msg_iovlen) = (&raw mut piece, 1);
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = size_of_val(&control) as _;
        (libc::recvmsg(socket, &raw mut header, libc::MSG_DONTWAIT), header)
    };
    if bytes < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == io::ErrorKind::WouldBlock { Ok(None) } else { Err(error.into()) };
    }
    let mut message = Message { bytes: bytes as usize, segment_bytes: (bytes as usize).max(1), arrived_ns: 0 };
    // SAFETY: the kernel filled the control buffer, and the macros' functions stay inside it.
    unsafe {
        let mut next = libc::CMSG_FIRSTHDR(&raw const header);
        while let Some(head) = next.as_ref() {
            let data = libc::CMSG_DATA(next);
            match (head.cmsg_level, head.cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) => {
                    let at: libc::timespec = data.cast::<libc::timespec>().read_unaligned();
                    message.arrived_ns = at.tv_sec as u64 * 1_000_000_000 + at.tv_nsec as u64;
                }
                (libc::SOL_UDP, libc::UDP_GRO) => {
                    message.segment_bytes = data.cast::<libc::c_int>().read_unaligned().max(1) as usize;
                }
                _ => {}
            }
            next = libc::CMSG_NXTHDR(&raw mut header, next);
        }
    }
    Ok(Some(message))
}
