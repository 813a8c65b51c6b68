//! Waits for sockets, a wake-up from another thread, or a timeout, whichever comes first.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

/// Wakes the waiting thread; wake-ups before its next wait coalesce.
#[derive(Debug)]
pub(crate) struct Waker(OwnedFd);

/// The reasons a wait ended; none means the timeout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) socket: bool,
    pub(crate) streams: bool,
    /// [`Waker::wake`] was called.
    pub(crate) woken: bool,
}

impl Waker {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: eventfd takes two numbers and touches no memory of ours.
        let fd = unsafe { libc::eventfd(0, libc::EFD_NONBLOCK | libc::EFD_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor was just made and belongs to nobody else.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Ends the current or the next wait.
    pub(crate) fn wake(&self) {
        let one = 1u64.to_ne_bytes();
        // SAFETY: the buffer has the eight bytes that eventfd reads. It fails only when 2^64 wake-ups wait already.
        unsafe { libc::write(self.0.as_raw_fd(), one.as_ptr().cast(), one.len()) };
    }

    /// Waits until `socket` or `streams` is readable, [`Self::wake`] is called, or `timeout` expires.
    pub(crate) fn wait(&self, socket: RawFd, streams: Option<RawFd>, timeout: Duration) -> io::Result<Ready> {
        let watch = |fd| libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        // poll(2) ignores negative descriptors.
        let mut watched = [watch(socket), watch(self.0.as_raw_fd()), watch(streams.unwrap_or(-1))];
        let timeout = libc::timespec {
            tv_sec: timeout.as_secs().min(i32::MAX as u64) as libc::time_t,
            tv_nsec: timeout.subsec_nanos().into(),
        };
        // SAFETY: both arguments are valid for the call, and the number of descriptors is that of the array.
        let ready =
            unsafe { libc::ppoll(watched.as_mut_ptr(), watched.len() as libc::nfds_t, &timeout, std::ptr::null()) };
        if ready < 0 {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(Ready::default()) } else { Err(error) };
        }
        let [socket, waker, streams] = watched.map(|watched| watched.revents != 0);
        if waker {
            self.forget();
        }
        Ok(Ready { socket, streams, woken: waker })
    }

    fn forget(&self) {
        let mut count = [0u8; 8];
        // SAFETY: the buffer has the eight bytes that eventfd writes. It fails only when there is nothing to forget.
        unsafe { libc::read(self.0.as_raw_fd(), count.as_mut_ptr().cast(), count.len()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    #[test]
    fn ends_for_each_reason_and_only_once() {
        let waker = Waker::new().expect("an eventfd");
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let other = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let wait_for = |other| waker.wait(socket.as_raw_fd(), other, Duration::from_millis(1)).expect("waits");
        let wait = || wait_for(None);
        assert_eq!(wait(), Ready::default());
        waker.wake();
        waker.wake();
        assert_eq!(wait(), Ready { woken: true, ..Ready::default() });
        assert_eq!(wait(), Ready::default());
        let address = socket.local_addr().expect("an address");
        socket.send_to(b"x", address).expect("sends");
        assert_eq!(wait(), Ready { socket: true, ..Ready::default() });
        other.send_to(b"x", other.local_addr().expect("an address")).expect("sends");
        assert_eq!(wait(), Ready { socket: true, ..Ready::default() });
        assert_eq!(wait_for(Some(other.as_raw_fd())), Ready { socket: true, streams: true, woken: false });
    }
}
