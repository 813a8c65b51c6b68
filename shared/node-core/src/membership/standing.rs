//! The standing of a node with the edge.

use std::net::IpAddr;

/// The node's standing with the edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The Fleet object has accepted the registration.
    pub is_registered: bool,
    /// The Fleet object has been sent word that the node is draining.
    pub has_announced_draining: bool,
    /// `None` if clients can reach the node, as far as the edge knows.
    pub unreached: Option<Unreached>,
}

/// The reason for which a node that does not know its address gets no rooms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreached {
    Probing(IpAddr),
    Silent {
        address: IpAddr,
        /// Ports that have not answered.
        silent: usize,
        /// The first of them.
        port: u16,
        is_tcp: bool,
    },
}

impl std::fmt::Display for Unreached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Probing(address) => write!(f, "another node is probing {address}, the address that the edge sees"),
            Self::Silent { address, silent, port, is_tcp } => {
                let protocol = if *is_tcp { "TCP" } else { "UDP" };
                write!(f, "{protocol} port {port} at {address}, the address that the edge sees, ")?;
                if let others @ 1.. = silent.saturating_sub(1) {
                    write!(f, "and {others} more, ")?;
                }
                write!(
                    f,
                    "did not answer another node's probe: does a firewall drop {protocol}, or is the node behind a NAT?"
                )
            }
        }
    }
}
