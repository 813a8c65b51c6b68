//! The server's words to its shell: side effects, and the routes of data.

use crate::allocation::{AllocationId, Transport};
use crate::connection::ConnectionId;
use crate::flow::{Flow, Until};
use crate::pool::RelayPort;
use crate::server::FiveTuple;
use std::net::SocketAddr;
use std::ops::Range;

/// Side effects for the shell, in order.
#[derive(Debug, PartialEq, Eq)]
pub enum Output {
    /// One message of the TURN protocol.
    Send { to: FiveTuple, bytes: Vec<u8> },
    /// Open a UDP socket or a listening TCP socket at this relayed address, and call [`crate::TurnServer::relay_opened`].
    OpenRelay {
        allocation: AllocationId,
        transport: Transport,
        address: SocketAddr,
        /// If true, the next port must be free too, because the client asked for a pair.
        pair: bool,
    },
    /// Close the socket of this allocation, if it is open, and then drop the port.
    CloseRelay {
        allocation: AllocationId,
        /// Other threads may use it once this is dropped.
        port: RelayPort,
    },
    /// Connect from the relayed address of an allocation to a peer, and call [`crate::TurnServer::peer_connected`].
    Connect { connection: ConnectionId, allocation: AllocationId, peer: SocketAddr },
    /// Pass bytes between a client's connection and a peer's in both directions (RFC 6062 §5.4); call
    /// [`crate::TurnServer::peer_gone`] at the end.
    Join { connection: ConnectionId, client: FiveTuple },
    /// Close a peer's connection, and the client's end of it if there is one.
    Disconnect { connection: ConnectionId },
    /// The kernel may relay this flow until then, and no longer what it was told of it before. Only with
    /// [`crate::pool::Pool::share_budgets`].
    Switch { flow: Flow, until: Until },
}

/// Data from a client: bytes `payload` of the datagram go to `peer` from the allocation's socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToPeer {
    pub allocation: AllocationId,
    pub peer: SocketAddr,
    pub payload: Range<usize>,
    /// True if the DF bit must be set (RFC 8656 §14).
    pub dont_fragment: bool,
}

/// Data from a peer: it goes to the client behind [`Framing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToClient {
    pub client: FiveTuple,
    pub framing: Framing,
}

/// The header before data for a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Four bytes: number and length.
    Channel(u16),
    /// A Data indication's header, see [`crate::TurnServer::indication_header`]; the data is padded to four bytes.
    Indication,
}
