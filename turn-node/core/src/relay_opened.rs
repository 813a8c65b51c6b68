//! Results of opening an allocation's sockets.

use std::io::{self, ErrorKind};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RelayOpened {
    Yes,
    /// Another program holds the port; another port may be free.
    No,
    /// The system refuses a socket for every port (EMFILE, ENOBUFS, EADDRNOTAVAIL).
    NoSocket,
}

impl RelayOpened {
    #[must_use]
    pub fn of(opened: &io::Result<()>) -> Self {
        match opened {
            Ok(()) => Self::Yes,
            Err(error) if error.kind() == ErrorKind::AddrInUse => Self::No,
            Err(_) => Self::NoSocket,
        }
    }
}
