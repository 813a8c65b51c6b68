//! The relayed address of one allocation: a UDP socket, or a listening TCP socket (RFC 6062).

use super::hub::Hub;
use super::peers;
use crate::relays;
use std::cell::RefCell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use tokio::io::unix::AsyncFd;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Notify;
use turn_core::pool::RelayPort;
use turn_core::{AllocationId, Transport};

/// Pending connections of peers; there are few, and each is announced to the client.
const BACKLOG: u32 = 16;

#[derive(Debug)]
pub(crate) struct Relay {
    pub(crate) allocation: AllocationId,
    pub(crate) address: SocketAddr,
    socket: Socket,
    closing: Notify,
    /// Available to others once the socket above is closed: fields are dropped in their order.
    port: RefCell<Option<RelayPort>>,
}

#[derive(Debug)]
enum Socket {
    Datagrams(AsyncFd<udp::Socket>),
    Connections(TcpListener),
}

impl Relay {
    pub(crate) fn open(
        allocation: AllocationId,
        transport: Transport,
        address: SocketAddr,
        pair: bool,
    ) -> io::Result<Rc<Self>> {
        let socket = match transport {
            // SAFETY: a socket keeps its one descriptor open until it is dropped.
            Transport::Udp => Socket::Datagrams(unsafe { AsyncFd::register(relays::bind(address, pair)?) }?),
            Transport::Tcp => Socket::Connections(bind(address)?.listen(BACKLOG)?),
        };
        Ok(Rc::new(Self { allocation, address, socket, closing: Notify::new(), port: RefCell::default() }))
    }

    /// `None` for an allocation for TCP.
    pub(crate) fn datagrams(&self) -> Option<&udp::Socket> {
        match &self.socket {
            Socket::Datagrams(socket) => Some(socket.get_ref()),
            Socket::Connections(_) => None,
        }
    }

    /// Closes the socket, then frees the port.
    pub(crate) fn close(&self, port: RelayPort) {
        self.port.replace(Some(port));
        self.closing.notify_one();
    }

    async fn serve(&self, hub: &Rc<Hub>) {
        match &self.socket {
            Socket::Datagrams(socket) => self.hear(hub, socket).await,
            Socket::Connections(listener) => self.accept(hub, listener).await,
        }
    }

    async fn hear(&self, hub: &Rc<Hub>, socket: &AsyncFd<udp::Socket>) {
        while let Ok(mut ready) = socket.readable().await {
            if hub.relay_from_peers(self, socket.get_ref()) {
                // There is more to read, but other tasks get their turn first.
                tokio::task::yield_now().await;
            } else {
                ready.clear_ready();
            }
        }
    }

    async fn accept(&self, hub: &Rc<Hub>, listener: &TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => peers::arrived(hub, self.allocation, stream, peer),
                Err(error) => {
                    tracing::debug!(%error, "accepting a peer failed");
                    tokio::time::sleep(node_shell::streams::ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Serves a relay until it is closed.
pub(crate) fn start(hub: &Rc<Hub>, relay: &Rc<Relay>) {
    let (hub, relay) = (Rc::clone(hub), Rc::clone(relay));
    tokio::task::spawn_local(async move {
        tokio::select! {
            biased;
            () = relay.closing.notified() => {}
            () = relay.serve(&hub) => {}
        }
    });
}

/// A TCP socket at a relayed address. Connections to peers leave from the listening address, so all of its sockets
/// share the address.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}
