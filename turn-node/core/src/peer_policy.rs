//! The peers that a client may reach (RFC 8656 §21: a relay must not open its operator's network).

use shared::turn_credential::TurnPolicy;
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

#[derive(Clone, Debug)]
pub struct PeerPolicy {
    /// Networks from the configuration, reachable although they are not global unicast.
    pub allowed: Vec<Network>,
    /// Addresses of this host, unreachable unless the configuration names them.
    pub own: Vec<IpAddr>,
    /// Relay addresses of allocations, where peers with `p2p` credentials may be.
    pub relayed: Vec<IpAddr>,
    /// Ports of allocations. Other ports of those addresses belong to this host and stay unreachable.
    pub relay_ports: RangeInclusive<u16>,
    /// The media nodes' addresses, from the Fleet object.
    pub media_nodes: BTreeSet<SocketAddr>,
}

impl PeerPolicy {
    /// True if a permission for this address may be installed.
    #[must_use]
    pub fn allows_address(&self, policy: TurnPolicy, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        match policy {
            TurnPolicy::Sfu => self.is_media_node(peer) && self.is_harmless(peer),
            TurnPolicy::P2p => self.relayed.contains(&peer) || self.is_harmless(peer),
        }
    }

    /// True if data may go to this address and port.
    #[must_use]
    pub fn allows(&self, policy: TurnPolicy, peer: SocketAddr) -> bool {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        let reachable = match policy {
            TurnPolicy::Sfu => self.media_nodes.contains(&peer) && self.is_harmless(peer.ip()),
            TurnPolicy::P2p => self.is_relay_port(peer) || self.is_harmless(peer.ip()),
        };
        reachable && peer.port() != 0
    }

    /// True if a TCP connection to this address and port may be opened (RFC 6062).
    ///
    /// With `p2p`, well-known ports stay closed: an open relay would send mail and fetch web pages for anyone.
    #[must_use]
    pub fn allows_connection(&self, policy: TurnPolicy, peer: SocketAddr) -> bool {
        let is_service = policy == TurnPolicy::P2p && peer.port() < 1_024;
        self.allows(policy, peer) && !is_service
    }

    fn is_media_node(&self, peer: IpAddr) -> bool {
        // The set is ordered, so any media node with this address is the first from here on.
        self.media_nodes.range(SocketAddr::new(peer, 0)..).next().is_some_and(|node| node.ip() == peer)
    }

    fn is_relay_port(&self, peer: SocketAddr) -> bool {
        self.relayed.contains(&peer.ip()) && self.relay_ports.contains(&peer.port())
    }

    fn is_harmless(&self, peer: IpAddr) -> bool {
        if is_metadata_service(peer) {
            return false;
        }
        if self.allowed.iter().any(|network| network.contains(peer)) {
            return true;
        }
        let global = match peer {
            IpAddr::V4(ip) => is_global_v4(ip),
            IpAddr::V6(ip) => is_global_v6(ip),
        };
        global && !self.own.contains(&peer)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NetworkError;

impl std::fmt::Display for NetworkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not a network: write ADDRESS or ADDRESS/PREFIX")
    }
}

impl std::error::Error for NetworkError {}

impl std::str::FromStr for Network {
    type Err = NetworkError;

    /// Reads `10.0.0.0/8` or `10.1.2.3`.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| NetworkError)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), |text| text.parse().map_err(|_| NetworkError))?;
        if prefix > longest { Err(NetworkError) } else { Ok(Self { address, prefix }) }
    }
}

