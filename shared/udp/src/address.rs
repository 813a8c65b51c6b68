//! Socket addresses between Rust and the kernel.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// Where the kernel reads or writes the address of a message.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) union RawAddress {
    v4: libc::sockaddr_in,
    v6: libc::sockaddr_in6,
}

impl std::fmt::Debug for RawAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.read().fmt(f)
    }
}

impl RawAddress {
    /// No address.
    pub(crate) const EMPTY: Self = Self {
        v6: libc::sockaddr_in6 {
            sin6_family: 0,
            sin6_port: 0,
            sin6_flowinfo: 0,
            sin6_addr: libc::in6_addr { s6_addr: [0; 16] },
            sin6_scope_id: 0,
        },
    };
    /// Large enough for either address family.
    pub(crate) const BYTES: libc::socklen_t = size_of::<Self>() as libc::socklen_t;

    /// The address in the form that a socket of the given family accepts, and its length. A socket for IPv6 reaches
    /// IPv4 through mapped addresses (RFC 4291 §2.5.5.2); one for IPv4 cannot reach IPv6.
    pub(crate) fn new(address: SocketAddr, is_ipv6: bool) -> Option<(Self, libc::socklen_t)> {
        match (address, is_ipv6) {
            (SocketAddr::V4(address), false) => {
                let v4 = libc::sockaddr_in {
                    sin_family: libc::AF_INET as libc::sa_family_t,
                    sin_port: address.port().to_be(),
                    sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(address.ip().octets()) },
                    sin_zero: [0; 8],
                };
                Some((Self { v4 }, size_of::<libc::sockaddr_in>() as libc::socklen_t))
            }
            (SocketAddr::V4(address), true) => Some(Self::v6(address.ip().to_ipv6_mapped(), address.port(), 0)),
            (SocketAddr::V6(address), true) => Some(Self::v6(*address.ip(), address.port(), address.scope_id())),
            (SocketAddr::V6(_), false) => None,
        }
    }

    fn v6(ip: Ipv6Addr, port: u16, scope_id: u32) -> (Self, libc::socklen_t) {
        let v6 = libc::sockaddr_in6 {
            sin6_family: libc::AF_INET6 as libc::sa_family_t,
            sin6_port: port.to_be(),
            sin6_flowinfo: 0,
            sin6_addr: libc::in6_addr { s6_addr: ip.octets() },
            sin6_scope_id: scope_id,
        };
        (Self { v6 }, size_of::<libc::sockaddr_in6>() as libc::socklen_t)
    }

    /// Converts a mapped address to the IPv4 address, so that a client has one address and not two.
    pub(crate) fn read(&self) -> Option<SocketAddr> {
        // SAFETY: every bit pattern is a valid value of both members, and the family comes first in both.
        let family = unsafe { self.v4.sin_family };
        match libc::c_int::from(family) {
            libc::AF_INET => {
                // SAFETY: as above; the family says that it is this member.
                let v4 = unsafe { self.v4 };
                let ip = IpAddr::from(v4.sin_addr.s_addr.to_ne_bytes());
                Some(SocketAddr::new(ip, u16::from_be(v4.sin_port)))
            }
            libc::AF_INET6 => {
                // SAFETY: as above; the family says that it is this member.
                let v6 = unsafe { self.v6 };
                let (ip, port) = (Ipv6Addr::from(v6.sin6_addr.s6_addr), u16::from_be(v6.sin6_port));
                Some(match ip.to_ipv4_mapped() {
                    Some(ip) => SocketAddr::new(ip.into(), port),
                    None => SocketAddrV6::new(ip, port, 0, v6.sin6_scope_id).into(),
                })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, is_ipv6: bool, reachable: bool) {
        let address: SocketAddr = text.parse().expect("an address");
        let read = RawAddress::new(address, is_ipv6).map(|(raw, _)| raw.read());
        assert_eq!(read, reachable.then_some(Some(address)), "{text}");
    }

    #[test]
    fn reads_what_it_writes() {
        check("192.0.2.7:7000", false, true);
        check("192.0.2.7:7000", true, true);
        check("[2001:db8::7]:7000", true, true);
        check("[fe80::7%3]:7000", true, true);
        check("[2001:db8::7]:7000", false, false);
        assert_eq!(RawAddress::EMPTY.read(), None);
    }
}
