//! The sockets of the allocations, indexed like the server's table.

use crate::epoll::Epoll;
use std::io;
use std::net::SocketAddr;
use turn_core::AllocationId;
use udp::Socket;

#[derive(Debug, Default)]
pub(crate) struct Relays(Vec<Option<Relay>>);

#[derive(Debug)]
struct Relay {
    allocation: AllocationId,
    socket: Socket,
}

impl Relays {
    /// Opens the socket of an allocation and waits for its data.
    pub(crate) fn open(
        &mut self,
        allocation: AllocationId,
        address: SocketAddr,
        pair: bool,
        epoll: &Epoll,
    ) -> io::Result<()> {
        let socket = bind(address, pair)?;
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

    /// Closes the socket of an allocation, if it was opened.
    pub(crate) fn close(&mut self, allocation: AllocationId) {
        let relay = self.0.get_mut(allocation.index as usize);
        if let Some(relay) = relay.filter(|relay| relay.as_ref().is_some_and(|relay| relay.allocation == allocation)) {
            *relay = None;
        }
    }

    pub(crate) fn socket(&self, allocation: AllocationId) -> Option<&Socket> {
        let relay = self.0.get(allocation.index as usize)?.as_ref()?;
        (relay.allocation == allocation).then_some(&relay.socket)
    }

    /// The allocation at an index of the table, and its socket.
    pub(crate) fn at(&self, place: u32) -> Option<(AllocationId, &Socket)> {
        let relay = self.0.get(place as usize)?.as_ref()?;
        Some((relay.allocation, &relay.socket))
    }
}

/// A socket for an allocation. With `pair`, the port above must be free too.
pub(crate) fn bind(address: SocketAddr, pair: bool) -> io::Result<Socket> {
    let socket = Socket::bind(address, false)?;
    if pair {
        // Closed at once: the pool keeps the port for the client, which has 30 s to claim it.
        Socket::bind(SocketAddr::new(address.ip(), address.port() | 1), false)?;
    }
    // RFC 8656 §14: DF is clear unless a Send indication requests it.
    socket.set_dont_fragment(false);
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::UdpSocket;

    const ID: AllocationId = AllocationId { index: 0, generation: 0 };

    #[test]
    fn a_fresh_relay_socket_leaves_the_df_bit_clear() {
        let (mut relays, epoll) = (Relays::default(), Epoll::new().expect("an epoll set"));
        relays.open(ID, "127.0.0.1:0".parse().expect("an address"), false, &epoll).expect("opens");
        assert!(!relays.socket(ID).expect("open").dont_fragment().expect("an option"));
    }

    #[test]
    fn a_pair_is_opened_only_if_both_ports_are_free() {
        let (mut relays, epoll) = (Relays::default(), Epoll::new().expect("an epoll set"));
        // The relay tests use these ports too, but each searches for a free one.
        let is_free = |port: u16| UdpSocket::bind(("127.0.0.1", port)).is_ok();
        let lower = (60_000..60_900).step_by(2).find(|port| is_free(*port) && is_free(port + 1)).expect("a free pair");
        let address = SocketAddr::from(([127, 0, 0, 1], lower));
        let foreign = UdpSocket::bind(("127.0.0.1", lower + 1)).expect("binds");
        let refused = relays.open(ID, address, true, &epoll).expect_err("the upper port is taken");
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
        assert!(relays.socket(ID).is_none() && is_free(lower));
        drop(foreign);
        relays.open(ID, address, true, &epoll).expect("opens");
        assert!(is_free(lower + 1) && !is_free(lower));
    }
}