impl Network {
    fn contains(&self, ip: IpAddr) -> bool {
        let same = |a: u128, b: u128, bits: u32| {
            let host = bits - u32::from(self.prefix);
            a.checked_shr(host).unwrap_or(0) == b.checked_shr(host).unwrap_or(0)
        };
        match (self.address, ip) {
            (IpAddr::V4(a), IpAddr::V4(b)) => same(u32::from(a).into(), u32::from(b).into(), 32),
            (IpAddr::V6(a), IpAddr::V6(b)) => same(a.into(), b.into(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// Cloud metadata services, which hand out credentials to virtual machines. They are denied even inside an allowed
/// network.
///
/// Most are link-local or unique local addresses, but Azure and Equinix Metal use global ones.
fn is_metadata_service(peer: IpAddr) -> bool {
    match peer {
        // Azure; Equinix Metal; Oracle before 2020; Alibaba, with its name servers beside it; and everybody's 169.254.0.0/16
        // (169.254.169.254 nearly everywhere, 169.254.170.2 and .23 for containers on AWS, 169.254.42.42 on Scaleway, 169.254.0.23 on Tencent).
        IpAddr::V4(ip) => {
            matches!(ip.octets(), [168, 63, 129, 16] | [192, 80, 8, 124] | [192, 0, 0, 192] | [100, 100, 100, 200])
                || matches!(ip.octets(), [100, 100, 2, 136 | 138] | [169, 254, _, _])
        }
        // AWS (::254, ::253 for names, ::123 for time, ::23 for pods); Google; Oracle; Akamai; Scaleway.
        IpAddr::V6(ip) => matches!(
            ip.segments(),
            [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, _]
                | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254]
                | [0xfd00, 0x00c1, 0, 0, 0, 0, 0xa9fe, 0xa9fe]
                | [0xfd00, 0xa9fe, 0xa9fe, 0, 0, 0, 0, 1]
                | [0xfd00, 0x0042, 0, 0, 0, 0, 0, 0x0042]
        ),
    }
}

/// Unicast and not set aside (RFC 6890 and the IANA IPv4 special-purpose registry).
fn is_global_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let shared_space = a == 100 && b & 0xc0 == 64;
    let protocol_assignments = (a, b, c) == (192, 0, 0) || (a, b, c) == (192, 88, 99);
    let benchmarking = a == 198 && b & 0xfe == 18;
    let set_aside = a == 0 || a >= 224 || shared_space || protocol_assignments || benchmarking;
    !(set_aside || ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_documentation())
}

/// 2000::/3 without IETF protocol assignments (2001::/23, Teredo and ORCHID among them), documentation, and 6to4, which carries an IPv4 address.
fn is_global_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    let protocol_assignments = a == 0x2001 && b & 0xfe00 == 0;
    let documentation = (a, b) == (0x2001, 0x0db8) || (a == 0x3fff && b & 0xf000 == 0);
    a & 0xe000 == 0x2000 && a != 0x2002 && !protocol_assignments && !documentation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> PeerPolicy {
        let nodes = ["93.184.216.34:7000", "[2600:1f18::7]:7000", "10.0.0.7:7000"];
        PeerPolicy {
            allowed: vec!["10.9.0.0/16".parse().expect("network"), "fd00::/8".parse().expect("network")],
            own: vec!["93.184.216.99".parse().expect("address")],
            relayed: vec!["93.184.216.99".parse().expect("address")],
            relay_ports: 49_152..=65_535,
            media_nodes: nodes.iter().map(|node| node.parse().expect("address")).collect(),
        }
    }

    fn check(kind: TurnPolicy, peer: &str, expected: bool) {
        let peer: SocketAddr = peer.parse().expect("address");
        assert_eq!(policy().allows(kind, peer), expected, "{kind:?} {peer}");
    }

    #[test]
    fn sfu_reaches_media_nodes_and_nothing_else() {
        check(TurnPolicy::Sfu, "93.184.216.34:7000", true);
        check(TurnPolicy::Sfu, "93.184.216.34:7001", false);
        check(TurnPolicy::Sfu, "[2600:1f18::7]:7000", true);
        check(TurnPolicy::Sfu, "93.184.216.35:7000", false);
        check(TurnPolicy::Sfu, "93.184.216.99:50000", false);
        let may_permit = |peer: &str| policy().allows_address(TurnPolicy::Sfu, peer.parse().expect("address"));
        assert!(may_permit("93.184.216.34") && may_permit("2600:1f18::7"));
        assert!(!may_permit("93.184.216.33") && !may_permit("93.184.216.35") && !may_permit("2600:1f18::8"));
        // A node with a private address, which the configuration does not name.
        check(TurnPolicy::Sfu, "10.0.0.7:7000", false);
        check(TurnPolicy::Sfu, "[::ffff:93.184.216.34]:7000", true);
    }

    #[test]
    fn p2p_reaches_global_unicast_and_relayed_addresses() {
        check(TurnPolicy::P2p, "8.8.8.8:53", true);
        check(TurnPolicy::P2p, "[2600::1]:9", true);
        check(TurnPolicy::P2p, "93.184.216.99:50000", true);
        // Other services of this host on its public address.
        check(TurnPolicy::P2p, "93.184.216.99:22", false);
        check(TurnPolicy::P2p, "8.8.8.8:0", false);
    }

    #[test]
    fn connections_reach_no_service_of_the_internet() {
        let check = |kind, peer: &str, expected| {
            let peer = peer.parse().expect("address");
            assert_eq!(policy().allows_connection(kind, peer), expected, "{kind:?} {peer}");
        };
        check(TurnPolicy::P2p, "8.8.8.8:5000", true);
        for service in ["8.8.8.8:25", "8.8.8.8:443", "8.8.8.8:1023", "10.0.0.1:5000"] {
            check(TurnPolicy::P2p, service, false);
        }
        check(TurnPolicy::Sfu, "93.184.216.34:7000", true);
        check(TurnPolicy::Sfu, "93.184.216.34:7001", false);
    }

    #[test]
    fn nobody_reaches_what_is_not_global() {
        for peer in [
            "127.0.0.1:80",
            "10.0.0.1:80",
            "172.16.0.1:80",
            "192.168.1.1:80",
            "169.254.169.254:80",
            "100.64.0.1:80",
            "0.0.0.0:80",
            "224.0.0.1:80",
            "255.255.255.255:80",
            "198.18.0.1:80",
            "192.0.2.1:80",
            "[::1]:80",
            "[::]:80",
            "[fe80::1]:80",
            "[fc00::1]:80",
            "[ff02::1]:80",
            "[::ffff:127.0.0.1]:80",
            "[2002:7f00:1::]:80",
            "[64:ff9b::7f00:1]:80",
            "[2001:db8::1]:80",
            "[2001::1]:80",
            "[2001:20::1]:80",
            "[2001:2::1]:80",
            "[3fff::1]:80",
        ] {
            check(TurnPolicy::P2p, peer, false);
        }
    }

    #[test]
    fn nobody_reaches_a_metadata_service_even_in_an_allowed_network() {
        let open =
            PeerPolicy { allowed: vec!["0.0.0.0/0".parse().expect("all"), "::/0".parse().expect("all")], ..policy() };
        for peer in [
            "168.63.129.16",
            "192.80.8.124",
            "192.0.0.192",
            "100.100.100.200",
            "100.100.2.136",
            "169.254.169.254",
            "169.254.170.2",
            "169.254.42.42",
            "fd00:ec2::254",
            "fd00:ec2::23",
            "fd20:ce::254",
            "fd00:c1::a9fe:a9fe",
            "fd00:a9fe:a9fe::1",
            "fd00:42::42",
            "::ffff:169.254.169.254",
            "::ffff:168.63.129.16",
        ] {
            let peer: IpAddr = peer.parse().expect("address");
            assert!(!open.allows_address(TurnPolicy::P2p, peer), "{peer}");
            assert!(!open.allows(TurnPolicy::P2p, SocketAddr::new(peer, 80)), "{peer}");
            let node = PeerPolicy { media_nodes: BTreeSet::from([SocketAddr::new(peer, 80)]), ..open.clone() };
            assert!(!node.allows_address(TurnPolicy::Sfu, peer), "{peer}");
        }
        assert!(open.allows_address(TurnPolicy::P2p, "10.0.0.1".parse().expect("address")));
    }

    #[test]
    fn the_configuration_can_open_a_network() {
        check(TurnPolicy::P2p, "10.9.200.1:80", true);
        check(TurnPolicy::P2p, "10.10.0.1:80", false);
        check(TurnPolicy::P2p, "[fd12::1]:80", true);
        assert!("10.0.0.0/33".parse::<Network>().is_err());
        assert!("ten".parse::<Network>().is_err());
        assert!("0.0.0.0/0".parse::<Network>().is_ok_and(|all| all.contains("8.8.8.8".parse().expect("address"))));
    }
}
