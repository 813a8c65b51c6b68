//! Waits for several sockets at once, or for a wake-up from another thread.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::Arc;
use std::time::Duration;

const EVENTS: usize = 64;
/// The waker's number among the sockets.
const WAKER: u64 = u64::MAX;

#[derive(Debug)]
pub(crate) struct Epoll {
    epoll: OwnedFd,
    waker: Arc<Waker>,
    events: Box<[libc::epoll_event; EVENTS]>,
    ready: usize,
}

/// Wakes the waiting thread; wake-ups before its next poll coalesce.
#[derive(Debug)]
pub(crate) struct Waker(OwnedFd);

impl Waker {
    /// Ends the current or the next wait.
    pub(crate) fn wake(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: the buffer has the eight bytes that eventfd reads. It fails only when 2^64 wake-ups wait already.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    fn forget(&self) {
        let mut count = [0u8; 8];
        // SAFETY: the buffer has the eight bytes that eventfd writes. It fails only when there is nothing to forget.
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }
}

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: both calls take numbers and touch no memory of ours.
        let (epoll, event) = unsafe {
            (libc::epoll_create1(libc::EPOLL_CLOEXEC), libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC))
        };
        if epoll < 0 || event < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptors are new and have no other owner.
        let (epoll, event) = unsafe { (OwnedFd::from_raw_fd(epoll), OwnedFd::from_raw_fd(event)) };
        let nothing = libc::epoll_event { events: 0, u64: 0 };
        let set = Self { epoll, waker: Arc::new(Waker(event)), events: Box::new([nothing; EVENTS]), ready: 0 };
        set.add(set.waker.0.as_raw_fd(), WAKER)?;
        Ok(set)
    }

    /// A handle that ends this set's waits from another thread.
    pub(crate) fn waker(&self) -> Arc<Waker> {
        Arc::clone(&self.waker)
    }

    /// Adds a socket to the set; closing it removes it.
    pub(crate) fn add(&self, socket: RawFd, number: u64) -> io::Result<()> {
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: number };
        // SAFETY: the event is read only during the call.
        let result = unsafe { libc::epoll_ctl(self.epoll.as_raw_fd(), libc::EPOLL_CTL_ADD, socket, &mut event) };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Waits until a socket is readable, another thread wakes this one, or the timeout expires.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        // Rounded up: waking early would find nothing due and wait again.
        let millis = timeout.map_or(-1, |timeout| timeout.as_micros().div_ceil(1000).min(60_000) as libc::c_int);
        let events = self.events.as_mut_ptr();
        // SAFETY: there is room for as many events as are told.
        let count = unsafe { libc::epoll_wait(self.epoll.as_raw_fd(), events, EVENTS as libc::c_int, millis) };
        self.ready = usize::try_from(count).unwrap_or(0);
        if count < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        }
        if self.events.iter().take(self.ready).any(|event| event.u64 == WAKER) {
            self.waker.forget();
        }
        Ok(())
    }

    /// Numbers of the readable sockets.
    pub(crate) fn ready(&self) -> impl Iterator<Item = u64> {
        self.events.iter().take(self.ready).map(|event| event.u64).filter(|number| *number != WAKER)
    }
}
