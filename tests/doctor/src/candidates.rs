//! The media node's addresses in an SDP answer, and their reachability from outside.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The reason the node is unreachable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CandidatesError {
    #[error("the answer contains no usable address of the media node: set MEDIA_ADVERTISE on the node")]
    None,
    /// Addresses of a private network.
    #[error("the node announces {0}, which is not publicly reachable: set MEDIA_ADVERTISE on the node")]
    Private(IpAddr),
}

/// The node's addresses in the Worker's answer at `edge`.
pub(crate) fn check(answer: &str, edge: &[IpAddr]) -> Result<Vec<IpAddr>, CandidatesError> {
    let mut seen = BTreeSet::new();
    let found: Vec<IpAddr> = answer.lines().filter_map(address).filter(|ip| seen.insert(*ip)).collect();
    let first = *found.first().ok_or(CandidatesError::None)?;
    let is_public = edge.iter().any(|address| !is_private(*address));
    if is_public && found.iter().all(|address| is_private(*address)) {
        return Err(CandidatesError::Private(first));
    }
    Ok(found)
}

/// RFC 8839 §5.1: foundation, component, transport, priority, address.
fn address(line: &str) -> Option<IpAddr> {
    line.strip_prefix("a=candidate:")?.split_whitespace().nth(4)?.parse().ok()
}

/// The passive candidates over TCP (RFC 6544 §4.5).
pub(crate) fn tcp(answer: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let words: Vec<&str> = line.strip_prefix("a=candidate:")?.split_whitespace().collect();
        let [_, _, transport, _, ip, port, _, _, "tcptype", "passive", ..] = words[..] else { return None };
        let is_tcp = transport.eq_ignore_ascii_case("tcp");
        Some(SocketAddr::new(ip.parse().ok()?, port.parse().ok()?)).filter(|_| is_tcp)
    };
    answer.lines().filter_map(address).collect()
}

/// One side's half of the credentials for checks (RFC 8839 §5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Credentials<'a> {
    pub(crate) ufrag: &'a str,
    pub(crate) pwd: &'a str,
}

impl<'a> Credentials<'a> {
    /// Those of a session description's first section.
    pub(crate) fn of(description: &'a str) -> Option<Self> {
        let value = |name| description.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Some(Self { ufrag: value("a=ice-ufrag:")?, pwd: value("a=ice-pwd:")? })
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || is_shared(v4)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unspecified() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// RFC 6598 §7: 100.64.0.0/10, between a provider and its customers.
fn is_shared(address: Ipv4Addr) -> bool {
    let [first, second, ..] = address.octets();
    first == 100 && second & 0b1100_0000 == 64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_answer(candidates: &[&str], edge: &str) -> Result<usize, CandidatesError> {
        let line = |address: &&str| format!("a=candidate:1 1 udp 2130706431 {address} 40000 typ host\r\n");
        let answer: String = candidates.iter().map(line).collect();
        check(&format!("v=0\r\n{answer}a=end-of-candidates\r\n"), &[edge.parse().expect("an address")])
            .map(|found| found.len())
    }

    #[test]
    fn private_addresses_are_only_for_private_deployments() {
        for private in ["10.0.0.1", "172.16.3.4", "192.168.1.1", "127.0.0.1", "100.64.0.1", "fd00::1", "fe80::1", "::1"]
        {
            let error = CandidatesError::Private(private.parse().expect("an address"));
            assert_eq!(check_answer(&[private], "198.51.100.7"), Err(error), "{private}");
            assert_eq!(check_answer(&[private], "127.0.0.1"), Ok(1), "{private}");
        }
        assert_eq!(check_answer(&["10.0.0.1", "203.0.113.9"], "198.51.100.7"), Ok(2));
        assert_eq!(check_answer(&["100.128.0.1"], "2001:db8::1"), Ok(1));
    }

    #[test]
    fn reads_passive_candidates_over_tcp_and_credentials() {
        let answer = "a=ice-ufrag:abcd\r\na=ice-pwd:secret\r\n\
            a=candidate:1 1 udp 2130706431 192.0.2.1 7000 typ host\r\n\
            a=candidate:2 1 tcp 2124414975 192.0.2.1 443 typ host tcptype passive\r\n\
            a=candidate:3 1 TCP 2124414719 2001:db8::1 443 typ host tcptype passive\r\n\
            a=candidate:4 1 tcp 2124414719 192.0.2.1 9 typ host tcptype active\r\n";
        let expected: [SocketAddr; 2] =
            ["192.0.2.1:443", "[2001:db8::1]:443"].map(|text| text.parse().expect("an address"));
        assert_eq!(tcp(answer), expected);
        assert_eq!(Credentials::of(answer), Some(Credentials { ufrag: "abcd", pwd: "secret" }));
        assert_eq!(check(answer, &[]).map(|found| found.len()), Ok(2), "each address once");
        assert_eq!(Credentials::of("v=0\r\n"), None);
    }

    #[test]
    fn an_answer_without_an_address_leads_nowhere() {
        assert_eq!(check_answer(&[], "127.0.0.1"), Err(CandidatesError::None));
        assert_eq!(check_answer(&["name.local"], "127.0.0.1"), Err(CandidatesError::None));
    }
}
