//! The sockets of the allocations, by their place in the server's table.

use crate::epoll::Epoll;
use std::io;
use std::net::SocketAddr;
use turn_core::AllocationId;
use udp::Socket;

/// One socket for each allocation.
#[derive(Debug, Default)]
pub(crate) struct Relays(Vec<Option<Relay>>);

#[derive(Debug)]
struct Relay {
    allocation: AllocationId,
    socket: Socket,
}

impl Relays {
    /// Opens the socket of an allocation and waits for what comes to it.
    pub(crate) fn open(&mut self, allocation: AllocationId, address: SocketAddr, epoll: &Epoll) -> io::Result<()> {
        let socket = Socket::bind(address, false)?;
        epoll.add(socket.descriptor(), u64::from(allocation.index))?;
        let place = allocation.index as usize;
        if self.0.len() <= place {
            self.0.resize_with(place + 1, || None);
        }
        if let Some(relay) = self.0.get_mut(place) {
            *relay = Some(Relay { allocation, socket });
        }
        Ok(())
    }

    /// Closes the socket of an allocation.
    pub(crate) fn close(&mut self, allocation: AllocationId) {
        let relay = self.0.get_mut(allocation.index as usize);
        if let Some(relay) = relay.filter(|relay| relay.as_ref().is_some_and(|relay| relay.allocation == allocation)) {
            *relay = None;
        }
    }

    /// The socket of an allocation.
    pub(crate) fn socket(&self, allocation: AllocationId) -> Option<&Socket> {
        let relay = self.0.get(allocation.index as usize)?.as_ref()?;
        (relay.allocation == allocation).then_some(&relay.socket)
    }

    /// The allocation, and its socket, at a place of the table.
    pub(crate) fn at(&self, place: u32) -> Option<(AllocationId, &Socket)> {
        let relay = self.0.get(place as usize)?.as_ref()?;
        Some((relay.allocation, &relay.socket))
    }
}
